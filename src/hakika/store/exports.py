"""Export jobs, and the files that they made, in sealed pieces: any process can serve them.

A worker holds a job by moving its `due_at` ahead. `tries` tells one hold from the next: who lost
his writes nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

from hakika.domain.export import Days, Export, State, Wanted, What
from hakika.domain.ids import ExportId, KeyId, MerchantId
from hakika.store.transaction import Transaction

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, key_id, what, format, first_day, last_day, reveal, state, rows,
    rows_total, bytes, tries, created_at, finished_at
"""

_ADD: LiteralString = (
    "insert into exports (" + _COLUMNS + """, due_at)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(key_id)s, %(what)s, %(format)s, %(first_day)s,
        %(last_day)s, %(reveal)s, 'waiting', 0, null, null, 0, %(created_at)s, null, %(created_at)s)
"""
)

_UNFINISHED: LiteralString = """
    select count(*) as exports from exports
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and due_at is not null
"""

_MAKE_ROOM: LiteralString = """
    delete from exports where id in (
        select id from exports
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
         order by id desc offset %(kept)s) and due_at is null
"""

_OWN: LiteralString = """
    from exports where merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

_READ: LiteralString = "select " + _COLUMNS + _OWN + " and id = %(id)s"

_LIST: LiteralString = (
    "select " + _COLUMNS + _OWN
    + " and (%(before)s::text is null or id < %(before)s) order by id desc limit %(limit)s"
)

_TAKE: LiteralString = (
    """
    update exports set due_at = %(lease)s, tries = tries + 1, state = 'running', rows = 0
     where id in (select id from exports where due_at <= %(now)s
                   order by due_at limit 1 for update skip locked)
    returning """
    + _COLUMNS
)

_HOLD: LiteralString = """
    update exports set due_at = %(lease)s, rows = %(rows)s, rows_total = %(rows_total)s
     where id = %(id)s and tries = %(tries)s and due_at is not null
"""

_FINISH: LiteralString = """
    update exports set due_at = null, state = %(state)s, rows = %(rows)s, rows_total = %(rows)s,
           bytes = %(bytes)s, finished_at = %(now)s
     where id = %(id)s and tries = %(tries)s and due_at is not null
"""

_CLEAR: LiteralString = """
    delete from export_pieces where export_id = %(id)s and tries < %(tries)s
"""

_ADD_PIECE: LiteralString = """
    insert into export_pieces (export_id, tries, number, private)
    values (%(id)s, %(tries)s, %(number)s, %(private)s)
"""

_PIECE: LiteralString = """
    select private from export_pieces
     where export_id = %(id)s and tries = %(tries)s and number = %(number)s
"""

_DROP: LiteralString = "delete from exports where finished_at < %(before)s"


async def add(tx: Transaction, export: Export, *, kept: int) -> None:
    """Keep a new job, due now; the oldest finished ones beyond `kept` go, with their files."""
    wanted = export.wanted
    values = {
        "id": export.id, "merchant_id": wanted.merchant_id, "livemode": wanted.livemode,
        "key_id": export.key_id, "what": wanted.what.value, "format": wanted.form,
        "first_day": wanted.days.first, "last_day": wanted.days.last, "reveal": wanted.reveal,
        "created_at": export.created_at, "kept": kept,
    }
    await tx.execute(_ADD, values)
    await tx.execute(_MAKE_ROOM, values)


async def unfinished(tx: Transaction, *, merchant_id: MerchantId, livemode: bool) -> int:
    """Return how many jobs of this merchant and mode wait or are being written."""
    row = await tx.row(_UNFINISHED, {"merchant_id": merchant_id, "livemode": livemode})
    assert row is not None, "an aggregate without groups has one row"
    return int(row["exports"])


async def read(
    tx: Transaction, export_id: ExportId, *, merchant_id: MerchantId, livemode: bool,
) -> Export | None:
    """Return one job of this merchant and mode, or None."""
    row = await tx.row(
        _READ, {"id": export_id, "merchant_id": merchant_id, "livemode": livemode},
    )
    return _export_of(row) if row else None


async def find(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool, before: ExportId | None,
    limit: int,
) -> list[Export]:
    """Return up to `limit` jobs of this merchant and mode, newest first."""
    rows = await tx.rows(_LIST, {
        "merchant_id": merchant_id, "livemode": livemode, "before": before, "limit": limit,
    })
    return [_export_of(row) for row in rows]


async def take(tx: Transaction, *, now: datetime, lease: datetime) -> Export | None:
    """Hold the job that has waited longest until `lease` and return it, or None."""
    row = await tx.row(_TAKE, {"now": now, "lease": lease})
    return _export_of(row) if row else None


async def hold(tx: Transaction, export: Export, *, lease: datetime) -> bool:
    """Hold a job on, and tell how far it is; False: somebody else has it now."""
    cursor = await tx.execute(_HOLD, {
        "id": export.id, "tries": export.tries, "rows": export.rows,
        "rows_total": export.rows_total, "lease": lease,
    })
    return cursor.rowcount == 1


async def finish(tx: Transaction, export: Export, *, now: datetime) -> bool:
    """Say what became of a job; False: somebody else has it now."""
    cursor = await tx.execute(_FINISH, {
        "id": export.id, "tries": export.tries, "state": export.state.value, "rows": export.rows,
        "bytes": export.bytes, "now": now,
    })
    return cursor.rowcount == 1


async def clear(tx: Transaction, export: Export) -> None:
    """Forget the pieces that earlier tries left."""
    await tx.execute(_CLEAR, {"id": export.id, "tries": export.tries})


async def add_piece(tx: Transaction, export: Export, number: int, plain: bytes) -> None:
    """Keep one piece of a file, sealed."""
    sealer = await tx.sealer(export.wanted.merchant_id)
    await tx.execute(_ADD_PIECE, {
        "id": export.id, "tries": export.tries, "number": number,
        "private": sealer.seal(_place(export, number), plain),
    })


async def piece(tx: Transaction, export: Export, number: int) -> bytes | None:
    """Return one piece of a file, or None: it was the last one before, or all were dropped."""
    row = await tx.row(_PIECE, {"id": export.id, "tries": export.tries, "number": number})
    if row is None:
        return None
    sealer = await tx.sealer(export.wanted.merchant_id)
    return sealer.open(_place(export, number), row["private"])


async def drop(tx: Transaction, *, before: datetime) -> int:
    """Drop the jobs that were over before a time, with their files; return how many."""
    return (await tx.execute(_DROP, {"before": before})).rowcount


def _place(export: Export, number: int) -> str:
    return f"export_pieces.private {export.id} {export.tries} {number}"


def _export_of(row: Mapping[str, Any]) -> Export:
    return Export(
        ExportId(row["id"]),
        Wanted(
            MerchantId(row["merchant_id"]), row["livemode"], What(row["what"]), row["format"],
            Days(row["first_day"], row["last_day"]), row["reveal"],
        ),
        KeyId(row["key_id"]), row["created_at"], State(row["state"]), row["rows"],
        row["rows_total"], row["bytes"], row["tries"], row["finished_at"],
    )
