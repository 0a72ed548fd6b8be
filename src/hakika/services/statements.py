"""Import an M-Pesa statement: read and checked whole, then kept whole or not at all.

Read `take`. Lines of money that nobody told of become witnesses, which `services/witnesses.py`
judges right after; everything else is in the books when the import has ended.
"""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

from hakika.domain.errors import (
    NotFound,
    StatementAccountUnknown,
    StatementOfAnother,
    StatementUnreadable,
)
from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.file_errors import StatementsWait
from hakika.domain.ids import StatementId
from hakika.domain.ledger import float_account, named_account
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.payout_fact import Kind as PayoutKind
from hakika.domain.payout_fact import PayoutFact
from hakika.domain.payout_fact import Source as PayoutSource
from hakika.domain.shortcode import Shortcode
from hakika.domain.statement import LineKind, StatementLine
from hakika.domain.statement_books import (
    Fate,
    Filed,
    Imported,
    Sheet,
    ends,
    filed,
    is_newest_first,
    role,
)
from hakika.domain.statement_books import Sent as SentByUs
from hakika.services import facts, payout_facts, witnesses
from hakika.services.runtime import Runtime
from hakika.sheets.statements import Statement, read_statement
from hakika.store import payouts, providers, statement_fates
from hakika.store import statements as store
from hakika.store.statements import Line
from hakika.store.transaction import Transaction

# An import takes about so long.
RETRY_SECONDS = 20

# Told how far a step is, from 0 to 1.
Progress = Callable[[str, float], None]

READING, KEEPING, MATCHING = "Reading", "Keeping", "Matching"


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that somebody sends, and what they say of it."""

    file: bytes
    shortcode: str = ""              # of which short code, when the file does not tell
    account: str = ""                # of which of its accounts, such as "Utility Account"
    password: str | None = None


@asynccontextmanager
async def turn(rt: Runtime) -> AsyncIterator[None]:
    """Be one of the few that import into this process. Raises: StatementsWait."""
    if rt.importing.locked():
        raise StatementsWait(
            "Other statements are being imported just now.", retry_after_seconds=RETRY_SECONDS,
        )
    async with rt.importing:
        yield


async def take(
    rt: Runtime, owner: Owner, sent: Sent, *, progress: Progress | None = None,
) -> Imported:
    """Import a statement and return what came of its lines. The same file again changes nothing.

    Raises:
        StatementUnreadable: or one of its kinds. Nothing of the file was kept.
        StatementOfAnother: it is of a short code that is none of this merchant and mode; or the
            same file was imported as that of another account.
        StatementAccountUnknown: it is of an account of which Hakika keeps no books.
        StoreUnavailable: it is imported whole or not at all. Send it again.
    """
    statement = await _read(rt, sent, progress)
    sheet = await _sheet(rt, owner, statement, sent)
    async with rt.store.transaction() as tx:
        await store.hold(tx, sheet, statement.sha256)
        before = await store.same_file(tx, sheet, statement.sha256)
        if before is not None:
            return _again(before, sheet)
        imported = await _keep(rt, tx, sheet, statement, progress)
    if progress is not None:
        await _match(rt, imported, progress)
    return imported


def _again(before: Imported, sheet: Sheet) -> Imported:
    """Return what a file was the first time. Raises: StatementOfAnother, were it two accounts'."""
    if before.account != sheet.account:
        raise StatementOfAnother(
            f"This very file was imported before, as statement {before.id} of {before.account}.",
            hint=f"A file is of one account. Download that of {sheet.account} and send it.",
        )
    return replace(before, again=True)


async def listed(
    rt: Runtime, owner: Owner, *, before: StatementId | None, limit: int,
) -> list[Imported]:
    """Return up to `limit` statements, newest first."""
    async with rt.store.autocommit() as tx:
        return await store.listed(
            tx, merchant_id=owner.merchant_id, livemode=owner.livemode, before=before, limit=limit,
        )


