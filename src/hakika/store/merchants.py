"""Merchants."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from hakika.domain.fact import LateAction
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import CollectionsStop, Merchant
from hakika.domain.sealing import INSTANCE
from hakika.store.transaction import Transaction

_ADD: LiteralString = """
    insert into merchants (id, name, created_at) values (%(id)s, %(name)s, %(created_at)s)
"""
_LIST: LiteralString = """
    select id, name, created_at from merchants
     where %(after)s::text is null or id > %(after)s order by id limit %(limit)s
"""
_ONE: LiteralString = "select id, name, created_at from merchants where id = %(id)s"

_LATE_MONEY: LiteralString = """
    select case when %(livemode)s then late_money_live else late_money_test end as policy
      from merchants where id = %(id)s
"""
_SET_LATE_MONEY: LiteralString = """
    update merchants
       set late_money_live = case when %(livemode)s then %(policy)s else late_money_live end,
           late_money_test = case when %(livemode)s then late_money_test else %(policy)s end
     where id = %(id)s
"""

_LOCK: LiteralString = "select id from merchants where id = %(id)s for no key update"

_STOPPED: LiteralString = """
    select owner, reason, stopped_at from collection_stops where owner = any(%(owners)s)
     order by stopped_at limit 1
"""
_STOP: LiteralString = """
    insert into collection_stops (owner, reason, stopped_at)
    values (%(owner)s, %(reason)s, %(now)s) on conflict do nothing
"""
_RESUME: LiteralString = "delete from collection_stops where owner = %(owner)s returning owner"


async def add(tx: Transaction, merchant: Merchant) -> None:
    """Write a new merchant, with a data key of its own."""
    await tx.execute(
        _ADD, {"id": merchant.id, "name": merchant.name, "created_at": merchant.created_at},
    )
    await tx.keyring.make(tx, merchant.id)


async def find(tx: Transaction, *, after: MerchantId | None, limit: int) -> list[Merchant]:
    """Return merchants, oldest first, that were made after `after`."""
    rows = await tx.rows(_LIST, {"after": after, "limit": limit})
    return [_merchant_of(row) for row in rows]


async def read(tx: Transaction, merchant_id: MerchantId) -> Merchant | None:
    """Return one merchant, or None."""
    row = await tx.row(_ONE, {"id": merchant_id})
    return _merchant_of(row) if row else None


async def late_money(tx: Transaction, merchant_id: MerchantId, *, livemode: bool) -> LateAction:
    """Return what a merchant wants done with money that comes late."""
    row = await tx.row(_LATE_MONEY, {"id": merchant_id, "livemode": livemode})
    return LateAction(row["policy"]) if row else LateAction.FULFIL


async def set_late_money(
    tx: Transaction, merchant_id: MerchantId, policy: LateAction, *, livemode: bool,
) -> None:
    """Write what a merchant wants done with money that comes late from now on."""
    await tx.execute(_SET_LATE_MONEY, {
        "id": merchant_id, "livemode": livemode, "policy": policy.value,
    })


async def lock(tx: Transaction, merchant_id: MerchantId) -> None:
    """Keep others from changing what belongs to this merchant, and is counted, until the end."""
    await tx.execute(_LOCK, {"id": merchant_id})


async def stopped(tx: Transaction, merchant_id: MerchantId) -> CollectionsStop | None:
    """Return what stops this merchant's live collections, the first of it, or None."""
    row = await tx.row(_STOPPED, {"owners": [merchant_id, INSTANCE]})
    if row is None:
        return None
    return CollectionsStop(row["reason"], row["stopped_at"], row["owner"] == INSTANCE)


async def stop(tx: Transaction, owner: str, *, reason: str, now: datetime) -> None:
    """Stop the live collections of a merchant, or of INSTANCE: all. Stopped is stopped."""
    await tx.execute(_STOP, {"owner": owner, "reason": reason, "now": now})


async def resume(tx: Transaction, owner: str) -> bool:
    """Let live collections go on; False when they were not stopped."""
    return await tx.row(_RESUME, {"owner": owner}) is not None


def _merchant_of(row: dict[str, Any]) -> Merchant:
    return Merchant(MerchantId(row["id"]), row["name"], row["created_at"])
