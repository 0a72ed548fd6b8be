"""Stops: what stands before money that goes out. Payouts are held against them in `payouts.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

from hakika.domain.merchant import Owner
from hakika.domain.stop import Stop, Why
from hakika.store.transaction import Transaction

_ADD: LiteralString = """
    insert into payout_stops (key, reason, note, stopped_by, stopped_at)
    values (%(key)s, %(reason)s, %(note)s, %(stopped_by)s, %(stopped_at)s)
    on conflict (key) do nothing returning key
"""

_LIFT: LiteralString = "delete from payout_stops where key = %(key)s returning *"

_OF: LiteralString = """
    select * from payout_stops where key = any(%(keys)s) order by stopped_at, key
"""


async def add(tx: Transaction, stop: Stop) -> bool:
    """Put a stop; False, with nothing written, when one of this key stands already."""
    return await tx.row(_ADD, {
        "key": stop.key, "reason": stop.why.value, "note": stop.note,
        "stopped_by": stop.stopped_by, "stopped_at": stop.stopped_at,
    }) is not None


async def lift(tx: Transaction, key: str) -> Stop | None:
    """Take a stop away, and return it; None when there was none."""
    row = await tx.row(_LIFT, {"key": key})
    return None if row is None else _stop_of(row)


_OF_SELLERS: LiteralString = """
    select stop.* from payout_stops stop join sellers on sellers.id = stop.key
     where sellers.merchant_id = %(merchant_id)s and sellers.livemode = %(livemode)s
     order by stop.stopped_at, stop.key
"""


async def of_sellers(tx: Transaction, owner: Owner) -> list[Stop]:
    """Return those that stand before settlements with sellers of this platform, oldest first."""
    values = {"merchant_id": owner.merchant_id, "livemode": owner.livemode}
    return [_stop_of(row) for row in await tx.rows(_OF_SELLERS, values)]


async def of(tx: Transaction, keys: Sequence[str]) -> list[Stop]:
    """Return those of these keys that stand, oldest first."""
    return [_stop_of(row) for row in await tx.rows(_OF, {"keys": list(keys)})]


def _stop_of(row: dict[str, Any]) -> Stop:
    return Stop(
        row["key"], Why(row["reason"]), row["note"], row["stopped_by"], row["stopped_at"],
    )
