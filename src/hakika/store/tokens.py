"""Daraja's access tokens, one row per app, shared by all processes.

Implements `hakika.daraja.token.TokenCache`. No transaction is open while a token is fetched: the
lease is a time in the row, not a lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

from hakika.domain.sealing import INSTANCE
from hakika.store.transaction import Store

_GET: LiteralString = """
    select value, expires_at from daraja_tokens where key = %(key)s and value is not null
"""

# The database's clock alone decides, so that processes with different clocks agree.
_LEASE: LiteralString = """
    insert into daraja_tokens (key, leased_until) values (%(key)s, clock_timestamp() + %(life)s)
    on conflict (key) do update set leased_until = clock_timestamp() + %(life)s
      where daraja_tokens.leased_until is null or daraja_tokens.leased_until < clock_timestamp()
    returning key
"""

_PUT: LiteralString = """
    insert into daraja_tokens (key, value, expires_at) values (%(key)s, %(value)s, %(expires_at)s)
    on conflict (key) do update
      set value = excluded.value, expires_at = excluded.expires_at, leased_until = null
"""

_DROP: LiteralString = """
    update daraja_tokens set value = null, expires_at = null
     where key = %(key)s and value = %(sealed)s
"""


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as it stands in its row. Its repr hides it."""

    value: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"StoredToken(expires_at={self.expires_at.isoformat()})"


async def get(store: Store, key: str) -> StoredToken | None:
    """Return the newest token of an app, or None. It may have expired."""
    async with store.autocommit() as tx:
        row = await tx.row(_GET, {"key": key})
        if row is None:
            return None
        sealer = await tx.sealer(INSTANCE)
    return StoredToken(sealer.open(_place(key), row["value"]).decode(), row["expires_at"])


async def lease(store: Store, key: str, *, life: timedelta) -> bool:
    """Say whether this process is the one that may fetch a new token, for as long as `life`."""
    async with store.autocommit() as tx:
        return await tx.row(_LEASE, {"key": key, "life": life}) is not None


async def put(store: Store, key: str, token: StoredToken) -> None:
    """Keep a new token and end the lease."""
    async with store.autocommit() as tx:
        sealer = await tx.sealer(INSTANCE)
        value = sealer.seal(_place(key), token.value.encode())
        await tx.execute(_PUT, {"key": key, "value": value, "expires_at": token.expires_at})


async def drop(store: Store, key: str, value: str) -> None:
    """Forget a token that was refused, unless another has replaced it already."""
    async with store.autocommit() as tx:
        row, sealer = await tx.row(_GET, {"key": key}), await tx.sealer(INSTANCE)
        if row is not None and sealer.open(_place(key), row["value"]).decode() == value:
            await tx.execute(_DROP, {"key": key, "sealed": row["value"]})


def _place(key: str) -> str:
    return f"daraja_tokens.value {key}"
