"""Runs of reconciliation, and up to when each short code's list was read whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, LiteralString

from hakika.domain.ids import MerchantId, ProviderId, RunId
from hakika.domain.reconciliation import Run
from hakika.store.transaction import Transaction

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, shortcode, source, since, until, rows, synced, skipped, not_found,
    undecided, error, started_at, finished_at
"""

_ADD: LiteralString = (
    "insert into reconciliation_runs (" + _COLUMNS + """)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(shortcode)s, %(source)s, %(since)s, %(until)s,
        %(rows)s, %(synced)s, %(skipped)s, %(not_found)s, %(undecided)s, %(error)s,
        %(started_at)s, %(finished_at)s)
"""
)

_LIST: LiteralString = (
    "select " + _COLUMNS + """ from reconciliation_runs
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (%(before)s::text is null or id < %(before)s)
     order by id desc limit %(limit)s
"""
)

_REGISTER: LiteralString = """
    insert into watermarks (provider_id, next_pull_at) values (%(provider_id)s, %(next_pull_at)s)
    on conflict (provider_id) do update set next_pull_at = excluded.next_pull_at
"""

_PULLED_TO: LiteralString = "select pulled_to from watermarks where provider_id = %(provider_id)s"

# Never backwards, whoever finishes last.
_NOTE: LiteralString = """
    update watermarks set pulled_to = greatest(pulled_to, %(pulled_to)s::timestamptz),
           last_error = %(error)s, next_pull_at = %(next_pull_at)s
     where provider_id = %(provider_id)s
"""

_PUT_OFF: LiteralString = """
    update watermarks set last_error = %(error)s, next_pull_at = %(next_pull_at)s
     where provider_id = %(provider_id)s
"""

_TAKE: LiteralString = """
    update watermarks set next_pull_at = %(lease)s
     where provider_id in (
        select provider_id from watermarks where next_pull_at <= %(now)s
         order by next_pull_at limit %(limit)s for update skip locked)
    returning provider_id
"""


async def register(
    tx: Transaction, provider_id: ProviderId, *, next_pull_at: datetime,
) -> None:
    """Have a short code's list read from now on."""
    await tx.execute(_REGISTER, {"provider_id": provider_id, "next_pull_at": next_pull_at})


async def pulled_to(tx: Transaction, provider_id: ProviderId) -> datetime | None:
    """Return up to when a short code's list was read whole, or None: never."""
    row = await tx.row(_PULLED_TO, {"provider_id": provider_id})
    return row["pulled_to"] if row else None


async def note(
    tx: Transaction, provider_id: ProviderId, run: Run, *, next_pull_at: datetime,
) -> None:
    """Keep a run, and move the watermark unless it failed."""
    await tx.execute(_ADD, asdict(run))
    await tx.execute(_NOTE, {
        "provider_id": provider_id, "pulled_to": None if run.error else run.until,
        "error": run.error or "", "next_pull_at": next_pull_at,
    })


async def put_off(
    tx: Transaction, provider_id: ProviderId, *, error: str, next_pull_at: datetime,
) -> None:
    """Note why a list was not read, and when it is to be read again. The watermark stays."""
    await tx.execute(_PUT_OFF, {
        "provider_id": provider_id, "error": error, "next_pull_at": next_pull_at,
    })


async def take_due(
    tx: Transaction, *, now: datetime, lease: datetime, limit: int,
) -> list[ProviderId]:
    """Hold short codes whose turn it is until `lease`, and return them."""
    rows = await tx.rows(_TAKE, {"now": now, "lease": lease, "limit": limit})
    return [ProviderId(row["provider_id"]) for row in rows]


async def runs(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool, before: RunId | None, limit: int,
) -> list[Run]:
    """Return up to `limit` runs of this merchant and mode, newest first."""
    rows = await tx.rows(_LIST, {
        "merchant_id": merchant_id, "livemode": livemode, "before": before, "limit": limit,
    })
    return [_run_of(row) for row in rows]


def _run_of(row: Mapping[str, Any]) -> Run:
    return Run(**{
        **row, "id": RunId(row["id"]), "merchant_id": MerchantId(row["merchant_id"]),
    })
