"""The worker: delivers webhooks, and makes its rounds, until it is told to stop.

Any number of workers on any number of machines share one database. One that dies loses nothing:
what it held is due again when the hold ends, and another takes it.
"""

from __future__ import annotations

import asyncio

import structlog

from hakika.services import delivering
from hakika.services.killpoints import Watcher, nobody_watches
from hakika.services.runtime import Runtime, open_runtime
from hakika.services.telemetry import Telemetry
from hakika.settings import Settings
from hakika.worker.periodic import ROUNDS, Round

log = structlog.get_logger(__name__)


async def run(
    settings: Settings, stop: asyncio.Event, *, public_url: str,
    passing: Watcher = nobody_watches, telemetry: Telemetry | None = None,
) -> None:
    """Work until `stop` is set; then finish what is running, or leave it for another worker.

    Raises:
        StoreUnavailable: the database did not answer at the start, or stays away. End the process
            and let its supervisor restart it.
    """
    async with open_runtime(
        settings, public_url=public_url, passing=passing, telemetry=telemetry, part="worker",
    ) as rt:
        await work(rt, stop)


async def work(rt: Runtime, stop: asyncio.Event) -> None:
    """Work with running parts that are open already."""
    rounds = [asyncio.create_task(_walk(rt, each, stop)) for each in ROUNDS]
    try:
        await delivering.deliver_until(rt, stop)
    finally:
        stop.set()
        await asyncio.wait(rounds, timeout=rt.settings.stop_seconds_max)
        for task in rounds:
            task.cancel()


async def _walk(rt: Runtime, each: Round, stop: asyncio.Event) -> None:
    """Make one kind of round, again and again; a round that fails is logged and made again."""
    while not stop.is_set():
        try:
            if await each.make(rt) and each.goes_on:
                rt.telemetry.round_made(each.name, "made")
                continue
            rt.telemetry.round_made(each.name, "made")
        except Exception:
            log.exception("round_failed", round=each.name)
            rt.telemetry.round_made(each.name, "failed")
        try:
            await asyncio.wait_for(stop.wait(), timeout=each.seconds)
        except TimeoutError:
            continue
