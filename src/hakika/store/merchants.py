"""Merchants and their API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from hakika.domain.ids import KeyId, MerchantId
from hakika.domain.merchant import ApiKey, Merchant, Scope
from hakika.store.transaction import Transaction

LIST_MAX = 1000

_ADD: LiteralString = """
    insert into merchants (id, name, created_at) values (%(id)s, %(name)s, %(created_at)s)
"""
_ALL: LiteralString = "select id, name, created_at from merchants order by id limit %(limit)s"
_ONE: LiteralString = "select id, name, created_at from merchants where id = %(id)s"

_KEY_COLUMNS: LiteralString = """
    id, merchant_id, livemode, handle, digest, scopes, label, created_at, revoked_at
"""
_ADD_KEY: LiteralString = (
    "insert into api_keys (" + _KEY_COLUMNS + """)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(handle)s, %(digest)s, %(scopes)s, %(label)s,
        %(created_at)s, null)
"""
)
_KEY: LiteralString = "select " + _KEY_COLUMNS + " from api_keys where handle = %(handle)s"
_KEYS: LiteralString = "select " + _KEY_COLUMNS + " from api_keys order by id limit %(limit)s"
_REVOKE: LiteralString = """
    update api_keys set revoked_at = %(now)s
     where (id = %(which)s or handle = %(which)s) and revoked_at is null returning id
"""


async def add(tx: Transaction, merchant: Merchant) -> None:
    """Write a new merchant."""
    await tx.execute(
        _ADD, {"id": merchant.id, "name": merchant.name, "created_at": merchant.created_at},
    )


async def all_of_them(tx: Transaction) -> list[Merchant]:
    """Return merchants, oldest first."""
    return [_merchant_of(row) for row in await tx.rows(_ALL, {"limit": LIST_MAX})]


async def read(tx: Transaction, merchant_id: MerchantId) -> Merchant | None:
    """Return one merchant, or None."""
    row = await tx.row(_ONE, {"id": merchant_id})
    return _merchant_of(row) if row else None


async def add_key(tx: Transaction, key: ApiKey) -> None:
    """Write a new key; only its digest is kept."""
    await tx.execute(
        _ADD_KEY,
        {
            "id": key.id, "merchant_id": key.merchant_id, "livemode": key.livemode,
            "handle": key.handle, "digest": key.digest, "label": key.label,
            "scopes": sorted(scope.value for scope in key.scopes), "created_at": key.created_at,
        },
    )


async def key(tx: Transaction, handle: str) -> ApiKey | None:
    """Return the key named by `handle`, or None."""
    row = await tx.row(_KEY, {"handle": handle})
    return _key_of(row) if row else None


async def keys(tx: Transaction) -> list[ApiKey]:
    """Return keys, oldest first, revoked ones too."""
    return [_key_of(row) for row in await tx.rows(_KEYS, {"limit": LIST_MAX})]


async def revoke_key(tx: Transaction, which: str, *, now: datetime) -> bool:
    """Revoke the key with this id or handle; False when no living key has it."""
    return await tx.row(_REVOKE, {"which": which, "now": now}) is not None


def _merchant_of(row: dict[str, Any]) -> Merchant:
    return Merchant(MerchantId(row["id"]), row["name"], row["created_at"])


def _key_of(row: dict[str, Any]) -> ApiKey:
    return ApiKey(
        id=KeyId(row["id"]), merchant_id=MerchantId(row["merchant_id"]), livemode=row["livemode"],
        handle=row["handle"], digest=row["digest"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]), label=row["label"],
        created_at=row["created_at"], revoked_at=row["revoked_at"],
    )
