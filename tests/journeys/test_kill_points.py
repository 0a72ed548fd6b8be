"""kill -9 of an API at every named moment: nothing is lost, nothing is pushed twice.

The points are enumerated from the code, not sampled: a new one without a story fails here. The
points of a worker are in test_kill_points_worker.py.
"""

from __future__ import annotations

import aiohttp
import pytest

from hakika.services.killpoints import KillPoint
from tests.journeys.conftest import Shop
from tests.journeys.process import Process
from tests.journeys.test_kill_points_payouts import AROUND_A_RESULT, AROUND_AN_ORDER
from tests.journeys.test_kill_points_worker import IN_THE_WORKER
from tests.journeys.world import World, eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("shop"),
    pytest.mark.timeout(150),
]

ALWAYS_PAYS = "254708374149"

AROUND_THE_PUSH = (
    KillPoint.BEFORE_INTENT, KillPoint.AFTER_INTENT, KillPoint.AFTER_PUSH,
    KillPoint.AFTER_OUTCOME,
)
AROUND_THE_CALLBACK = (KillPoint.BEFORE_CALLBACK, KillPoint.AFTER_CALLBACK)

# Where the process dies before the push, no prompt is ever made; a person learns it by silence.
NOT_PUSHED = {KillPoint.AFTER_INTENT}


async def test_every_point_has_a_story():
    """A moment between commits that nobody tries is where money is lost."""
    assert {
        *AROUND_THE_PUSH, *AROUND_THE_CALLBACK, *IN_THE_WORKER, *AROUND_AN_ORDER,
        *AROUND_A_RESULT,
    } == set(KillPoint)


@pytest.mark.parametrize("point", [*AROUND_THE_PUSH, *AROUND_THE_CALLBACK])
async def test_an_api_that_dies_loses_nothing_and_never_pushes_twice(
    shop: Shop, point: KillPoint,
):
    """The caller tries again elsewhere with the same key, as a good client does."""
    world, key = shop.world, f"dies-{point}"
    doomed = await world.start(
        "api", die_at=point,
        called_back_at="" if point in AROUND_THE_CALLBACK else shop.api.url,
    )
    await _ask_the_doomed(world, doomed, key)
    await eventually(lambda: _has_ended(doomed))

    payment_id = await _asked_again(world, shop.api, key)
    expected = "unknown" if point in NOT_PUSHED else "completed"
    payment = await world.settled(
        shop.api, payment_id, lambda each: each["status"] == expected,
    )

    pushed = [
        each for each in (await world.truth(phone=ALWAYS_PAYS))["payments"]
        if each["account_reference"] == payment["reference"]
    ]
    assert len(pushed) == (0 if point in NOT_PUSHED else 1)
    await world.all_told(shop.api)
    report = await world.verified()
    assert report.green, [check for check in report.checks if check.violations]


async def _ask_the_doomed(world: World, doomed: Process, key: str) -> None:
    try:
        await world.ask(doomed, ALWAYS_PAYS, key=key)
    except aiohttp.ClientError:
        return  # it died on us, which is the point


async def _has_ended(process: Process) -> bool:
    return process.has_ended


async def _asked_again(world: World, api: Process, key: str) -> str:
    """Ask with the same key until there is an answer, and return the payment's id."""
    answer: dict[str, dict[str, str]] = {}

    async def answered() -> bool:
        nonlocal answer
        status, answer = await world.ask(api, ALWAYS_PAYS, key=key)
        assert status in {202, 409}, answer
        return status == 202

    await eventually(answered)
    assert len(await world.payments_with(api, key)) == 1
    return answer["data"]["id"]
