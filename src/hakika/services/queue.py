"""The queue's own housekeeping, and how deep it is."""

from __future__ import annotations

from datetime import timedelta

from hakika.services.runtime import Runtime
from hakika.store import jobs
from hakika.store.jobs import QueueDepth

# The queue's log is for the operator of this week; what matters is in facts and attempts.
LOG_DAYS = 7


async def prune(rt: Runtime) -> int:
    """Delete old lines of the queue's log; return how many."""
    async with rt.store.reading() as tx:
        return await jobs.prune(tx.connection, before=rt.now() - timedelta(days=LOG_DAYS))


async def depth(rt: Runtime) -> QueueDepth:
    """Return how much work waits."""
    async with rt.store.reading() as tx:
        return await jobs.depth(tx.connection)