async def lines(
    rt: Runtime, owner: Owner, statement_id: StatementId, *, after: int, limit: int,
) -> list[Line]:
    """Return up to `limit` lines that a file was the first to tell of. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        statement = await _found(tx, owner, statement_id)
        return await store.lines(tx, statement, after=after, limit=limit)


async def read(rt: Runtime, owner: Owner, statement_id: StatementId) -> Imported:
    """Return a statement of this merchant and mode, with the fates of now. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        found = await _found(tx, owner, statement_id)
        waited = found.fates.get(Fate.WAITING, 0)
        if not waited:
            return found
        waiting = await statement_fates.waiting(tx, statement_id)
    fates = Counter(found.fates)
    fates[Fate.WAITING] = waiting
    fates[Fate.MATCHED] += waited - waiting
    return replace(found, fates={fate: count for fate, count in fates.items() if count})


async def _found(tx: Transaction, owner: Owner, statement_id: StatementId) -> Imported:
    found = await store.read(
        tx, statement_id, merchant_id=owner.merchant_id, livemode=owner.livemode,
    )
    if found is None:
        raise NotFound(f"There is no statement {statement_id} for this key.")
    return found


async def _read(rt: Runtime, sent: Sent, progress: Progress | None) -> Statement:
    """Read a file beside the event loop, which must not stand still for the seconds it takes.

    In a process of its own when others are served meanwhile; a command, which serves nobody, reads
    in a thread and is told how far it is.
    """
    read = partial(
        read_statement, io.BytesIO(sent.file), now=rt.now(), password=sent.password,
    )
    if progress is not None:
        return await asyncio.to_thread(read, progress=partial(progress, READING))
    pool = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, read)
    except BrokenProcessPool:
        raise StatementUnreadable("The process that read the file died of it.") from None
    finally:
        pool.shutdown(wait=False)


async def _sheet(rt: Runtime, owner: Owner, statement: Statement, sent: Sent) -> Sheet:
    """Return whose account the statement is of."""
    said = statement.head.shortcode
    if said and sent.shortcode and said != sent.shortcode:
        raise StatementOfAnother(
            f"The statement is of short code {said}, not {sent.shortcode}.",
            hint="Leave the short code out: the file names it.",
        )
    shortcode = _shortcode(await _shortcodes(rt, owner), said or sent.shortcode)
    return Sheet(
        StatementId(rt.new_id("stm")), owner.merchant_id, owner.livemode, shortcode,
        _account(shortcode, statement.head.account, sent.account),
    )


def _account(shortcode: Shortcode, told: str, said: str) -> str:
    """Return which account of the books it is: as the file tells, or else as was said."""
    books = {name: named_account(shortcode, name) for name in (told, said) if name}
    for name, account in books.items():
        if account is None:
            raise StatementAccountUnknown(f"Hakika keeps no books of the account {name!r}.")
    found = {account for account in books.values() if account}
    if len(found) > 1:
        raise StatementOfAnother(
            f"The statement is of the {told}, not of the {said}.",
            hint="Leave the account out: the file names it.",
        )
    return found.pop() if found else float_account(shortcode)


async def _shortcodes(rt: Runtime, owner: Owner) -> list[Shortcode]:
    """Return the short codes of a merchant; in test mode without any, the shared one."""
    async with rt.store.autocommit() as tx:
        present = await providers.of(tx, owner.merchant_id, livemode=owner.livemode)
    if not present and not owner.livemode:
        return [rt.shared_account.shortcode]
    return [each.shortcode for each in present]


def _shortcode(present: list[Shortcode], number: str) -> Shortcode:
    mine = {each.number: each for each in present}
    if not number and len(mine) == 1:
        return next(iter(mine.values()))
    if not number:
        raise StatementOfAnother(
            "The statement does not say of which short code it is.",
            hint="Say it: send shortcode along with the file.",
        )
    if number not in mine:
        raise StatementOfAnother(
            f"The statement is of short code {number}, which is none of yours.",
        )
    return mine[number]


async def _keep(
    rt: Runtime, tx: Transaction, sheet: Sheet, statement: Statement, progress: Progress | None,
) -> Imported:
    fates: Counter[Fate] = Counter()
    for share, batch in _batches(statement):
        sent = await store.sent(tx, sheet, [
            receipt for _, line in batch for receipt in (line.receipt, line.linked_receipt)
        ])
        new = await _file(tx, sheet, batch, sent)
        await store.add_lines(tx, sheet, new, now=rt.now())
        for _, each in new.values():
            await _note_return(rt, tx, each, sent)
        fates.update(each.fate for _, each in new.values())
        if progress is not None:
            progress(KEEPING, share)
    imported = _imported(rt, sheet, statement, fates)
    await store.add(tx, imported)
    return imported


