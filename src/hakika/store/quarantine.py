"""Quarantine: callbacks that fit nothing or could not be read. Kept whole, never believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from hakika.domain.ids import PaymentId, PayoutId
from hakika.domain.sealing import INSTANCE
from hakika.store.transaction import Transaction

# The address and the time bind the seal to its row: the row's number is not known yet.
_PUT: LiteralString = """
    insert into quarantine (received_at, source_address, payment_id, payout_id, reason, raw,
        next_try_at)
    values (%(now)s, %(source_address)s, %(payment_id)s, %(payout_id)s, %(reason)s, %(raw)s,
        %(next_try_at)s::timestamptz)
"""

# Taken by moving the next try ahead, so that two workers never interpret the same one at once.
_TAKE: LiteralString = """
    update quarantine set tries = tries + 1, next_try_at = %(lease)s
     where id in (select id from quarantine where next_try_at <= %(now)s
                   order by next_try_at limit 20 for update skip locked)
    returning id, payment_id, payout_id, received_at, source_address, raw, tries
"""

_RELEASE: LiteralString = """
    update quarantine set released_at = %(now)s, next_try_at = null where id = %(id)s
"""

_GIVE_UP: LiteralString = "update quarantine set next_try_at = null where id = %(id)s"


@dataclass(frozen=True, slots=True)
class Held:
    """A callback whose payment or payout is known and whose interpretation failed."""

    id: int
    payment_id: PaymentId | None
    payout_id: PayoutId | None
    source_address: str
    raw: bytes
    tries: int


async def put(
    tx: Transaction, raw: bytes, *, reason: str, source_address: str, now: datetime,
    payment_id: PaymentId | None = None, payout_id: PayoutId | None = None,
    next_try_at: datetime | None = None,
) -> None:
    """Keep a callback. With `next_try_at`, a worker tries to interpret it again then."""
    sealer = await tx.sealer(INSTANCE)
    await tx.execute(
        _PUT,
        {
            "raw": sealer.seal(_place(source_address, now), raw), "reason": reason,
            "source_address": source_address, "now": now, "payment_id": payment_id,
            "payout_id": payout_id, "next_try_at": next_try_at,
        },
    )


async def take(tx: Transaction, *, now: datetime, lease: datetime) -> list[Held]:
    """Return callbacks that are due for another try, held by us until `lease`."""
    rows = await tx.rows(_TAKE, {"now": now, "lease": lease})
    sealer = await tx.sealer(INSTANCE)
    return [
        Held(
            row["id"], PaymentId(row["payment_id"]) if row["payment_id"] else None,
            PayoutId(row["payout_id"]) if row["payout_id"] else None, row["source_address"],
            sealer.open(_place(row["source_address"], row["received_at"]), row["raw"]),
            row["tries"],
        )
        for row in rows
    ]


async def release(tx: Transaction, held_id: int, *, now: datetime) -> None:
    """Mark a callback as interpreted at last. Its row stays."""
    await tx.execute(_RELEASE, {"id": held_id, "now": now})


async def give_up(tx: Transaction, held_id: int) -> None:
    """Stop trying; the row stays for a person."""
    await tx.execute(_GIVE_UP, {"id": held_id})


def _place(source_address: str, received_at: datetime) -> str:
    return f"quarantine.raw {source_address} {received_at.isoformat()}"
