"""The key that checkpoints are signed with: one of this instance, its private part sealed."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from hakika.domain.sealing import INSTANCE
from hakika.store.transaction import Transaction

_GET: LiteralString = "select public_key, sealed from signing_keys order by created_at limit 1"

_ADD: LiteralString = """
    insert into signing_keys (public_key, sealed, created_at)
    values (%(public_key)s, %(sealed)s, %(now)s)
"""

# Two processes that make the first key at once would make two.
_HOLD: LiteralString = "lock table signing_keys in share row exclusive mode"


async def private_key(tx: Transaction) -> bytes | None:
    """Return the private key, or None: there is none yet."""
    row = await tx.row(_GET)
    if row is None:
        return None
    sealer = await tx.sealer(INSTANCE)
    return sealer.open(_place(row["public_key"]), row["sealed"])


async def hold(tx: Transaction) -> None:
    """Be the only one who may make a key until the transaction ends."""
    await tx.execute(_HOLD)


async def add(tx: Transaction, *, private: bytes, public: bytes, now: datetime) -> None:
    """Keep a new key."""
    sealer = await tx.sealer(INSTANCE)
    await tx.execute(_ADD, {
        "public_key": public, "sealed": sealer.seal(_place(public), private), "now": now,
    })


def _place(public: bytes) -> str:
    return f"signing_keys.sealed {bytes(public).hex()}"
