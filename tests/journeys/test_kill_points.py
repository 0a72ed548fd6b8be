"""kill -9 at every named moment between the commits: nothing is lost, nothing is pushed twice.

The points are enumerated from the code, not sampled: a new one without a story fails here.
"""

from __future__ import annotations

import aiohttp
import pytest

from hakika.services.killpoints import KillPoint
from tests.journeys.world import Process, World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALWAYS_PAYS = "254708374149"
CALLBACK_NEVER_SENT = "254711000001"

IN_THE_API = (
    KillPoint.BEFORE_INTENT, KillPoint.AFTER_INTENT, KillPoint.AFTER_PUSH,
    KillPoint.AFTER_OUTCOME, KillPoint.BEFORE_CALLBACK, KillPoint.AFTER_CALLBACK,
)
IN_THE_WORKER = (
    KillPoint.AFTER_CHECK_TAKEN, KillPoint.AFTER_QUERY, KillPoint.AFTER_CHECK_RECORDED,
    KillPoint.AFTER_ATTEMPT_BEGUN, KillPoint.AFTER_POST, KillPoint.AFTER_ATTEMPT_FINISHED,
)

# Where the process dies before the push, no prompt is ever made; a person learns it by silence.
NOT_PUSHED = {KillPoint.AFTER_INTENT}


def test_every_point_has_a_story():
    """A moment between commits that nobody tries is where money is lost."""
    assert {*IN_THE_API, *IN_THE_WORKER} == set(KillPoint)


@pytest.mark.parametrize("point", IN_THE_API)
async def test_an_api_that_dies_loses_nothing_and_never_pushes_twice(
    world: World, point: KillPoint,
):
    """The caller tries again elsewhere with the same key, as a good client does."""
    key = f"dies-{point}"
    doomed = await world.start("api", die_at=point)
    other, worker = await world.start("api"), await world.start("worker")
    await _ask_the_doomed(world, doomed, key)
    await eventually(lambda: _has_ended(doomed))

    payment_id = await _asked_again(world, other, key)
    payment = await world.settled(other, payment_id, lambda each: each["status"] in {
        "completed", *({"unknown"} if point in NOT_PUSHED else ()),
    })

    pushed = [
        each for each in (await world.truth(phone=ALWAYS_PAYS))["payments"]
        if each["account_reference"] == payment["reference"]
    ]
    assert len(pushed) == (0 if point in NOT_PUSHED else 1)
    await _all_was_told(world, other, payment_id)
    report = await world.verified()
    assert report.green, [check for check in report.checks if check.violations]
    await other.stop()
    await worker.stop()


@pytest.mark.parametrize("point", IN_THE_WORKER)
async def test_a_worker_that_dies_loses_nothing(world: World, point: KillPoint):
    """Another worker finds what was held, and the merchant hears everything at least once."""
    api, doomed = await world.start("api"), await world.start("worker", die_at=point)
    phone = CALLBACK_NEVER_SENT if "attempt" not in point and "post" not in point else ALWAYS_PAYS
    _, body = await world.ask(api, phone, key=f"dies-{point}")
    await eventually(lambda: _has_ended(doomed))
    worker = await world.start("worker")

    payment = await world.settled(api, body["data"]["id"])
    await world.told(payment["id"], "payment.completed")
    await _all_was_told(world, api, payment["id"])

    report = await world.verified()
    assert report.green, [check for check in report.checks if check.violations]
    await api.stop()
    await worker.stop()


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


async def _all_was_told(world: World, api: Process, payment_id: str) -> None:
    """Wait until the merchant's server has heard each event of a payment."""
    events = await world.get(api, "/v1/events?limit=100")
    await world.told(payment_id, *(
        event["type"] for event in events if event["data"]["id"] == payment_id
    ))
