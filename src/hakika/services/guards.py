"""Guard money that goes out: judge what is asked, and judge again when it is let go.

Read `check`: one call in the transaction that makes the payout. From there to its end nobody else
asks of the same merchant and mode, so that no limit is passed by many who ask at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from hakika.domain import guard, stop
from hakika.domain.errors import Conflict, NotFound, PayoutTooLarge
from hakika.domain.funds import Funds
from hakika.domain.guard import DAY, HOUR, Lately, Rules, ToPayee, Verdict
from hakika.domain.ids import PayoutId
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.payout import Change, Payout, State, Way
from hakika.domain.payout_books import float_of
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.stop import EVERYTHING, Stop, Why
from hakika.services import stops
from hakika.services.payout_facts import written
from hakika.services.runtime import Runtime
from hakika.store import floats, payouts
from hakika.store import guards as store
from hakika.store import stops as stops_store
from hakika.store.guards import Since
from hakika.store.transaction import Transaction

log = structlog.get_logger(__name__)

AT_ONCE = 50
LEASE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be asked. `held_for`: it waits first; empty: it goes at once."""

    held_for: tuple[str, ...]
    float_is_known: bool            # False: M-Pesa told no balance within the last day
    usable_from: datetime | None    # when time lets it go; None: not time alone, or at once
    is_frozen: bool                 # a freeze stood: what is held for it is not let go meanwhile
    freezes: bool                   # this act froze: keep that, whatever becomes of the act


@dataclass(frozen=True, slots=True)
class _Looked:
    """Everything that a verdict needs, as it stands while the rules are held."""

    rules: Rules
    rows: list[list[Payout]]        # the payouts of each payee
    asked: list[ToPayee]            # what they ask for it
    lately: Lately
    is_known: bool


async def wait_for_turn(tx: Transaction, owner: Owner) -> None:
    """Wait until nobody else asks of this merchant and mode, and keep others waiting to the end."""
    await store.hold(tx, owner)


async def check(
    rt: Runtime, tx: Transaction, wanted: Sequence[Payout], *, by: str | None,
) -> Allowed:
    """Return what becomes of one payout, or of a whole file of them, before they are written.

    All are of one merchant and mode. Write them in this same transaction. `by` is the key whose act
    this is; None: it is no act of its own, but a plan, or rows of a file that was started before.
    Too many acts freeze the merchant's money out; that is written here, and what was one too many
    waits for a second person.

    Raises:
        PayoutTooLarge, PayeeLimitReached, PayoutLimitReached, PayeeNotListed, FloatInsufficient:
            the merchant's own rules forbid it. Nothing was made; the key may be used again.
    """
    looked = await _look(rt, tx, wanted, with_held=True)
    verdict = guard.verdict(
        looked.rules, looked.asked, looked.lately, now=rt.now(), is_act=by is not None,
    )
    if verdict.refusal is not None:
        raise verdict.refusal
    if verdict.freezes:
        for who in sorted({wanted[0].created_by, by or ""} - {""}):
            await _freeze(rt, tx, _owner(wanted[0]), looked.rules, who=who)
    return Allowed(
        verdict.held_for, looked.is_known, _time_alone(verdict, looked.asked),
        is_frozen=looked.lately.is_frozen, freezes=verdict.freezes,
    )


async def complaints(
    rt: Runtime, tx: Transaction, wanted: Sequence[Payout],
) -> tuple[list[tuple[Payout, Conflict]], Conflict | None]:
    """Return what stands against payouts of a file, and against all of it.

    Of one payee's payouts only those are too large that are themselves.
    """
    looked = await _look(rt, tx, wanted, with_held=True)
    *of_payees, of_total = guard.refusals(looked.rules, looked.asked, looked.lately)
    return [
        (payout, own)
        for several, refusal in zip(looked.rows, of_payees, strict=True) if refusal
        for payout in several if (own := _of_one(looked.rules, payout, refusal))
    ], of_total


def _of_one(rules: Rules, payout: Payout, of_payee: Conflict) -> Conflict | None:
    is_by_amount = isinstance(of_payee, PayoutTooLarge)
    return guard.too_large(rules, payout.amount) if is_by_amount else of_payee


async def refuse_short(rt: Runtime, tx: Transaction, payout: Payout) -> bool:
    """Raise FloatInsufficient for a refund or a settlement that the float cannot bear.

    Returns whether the float is known. Write the payout in this same transaction.
    """
    owner = _owner(payout)
    await store.hold(tx, owner)
    drawn, is_known = await _drawn(tx, owner, [payout], now=rt.now())
    refusal = guard.short(drawn)
    if refusal is not None:
        raise refusal
    return is_known


async def let_go(rt: Runtime, payout_id: PayoutId, fact: PayoutFact) -> Change | None:
    """Let a held payout go, unless a rule forbids it now; None: it is not held.

    Raises:
        MoneyOutFrozen, PayeeCoolsOff, PayoutLimitReached, …: not now. It stays held.
        NotFound: no such payout.
    """
    async with rt.store.autocommit() as tx:
        owner = await payouts.owner_of(tx, payout_id)
    if owner is None:
        raise NotFound(f"There is no payout {payout_id}.")
    async with rt.store.transaction() as tx:
        await store.hold(tx, owner)  # before the payout, as whoever asks does
        payout = await payouts.lock(tx, payout_id)
        assert payout is not None, "none is deleted"
        if payout.state is not State.HELD:
            return None
        looked = await _look(rt, tx, [payout], with_held=False)
        refusal = guard.may_go(looked.rules, looked.asked[0], looked.lately, now=rt.now())
        if refusal is not None:
            raise refusal
        return await written(rt, tx, payout, fact)


