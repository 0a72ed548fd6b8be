"""What stands before money that goes out: put, shown, lifted. Read `freeze`, then `lift`.

Stopping is easy, and letting go again is not: whoever caused a freeze cannot lift it, nor with a
key that was made since. What was sent is heard all the same, and webhooks go on.
"""

from __future__ import annotations

from typing import Any

import structlog

from hakika.domain import stop
from hakika.domain.errors import Forbidden, Invalid, NotFound
from hakika.domain.event import EventName
from hakika.domain.ids import EventId, SellerId
from hakika.domain.inquiry import next_turn
from hakika.domain.merchant import ApiKey, Owner
from hakika.domain.stop import EVERYTHING, Stop, Why, stop_data
from hakika.services.runtime import Runtime
from hakika.store import events, guards, inquiries, providers
from hakika.store import stops as store
from hakika.store.events import Told
from hakika.store.transaction import Transaction

NOTE_CHARACTERS_MAX = 200

log = structlog.get_logger(__name__)

# Whoever has the machine has everything: in the audit log it is called so.
THE_MACHINE = "the machine"

FROZEN, LIFTED, KEY_MADE = "frozen", "lifted", "key_made"


async def freeze(rt: Runtime, key: ApiKey, *, note: str = "") -> Stop:
    """Stop all money out of this key's merchant and mode; of an older freeze, that one.

    Raises:
        Invalid: the note is above 200 characters.
    """
    _check_note(note)
    mine = stop.of_merchant(key.merchant_id, livemode=key.livemode)
    async with rt.store.transaction() as tx:
        return await put(rt, tx, key.owner, Stop(mine, Why.SWITCH, note, key.id, rt.now()))


async def freeze_everything(rt: Runtime, *, note: str = "") -> None:
    """Stop all money out of everybody. Callbacks, results and webhooks go on. Raises: Invalid."""
    _check_note(note)
    async with rt.store.transaction() as tx:
        await store.add(tx, Stop(EVERYTHING, Why.SWITCH, note, THE_MACHINE, rt.now()))


async def freeze_owner(rt: Runtime, owner: Owner, *, note: str = "") -> None:
    """Stop all money out of one merchant and mode, from the machine itself. Raises: Invalid."""
    _check_note(note)
    mine = stop.of_merchant(owner.merchant_id, livemode=owner.livemode)
    async with rt.store.transaction() as tx:
        await put(rt, tx, owner, Stop(mine, Why.SWITCH, note, THE_MACHINE, rt.now()))


async def freeze_after(
    rt: Runtime, tx: Transaction, owner: Owner, change: str, *, who: str,
    seller_id: SellerId | None = None,
) -> None:
    """Stop all money out because of a change that a thief would make first, in its transaction.

    `change` says in words what was changed. With `seller_id`, only settlements with that seller are
    stopped. Where the merchant's rules do not freeze on a change, as in test mode, nothing is.
    """
    if (await guards.rules(tx, owner)).freezes_on_change:
        note = f"{change} Somebody else who may approve payouts looks at it, then lifts this."
        mine = stop.of_merchant(owner.merchant_id, livemode=owner.livemode)
        stopped = mine if seller_id is None else stop.of_seller(seller_id)
        await put(rt, tx, owner, Stop(stopped, Why.CHANGE, note, who, rt.now()))


async def note_maker(rt: Runtime, tx: Transaction, made: ApiKey, by: ApiKey) -> None:
    """Keep who made a key that may move money: neither lifts what the other causes."""
    await guards.note_change(
        tx, made.owner, KEY_MADE, who=by.id, now=rt.now(), after={"key": made.id},
    )


def _check_note(note: str) -> None:
    if len(note) > NOTE_CHARACTERS_MAX:
        raise Invalid(
            f"A note has {NOTE_CHARACTERS_MAX} characters at most.", field="note",
            code="note_invalid",
        )


async def put(rt: Runtime, tx: Transaction, owner: Owner, wanted: Stop) -> Stop:
    """Put a stop of a merchant's own and tell it; return it, or the one that stands already.

    Who caused it is kept either way.
    """
    is_new = await store.add(tx, wanted)
    await guards.note_change(
        tx, owner, FROZEN, who=wanted.stopped_by, now=wanted.stopped_at, note=wanted.note,
        after=stop_data(wanted),
    )
    if is_new:
        log.warning("payouts_stopped", stop=wanted.key, why=wanted.why.value)
        await _tell(rt, tx, owner, EventName.PAYOUTS_STOPPED, wanted)
        return wanted
    standing = await store.of(tx, [wanted.key])
    return standing[0] if standing else wanted  # lifted just now, or it stands


async def of(rt: Runtime, key: ApiKey) -> list[Stop]:
    """Return what stands before this merchant's money out in this mode, oldest first."""
    mine = stop.of_merchant(key.merchant_id, livemode=key.livemode)
    async with rt.store.autocommit() as tx:
        present = await providers.of(tx, key.merchant_id, livemode=key.livemode)
        numbers = [each.shortcode.number for each in present]
        found = await store.of(tx, [EVERYTHING, mine, *(f"{mine}:{each}" for each in numbers)])
        found += await store.of_sellers(tx, key.owner)
    return sorted(found, key=lambda each: (each.stopped_at, each.key))


