"""Giving payments back over real HTTP: whole or in part, one at a time, never more than came."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hakika.services import sending
from tests.api.test_inquiries import with_operator
from tests.api.test_payouts import funded
from tests.api.world import WAIT_SECONDS_MAX, Answer, Shop, new_key, new_person


@pytest.fixture
async def paybill(shop: Shop) -> str:
    """A paybill with an API operator."""
    return await funded(shop, await with_operator(shop), 1_000)


async def paid(shop: Shop, paybill: str, amount: int = 500) -> dict[str, Any]:
    ordered = await shop.order(shortcode=paybill, amount=amount)
    return await shop.settled(ordered.data["id"])


async def refund(shop: Shop, payment_id: str, **more: Any) -> Answer:
    return await shop.send(
        "POST", "/v1/refunds", json={"payment_id": payment_id, **more}, idempotency_key=new_key(),
    )


async def ended(shop: Shop, refund_id: str) -> dict[str, Any]:
    """Let a worker send what is due, and return the refund once its outcome is known."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            shop.world.in_api(sending.send_due(shop.world.rt))
            data: dict[str, Any] = (await shop.get(f"/v1/refunds/{refund_id}")).data
            if data["status"] not in {"pending", "unknown"}:
                return data
            await asyncio.sleep(0.05)


async def events(shop: Shop) -> list[str]:
    return [each["type"] for each in (await shop.get("/v1/events")).data]


async def test_a_payment_is_given_back_whole_by_a_reversal(shop: Shop, paybill: str):
    """Seed 002's own request, and everything that follows from it."""
    payment = await paid(shop, paybill)
    asked = await refund(shop, payment["id"])
    done = await ended(shop, asked.data["id"])
    after = (await shop.get(f"/v1/payments/{payment['id']}")).data
    listed = (await shop.get(f"/v1/refunds?payment_id={payment['id']}")).data

    assert (asked.status, asked.data["status"]) == (202, "pending")
    assert (done["status"], done["method"], done["amount"]) == ("completed", "reversal", "500.00")
    assert done["original_receipt"] == payment["receipt"] != done["receipt"]
    assert (after["status"], after["amount_returned"]) == ("reversed", "500.00")
    assert listed == [done]
    assert await events(shop) == ["payment.completed", "refund.completed", "payment.reversed"]


async def test_a_part_goes_to_the_payers_phone_and_the_rest_stays_paid(shop: Shop, paybill: str):
    payment = await paid(shop, paybill)
    first = await ended(shop, (await refund(shop, payment["id"], amount=200)).data["id"])
    between = (await shop.get(f"/v1/payments/{payment['id']}")).data
    rest = await ended(shop, (await refund(shop, payment["id"])).data["id"])
    after = (await shop.get(f"/v1/payments/{payment['id']}")).data

    assert (first["status"], first["method"], first["amount"]) == ("completed", "b2c", "200.00")
    assert (between["status"], between["amount_returned"]) == ("completed", "200.00")
    assert (rest["method"], rest["amount"]) == ("b2c", "300.00")
    assert (after["status"], after["amount_returned"]) == ("reversed", "500.00")


async def test_twenty_at_once_give_back_once(shop: Shop, paybill: str):
    """Double clicks, and two tabs: one path at a time, whatever it is. (I7, F24, T49)"""
    payment = await paid(shop, paybill)
    answers = await asyncio.gather(*(
        refund(shop, payment["id"], **({"amount": 300} if number % 2 else {}))
        for number in range(20)
    ))
    taken = [each for each in answers if each.status == 202]
    await ended(shop, taken[0].data["id"])

    assert len(taken) == 1
    assert {each.body["code"] for each in answers if each.status != 202} == {"refund_under_way"}


@pytest.mark.parametrize(("more", "status", "code"), [
    ({"amount": 501}, 409, "refund_too_large"),
    ({"amount": 300, "method": "reversal"}, 400, "reversal_of_a_part"),
    ({"amount": 9}, 400, "amount_too_small"),
    ({"amount": "10.50"}, 400, "amount_has_cents"),
    ({"amount": 0}, 400, "amount_too_small"),
])
async def test_what_cannot_be_given_back_is_refused(
    shop: Shop, paybill: str, more: dict[str, Any], status: int, code: str,
):
    """Nothing is made of it: the payment is as it was, and another refund may come."""
    payment = await paid(shop, paybill)
    answer = await refund(shop, payment["id"], **more)

    codes = [answer.body["code"], *(each["code"] for each in answer.body.get("errors") or [])]
    assert (answer.status, code in codes) == (status, True), answer.raw
    assert (await shop.get("/v1/refunds")).data == []


async def test_a_payment_that_is_not_paid_cannot_be_given_back(shop: Shop, paybill: str):
    pending = (await shop.order(shortcode=paybill, phone=new_person())).data
    answer = await refund(shop, pending["id"])
    absent = await refund(shop, "pay_01kaxb2m8fe2tv5k0c3y7h9q4d")

    assert (answer.status, answer.body["code"]) == (409, "payment_not_refundable")
    assert (absent.status, absent.body["code"]) == (404, "not_found")


async def test_a_reversal_that_fails_leaves_the_payment_paid_and_may_be_tried_again(
    shop: Shop, paybill: str,
):
    """Result 1: too little on the account. The hold is released, and the payer is still owed."""
    payment = await paid(shop, paybill)
    await plan(shop, api="reversal", receiver=payment["receipt"], result_code="1")
    failed = await ended(shop, (await refund(shop, payment["id"])).data["id"])
    again = await ended(shop, (await refund(shop, payment["id"])).data["id"])

    assert (failed["status"], failed["daraja_code"]) == ("failed", "1")
    assert again["status"] == "completed"
    assert await events(shop) == [
        "payment.completed", "refund.failed", "refund.completed", "payment.reversed",
    ]


async def plan(shop: Shop, **fault: Any) -> None:
    """Let the next call that fits meet a fault."""
    async with shop.session.post(
        f"{shop.world.simulator}/_simulator/faults", json=fault,
    ) as answer:
        assert answer.status == 200, await answer.text()
