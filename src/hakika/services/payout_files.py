"""Files of payouts: sent and checked, started by whoever may, paused, taken back, and read.

Sending a file moves no money: it is a plan until it is started. What a started file becomes is made
by workers: `payout_filing.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context

from hakika.domain import guard, stop
from hakika.domain.errors import Conflict, Forbidden, NotFound, PayeeCoolsOff
from hakika.domain.file_errors import FilesWait, PayoutFileUnreadable, PayoutFileWrong
from hakika.domain.guard import NEW_BENEFICIARY
from hakika.domain.ids import BatchId, PayoutId
from hakika.domain.merchant import ApiKey
from hakika.domain.money import Money
from hakika.domain.payout import Payout, Way
from hakika.domain.payout import State as PayoutState
from hakika.domain.payout_file import (
    ROWS_MAX,
    PayoutFile,
    Progress,
    Row,
    State,
    WrongRow,
    check,
    key_of,
)
from hakika.domain.shortcode import Shortcode
from hakika.domain.stop import Stop, Why
from hakika.domain.tariff import Product
from hakika.domain.times import NAIROBI
from hakika.services import guards, providers
from hakika.services.payouts import SALT_BITS
from hakika.services.runtime import Runtime
from hakika.sheets.payout_rows import PayoutRows, read_rows
from hakika.store import payout_files as store
from hakika.store import stops
from hakika.store.payout_files import RowView
from hakika.store.transaction import Transaction

RETRY_SECONDS = 5

# The pace of a file is that of its last minute.
PACE_SECONDS = 60

# What Safaricom takes for a payout to a person who is registered, as nearly all are. Of a payment
# to a business no tariff is known well enough to say.
B2C_TARIFF = "registered"


@dataclass(frozen=True, slots=True)
class Filed:
    """A file and how far it is."""

    file: PayoutFile
    progress: Progress


@dataclass(frozen=True, slots=True)
class Against:
    """What the merchant's rules say against a row of a file; row None: against all of it."""

    row: int | None
    refusal: Conflict


@dataclass(frozen=True, slots=True)
class Plan:
    """A file that was sent, and whether it could be started as things stand."""

    filed: Filed
    again: bool                       # the same bytes were sent before
    against: tuple[Against, ...] = ()
    float_is_known: bool | None = None    # None: it was not looked at, for rows are wrong


@asynccontextmanager
async def turn(rt: Runtime) -> AsyncIterator[None]:
    """Be one of the few whose files this process reads. Raises: FilesWait."""
    if rt.importing.locked():
        raise FilesWait("Other files are being read just now.", retry_after_seconds=RETRY_SECONDS)
    async with rt.importing:
        yield


async def take(rt: Runtime, key: ApiKey, file: bytes, *, shortcode: str = "") -> Plan:
    """Check a file whole and keep it as a plan. The same bytes again are the same file.

    Raises:
        PayoutFileUnreadable: or one of its kinds. Nothing was kept.
        NotFound: no such short code.
        Invalid: its credentials name no API operator.
    """
    known = await _same(rt, key, hashlib.sha256(file).hexdigest())
    if known is not None:
        return Plan(await _filed(rt, known), again=True)
    provider = await providers.operated(rt, key, shortcode)
    found = await _read(file)
    rows = check(found.rows)
    planned = _planned(rt, key, provider.shortcode, found, rows)
    plan = Plan(Filed(planned, Progress({})), again=False)
    async with rt.store.transaction() as tx:
        if planned.state is State.PLANNED:
            plan = await _judged(rt, tx, planned, [row for row in rows if isinstance(row, Row)])
        if await store.add(tx, plan.filed.file, rows):
            return plan
    raced = await _same(rt, key, found.sha256)
    assert raced is not None, "another sent it just now, and files are kept"
    return Plan(await _filed(rt, raced), again=True)


async def _same(rt: Runtime, key: ApiKey, sha256: str) -> PayoutFile | None:
    async with rt.store.autocommit() as tx:
        return await store.same(
            tx, sha256, merchant_id=key.merchant_id, livemode=key.livemode,
        )


async def _judged(
    rt: Runtime, tx: Transaction, file: PayoutFile, rows: Sequence[Row],
) -> Plan:
    """Return what would become of a file if it were started now."""
    numbers = {
        payout.id: (row.number, payout) for row in rows for payout in [payout_of(rt, file, row)]
    }
    wanted = [payout for _, payout in numbers.values()]
    of_rows, of_total = await guards.complaints(rt, tx, wanted)
    against = [Against(numbers[payout.id][0], refusal) for payout, refusal in of_rows]
    against += [Against(None, of_total)] if of_total else []
    if against:
        return Plan(Filed(file, Progress({})), again=False, against=tuple(against))
    allowed = await guards.check(rt, tx, wanted, by=None)
    judged = replace(file, needs_approval=bool(allowed.held_for))
    return Plan(
        Filed(judged, Progress({})), again=False, float_is_known=allowed.float_is_known,
    )


