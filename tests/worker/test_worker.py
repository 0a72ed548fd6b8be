"""The worker: quick to stop, slow to drop anything, and not upset by a round that fails."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hakika.worker import app as worker
from tests.services.world import PAID, PUBLIC_URL, World, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
WAIT_SECONDS_MAX = 20.0

# Another process, which hears a payer's cancel and asks for the webhook in the same transaction.
ANOTHER_PROCESS = """
import asyncio, sys
from hakika.domain.fact import Fact, Kind, Reason, Source
from hakika.services.facts import record_heard
from hakika.services.runtime import open_runtime
from tests.services.world import settings_of

async def hear(database_url, payment_id):
    async with open_runtime(settings_of(database_url, "http://127.0.0.1:1")) as rt:
        reason = Reason("payer_canceled", "1032", "Canceled.", "Canceled.", "Imeghairiwa.")
        fact = Fact(Kind.CANCELED, Source.STK_CALLBACK, reason=reason)
        await record_heard(rt, payment_id, lambda _: fact)

asyncio.run(hear(*sys.argv[1:]))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def file_world(module_database_url: str) -> AsyncIterator[World]:
    """What the tests of this file share."""
    async with open_world(module_database_url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(file_world: World) -> World:
    """A merchant with an endpoint, and nothing to do."""
    opened = await file_world.anew()
    await opened.add_endpoint()
    return opened


@asynccontextmanager
async def working(world: World) -> AsyncIterator[tuple[asyncio.Event, asyncio.Task[None]]]:
    """Run a worker and give what stops it, once it hears of new deliveries."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(
        world.rt.settings, stop, public_url=PUBLIC_URL, telemetry=world.rt.telemetry,
    ))
    try:
        await until(lambda: bool(world.rows(
            "select from pg_stat_activity where datname = current_database()"
            " and application_name = 'hakika worker' and query = 'listen hakika_deliveries'",
        )))
        yield stop, task
    finally:
        stop.set()
        await task


async def until(arrived: Callable[[], bool]) -> None:
    """Wait for something to be so."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not arrived():
            await asyncio.sleep(0.02)


async def test_an_idle_worker_stops_within_a_second(world: World):
    """A deploy of ten workers must not take a minute."""
    async with working(world) as (stop, task):
        await asyncio.sleep(0.3)  # idle: it waits for a notification by now
        began = time.monotonic()
        stop.set()
        await task

    assert time.monotonic() - began < 1


async def test_a_stop_lets_a_running_delivery_end(world: World):
    """The merchant has it: its answer must be written, or it is told twice."""
    world.receiver.answering.clear()
    async with working(world) as (stop, task):
        await world.completed()
        await until(lambda: bool(world.receiver.heard))
        stop.set()
        await asyncio.sleep(0.3)
        was_running = not task.done()
        world.receiver.answering.set()
        await task

    assert was_running
    assert [each["state"] for each in world.deliveries()] == ["succeeded"]
    assert world.attempts() == [(1, 200)]


async def test_what_another_process_asks_for_is_done(world: World):
    """The API hears, the worker tells; they share nothing but the database."""
    payment = await world.pending()
    async with working(world):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ANOTHER_PROCESS, world.url, payment.id, cwd=ROOT,
        )
        assert await process.wait() == 0
        await until(lambda: bool(world.receiver.heard))

    assert [event["type"] for event in world.receiver.heard] == ["payment.canceled"]


async def test_what_waited_before_it_started_is_done(world: World):
    """All workers were down: nothing is lost, it is only late."""
    await world.completed()
    async with working(world):
        await until(lambda: bool(world.receiver.heard))

    assert len(world.receiver.heard) == 1


async def test_a_round_that_fails_is_made_again(world: World):
    """An hour of trouble with one table must not need a restart afterwards."""
    payment = await world.pending()
    world.let_pass(30)
    world.daraja.says = PAID
    world.change("alter table query_budgets rename to query_budgets_away")
    try:
        with capture_logs() as logs:
            async with working(world):
                await until(lambda: any(line["event"] == "round_failed" for line in logs))
                world.change("alter table query_budgets_away rename to query_budgets")
                await until(lambda: bool(world.events(payment.id)))
    finally:
        world.change("alter table if exists query_budgets_away rename to query_budgets")

    assert world.events(payment.id) == ["payment.completed"]
    rounds = {
        outcome: world.rt.telemetry.registry.get_sample_value(
            "hakika_worker_rounds_total", {"round": "look_again", "outcome": outcome},
        ) for outcome in ("made", "failed")
    }
    assert all(rounds.values()), rounds
