"""How much is to be delivered."""

from __future__ import annotations

from hakika.services.runtime import Runtime
from hakika.store import gauges
from hakika.store.gauges import QueueDepth


async def depth(rt: Runtime) -> QueueDepth:
    """Return how many deliveries are to be made."""
    async with rt.store.autocommit() as tx:
        return await gauges.queue(tx)
