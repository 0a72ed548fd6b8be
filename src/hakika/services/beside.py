"""What an API process does twice a second, beside answering requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from hakika.services import limits, request_log
from hakika.services.runtime import Runtime

log = structlog.get_logger(__name__)

EVERY_SECONDS = 0.5


@asynccontextmanager
async def kept_up(rt: Runtime) -> AsyncIterator[None]:
    """Write the request log and share the limits until the end of the block, and once more then."""
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(_again_and_again(name, chore, stop)) for name, chore in (
            ("request_log", lambda: request_log.write_notes(rt)),
            ("limits", lambda: limits.share(rt.limits, rt.store, rt.ticks)),
        )
    ]
    try:
        yield
    finally:
        stop.set()  # and not cancelled: what is being written is written to its end
        await asyncio.wait(tasks)


async def _again_and_again(
    name: str, chore: Callable[[], Coroutine[Any, Any, Any]], stop: asyncio.Event,
) -> None:
    """Do a chore until `stop`, and once more then. One that fails is logged, and done again."""
    is_last = False
    while not is_last:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY_SECONDS)
        is_last = stop.is_set()
        done, _ = await asyncio.wait({asyncio.create_task(chore())})
        if error := done.pop().exception():
            log.error("chore_failed", chore=name, exc_info=error)