async def lift(rt: Runtime, key: ApiKey, which: str) -> Stop:
    """Let money go again: take away a freeze of this merchant, or the stop of an API operator.

    Raises:
        NotFound: no such stop of this merchant and mode.
        Forbidden: this key, or one of its line, caused it; it is younger; or it is everybody's.
    """
    if which == EVERYTHING:
        raise Forbidden(
            "All money of everybody is stopped by whoever runs this machine.",
            hint="They lift it: `hakika payouts resume --everything`.",
        )
    mine = stop.of_merchant(key.merchant_id, livemode=key.livemode)
    async with rt.store.transaction() as tx:
        await guards.hold(tx, key.owner)  # before the stop, as whoever asks does
        of_sellers = {each.key for each in await store.of_sellers(tx, key.owner)}
        if which != mine and not which.startswith(f"{mine}:") and which not in of_sellers:
            raise NotFound(f"There is no stop {which[:80]!r} for this key.")
        found = await store.lift(tx, which)
        if found is None:
            raise NotFound(f"There is no stop {which[:80]!r} for this key.")
        await _refuse_its_cause(tx, key, found)
        await _lifted(rt, tx, key.owner, found, who=key.id)
        if found.why is Why.OPERATOR:
            await _ask_again(rt, tx, key.owner, found)
    return found


async def _ask_again(rt: Runtime, tx: Transaction, owner: Owner, found: Stop) -> None:
    """Let a short code be asked for its balance by itself again."""
    for each in await providers.of(tx, owner.merchant_id, livemode=owner.livemode):
        if found.key == stop.of_operator(
            owner.merchant_id, each.shortcode.number, livemode=owner.livemode,
        ):
            await inquiries.set_turn(tx, each.id, next_ask_at=next_turn(rt.now()))


async def lift_owner(rt: Runtime, owner: Owner) -> bool:
    """Lift the freeze of one merchant and mode from the machine itself; False: there was none."""
    mine = stop.of_merchant(owner.merchant_id, livemode=owner.livemode)
    async with rt.store.transaction() as tx:
        await guards.hold(tx, owner)
        found = await store.lift(tx, mine)
        if found is not None:
            await _lifted(rt, tx, owner, found, who=THE_MACHINE)
    return found is not None


async def lift_everything(rt: Runtime) -> bool:
    """Lift the stop of everybody; freezes of single merchants stay. False: there was none."""
    async with rt.store.transaction() as tx:
        return await store.lift(tx, EVERYTHING) is not None


async def mended(rt: Runtime, tx: Transaction, owner: Owner, shortcode: str, *, who: str) -> bool:
    """Lift the stop of an API operator whose credentials were put anew; say whether it stood."""
    key = stop.of_operator(owner.merchant_id, shortcode, livemode=owner.livemode)
    found = await store.lift(tx, key)
    if found is not None:
        await _lifted(rt, tx, owner, found, who=who)
    return found is not None


async def _refuse_its_cause(tx: Transaction, key: ApiKey, found: Stop) -> None:
    """Raise Forbidden for who froze, or caused it: a thief must not undo what stops them.

    Nor does a key of the same line: whose key made the cause, or was made by it, and so on; and
    what a key was rotated to. By its time alone, a key that caused a freeze by being made is older.
    """
    if found.why is Why.OPERATOR:
        return  # M-Pesa caused it
    line = await guards.line_of(tx, key.owner, key.id, KEY_MADE)
    caused = await guards.has_changed(tx, key.owner, line, [FROZEN], since=found.stopped_at)
    if caused or key.created_at >= found.stopped_at:
        raise Forbidden(
            "Money out was frozen by this key, one that made it or that it made, or before it was "
            "made.",
            hint="Somebody else lifts it, with an older key that has payouts:approve; or whoever "
            "runs the machine: `hakika payouts resume`.",
        )


async def _lifted(
    rt: Runtime, tx: Transaction, owner: Owner, found: Stop, *, who: str,
) -> None:
    now = rt.now()
    await guards.note_change(
        tx, owner, LIFTED, who=who, now=now, before=stop_data(found), note=found.note,
    )
    if found.why is not Why.OPERATOR:
        await guards.count_bursts_from(tx, owner, now)
    await _tell(rt, tx, owner, EventName.PAYOUTS_RESUMED, found)


async def _tell(
    rt: Runtime, tx: Transaction, owner: Owner, name: EventName, which: Stop,
) -> None:
    data: dict[str, Any] = stop_data(which)
    await events.tell(
        tx, owner.merchant_id, livemode=owner.livemode, subject_id=which.key,
        told=[Told(EventId(rt.new_id("evt")), name, data)], now=rt.now(),
    )
