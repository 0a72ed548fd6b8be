"""How fast Daraja is called: a row for each short code, mode and API, shared by all processes."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from hakika.domain.bucket import Api, Bucket
from hakika.store.transaction import Transaction

# Held until the transaction ends: what two take at once is added up.
_HOLD: LiteralString = """
    insert into daraja_buckets (shortcode, livemode, api, free_at, climbed_seconds)
    values (%(shortcode)s, %(livemode)s, %(api)s, %(free_at)s, 0)
    on conflict on constraint daraja_buckets_pkey do update set api = excluded.api
    returning free_at, ceiling, climbed_seconds, lowered_at
"""

_PUT: LiteralString = """
    update daraja_buckets set free_at = %(free_at)s, ceiling = %(ceiling)s,
           climbed_seconds = %(climbed_seconds)s, lowered_at = %(lowered_at)s
     where shortcode = %(shortcode)s and livemode = %(livemode)s and api = %(api)s
"""

_LOWERED: LiteralString = """
    select max(lowered_at) as lowered_at from daraja_buckets
     where shortcode = %(shortcode)s and livemode = %(livemode)s and api <> %(api)s
"""


async def hold(
    tx: Transaction, shortcode: str, api: Api, *, livemode: bool, start: float, free_at: datetime,
) -> Bucket:
    """Return a bucket, held until the transaction ends; a new one is free at `free_at`."""
    row = await tx.row(_HOLD, {
        "shortcode": shortcode, "livemode": livemode, "api": api.value, "free_at": free_at,
    })
    assert row is not None, "it was there, or is now"
    return Bucket(start, **row)


async def put(
    tx: Transaction, shortcode: str, api: Api, bucket: Bucket, *, livemode: bool,
) -> None:
    """Write a bucket that this transaction holds."""
    await tx.execute(_PUT, {
        "shortcode": shortcode, "livemode": livemode, "api": api.value,
        "free_at": bucket.free_at, "ceiling": bucket.ceiling,
        "climbed_seconds": bucket.climbed_seconds, "lowered_at": bucket.lowered_at,
    })


async def lowered_at(
    tx: Transaction, shortcode: str, api: Api, *, livemode: bool,
) -> datetime | None:
    """Return when any other API of the same short code was last called too fast, or None."""
    row = await tx.row(
        _LOWERED, {"shortcode": shortcode, "livemode": livemode, "api": api.value},
    )
    return row["lowered_at"] if row else None
