"""Make payouts of a started file's rows, take back those of a canceled one. Read `work_off`.

Some hundred rows become payouts in one commit, which also counts them: whoever dies in between has
made none of them, and nobody makes one twice.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from hakika.domain import payout_books, stop
from hakika.domain.errors import Conflict
from hakika.domain.event import EventName
from hakika.domain.idempotency import fingerprint
from hakika.domain.ids import EventId
from hakika.domain.payout import Change, Payout, advance, born
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.payout_file import PayoutFile, Row, State, file_data
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
            if rows and not await _make(rt, tx, file, rows, now):
                await store.move(tx, file, due_at=now + REFUSED_AGAIN)
                return True
            file = replace(file, rows_made=file.rows_made + len(rows))
            is_done = not rows
        if not is_done:
            await store.move(tx, file, due_at=now)
        elif await store.is_under_way(tx, file):
            await store.move(tx, file, due_at=now + rt.payout_patience.seconds(AGAIN_SECONDS))
        else:
            await _end(rt, tx, file, now)
    return True


async def _make(
    rt: Runtime, tx: Transaction, file: PayoutFile, rows: list[Row], now: datetime,
) -> bool:
    """Make payouts of rows, let go by whoever started the file; False: not now.

    The file was judged as a whole when it was started. What others asked for since then may have
    used up a limit or the float, or money out is frozen: then its rows wait.
    """
    wanted = [payout_of(rt, file, row) for row in rows]
    try:
        allowed = await guards.check(rt, tx, wanted, by=None)
    except Conflict as refusal:
        log.warning("payout_file_waits", file=file.id, code=refusal.code)
        return False
    if allowed.is_frozen:
        return False
    fact = PayoutFact(Kind.RELEASED, Source.CALLER, who=file.started_by)
    changes = [_released(rt, born(each), fact, now) for each in wanted]
    posted = [each for change in changes for each in payout_books.postings(change)]
    digest = fingerprint({"file": file.sha256}, key=rt.fingerprint_key)
    await payouts.add_many(tx, changes, digest, posted)
    await store.became(tx, file, [
        (row.number, change.after) for row, change in zip(rows, changes, strict=True)
    ])
    return True


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
