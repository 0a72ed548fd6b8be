"""Exports: written to a file for whoever asks at the command line, or by a job for the API.

A job is worked off by any worker, which holds it while it writes. The file is whole before it is
kept in the database, in sealed pieces, and gone a day after.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, BinaryIO

import structlog

from hakika.domain.errors import ExportFailed, ExportUnfinished, NotFound, TooManyExports
from hakika.domain.export import (
    KEPT_FOR,
    KEPT_MAX,
    TRIES_MAX,
    UNFINISHED_MAX,
    Export,
    State,
    Wanted,
)
from hakika.domain.ids import ExportId
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import ledger
from hakika.services.exportable import EXPORTABLE, Exportable
from hakika.services.runtime import Runtime
from hakika.sheets.exports import Export as Sheet
from hakika.sheets.exports import Format, exporting
from hakika.store import exports as store
from hakika.store.walks import Span

log = structlog.get_logger(__name__)

# Opening so many sealed rows takes a worker ten milliseconds, in which nothing else happens there.
PAGE_ROWS = 250

PIECE_BYTES = 256 * 1024

# A dead worker's job is taken by another after this; a living one says each second how far it is.
LEASE = timedelta(seconds=30)
HOLD_SECONDS = 1.0

Progress = Callable[[int, int], None]


async def write(rt: Runtime, wanted: Wanted, file: BinaryIO, progress: Progress) -> int:
    """Write an export into `file`, which can seek, in flat memory; return how many rows it has.

    `progress` is called with the rows that are written, and how many there will be.
    """
    await ledger.chain_surely(rt, wanted.merchant_id, livemode=wanted.livemode)
    source, span = EXPORTABLE[wanted.what], _span(wanted)
    async with rt.store.autocommit() as tx:
        total = await source.count(tx, span)
    with ExitStack() as opened:
        sheet = opened.enter_context(exporting(file, Format(wanted.form), source.columns))
        rows, after = 0, None
        progress(0, total)
        while True:
            async with rt.store.autocommit() as tx:
                page, after = await source.page(tx, span, after, PAGE_ROWS)
            await asyncio.to_thread(_write_page, sheet, source, page, revealed=wanted.reveal)
            rows += len(page)
            progress(rows, max(rows, total))
            if after is None:
                break
        await asyncio.to_thread(opened.close)  # zipping a workbook of a million rows takes a while
    return rows


def _write_page(
    sheet: Sheet, source: Exportable, page: Sequence[Any], *, revealed: bool,
) -> None:
    for row in page:
        sheet.write(source.cells(row, revealed))


def _span(wanted: Wanted) -> Span:
    return Span(wanted.merchant_id, wanted.livemode, wanted.days.since, wanted.days.until)


async def request(rt: Runtime, key: ApiKey, wanted: Wanted) -> Export:
    """Return a new job, which a worker will take.

    Raises:
        Forbidden: it reveals, and the key may not read what is revealed.
        TooManyExports: as many as there may be are not done yet.
    """
    if wanted.reveal:
        key.require(Scope.AUDIT_READ)
    export = Export(ExportId(rt.new_id("exp")), wanted, key.id, rt.now())
    async with rt.store.transaction() as tx:
        unfinished = await store.unfinished(
            tx, merchant_id=key.merchant_id, livemode=key.livemode,
        )
        if unfinished >= UNFINISHED_MAX:
            raise TooManyExports(f"{UNFINISHED_MAX} exports are not done yet.")
        await store.add(tx, export, kept=KEPT_MAX)
    if wanted.reveal:
        log.info("export_revealed", export=export.id, what=wanted.what.value, key=key.id)
    return export


async def read(rt: Runtime, key: ApiKey, export_id: ExportId) -> Export:
    """Return one job of this key's merchant and mode. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        export = await store.read(
            tx, export_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    if export is None:
        raise NotFound(f"There is no export {export_id}; each is dropped a day after it was done.")
    return export


async def find(
    rt: Runtime, key: ApiKey, *, before: ExportId | None, limit: int,
) -> list[Export]:
    """Return up to `limit` jobs of this key's merchant and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await store.find(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, before=before, limit=limit,
        )


async def file_of(rt: Runtime, key: ApiKey, export_id: ExportId) -> Export:
    """Return a job whose file is there for this key to read: `pieces` has it.

    Raises:
        NotFound: no such job.
        Forbidden: it reveals, and the key may not read what is revealed.
        ExportUnfinished, ExportFailed: it has no file.
    """
    export = await read(rt, key, export_id)
    if export.wanted.reveal:
        key.require(Scope.AUDIT_READ)
    if export.state is State.FAILED:
        raise ExportFailed(f"Export {export.id} could not be written.")
    if export.state is not State.DONE:
        raise ExportUnfinished(f"Export {export.id} is not done: {export.percent}%.")
    return export


async def pieces(rt: Runtime, export: Export) -> AsyncIterator[bytes]:
    """Yield a file piece by piece. Raises: NotFound, when it is dropped meanwhile."""
    number, left = 0, export.bytes or 0
    while left:
        async with rt.store.autocommit() as tx:
            piece = await store.piece(tx, export, number)
        if piece is None:
            raise NotFound(f"Export {export.id} was dropped while it was read.")
        yield piece
        number, left = number + 1, left - len(piece)


async def work_off(rt: Runtime) -> Export | None:
    """Write the job that has waited longest; return what became of it, or None: none waits.

    Safe beside other workers. One that dies loses nothing: another begins the job anew.
    """
    now = rt.now()
    async with rt.store.transaction() as tx:
        export = await store.take(tx, now=now, lease=now + LEASE)
    if export is None:
        return None
    if export.tries > TRIES_MAX:
        log.error("export_failed", export=export.id, tries=TRIES_MAX)
        return await _finished(rt, replace(export, state=State.FAILED))
    return await _held(rt, export)


async def _held(rt: Runtime, export: Export) -> Export | None:
    """Write a job while holding it; None: it was lost to another worker."""
    far = [0, 0]

    def progress(rows: int, total: int) -> None:
        far[:] = rows, total

    writing = asyncio.create_task(_written(rt, export, progress))
    try:
        while not writing.done():
            await asyncio.wait({writing}, timeout=HOLD_SECONDS)
            known = replace(export, rows=far[0], rows_total=far[1])
            async with rt.store.autocommit() as tx:
                is_ours = await store.hold(tx, known, lease=rt.now() + LEASE)
            if not is_ours:
                log.warning("export_lost", export=export.id)
                return None
        return await _finished(rt, writing.result())
    finally:
        writing.cancel()


async def _written(rt: Runtime, export: Export, progress: Progress) -> Export:
    """Write a job's file, and keep it in the database."""
    with tempfile.TemporaryFile() as file:  # without a name: nobody else can open it
        rows = await write(rt, export.wanted, file, progress)
        size = file.seek(0, 2)
        file.seek(0)
        async with rt.store.autocommit() as tx:
            await store.clear(tx, export)
        number = 0
        while plain := file.read(PIECE_BYTES):
            async with rt.store.autocommit() as tx:
                await store.add_piece(tx, export, number, plain)
            number += 1
    return replace(export, state=State.DONE, rows=rows, bytes=size)


async def _finished(rt: Runtime, export: Export) -> Export | None:
    async with rt.store.autocommit() as tx:
        is_ours = await store.finish(tx, export, now=rt.now())
    return export if is_ours else None


async def drop_old(rt: Runtime) -> int:
    """Drop the exports that have been kept for their time; return how many."""
    async with rt.store.autocommit() as tx:
        return await store.drop(tx, before=rt.now() - KEPT_FOR)
