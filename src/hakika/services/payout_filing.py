"""Make payouts of a started file's rows, take back those of a canceled one. Read `work_off`.

Some hundred rows become payouts in one commit, which also counts them: whoever dies in between has
made none of them, and nobody makes one twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from hakika.domain import guard, payout_books, stop
from hakika.domain.errors import Conflict, PayeeNotListed, PayoutTooLarge
from hakika.domain.event import EventName
from hakika.domain.idempotency import fingerprint
from hakika.domain.ids import EventId
from hakika.domain.merchant import Owner
from hakika.domain.payout import Change, Payout, advance, born
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.payout_file import Objection, PayoutFile, Row, State, file_data
from hakika.services import guards
from hakika.services.payout_facts import written
from hakika.services.payout_files import payout_of, progress_of
from hakika.services.runtime import Runtime
from hakika.store import events, payouts, stops
from hakika.store import payout_files as store
from hakika.store.events import Told
from hakika.store.transaction import Transaction

log = structlog.get_logger(__name__)

# Half a second of work, in which the file is held.
ROWS_AT_ONCE = 250
WITHDRAWN_AT_ONCE = 50

# How soon to look again whether every row has ended.
AGAIN_SECONDS = 2.0

# How soon to try again to make rows that a limit, the float or a freeze held back.
REFUSED_AGAIN = timedelta(minutes=1)

# No time lifts these, only whoever changes the rules once more.
FOR_GOOD = (PayoutTooLarge, PayeeNotListed)


async def work_off(rt: Runtime) -> bool:
    """Do one step of the file that has waited longest; say whether any waited. Safe beside others.

    A step is some rows made or taken back, or a look whether all have ended.
    """
    now = rt.now()
    async with rt.store.transaction() as tx:
        file = await store.take(tx, now=now)
        if file is None:
            return False
        if file.state is State.CANCELING:
            is_done = not await _withdraw(rt, tx, file)
        else:
            rows = await store.next_rows(tx, file, limit=ROWS_AT_ONCE)
            is_done = not rows
            before, file = file, file if is_done else await _make(rt, tx, file, rows, now)
            if not is_done and file.rows_left == before.rows_left:
                await store.move(tx, file, due_at=now + REFUSED_AGAIN)
                return True
        if not is_done:
            await store.move(tx, file, due_at=now)
        elif await store.is_under_way(tx, file):
            await store.move(tx, file, due_at=now + rt.payout_patience.seconds(AGAIN_SECONDS))
        else:
            await _end(rt, tx, file, now)
    return True


async def _make(
    rt: Runtime, tx: Transaction, file: PayoutFile, rows: list[Row], now: datetime,
) -> PayoutFile:
    """Make payouts of the rows that may go now, let go by whoever started the file.

    The file was judged as a whole when it was started. What others asked for since then may have
    used up a limit or the float, or money out is frozen: then its rows wait, and the file says why.
    A row that a changed rule forbids, whenever it is tried, is refused: it keeps no other waiting.
    """
    sifted = await _sifted(rt, tx, file, rows)
    if sifted.waits is not None:
        log.warning("payout_file_waits", file=file.id, code=sifted.waits.code)
    if sifted.refused:
        await store.refuse(tx, file, sifted.refused)
    if sifted.allowed:
        await _bear(rt, tx, file, sifted.allowed, now)
    return replace(
        file, rows_made=file.rows_made + len(sifted.allowed),
        rows_refused=file.rows_refused + len(sifted.refused), waiting_for=sifted.waits,
    )


async def _bear(
    rt: Runtime, tx: Transaction, file: PayoutFile, allowed: list[tuple[int, Payout]],
    now: datetime,
) -> None:
    fact = PayoutFact(Kind.RELEASED, Source.CALLER, who=file.started_by)
    changes = [_released(rt, born(each), fact, now) for _, each in allowed]
    posted = [each for change in changes for each in payout_books.postings(change)]
    digest = fingerprint({"file": file.sha256}, key=rt.fingerprint_key)
    await payouts.add_many(tx, changes, digest, posted)
    await store.became(tx, file, [
        (number, change.after)
        for (number, _), change in zip(allowed, changes, strict=True)
    ])


@dataclass(frozen=True, slots=True)
class _Sifted:
    """Rows by their numbers: what may go now, what never may, and why the others wait."""

    allowed: list[tuple[int, Payout]]
    refused: list[tuple[int, Objection]]
    waits: Objection | None = None


async def _sifted(
    rt: Runtime, tx: Transaction, file: PayoutFile, rows: list[Row],
) -> _Sifted:
    """Judge rows without those that stand in the way, until nothing is said against the others."""
    owner = Owner(file.merchant_id, file.livemode)
    await guards.wait_for_turn(tx, owner)  # a freeze that is written meanwhile is seen
    if await guards.is_frozen(tx, owner):
        return _Sifted([], [], _objection(guard.frozen()))
    refused: list[tuple[int, Objection]] = []
    waits = None
    left = {each.id: (row.number, each) for row in rows for each in [payout_of(rt, file, row)]}
    while left:
        of_rows, of_total = await guards.complaints(rt, tx, [each for _, each in left.values()])
        if not of_rows:
            if of_total is None:
                break
            return _Sifted([], refused, _objection(of_total))
        for payout, refusal in of_rows:
            number, _ = left.pop(payout.id)
            if isinstance(refusal, FOR_GOOD):
                refused.append((number, _objection(refusal)))
            else:
                waits = _objection(refusal)
    return _Sifted(list(left.values()), refused, waits)


def _objection(refusal: Conflict) -> Objection:
    return Objection(refusal.code, refusal.message)


def _released(rt: Runtime, payout: Payout, fact: PayoutFact, now: datetime) -> Change:
    change = advance(payout, fact, now=now)
    due_at = rt.payout_patience.next_check_at(change.after)
    return replace(change, after=replace(change.after, next_check_at=due_at))


async def _withdraw(rt: Runtime, tx: Transaction, file: PayoutFile) -> int:
    """Take back some of what was not sent; return how many that were."""
    unsent = await payouts.hold_unsent(tx, file.id, limit=WITHDRAWN_AT_ONCE)
    fact = PayoutFact(Kind.WITHDRAWN, Source.OPERATOR, note="Its file was canceled.")
    for each in unsent:
        await written(rt, tx, each, fact)
    return len(unsent)


async def _end(rt: Runtime, tx: Transaction, file: PayoutFile, now: datetime) -> None:
    """Write that every row has ended, and tell the merchant."""
    is_canceled = file.state is State.CANCELING
    ended = replace(
        file, state=State.CANCELED if is_canceled else State.COMPLETED, ended_at=now,
    )
    await store.move(tx, ended, due_at=None)
    await stops.lift(tx, stop.of_file(file.id))
    data = file_data(ended, await progress_of(rt, tx, ended))
    told = Told(EventId(rt.new_id("evt")), EventName.PAYOUT_FILE_COMPLETED, data)
    await events.tell(
        tx, file.merchant_id, livemode=file.livemode, subject_id=file.id, told=[told], now=now,
    )
