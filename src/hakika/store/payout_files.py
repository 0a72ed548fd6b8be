"""Files of payouts, and their rows. Who is paid is sealed; what is wrong with a row names nobody.

A worker holds a file while it makes payouts of its rows, in the same transaction: whoever dies
leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.errors import FieldError
from hakika.domain.ids import BatchId, MerchantId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import FINAL, STATUS, Payee, Payout, Status, Way
from hakika.domain.payout import State as PayoutState
from hakika.domain.payout_file import Objection, PayoutFile, Progress, Row, State, WrongRow
from hakika.domain.shortcode import Kind, Shortcode
from hakika.store.keyring import Sealer
from hakika.store.payout_rows import payout_of
from hakika.store.transaction import Transaction

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, sha256, shortcode_kind, shortcode, store_number, rows, rows_wrong,
    total_cents, charges_cents, charges_unknown, needs_approval, created_by, created_at, state,
    rows_made, rows_refused, waiting_for, started_by, started_at, ended_at
"""

_ADD: LiteralString = (
    "insert into payout_files (" + _COLUMNS + """)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(sha256)s, %(shortcode_kind)s, %(shortcode)s,
        %(store_number)s, %(rows)s, %(rows_wrong)s, %(total_cents)s, %(charges_cents)s,
        %(charges_unknown)s, %(needs_approval)s, %(created_by)s, %(created_at)s, %(state)s,
        %(rows_made)s, %(rows_refused)s, %(waiting_for)s, %(started_by)s, %(started_at)s,
        %(ended_at)s)
    on conflict on constraint payout_files_once do nothing
    returning id
"""
)

_ADD_ROWS: LiteralString = """
    copy payout_file_rows (batch_id, number, way, amount_cents, private, errors) from stdin
"""

_OWN: LiteralString = """
    from payout_files where merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

_READ: LiteralString = "select " + _COLUMNS + _OWN + " and id = %(id)s"

_SAME: LiteralString = "select " + _COLUMNS + _OWN + " and sha256 = %(sha256)s"

_LIST: LiteralString = (
    "select " + _COLUMNS + _OWN
    + " and (%(before)s::text is null or id < %(before)s) order by id desc limit %(limit)s"
)

_LOCK: LiteralString = _READ + " for update"

_TAKE: LiteralString = (
    "select " + _COLUMNS + """ from payout_files where due_at <= %(now)s
     order by due_at limit 1 for update skip locked
"""
)

_MOVE: LiteralString = """
    update payout_files set state = %(state)s, rows_made = %(rows_made)s,
           rows_refused = %(rows_refused)s, waiting_for = %(waiting_for)s,
           started_by = %(started_by)s, started_at = %(started_at)s, ended_at = %(ended_at)s,
           due_at = %(due_at)s
     where id = %(id)s
"""

_ROWS: LiteralString = """
    select r.number, r.way as row_way, r.amount_cents as row_amount_cents,
           r.private as row_private, r.errors, r.refused, p.*
      from payout_file_rows r left join payouts p on p.id = r.payout_id
     where r.batch_id = %(batch_id)s and r.number > %(after)s
       and (not %(wrong)s or r.errors is not null)
     order by r.number limit %(limit)s
"""

_NEXT_ROWS: LiteralString = """
    select number, way as row_way, amount_cents as row_amount_cents, private as row_private, errors,
           refused
      from payout_file_rows
     where batch_id = %(batch_id)s and payout_id is null and refused is null
     order by number limit %(limit)s
"""

_BECAME: LiteralString = """
    update payout_file_rows r set payout_id = each.payout_id
      from unnest(%(numbers)s::integer[], %(payout_ids)s::text[]) as each (number, payout_id)
     where r.batch_id = %(batch_id)s and r.number = each.number
"""

_REFUSE: LiteralString = """
    update payout_file_rows r set refused = each.why::jsonb
      from unnest(%(numbers)s::integer[], %(whys)s::text[]) as each (number, why)
     where r.batch_id = %(batch_id)s and r.number = each.number
"""

_COUNTS: LiteralString = """
    select state, count(*) as payouts, count(*) filter (where asked_at > %(since)s) as lately
      from payouts where batch_id = %(batch_id)s group by state
