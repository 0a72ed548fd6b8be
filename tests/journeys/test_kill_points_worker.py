"""kill -9 of a worker at every named moment: another finds what was held, and tells it."""

from __future__ import annotations

import pytest
import pytest_asyncio

from hakika.services.killpoints import KillPoint
from tests.journeys.process import Process
from tests.journeys.world import World, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

ALWAYS_PAYS = "254708374149"
CALLBACK_NEVER_SENT = "254711000001"

WHILE_CHECKING = (
    KillPoint.AFTER_CHECK_TAKEN, KillPoint.AFTER_QUERY, KillPoint.AFTER_CHECK_RECORDED,
)
WHILE_TELLING = (
    KillPoint.AFTER_ATTEMPT_BEGUN, KillPoint.AFTER_POST, KillPoint.AFTER_ATTEMPT_FINISHED,
)
IN_THE_WORKER = (*WHILE_CHECKING, *WHILE_TELLING)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(world: World) -> Process:
    """An API that lives through all of it."""
    return await world.start("api")


@pytest.mark.parametrize("point", IN_THE_WORKER)
async def test_a_worker_that_dies_loses_nothing(world: World, api: Process, point: KillPoint):
    """The check is made by another, and the merchant hears everything at least once."""
    doomed = await world.start("worker", die_at=point)
    phone = CALLBACK_NEVER_SENT if point in WHILE_CHECKING else ALWAYS_PAYS
    _, body = await world.ask(api, phone, key=f"dies-{point}")
    await eventually(lambda: _has_ended(doomed))
    worker = await world.start("worker")

    payment = await world.settled(api, body["data"]["id"])
    await world.told(payment["id"], "payment.completed")

    await world.all_told(api)
    report = await world.verified()
    assert report.green, [check for check in report.checks if check.violations]
    assert await worker.stop() == 0


async def _has_ended(process: Process) -> bool:
    return process.has_ended