def payout_of(rt: Runtime, file: PayoutFile, row: Row) -> Payout:
    """Return what a row of a file is as a payout; its key is that of the row for ever."""
    now = rt.now()
    return Payout(
        id=PayoutId(rt.new_id("pyo")), merchant_id=file.merchant_id, livemode=file.livemode,
        amount=row.amount, way=row.way, payee=row.payee, shortcode=file.shortcode,
        idempotency_key=key_of(file.id, row.number), created_at=now, updated_at=now,
        state=PayoutState.HELD, reference=row.reference, remarks=row.remarks,
        created_by=file.created_by, batch_id=file.id, salt=f"{rt.random_bits(SALT_BITS):x}",
    )


async def _read(file: bytes) -> PayoutRows:
    """Read a file in a process of its own: others are served meanwhile, and it may die of it."""
    pool = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, read_rows, file)
    except BrokenProcessPool:
        raise PayoutFileUnreadable("The process that read the file died of it.") from None
    finally:
        pool.shutdown(wait=False)


def _planned(
    rt: Runtime, key: ApiKey, shortcode: Shortcode, found: PayoutRows,
    rows: Sequence[Row | WrongRow],
) -> PayoutFile:
    right = [row for row in rows if isinstance(row, Row)]
    wrong = len(rows) - len(right)
    charges = [_charge(rt, row) for row in right]
    return PayoutFile(
        BatchId(rt.new_id("bat")), key.merchant_id, key.livemode, found.sha256, shortcode,
        rows=len(rows), rows_wrong=wrong, total=Money(sum(row.amount.cents for row in right)),
        charges=Money(sum(each.cents for each in charges if each is not None)),
        charges_unknown=charges.count(None), created_by=key.id, created_at=rt.now(),
        state=State.WRONG if wrong else State.PLANNED,
    )


def _charge(rt: Runtime, row: Row) -> Money | None:
    if row.way is not Way.PHONE:
        return None
    today = rt.now().astimezone(NAIROBI).date()
    return rt.tariffs.charge_for(Product.B2C, B2C_TARIFF, row.amount, on=today)


async def read(rt: Runtime, key: ApiKey, batch_id: BatchId) -> Filed:
    """Return a file of this key's merchant and mode, and how far it is. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        file = await _found(tx, key, batch_id)
    return await _filed(rt, file)


async def find(
    rt: Runtime, key: ApiKey, *, before: BatchId | None, limit: int,
) -> list[Filed]:
    """Return up to `limit` files of this key's merchant and mode, newest first."""
    async with rt.store.autocommit() as tx:
        found = await store.find(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, before=before, limit=limit,
        )
        return [Filed(each, await progress_of(rt, tx, each)) for each in found]


