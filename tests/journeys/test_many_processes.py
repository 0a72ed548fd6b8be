"""Two API processes and two workers on one database behave as one, also while they are killed."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.journeys.process import Process
from tests.journeys.world import World

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

PAYMENTS = 60
ALWAYS_PAYS = "254708374149"


async def test_killing_any_one_of_them_under_load_loses_nothing(world: World):
    """A merchant's client retries with the same key on the other API, and all comes right."""
    lives = await world.start("api")
    apis = [await world.start("api", called_back_at=lives.url), lives]
    workers = [await world.start("worker"), await world.start("worker")]
    load = asyncio.gather(*(_insist(world, apis, number) for number in range(PAYMENTS)))
    for victims in (apis, workers):
        await asyncio.sleep(0.5)
        await victims[0].kill()
        victims[0] = await world.start(
            "api" if victims is apis else "worker", called_back_at=lives.url,
        )

    asked = await load
    truth = (await world.truth(phone=ALWAYS_PAYS))["payments"]
    pushed = [each["account_reference"] for each in truth]
    for payment in asked:
        # Only a payment whose process died before the push stays unknown: nobody was asked.
        expected = "completed" if payment["reference"] in pushed else "unknown"
        await world.settled(lives, payment["id"], partial(_is, expected))

    assert len({payment["id"] for payment in asked}) == PAYMENTS
    assert len(pushed) == len(set(pushed)), "one push for each payment"
    assert len(pushed) > PAYMENTS / 2, "else this was no load"
    await world.all_told(lives)
    report = await world.verified()
    assert report.green, [check for check in report.checks if check.violations]


async def test_a_hundred_creates_with_one_key_push_once(world: World):
    """A client that panics must not make the payer's phone ring a hundred times."""
    apis = [await world.start("api"), await world.start("api")]
    worker = await world.start("worker")

    answers = await asyncio.gather(*(
        world.ask(apis[number % 2], ALWAYS_PAYS, key="one") for number in range(100)
    ))

    statuses = {status for status, _ in answers}
    (payment,) = await world.payments_with(apis[0], "one")
    pushed = (await world.truth(phone=ALWAYS_PAYS))["payments"]
    assert statuses <= {202, 409}
    assert [each["account_reference"] for each in pushed].count(payment["reference"]) == 1
    assert await worker.stop() == 0


def _is(status: str, payment: dict[str, Any]) -> bool:
    return bool(payment["status"] == status)


async def _insist(world: World, apis: list[Process], number: int) -> dict[str, Any]:
    """Ask until there is a payment, wherever an API answers; a merchant's good client."""
    await asyncio.sleep(number * 0.03)
    for attempt in range(200):
        try:
            status, body = await world.ask(
                apis[(number + attempt) % 2], ALWAYS_PAYS, key=f"load-{number}",
            )
        except aiohttp.ClientError:
            status, body = 0, {}
        if status == 202:
            payment: dict[str, Any] = body["data"]
            return payment
        await asyncio.sleep(0.1)
    raise AssertionError(f"payment {number} was never taken")

