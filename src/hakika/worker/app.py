"""The worker: takes jobs from the queue, and makes its rounds, until it is told to stop.

Any number of workers on any number of machines share one database. One that dies loses nothing:
its jobs are picked up by another, and what it held is due again when the hold ends.
"""

from __future__ import annotations

import asyncio

import structlog

from hakika.services import webhooks
from hakika.services.killpoints import Watcher, nobody_watches
from hakika.services.runtime import Runtime, open_runtime
from hakika.services.telemetry import Telemetry
from hakika.settings import Settings
from hakika.store.job_runner import JobRunner
from hakika.store.jobs import JobKind
from hakika.worker.periodic import ROUNDS, Round

log = structlog.get_logger(__name__)


async def run(
    settings: Settings, stop: asyncio.Event, *, public_url: str,
    passing: Watcher = nobody_watches, telemetry: Telemetry | None = None,
) -> None:
    """Work until `stop` is set; then finish what is running, or hand it back.

    Raises:
        QueueLost: the database is gone for good. End the process and let its supervisor restart it.
        StoreUnavailable: the database did not answer at the start.
    """
    async with open_runtime(
        settings, public_url=public_url, passing=passing, telemetry=telemetry, part="worker",
    ) as rt:
        await work(rt, stop)


async def work(rt: Runtime, stop: asyncio.Event) -> None:
    """Work with running parts that are open already."""
    runner = JobRunner(
        rt.store.conninfo, {JobKind.DELIVER: lambda payload: _deliver(rt, payload)},
        concurrency=rt.settings.worker_deliveries_max,
        stop_seconds_max=rt.settings.stop_seconds_max,
    )
    rounds = [asyncio.create_task(_walk(rt, each, stop)) for each in ROUNDS]
    try:
        await runner.run(stop)
    finally:
        stop.set()
        await asyncio.wait(rounds, timeout=rt.settings.stop_seconds_max)
        for task in rounds:
            task.cancel()


async def _deliver(rt: Runtime, payload: bytes) -> None:
    await webhooks.deliver(rt, int(payload))


async def _walk(rt: Runtime, each: Round, stop: asyncio.Event) -> None:
    """Make one kind of round, again and again; a round that fails is logged and made again."""
    while not stop.is_set():
        try:
            await each.make(rt)
            rt.telemetry.round_made(each.name, "made")
        except Exception:
            log.exception("round_failed", round=each.name)
            rt.telemetry.round_made(each.name, "failed")
        try:
            await asyncio.wait_for(stop.wait(), timeout=each.seconds)
        except TimeoutError:
            continue
