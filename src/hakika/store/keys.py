"""API keys. Only their digests are here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, LiteralString

from hakika.domain.ids import KeyId, MerchantId, SellerId
from hakika.domain.merchant import ApiKey, Scope
from hakika.store.transaction import Transaction

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, handle, digest, scopes, label, allowed_networks, created_at,
    expires_at, revoked_at, replaced_by, last_used_at, seller_id
"""
_ADD: LiteralString = (
    "insert into api_keys (" + _COLUMNS + """)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(handle)s, %(digest)s, %(scopes)s, %(label)s,
        %(networks)s, %(created_at)s, %(expires_at)s, null, null, null, %(seller_id)s)
"""
)
_ONE: LiteralString = "select " + _COLUMNS + " from api_keys where handle = %(handle)s"

_LIVING: LiteralString = """
    select handle from api_keys
     where revoked_at is null and (expires_at is null or expires_at > %(now)s)
"""

_LIST: LiteralString = (
    "select " + _COLUMNS + """ from api_keys
     where (%(merchant_id)s::text is null or merchant_id = %(merchant_id)s)
       and (%(livemode)s::boolean is null or livemode = %(livemode)s)
       and (%(before)s::text is null or id < %(before)s)
     order by id desc limit %(limit)s
"""
)

_LOCK: LiteralString = (
    "select " + _COLUMNS + """ from api_keys
     where (id = %(which)s or handle = %(which)s)
       and (%(merchant_id)s::text is null or merchant_id = %(merchant_id)s)
       and (%(livemode)s::boolean is null or livemode = %(livemode)s)
       for update
"""
)
_REVOKE: LiteralString = "update api_keys set revoked_at = %(now)s where id = %(id)s"

# A key that ends sooner already ends then.
_REPLACE: LiteralString = """
    update api_keys set replaced_by = %(by)s,
           expires_at = least(coalesce(expires_at, %(ends_at)s), %(ends_at)s)
     where id = %(id)s
"""

# To the minute: a write for each request would cost more than it tells.
_TOUCH: LiteralString = """
    update api_keys set last_used_at = %(now)s
     where id = %(id)s and (last_used_at is null or last_used_at < %(before)s)
"""
_TOUCH_AFTER = timedelta(minutes=1)


async def add(tx: Transaction, key: ApiKey) -> None:
    """Write a new key; only its digest is kept."""
    await tx.execute(_ADD, {
        "id": key.id, "merchant_id": key.merchant_id, "livemode": key.livemode,
        "handle": key.handle, "digest": key.digest, "label": key.label,
        "scopes": sorted(scope.value for scope in key.scopes), "networks": list(key.networks),
        "created_at": key.created_at, "expires_at": key.expires_at, "seller_id": key.seller_id,
    })


async def named(tx: Transaction, handle: str) -> ApiKey | None:
    """Return the key named by `handle`, or None."""
    row = await tx.row(_ONE, {"handle": handle})
    return _key_of(row) if row else None


async def living_handles(tx: Transaction, *, now: datetime) -> frozenset[str]:
    """Return the handles of all keys that may be used."""
    return frozenset(row["handle"] for row in await tx.rows(_LIVING, {"now": now}))


async def find(
    tx: Transaction, merchant_id: MerchantId | None, livemode: bool | None, *,
    before: KeyId | None, limit: int,
) -> list[ApiKey]:
    """Return keys, newest first, dead ones too. None: of all merchants, of both modes."""
    rows = await tx.rows(_LIST, {
        "merchant_id": merchant_id, "livemode": livemode, "before": before, "limit": limit,
    })
    return [_key_of(row) for row in rows]


async def lock(
    tx: Transaction, which: str, merchant_id: MerchantId | None, livemode: bool | None,
) -> ApiKey | None:
    """Return the key with this id or handle, held until the transaction ends, or None."""
    row = await tx.row(
        _LOCK, {"which": which, "merchant_id": merchant_id, "livemode": livemode},
    )
    return _key_of(row) if row else None


async def revoke(tx: Transaction, key: ApiKey, *, now: datetime) -> None:
    """End a key."""
    await tx.execute(_REVOKE, {"id": key.id, "now": now})


async def replace(tx: Transaction, key: ApiKey, *, by: ApiKey, ends_at: datetime) -> None:
    """Let a key end at `ends_at`, because another took its place."""
    await tx.execute(_REPLACE, {"id": key.id, "by": by.id, "ends_at": ends_at})


def is_touch_due(key: ApiKey, *, now: datetime) -> bool:
    """Say whether a use of `key` at `now` is to be noted."""
    return key.last_used_at is None or key.last_used_at < now - _TOUCH_AFTER


async def touch(tx: Transaction, key: ApiKey, *, now: datetime) -> None:
    """Note that a key was used, at most once a minute."""
    await tx.execute(_TOUCH, {"id": key.id, "now": now, "before": now - _TOUCH_AFTER})


def _key_of(row: dict[str, Any]) -> ApiKey:
    return ApiKey(
        id=KeyId(row["id"]), merchant_id=MerchantId(row["merchant_id"]), livemode=row["livemode"],
        handle=row["handle"], digest=row["digest"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]), label=row["label"],
        networks=tuple(row["allowed_networks"]), created_at=row["created_at"],
        expires_at=row["expires_at"], revoked_at=row["revoked_at"],
        replaced_by=KeyId(row["replaced_by"]) if row["replaced_by"] else None,
        last_used_at=row["last_used_at"],
        seller_id=SellerId(row["seller_id"]) if row["seller_id"] else None,
    )