def _batches(
    statement: Statement,
) -> Iterator[tuple[float, list[tuple[int, StatementLine]]]]:
    """Yield the lines, each with a number that grows with time, and how far they are."""
    done, step = 0, 1
    for batch in statement.batches():
        if not done and is_newest_first(batch):
            step = -1
        numbered = [(step * (done + at), line) for at, line in enumerate(batch)]
        done += len(batch)
        yield done / statement.lines, numbered


async def _file(
    tx: Transaction, sheet: Sheet, batch: list[tuple[int, StatementLine]],
    sent: Mapping[str, SentByUs],
) -> dict[bytes, tuple[int, Filed]]:
    """Return what becomes of those lines of a batch that are new, by their identities."""
    receipts = [line.receipt for _, line in batch]
    linked = [line.linked_receipt for _, line in batch if line.linked_receipt]
    identities, seen = await store.seen(tx, sheet, receipts)
    held = await store.held(tx, sheet, receipts + linked)
    new: dict[bytes, tuple[int, Filed]] = {}
    for ordinal, line in batch:
        known = store.identity(line)
        if known in identities or known in new:
            continue
        each = filed(sheet, line, held=held, seen=seen, sent=sent)
        if line.is_completed:
            seen.add(role(
                line.receipt, each.kind, reason_type=line.reason_type, details=line.details,
            ))
        new[known] = ordinal, each
    return new


async def _note_return(
    rt: Runtime, tx: Transaction, each: Filed, sent: Mapping[str, SentByUs],
) -> None:
    """Let a payment, or a payout of ours, know that it was reversed on M-Pesa's portal. (T53)"""
    line = each.line
    if each.kind is not LineKind.REVERSAL or each.fate is not Fate.EXPLAINED:
        return
    amount, at = Money(abs(line.amount.cents)), line.completed_at
    note = "A statement tells of a reversal that was not ours."
    if line.amount.cents < 0 and each.payment_id is not None:
        await facts.record_in(rt, tx, each.payment_id, Fact(
            Kind.RETURNED, Source.STATEMENT, receipt=line.receipt, amount=amount, paid_at=at,
            note=note,
        ))
    elif line.amount.cents > 0 and line.linked_receipt in sent:
        payout = await payouts.lock(tx, sent[line.linked_receipt].payout_id)
        assert payout is not None, "no payout is deleted"
        await payout_facts.written(rt, tx, payout, PayoutFact(
            PayoutKind.RETURNED, PayoutSource.STATEMENT, receipt=line.receipt, amount=amount,
            happened_at=at, note=note,
        ))


def _imported(
    rt: Runtime, sheet: Sheet, statement: Statement, fates: Counter[Fate],
) -> Imported:
    opening, closing = _ends(statement)
    head, now = statement.head, rt.now()
    ends_at = head.covers_until(now)
    # What has no lines knows no more than its period.
    last_at = statement.last_at if statement.lines else ends_at or statement.last_at
    return Imported(
        sheet.id, sheet.merchant_id, sheet.livemode, sheet.shortcode.number, sheet.account,
        statement.sha256, statement.kind.value, statement.lines, head.starts_at, ends_at,
        statement.first_at, last_at, opening, closing, now, dict(fates),
    )


def _ends(statement: Statement) -> tuple[Money | None, Money | None]:
    """Return what lay on the account before and after, where it is told."""
    both = statement.ends()
    if both is None:
        return statement.head.opening, statement.head.closing
    oldest, newest = reversed(both) if is_newest_first(both) else both
    return ends(
        statement.head, oldest, newest, is_in_time_order=(
            (oldest.completed_at, newest.completed_at) == (statement.first_at, statement.last_at)
        ),
    )


async def _match(rt: Runtime, imported: Imported, progress: Progress) -> None:
    """Judge what waits here and now, instead of leaving it to the worker."""
    left = total = imported.fates.get(Fate.WAITING, 0) + imported.fates.get(Fate.DIFFERS, 0)
    while heard := await witnesses.hear_again(rt):
        left -= heard
        progress(MATCHING, min(1.0, 1 - left / max(total, 1)))