"""

_IS_UNDER_WAY: LiteralString = """
    select exists (select from payouts where batch_id = %(batch_id)s and state = any(%(states)s))
        as is_under_way
"""


@dataclass(frozen=True, slots=True)
class RowView:
    """A row, and what became of it."""

    row: Row | WrongRow
    payout: Payout | None


async def add(tx: Transaction, file: PayoutFile, rows: Sequence[Row | WrongRow]) -> bool:
    """Keep a file; False, with nothing written, when the same bytes were sent before."""
    if await tx.row(_ADD, _values(file)) is None:
        return False
    sealer = await tx.sealer(file.merchant_id)
    await tx.copy(_ADD_ROWS, (_copied(file.id, row, sealer) for row in rows))
    return True


async def read(
    tx: Transaction, batch_id: BatchId, *, merchant_id: MerchantId, livemode: bool,
    held: bool = False,
) -> PayoutFile | None:
    """Return one file of this merchant and mode, or None; `held` until the transaction ends."""
    row = await tx.row(_LOCK if held else _READ, {
        "id": batch_id, "merchant_id": merchant_id, "livemode": livemode,
    })
    return _file_of(row) if row else None


async def same(
    tx: Transaction, sha256: str, *, merchant_id: MerchantId, livemode: bool,
) -> PayoutFile | None:
    """Return the file of these bytes, or None: they were not sent before."""
    row = await tx.row(
        _SAME, {"sha256": sha256, "merchant_id": merchant_id, "livemode": livemode},
    )
    return _file_of(row) if row else None


async def find(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool, before: BatchId | None,
    limit: int,
) -> list[PayoutFile]:
    """Return up to `limit` files of this merchant and mode, newest first."""
    rows = await tx.rows(_LIST, {
        "merchant_id": merchant_id, "livemode": livemode, "before": before, "limit": limit,
    })
    return [_file_of(row) for row in rows]


async def take(tx: Transaction, *, now: datetime) -> PayoutFile | None:
    """Return the file that has waited longest for a worker, held by this transaction, or None."""
    row = await tx.row(_TAKE, {"now": now})
    return _file_of(row) if row else None


async def move(tx: Transaction, file: PayoutFile, *, due_at: datetime | None) -> None:
    """Write where a held file is. `due_at` is when a worker has to look at it; None: never."""
    await tx.execute(_MOVE, _values(file) | {"due_at": due_at})


async def rows(
    tx: Transaction, file: PayoutFile, *, after: int, limit: int, wrong: bool = False,
) -> list[RowView]:
    """Return up to `limit` rows behind number `after`; `wrong`: of the wrong ones alone."""
    sealer = await tx.sealer(file.merchant_id)
    found = await tx.rows(
        _ROWS, {"batch_id": file.id, "after": after, "limit": limit, "wrong": wrong},
    )
    return [
        RowView(_row_of(file.id, each, sealer), payout_of(each, sealer) if each["id"] else None)
        for each in found
    ]


async def next_rows(tx: Transaction, file: PayoutFile, *, limit: int) -> list[Row]:
    """Return the next rows that are to become payouts. Only of a file without wrong ones."""
    sealer = await tx.sealer(file.merchant_id)
    found = await tx.rows(_NEXT_ROWS, {"batch_id": file.id, "limit": limit})
    return [row for each in found if isinstance(row := _row_of(file.id, each, sealer), Row)]


async def became(tx: Transaction, file: PayoutFile, made: Sequence[tuple[int, Payout]]) -> None:
    """Write which rows are which payouts now."""
    await tx.execute(_BECAME, {
        "batch_id": file.id, "numbers": [number for number, _ in made],
        "payout_ids": [payout.id for _, payout in made],
    })


async def refuse(
    tx: Transaction, file: PayoutFile, refused: Sequence[tuple[int, Objection]],
) -> None:
    """Write which rows never become payouts, and why."""
    await tx.execute(_REFUSE, {
        "batch_id": file.id, "numbers": [number for number, _ in refused],
        "whys": [_objection_data(why) for _, why in refused],
    })


async def progress(
    tx: Transaction, file: PayoutFile, *, now: datetime, since: datetime, is_paused: bool,
) -> Progress:
    """Return how far a file is; its pace is counted from `since` on."""
    counts: dict[Status, int] = {}
    unsent = lately = 0
    for row in await tx.rows(_COUNTS, {"batch_id": file.id, "since": since}):
        state = PayoutState(row["state"])
        counts[STATUS[state]] = counts.get(STATUS[state], 0) + row["payouts"]
        unsent += row["payouts"] if state is PayoutState.READY else 0
        lately += row["lately"]
    return Progress(counts, unsent, lately, (now - since).total_seconds(), is_paused)


async def is_under_way(tx: Transaction, file: PayoutFile) -> bool:
    """Say whether a payout of this file has not ended."""
    row = await tx.row(_IS_UNDER_WAY, {
        "batch_id": file.id,
        "states": [each.value for each in PayoutState if each not in FINAL],
    })
    return bool(row and row["is_under_way"])


def _values(file: PayoutFile) -> dict[str, Any]:
    return {
        "id": file.id, "merchant_id": file.merchant_id, "livemode": file.livemode,
        "sha256": file.sha256, "shortcode_kind": file.shortcode.kind.value,
        "shortcode": file.shortcode.number, "store_number": file.shortcode.store_number,
        "rows": file.rows, "rows_wrong": file.rows_wrong, "total_cents": file.total.cents,
        "charges_cents": file.charges.cents, "charges_unknown": file.charges_unknown,
        "needs_approval": file.needs_approval, "created_by": file.created_by,
        "created_at": file.created_at, "state": file.state.value,
        "rows_made": file.rows_made, "rows_refused": file.rows_refused,
        "waiting_for": _objection_data(file.waiting_for), "started_by": file.started_by,
        "started_at": file.started_at, "ended_at": file.ended_at,
    }


def _file_of(row: dict[str, Any]) -> PayoutFile:
    return PayoutFile(
        id=BatchId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], sha256=row["sha256"],
        shortcode=Shortcode(Kind(row["shortcode_kind"]), row["shortcode"], row["store_number"]),
        rows=row["rows"], rows_wrong=row["rows_wrong"], total=Money(row["total_cents"]),
        charges=Money(row["charges_cents"]), charges_unknown=row["charges_unknown"],
        needs_approval=row["needs_approval"],
        created_by=row["created_by"], created_at=row["created_at"], state=State(row["state"]),
        rows_made=row["rows_made"], rows_refused=row["rows_refused"],
        waiting_for=_objection_of(row["waiting_for"]), started_by=row["started_by"],
        started_at=row["started_at"], ended_at=row["ended_at"],
    )


def _copied(batch_id: BatchId, row: Row | WrongRow, sealer: Sealer) -> tuple[Any, ...]:
    if isinstance(row, WrongRow):
        errors = [[each.field, each.code, each.message] for each in row.errors]
        return batch_id, row.number, None, None, None, orjson.dumps(errors).decode()
    payee = row.payee
    private = sealer.seal(_place(batch_id, row.number), orjson.dumps([
        payee.phone.digits if payee.phone else None, payee.number, payee.account, payee.name,
        row.reference, row.remarks,
    ]))
    return batch_id, row.number, row.way.value, row.amount.cents, private, None


def _row_of(batch_id: BatchId, row: dict[str, Any], sealer: Sealer) -> Row | WrongRow:
    number: int = row["number"]
    if row["errors"] is not None:
        return WrongRow(number, tuple(FieldError(*each) for each in row["errors"]))
    opened = sealer.open(_place(batch_id, number), row["row_private"])
    phone, business, account, name, reference, remarks = orjson.loads(opened)
    payee = Payee(Msisdn(phone) if phone else None, business, account, name)
    amount = Money(row["row_amount_cents"])
    return Row(
        number, Way(row["row_way"]), payee, amount, reference, remarks,
        refused=_objection_of(row["refused"]),
    )


def _objection_data(why: Objection | None) -> str | None:
    return None if why is None else orjson.dumps([why.code, why.message]).decode()


def _objection_of(data: list[str] | None) -> Objection | None:
    return None if data is None else Objection(*data)


def _place(batch_id: BatchId, number: int) -> str:
    return f"payout_file_rows.private {batch_id} {number}"
