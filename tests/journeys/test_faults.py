"""The twelve faults of Daraja: each ends right, with no human, and the merchant hears it once.

All are asked for at once, so that their waits pass together; each test looks at its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.journeys.conftest import Shop

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("shop")]

FAULTS = {
    1: "callback never sent", 2: "callback sent three times at once",
    3: "callback sent before the push is answered", 4: "callback 90 seconds late",
    5: "push executed, connection reset", 6: "push executed, 503 answered",
    7: "push refused by spike arrest", 8: "forged twin first", 9: "failure, then success",
    10: "query undecided for a minute, no callback", 11: "another amount",
    12: "query says being processed, callback after 30 seconds",
}

COMPLETED = "payment.completed"

Asked = Mapping[int, tuple[int, dict[str, Any]]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def asked(shop: Shop) -> Asked:
    """Ask for all twelve at once; return the status and body of each answer."""
    answers = await asyncio.gather(*(
        shop.world.ask(shop.api, f"2547110000{fault:02d}", key=f"fault-{fault}")
        for fault in FAULTS
    ))
    return dict(zip(FAULTS, answers, strict=True))


@pytest.mark.parametrize("fault", [2, 3, 8, 12])
async def test_a_paid_payment_is_completed_once_whatever_happens_to_its_callback(
    shop: Shop, asked: Asked, fault: int,
):
    """Lost, tripled, early, late or accompanied by a forgery: paid is paid, and told once."""
    status, body = asked[fault]
    payment = await shop.world.settled(shop.api, body["data"]["id"])
    await shop.world.told(payment["id"], COMPLETED)
    (truth,) = (await shop.world.truth(phone=payment["phone"]))["payments"]

    assert status == 202
    assert (payment["status"], payment["confirmed_by"]) == ("completed", "stk_callback")
    assert payment["receipt"] == truth["receipt"]
    assert payment["amount_received"] == "100.00"
    assert truth["amount_cents"] == 10_000


@pytest.mark.parametrize("fault", [1, 10])
async def test_a_lost_callback_is_made_up_for_by_a_query(shop: Shop, asked: Asked, fault: int):
    """Without a callback the query decides; it cannot know the receipt, and none is made up."""
    payment = await shop.world.settled(shop.api, asked[fault][1]["data"]["id"])
    await shop.world.told(payment["id"], COMPLETED)
    (truth,) = (await shop.world.truth(phone=payment["phone"]))["payments"]

    assert (payment["status"], payment["confirmed_by"]) == ("completed", "stk_query")
    assert payment["receipt"] is None
    assert truth["state"] == "paid"


async def test_a_callback_that_comes_after_the_query_brings_the_receipt(shop: Shop, asked: Asked):
    """The merchant was told when the query said paid; the receipt follows without another event."""
    payment = await shop.world.settled(
        shop.api, asked[4][1]["data"]["id"], lambda each: each["receipt"] is not None,
    )
    await shop.world.told(payment["id"], COMPLETED)
    (truth,) = (await shop.world.truth(phone=payment["phone"]))["payments"]

    assert payment["status"] == "completed"
    assert payment["receipt"] == truth["receipt"]


@pytest.mark.parametrize("fault", [5, 6])
async def test_a_push_without_a_readable_answer_is_unknown_and_never_repeated(
    shop: Shop, asked: Asked, fault: int,
):
    """The payer may have the prompt: we say that we do not know, and wait for the evidence."""
    status, body = asked[fault]
    payment = await shop.world.settled(
        shop.api, body["data"]["id"], lambda each: each["status"] == "completed",
    )
    await shop.world.told(payment["id"], "payment.unknown", COMPLETED)
    pushed = (await shop.world.truth(phone=payment["phone"]))["payments"]

    assert (status, body["data"]["status"]) == (202, "unknown")
    assert [each["receipt"] for each in pushed] == [payment["receipt"]]


async def test_a_push_turned_away_at_the_gate_can_be_tried_again_with_the_same_key(
    shop: Shop, asked: Asked,
):
    """Nothing was sent, so nothing is lost: 503, and the same key tries the same payment."""
    status, problem = asked[7]
    again, _ = await shop.world.ask(shop.api, "254711000007", key="fault-7")
    (payment,) = await shop.world.payments_with(shop.api, "fault-7")

    assert (status, problem["code"], again) == (503, "daraja_unreachable", 503)
    assert (payment["status"], payment["provider_ref"]) == ("pending", None)
    assert (await shop.world.truth(phone="254711000007"))["payments"] == []


async def test_money_that_comes_after_a_failure_wins(shop: Shop, asked: Asked):
    """The merchant hears both, in order, and the payment says that it was late."""
    payment = await shop.world.settled(
        shop.api, asked[9][1]["data"]["id"], lambda each: each["status"] == "completed",
    )
    await shop.world.told(payment["id"], "payment.failed", COMPLETED)
    (truth,) = (await shop.world.truth(phone=payment["phone"]))["payments"]

    assert payment["late"] is True
    assert payment["receipt"] == truth["receipt"]


async def test_another_amount_is_never_called_completed(shop: Shop, asked: Asked):
    """What came in is shown, a person is asked, and no goods are released on it."""
    payment = await shop.world.settled(
        shop.api, asked[11][1]["data"]["id"], lambda each: each["needs_review"],
    )
    await shop.world.told(payment["id"], "payment.needs_review")
    (truth,) = (await shop.world.truth(phone=payment["phone"]))["payments"]

    assert payment["status"] == "unknown"
    assert payment["amount_received"] == f"{truth['amount_cents'] / 100:.2f}" == "99.00"
    assert payment["receipt"] == truth["receipt"]


async def test_the_books_agree_with_the_truth_after_all_faults(shop: Shop, asked: Asked):
    """Every invariant holds, alone and against what only the simulator knows."""
    assert len(asked) == len(FAULTS)

    report = await shop.world.verified()

    assert report.green, [check for check in report.checks if check.violations]