async def rows(
    rt: Runtime, key: ApiKey, batch_id: BatchId, *, after: int, limit: int, wrong: bool = False,
) -> list[RowView]:
    """Return up to `limit` rows of a file, and what became of each. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        file = await _found(tx, key, batch_id)
        return await store.rows(tx, file, after=after, limit=limit, wrong=wrong)


async def start(rt: Runtime, key: ApiKey, batch_id: BatchId) -> Filed:
    """Let a file go that nobody has to approve. Starting it again changes nothing.

    Raises:
        NotFound: no such file for this key.
        Forbidden: somebody else must approve it.
        PayoutTooLarge, PayeeLimitReached, PayoutLimitReached, PayeeNotListed, PayeeCoolsOff,
        FloatInsufficient: the merchant's own rules forbid it now.
        PayoutFileWrong: some of its rows are wrong.
        MoneyOutFrozen: a freeze stands.
        Conflict: it was canceled.
    """
    return await _begun(rt, key, batch_id, is_approved=False)


async def approve(rt: Runtime, key: ApiKey, batch_id: BatchId) -> Filed:
    """Let a file of somebody else go. Approving it again changes nothing.

    Raises:
        Forbidden: this key sent it: nobody approves their own.
        All others: as `start`.
    """
    return await _begun(rt, key, batch_id, is_approved=True)


async def _begun(rt: Runtime, key: ApiKey, batch_id: BatchId, *, is_approved: bool) -> Filed:
    async with rt.store.transaction() as tx:
        file = await _found(tx, key, batch_id, held=True)
        if file.state is State.WRONG:
            raise PayoutFileWrong(f"{file.rows_wrong} rows of the file are wrong.")
        if file.state in {State.CANCELING, State.CANCELED}:
            raise Conflict("The file was canceled.", hint="Send a file with what is still to pay.")
        if is_approved and key.id == file.created_by:
            raise Forbidden(
                "This key sent the file, and nobody approves their own.",
                hint="Approve it with a key of somebody else, with the scope payouts:approve.",
            )
        is_burst = file.state is State.PLANNED and await _bursts(
            rt, tx, file, key, is_approved=is_approved,
        )
        if file.state is State.PLANNED and not is_burst:
            file = replace(
                file, state=State.STARTED, started_by=key.id, started_at=rt.now(),
            )
            await store.move(tx, file, due_at=rt.now())
    if is_burst:  # raised here: the freeze itself is kept
        raise guard.frozen()
    return await _filed(rt, file)


async def _bursts(
    rt: Runtime, tx: Transaction, file: PayoutFile, key: ApiKey, *, is_approved: bool,
) -> bool:
    """Judge a file that is to be started; say whether it is one act too many, and so froze.

    Its sender is the cause, and who starts it without being asked; not who approves it.
    """
    rows = await store.next_rows(tx, file, limit=ROWS_MAX)
    allowed = await guards.check(
        rt, tx, [payout_of(rt, file, row) for row in rows],
        by=file.created_by if is_approved else key.id,
    )
    if allowed.is_frozen:
        raise guard.frozen()
    if not allowed.freezes:
        _refuse_held(file, allowed.held_for, is_approved=is_approved)
    return allowed.freezes


def _refuse_held(file: PayoutFile, held_for: Sequence[str], *, is_approved: bool) -> None:
    """Raise what a file waits for, when it waits."""
    if NEW_BENEFICIARY in held_for:
        raise PayeeCoolsOff("A payee in the file is new, and cannot be paid yet.")
    if held_for and not is_approved:
        raise Forbidden(
            "The file waits for a second person: somebody else than its sender must approve it.",
            hint=f"POST /v1/payout-files/{file.id}/approve, with another key that has the scope "
            "payouts:approve.",
        )


async def pause(rt: Runtime, key: ApiKey, batch_id: BatchId) -> Filed:
    """Send nothing more of a file until it is resumed; what was sent is heard all the same.

    Raises:
        NotFound: no such file for this key.
        Conflict: it is not started, or ended.
    """
    async with rt.store.transaction() as tx:
        file = await _started(tx, key, batch_id)
        await stops.add(tx, _stop(rt, key, file, "Paused: POST /v1/payout-files/{id}/resume."))
    return await _filed(rt, file)


async def resume(rt: Runtime, key: ApiKey, batch_id: BatchId) -> Filed:
    """Go on with a paused file; of another, nothing changes. Raises: as `pause`."""
    async with rt.store.transaction() as tx:
        file = await _started(tx, key, batch_id)
        await stops.lift(tx, stop.of_file(file.id))
    return await _filed(rt, file)


async def cancel(rt: Runtime, key: ApiKey, batch_id: BatchId) -> Filed:
    """Take back every row that was not sent. Canceling again changes nothing.

    Raises:
        NotFound: no such file for this key.
        Conflict: every row has ended.
    """
    async with rt.store.transaction() as tx:
        file = await _found(tx, key, batch_id, held=True)
        if file.state is State.COMPLETED:
            raise Conflict("Every row of the file has ended.")
        if file.state is State.STARTED:
            await stops.add(tx, _stop(rt, key, file, "Being canceled."))
            file = replace(file, state=State.CANCELING)
            await store.move(tx, file, due_at=rt.now())
        elif file.state in {State.PLANNED, State.WRONG}:
            file = replace(file, state=State.CANCELED, ended_at=rt.now())
            await store.move(tx, file, due_at=None)
    return await _filed(rt, file)


def _stop(rt: Runtime, key: ApiKey, file: PayoutFile, note: str) -> Stop:
    return Stop(
        stop.of_file(file.id), Why.PAUSE, note.replace("{id}", file.id), key.id, rt.now(),
    )


async def _started(tx: Transaction, key: ApiKey, batch_id: BatchId) -> PayoutFile:
    file = await _found(tx, key, batch_id, held=True)
    if file.state is not State.STARTED:
        raise Conflict("The file is not being sent.", hint=f"GET /v1/payout-files/{file.id}.")
    return file


async def _found(
    tx: Transaction, key: ApiKey, batch_id: BatchId, *, held: bool = False,
) -> PayoutFile:
    file = await store.read(
        tx, batch_id, merchant_id=key.merchant_id, livemode=key.livemode, held=held,
    )
    if file is None:
        raise NotFound(f"There is no file of payouts {batch_id} for this key.")
    return file


async def _filed(rt: Runtime, file: PayoutFile) -> Filed:
    async with rt.store.autocommit() as tx:
        return Filed(file, await progress_of(rt, tx, file))


async def progress_of(rt: Runtime, tx: Transaction, file: PayoutFile) -> Progress:
    """Return how far a file is."""
    now = rt.now()
    since = max(now - timedelta(seconds=PACE_SECONDS), file.started_at or now)
    paused = await stops.of(tx, [stop.of_file(file.id)])
    return await store.progress(tx, file, now=now, since=since, is_paused=bool(paused))
