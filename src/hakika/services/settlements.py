"""Pay sellers what they are owed. Read `_settle`: all three ways of asking come to it.

A seller's row is held while what is owed to it is looked at and promised, so nothing is promised
twice. A settlement that ends without money is owed again, and never sent anew by itself: the next
one takes it along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from hakika.domain import payout_books
from hakika.domain.errors import (
    Conflict,
    FloatInsufficient,
    IdempotencyKeyReused,
    Invalid,
    LiveModeUnavailable,
    NotFound,
    NothingOwed,
)
from hakika.domain.idempotency import fingerprint
from hakika.domain.ids import PaymentId, PayoutId, SellerId
from hakika.domain.merchant import ApiKey, Owner
from hakika.domain.money import Money
from hakika.domain.payout import Payout, Purpose, State, Way, born, first_events
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.seller import Seller, instalments, next_daily, payee_of, way_of
from hakika.domain.shortcode import Shortcode
from hakika.services import guards, payouts, providers, sellers
from hakika.services.payout_facts import tell, written
from hakika.services.payouts import SALT_BITS, Asked
from hakika.services.runtime import Runtime
from hakika.store import ledger
from hakika.store import payouts as payout_rows
from hakika.store import sellers as store
from hakika.store.payouts import ReceiptTaken
from hakika.store.transaction import Transaction

log = structlog.get_logger(__name__)

# So many sellers, and payments of each, are looked at in one round.
SELLERS_AT_ONCE = 20
PAYMENTS_AT_ONCE = 100

# Who made a settlement that nobody asked for.
BY_ITSELF = "settlement"

NOTE_CHARACTERS_MAX = 200
REFERENCE_CHARACTERS_MAX = 50


@dataclass(frozen=True, slots=True)
class _Source:
    """Whose money pays, and how it may go."""

    shortcode: Shortcode
    has_operator: bool


async def settle_paid(rt: Runtime) -> int:
    """Settle with sellers who are settled for each payment; return how many sellers.

    Safe beside other workers: a payment waits until its settlement is committed.
    """
    async with rt.store.autocommit() as tx:
        waiting = await store.waiting(tx, limit=SELLERS_AT_ONCE)
    return sum([await _settle_each(rt, each) for each in waiting])


async def _settle_each(rt: Runtime, seller_id: SellerId) -> bool:
    """Settle each payment that waits, oldest first; the first takes along what was left before.

    What cannot be settled now is owed with the next that can.
    """
    source = await _source(rt, seller_id)
    async with rt.store.transaction() as tx:
        seller = await _held(tx, seller_id)
        waiting = await store.unsettled(tx, seller_id, limit=PAYMENTS_AT_ONCE)
        owed = await store.owed(tx, seller)
        later = (await store.all_unsettled(tx, seller_id)).cents
        for payment_id, net in waiting:
            later -= net.cents
            made = await _made(
                rt, tx, seller, source, Money(owed.cents - later),
                key=f"settle {payment_id}", payment_id=payment_id, limit=1,
            )
            owed = Money(owed.cents - sum(each.amount.cents for each in made))
        await store.drop_unsettled(tx, [payment_id for payment_id, _ in waiting])
    return bool(waiting)


async def settle_daily(rt: Runtime) -> int:
    """Settle with sellers whose day has come; return how many. Safe beside other workers."""
    now = rt.now()
    async with rt.store.autocommit() as tx:
        due = await store.due_daily(tx, now=now, limit=SELLERS_AT_ONCE)
    for seller_id in due:
        source = await _source(rt, seller_id)
        async with rt.store.transaction() as tx:
            seller = await _held(tx, seller_id)
            if seller.next_settlement_at is None or seller.next_settlement_at > now:
                continue  # another worker was faster, or it is settled otherwise now
            await _made(
                rt, tx, seller, source, await store.owed(tx, seller),
                key=f"settle {seller_id} {seller.next_settlement_at:%Y-%m-%d}",
            )
            await store.change(tx, replace(seller, next_settlement_at=next_daily(now)))
    return len(due)


async def settle(rt: Runtime, key: ApiKey, seller_id: SellerId, idempotency_key: str) -> Asked:
    """Settle now what is owed to a seller, 250,000 shillings at most; the rest stays owed.

    Raises:
        NotFound: no such seller.
        NothingOwed: less is owed than can be sent.
        FloatInsufficient: M-Pesa's balance does not bear it.
        IdempotencyKeyReused: the key settled with another seller.
        LiveModeUnavailable, Invalid: no short code pays, or there is no payout account.
    """
    seller = await sellers.read(rt, key, seller_id)
    sellers.check_account(seller)
    shortcode, has_operator = await providers.paying(
        rt, key.merchant_id, livemode=key.livemode,
    )
    source, kept = _Source(shortcode, has_operator), f"asked {idempotency_key}"
    async with rt.store.transaction() as tx:
        locked = await _held(tx, seller_id)
        known = await payout_rows.with_key(
            tx, kept, merchant_id=key.merchant_id, livemode=key.livemode,
            purpose=Purpose.SETTLEMENT,
        )
        if known is not None:
            return _replayed(known[0], seller_id)
        made = await _made(
            rt, tx, locked, source, await store.owed(tx, locked), key=kept, by=key.id, limit=1,
        )
    if not made:
        raise NothingOwed("Nothing is owed to this seller that could be sent now.")
    return Asked(made[0])


async def _held(tx: Transaction, seller_id: SellerId) -> Seller:
    """Return a seller, held; and keep everybody waiting who would take of what is owed meanwhile.

    A refund takes of it, too, in its merchant's turn: so the turn is taken first.
    """
    seller = await store.get(tx, seller_id)
    assert seller is not None, "sellers are kept"
    await guards.wait_for_turn(tx, Owner(seller.merchant_id, seller.livemode))
    held = await store.lock(tx, seller_id)
    assert held is not None, "sellers are kept"
    return held


def _replayed(payout: Payout, seller_id: SellerId) -> Asked:
    if payout.seller_id != seller_id:
        raise IdempotencyKeyReused(
            "This Idempotency-Key settled with another seller; nothing was sent now.",
        )
    return Asked(payout, replayed=True)


async def _source(rt: Runtime, seller_id: SellerId) -> _Source | None:
    """Return what pays a seller, or None: nothing does now, and what is owed stays owed."""
    async with rt.store.autocommit() as tx:
        seller = await store.get(tx, seller_id)
    if seller is None or seller.account is None:
        return None
    try:
        shortcode, has_operator = await providers.paying(
            rt, seller.merchant_id, livemode=seller.livemode,
        )
    except (Invalid, LiveModeUnavailable):
        log.warning("settlement_without_shortcode", seller=seller_id)
        return None
    return _Source(shortcode, has_operator)


async def _made(
    rt: Runtime, tx: Transaction, seller: Seller, source: _Source | None, owed: Money, *,
    key: str, by: str = BY_ITSELF, payment_id: PaymentId | None = None, limit: int | None = None,
) -> Sequence[Payout]:
    """Make the settlements of what is owed to a seller, which `tx` holds; each in the books."""
    made: list[Payout] = []
    if source is None or seller.account is None:
        return made
    for number, amount in enumerate(instalments(owed, seller.account), start=1):
        if limit is not None and number > limit:
            break
        payout = _settlement(
            rt, seller, source, amount, key=key if number == 1 else f"{key} {number}", by=by,
            payment_id=payment_id,
        )
        try:
            await guards.refuse_short(rt, tx, payout)
        except FloatInsufficient:
            if by != BY_ITSELF:
                raise
            log.warning("settlement_float_short", seller=seller.id, amount=str(amount))
            break  # it stays owed, and the next settlement takes it along
        digest = fingerprint({"seller": seller.id}, key=rt.fingerprint_key)
        if not await payout_rows.add(tx, payout, digest):
            break  # made before, by whoever died after it
        await ledger.add(
            tx, payout.merchant_id, livemode=payout.livemode, now=payout.created_at,
            posted=payout_books.first_postings(payout),
        )
        made.append(await _begun(rt, tx, payout))
    return made


def _settlement(
    rt: Runtime, seller: Seller, source: _Source, amount: Money, *, key: str, by: str,
    payment_id: PaymentId | None,
) -> Payout:
    assert seller.account is not None, "who has no account collects nothing"
    now, way = rt.now(), way_of(seller, has_operator=source.has_operator)
    return born(Payout(
        id=PayoutId(rt.new_id("pyo")), merchant_id=seller.merchant_id, livemode=seller.livemode,
        amount=amount, way=way, payee=payee_of(seller.account), shortcode=source.shortcode,
        idempotency_key=key, created_at=now, updated_at=now, purpose=Purpose.SETTLEMENT,
        state=State.MANUAL if way is Way.OUTSIDE else State.HELD, remarks="Settlement",
        created_by=by, payment_id=payment_id, seller_id=seller.id,
        salt=f"{rt.random_bits(SALT_BITS):x}",
    ))


async def _begun(rt: Runtime, tx: Transaction, payout: Payout) -> Payout:
    """Let a settlement go in its turn; one that goes by hand is told to whoever is to send it."""
    if payout.state is State.HELD:
        fact = PayoutFact(Kind.RELEASED, Source.CLOCK, who=payout.created_by)
        return (await written(rt, tx, payout, fact)).after
    await tell(rt, tx, payout, first_events(payout))
    return payout


async def record_by_hand(
    rt: Runtime, key: ApiKey, payout_id: PayoutId, *, reference: str, note: str = "",
) -> Payout:
    """Record that a payout by hand was sent, with the reference of whoever moved the money.

    The same again changes nothing.

    Raises:
        NotFound: no such payout for this key.
        Conflict: it does not wait for a person, or the reference stands with another payout.
    """
    await payouts.read(rt, key, payout_id)
    fact = PayoutFact(
        Kind.RECORDED, Source.OPERATOR, receipt=reference, who=key.id, note=note,
    )
    try:
        async with rt.store.transaction() as tx:
            payout = await payout_rows.lock(tx, payout_id)
            if payout is None:
                raise NotFound(f"There is no payout {payout_id} for this key.")
            if payout.state is State.COMPLETED and payout.receipt == reference:
                return payout
            if payout.state is not State.MANUAL:
                raise Conflict(
                    "This payout does not wait to be sent by hand.",
                    hint="GET /v1/payouts?status=pending_manual lists those that do.",
                )
            return (await written(rt, tx, payout, fact)).after
    except ReceiptTaken:
        raise Conflict(
            "Another payout was recorded with this reference.",
            hint="Look whether it is the same transfer. Add what tells the two apart.",
        ) from None
