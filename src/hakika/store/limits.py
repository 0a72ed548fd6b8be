"""What all processes together have let pass: in how many seconds each quota is full again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from hakika.store.transaction import Transaction

# By the database's clock: the one that all processes share. In order, so that two processes which
# take from the same quotas at once wait for each other and never both.
_TAKE: LiteralString = """
    insert into limits (subject, full_at)
    select subject, now() + seconds * interval '1 second'
      from unnest(%(subjects)s::text[], %(seconds)s::float8[]) as taken (subject, seconds)
     order by subject
    on conflict (subject) do update
       set full_at = greatest(limits.full_at, now()) + (excluded.full_at - now())
    returning subject, extract(epoch from full_at - now())::float8 as full_in
"""

_PRUNE: LiteralString = "delete from limits where full_at < now()"


async def take(tx: Transaction, taken: Mapping[str, float]) -> dict[str, float]:
    """Take from quotas, by subject and in seconds; return in how many seconds each is full."""
    rows = await tx.rows(
        _TAKE, {"subjects": list(taken), "seconds": list(taken.values())},
    )
    return {row["subject"]: row["full_in"] for row in rows}


async def prune(tx: Transaction) -> int:
    """Forget quotas that are full again; return how many."""
    return (await tx.execute(_PRUNE)).rowcount