async def let_cooled_go(rt: Runtime) -> int:
    """Let go what only waited for a new beneficiary to cool off; return how many went."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        due = await payouts.take_held(
            tx, guard.NEW_BENEFICIARY, now=now, lease=now + LEASE, limit=AT_ONCE,
        )
    fact = PayoutFact(Kind.RELEASED, Source.CLOCK, note="The beneficiary has cooled off.")
    went = 0
    for each in due:
        try:
            went += await let_go(rt, each.id, fact) is not None
        except Conflict as refusal:  # a limit is full: it is looked at again when the lease ends
            log.info("cooled_payout_waits", payout=each.id, why=refusal.code)
    return went


async def is_frozen(tx: Transaction, owner: Owner) -> bool:
    """Say whether all money out of this merchant and mode stands still."""
    mine = stop.of_merchant(owner.merchant_id, livemode=owner.livemode)
    return bool(await stops_store.of(tx, [EVERYTHING, mine]))


async def _look(
    rt: Runtime, tx: Transaction, wanted: Sequence[Payout], *, with_held: bool,
) -> _Looked:
    """Hold the rules, and return them with what is asked and what went lately."""
    owner, now = _owner(wanted[0]), rt.now()
    held = await store.hold(tx, owner)
    burst = now - timedelta(minutes=held.rules.burst_minutes)
    since = Since(now - HOUR, now - DAY, max(burst, held.burst_from or burst))
    # 2 us for each payout of a day: not added up where nothing depends on it.
    lately = Lately()
    if held.rules.counts_lately:
        lately = await store.lately(tx, owner, since, with_held=with_held)
    rows, asked = await _grouped(tx, owner, wanted, day=since.day, with_held=with_held)
    frozen = await is_frozen(tx, owner)
    drawn, is_known = await _drawn(tx, owner, wanted, now=now)
    return _Looked(
        held.rules, rows, asked, replace(lately, is_frozen=frozen, drawn=drawn), is_known,
    )


async def _grouped(
    tx: Transaction, owner: Owner, wanted: Sequence[Payout], *, day: datetime, with_held: bool,
) -> tuple[list[list[Payout]], list[ToPayee]]:
    """Return the payouts of each payee, and what they ask for it; in order of the first of each."""
    found = await store.standings(
        tx, owner, [each.payee for each in wanted], day=day, with_held=with_held,
    )
    rows: dict[bytes, list[Payout]] = {}
    standing = {}
    for payout, (payee, stands) in zip(wanted, found, strict=True):
        rows.setdefault(payee, []).append(payout)
        standing[payee] = stands
    asked = [
        ToPayee(
            amount=_total(several), largest=max(each.amount for each in several),
            lately=standing[payee].lately, is_listed=standing[payee].usable_from is not None,
            usable_from=standing[payee].usable_from,
        ) for payee, several in rows.items()
    ]
    return list(rows.values()), asked


async def _drawn(
    tx: Transaction, owner: Owner, wanted: Sequence[Payout], *, now: datetime,
) -> tuple[tuple[tuple[Funds, Money], ...], bool]:
    """Return what is taken of each float that is known, and whether all of them are."""
    taken: dict[str, list[Payout]] = {}
    for each in wanted:
        if each.way is not Way.OUTSIDE:
            taken.setdefault(float_of(each), []).append(each)
    promises = await floats.promised(tx, owner)
    amounts = {account: _total(several) for account, several in taken.items()}
    found = await floats.funds(tx, owner, list(taken), promises, wanted=amounts)
    drawn = tuple(
        (found[account], amount) for account, amount in amounts.items()
        if account in found and found[account].is_fresh(now=now)
    )
    return drawn, len(drawn) == len(taken)


async def _freeze(rt: Runtime, tx: Transaction, owner: Owner, rules: Rules, *, who: str) -> None:
    note = (
        f"More than {rules.burst_max} payouts were asked for, or files of them started, in "
        f"{rules.burst_minutes} minutes. "
        "Look at them, cancel what nobody meant, then lift this."
    )
    key = stop.of_merchant(owner.merchant_id, livemode=owner.livemode)
    await stops.put(rt, tx, owner, Stop(key, Why.BURST, note, who, rt.now()))


def _time_alone(verdict: Verdict, asked: Sequence[ToPayee]) -> datetime | None:
    """Return when time lets it go; None: it goes at once, or a person must let it go."""
    if verdict.held_for != (guard.NEW_BENEFICIARY,):
        return None
    return max(each.usable_from for each in asked if each.usable_from is not None)


def _total(several: Sequence[Payout]) -> Money:
    return Money(sum(each.amount.cents for each in several))


def _owner(payout: Payout) -> Owner:
    return Owner(payout.merchant_id, payout.livemode)
