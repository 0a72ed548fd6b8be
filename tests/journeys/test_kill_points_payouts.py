"""kill -9 at every moment of an order of money: the payee is paid once, and the merchant is told.

Every point with everything that Daraja may do is enumerated in `tests/api/test_money_out_kills.py`;
these are real processes, killed for real.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from hakika.services.killpoints import KillPoint
from tests.journeys.bulk import operated
from tests.journeys.process import Process
from tests.journeys.world import World, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

AROUND_AN_ORDER = (
    KillPoint.BEFORE_ORDER, KillPoint.AFTER_ORDER_COMMITTED, KillPoint.AFTER_ORDER,
    KillPoint.AFTER_ORDER_RECORDED,
)
AROUND_A_RESULT = (KillPoint.BEFORE_RESULT, KillPoint.AFTER_RESULT)

PACE = 100    # of Hakika's patience: a minute is 0.6 s
_payees = count(254_792_500_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(world: World) -> World:
    """A merchant with an API operator whom M-Pesa has taken, and money to send."""
    await operated(world, shillings=100_000)
    hasty = replace(world, environment={**world.environment, "HAKIKA_PACE": str(PACE)})
    api = await hasty.start("api")
    worker = await hasty.start("worker", called_back_at=api.url)
    await completed(hasty, api, await ordered(hasty, api, str(next(_payees))))
    await worker.stop()
    await api.stop()
    return hasty


async def ordered(shop: World, api: Process, payee: str) -> str:
    """Order a payout, and return its id."""
    async with shop.http.post(
        f"{api.url}/v1/payouts", json={"amount": 100, "phone": payee},
        headers=shop.authorization | {"Idempotency-Key": payee},
    ) as answer:
        assert answer.status == 202, await answer.text()
        payout_id: str = (await answer.json())["data"]["id"]
    return payout_id


async def completed(shop: World, api: Process, payout_id: str) -> dict[str, Any]:
    """Wait for a payout to be completed, and return it."""
    payout: dict[str, Any] = {}

    async def arrived() -> bool:
        nonlocal payout
        payout = await shop.get(api, f"/v1/payouts/{payout_id}")
        return bool(payout["status"] == "completed")

    await eventually(arrived, lambda: f"the payout stays {payout}")
    return payout


@pytest.mark.parametrize("point", [*AROUND_AN_ORDER, *AROUND_A_RESULT])
async def test_whoever_dies_the_payee_is_paid_once(shop: World, point: KillPoint):
    """I6, with SIGKILL: another worker or API takes over, and nobody helps it."""
    payee, is_of_the_api = str(next(_payees)), point in AROUND_A_RESULT
    api = await shop.start("api", die_at=point if is_of_the_api else "")
    doomed_worker = await shop.start(
        "worker", die_at="" if is_of_the_api else point, called_back_at=api.url,
    )
    doomed = api if is_of_the_api else doomed_worker
    payout_id = await ordered(shop, api, payee)
    await eventually(lambda: has_ended(doomed))
    if is_of_the_api:
        await doomed_worker.stop()
        api = await shop.start("api")
    worker = await shop.start("worker", called_back_at=api.url)

    payout = await completed(shop, api, payout_id)

    truth = await shop.truth(phone=payee)
    assert [each["receipt"] for each in truth["payouts"]] == [payout["receipt"]]
    await shop.told(payout_id, "payout.completed")
    await worker.stop()
    await api.stop()


async def has_ended(process: Process) -> bool:
    return process.has_ended
