"""Sending money over real HTTP: ordered once, sent once, told as it ends, refused with a reason."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hakika.services import sending
from tests.api.test_inquiries import with_operator
from tests.api.world import WAIT_SECONDS_MAX, Answer, Shop, new_key

JANE = "0712345678"


async def funded(shop: Shop, number: str, shillings: int = 100_000) -> str:
    """Fill a short code's accounts for B2C and for B2B, as a person does on the portal."""
    for account in ("utility", "working"):
        moved = {
            "shortcode": number, "from": "bank", "to": account, "amount_cents": shillings * 100,
        }
        async with shop.session.post(
            f"{shop.world.simulator}/_simulator/portal/floats", json=moved,
        ) as answer:
            assert answer.status == 200, await answer.text()
    return number


@pytest.fixture
async def paybill(shop: Shop) -> str:
    """A paybill with an API operator and money to send."""
    return await funded(shop, await with_operator(shop))


async def send(shop: Shop, *, key: str | None = None, **more: Any) -> Answer:
    body = {"amount": 1200, "phone": JANE, "remarks": "Wages"} | more
    wanted = {name: value for name, value in body.items() if value is not None}
    return await shop.send(
        "POST", "/v1/payouts", json=wanted, idempotency_key=key or new_key(),
    )


async def ended(shop: Shop, payout_id: str) -> dict[str, Any]:
    """Let a worker send what is due, and return the payout once its outcome is known."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            shop.world.in_api(sending.send_due(shop.world.rt))
            data: dict[str, Any] = (await shop.get(f"/v1/payouts/{payout_id}")).data
            if data["status"] not in {"pending", "unknown"}:
                return data
            await asyncio.sleep(0.05)


async def test_money_goes_to_a_phone_once_however_often_it_is_ordered(shop: Shop, paybill: str):
    """The whole of it: ordered, sent, and the receipt is M-Pesa's own."""
    key = new_key()
    first = await send(shop, key=key, shortcode=paybill)
    again = await send(shop, key=key, shortcode=paybill)
    payout = await ended(shop, first.data["id"])
    facts = (await shop.get(f"/v1/payouts/{payout['id']}/timeline")).data

    assert (first.status, again.status) == (202, 202)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.data["id"] == first.data["id"]
    assert (payout["status"], payout["amount_sent"]) == ("completed", "1200.00")
    assert [fact["fact"] for fact in facts] == ["released", "asked", "accepted", "paid"]
    paid, = (await truth(shop, "254712345678", paybill))
    assert (paid["receipt"], paid["amount_cents"]) == (payout["receipt"], 120_000)
    assert paid["originator_conversation_id"] == payout["id"]


async def truth(shop: Shop, receiver: str, paybill: str) -> list[dict[str, Any]]:
    """Return the payouts to somebody that M-Pesa carried out for a short code."""
    async with shop.session.get(f"{shop.world.simulator}/_simulator/truth") as answer:
        told = await answer.json()
    return [
        each for each in told["payouts"]
        if each["receipt"] and each["receiver"] == receiver and each["shortcode"] == paybill
    ]


@pytest.mark.parametrize(("payee", "way"), [
    ({"paybill": "888880", "account": "INV-7"}, "paybill"), ({"till": "522533"}, "till"),
    ({"top_up": "600977"}, "top_up"),
])
async def test_money_goes_to_businesses(
    shop: Shop, paybill: str, payee: dict[str, str], way: str,
):
    ordered = await send(shop, phone=None, shortcode=paybill, **payee)
    payout = await ended(shop, ordered.data["id"])

    assert (payout["status"], payout["way"]) == ("completed", way), payout
    assert payout["receipt"]


@pytest.mark.parametrize(("more", "field", "code"), [
    ({"amount": 9}, "amount", "amount_too_small"),
    ({"amount": 250_001}, "amount", "amount_too_large"),
    ({"amount": "10.50"}, "amount", "amount_has_cents"),
    ({"phone": "0812345678"}, "phone", "phone_invalid"),
    ({"till": "522533"}, "phone", "payee_not_one"),
    ({"phone": None}, "phone", "payee_not_one"),
    ({"phone": None, "paybill": "888880"}, "account", "account_missing"),
    ({"account": "INV-7"}, "account", "account_not_wanted"),
    ({"remarks": "x"}, "remarks", "remarks_invalid"),
    ({"phone": None, "till": "12"}, "till", "shortcode_invalid"),
])
async def test_what_cannot_be_sent_is_refused_by_its_field(
    shop: Shop, paybill: str, more: dict[str, Any], field: str, code: str,
):
    """Nothing is made of it, so nothing can be sent."""
    answer = await send(shop, shortcode=paybill, **more)

    assert answer.status == 400, answer.raw
    assert [(each["field"], each["code"]) for each in answer.body["errors"]] == [(field, code)]
    assert (await shop.get("/v1/payouts")).data == []


async def test_a_short_code_without_an_operator_sends_nothing(shop: Shop):
    await shop.put_paybill("604999")
    answer = await send(shop, shortcode="604999")

    assert answer.status == 400
    assert answer.body["errors"][0]["code"] == "initiator_missing"


async def test_what_was_not_sent_can_be_taken_back_and_what_was_cannot(shop: Shop, paybill: str):
    """Its money is free again; a payout that M-Pesa may have is M-Pesa's."""
    first, second = [await send(shop, shortcode=paybill) for _ in range(2)]
    taken_back = await shop.send("POST", f"/v1/payouts/{first.data['id']}/cancel")
    await ended(shop, second.data["id"])
    too_late = await shop.send("POST", f"/v1/payouts/{second.data['id']}/cancel")

    assert (taken_back.status, taken_back.data["status"]) == (200, "canceled")
    assert (too_late.status, too_late.body["code"]) == (409, "conflict")
    assert len(await truth(shop, "254712345678", paybill)) == 1
