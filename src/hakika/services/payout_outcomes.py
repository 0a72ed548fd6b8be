"""What became of every row of a file, as a file: for whoever sent it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import BinaryIO

from hakika.domain.ids import BatchId
from hakika.domain.merchant import ApiKey
from hakika.domain.payout_file import PayoutFile, Row, WrongRow, outcome_of
from hakika.services import payout_files
from hakika.services.runtime import Runtime
from hakika.sheets.exports import Column, Export, Format, Kind, Value, exporting
from hakika.store.payout_files import RowView

PAGE_ROWS = 250

COLUMNS = (
    Column("row", Kind.INTEGER), Column("phone"), Column("paybill_or_till"), Column("account"),
    Column("amount", Kind.MONEY), Column("name"), Column("reference"), Column("remarks"),
    Column("status"), Column("receipt"), Column("amount_sent", Kind.MONEY),
    Column("completed_at", Kind.TIME), Column("code"), Column("reason"), Column("payout_id"),
)


async def write(
    rt: Runtime, key: ApiKey, batch_id: BatchId, form: Format, file: BinaryIO,
) -> None:
    """Write every row of a file of payouts into `file`, which can seek, in flat memory.

    Raises:
        NotFound: no such file for this key.
    """
    found = (await payout_files.read(rt, key, batch_id)).file
    with exporting(file, form, COLUMNS) as sheet:
        after = 0
        while page := await payout_files.rows(rt, key, batch_id, after=after, limit=PAGE_ROWS):
            await asyncio.to_thread(_write, sheet, found, page)
            after = page[-1].row.number


def _write(sheet: Export, file: PayoutFile, page: Sequence[RowView]) -> None:
    for each in page:
        sheet.write(_cells(file, each))


def _cells(file: PayoutFile, view: RowView) -> Sequence[Value]:
    row, payout = view.row, view.payout
    status = outcome_of(file, row, payout)
    if isinstance(row, WrongRow):
        codes = ", ".join(f"{each.field}: {each.code}" for each in row.errors)
        reasons = " ".join(each.message for each in row.errors)
        return (row.number, *[None] * 7, status, *[None] * 3, codes, reasons, None)
    return (row.number, *_asked(row), status, *_came(view))


def _asked(row: Row) -> Sequence[Value]:
    payee = row.payee
    return (
        payee.phone.digits if payee.phone else None, payee.number or None, payee.account or None,
        row.amount, payee.name or None, row.reference or None, row.remarks or None,
    )


def _came(view: RowView) -> Sequence[Value]:
    payout = view.payout
    if payout is None:
        refused = view.row.refused if isinstance(view.row, Row) else None
        why = (refused.code, refused.message) if refused else (None, None)
        return (None, None, None, *why, None)
    failure = payout.failure
    return (
        payout.receipt or None, payout.amount_sent, payout.completed_at,
        failure.code if failure else None, failure.developer_message if failure else None,
        payout.id,
    )
