"""Money that nobody asked for, from a payer's own phone to the merchant's books, over real HTTP."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest_asyncio

from tests.api.world import Shop, new_person

WAIT_SECONDS_MAX = 20.0
_shortcodes = count(602_000)


@pytest_asyncio.fixture
async def paybill(shop: Shop) -> str:
    """A paybill of the shop's own, of whose payments M-Pesa tells Hakika."""
    number = str(next(_shortcodes))
    await shop.put_paybill(number)
    registered = await shop.send("POST", "/v1/merchant/c2b", json={"shortcode": number})
    assert registered.status == 200, registered.raw
    assert registered.data["confirmation_url"] != registered.data["validation_url"]
    return number


async def pay(shop: Shop, paybill: str, *, amount: int = 500, account: str = "A1") -> str:
    """Pay as a person does on the phone, and return the receipt that the phone shows."""
    async with shop.session.post(f"{shop.world.simulator}/_simulator/c2b", json={
        "phone": new_person(), "shortcode": paybill, "amount": amount, "account": account,
    }) as answer:
        told: dict[str, Any] = await answer.json()
    assert told["state"] == "completed", told
    return str(told["receipt"])


async def found(shop: Shop, receipt: str) -> dict[str, Any]:
    """Return the payment with a receipt, once Hakika knows it."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not (listed := (await shop.get(f"/v1/payments?search={receipt}")).data):
            await asyncio.sleep(0.05)
    (payment,) = listed
    return dict(payment)


async def test_a_payer_pays_unasked_and_finance_says_what_it_is_for(shop, paybill):
    payment = await found(shop, await pay(shop, paybill, account="order 77"))

    assert (payment["source"], payment["status"], payment["phone"]) == ("c2b", "completed", None)
    assert payment["reference"] == "order 77" and "*" in payment["phone_masked"]
    unassigned = (await shop.get("/v1/payments?unassigned=true")).data
    assert [each["id"] for each in unassigned] == [payment["id"]]
    assert (await shop.get("/v1/balance")).data["suspense"] == "500.00"

    assigned = await shop.send(
        "POST", f"/v1/payments/{payment['id']}/assign", json={"assigned_to": "ORDER-77"},
    )

    assert assigned.data["assigned_to"] == "ORDER-77"
    other = {"assigned_to": "ORDER-78"}
    refused = await shop.send("POST", f"/v1/payments/{payment['id']}/assign", json=other)
    assert (refused.status, refused.body["code"]) == (409, "assigned_already")
    replaced = await shop.send(
        "POST", f"/v1/payments/{payment['id']}/assign", json=other | {"replace": True},
    )
    assert replaced.data["assigned_to"] == "ORDER-78"
    assert (await shop.get("/v1/payments?unassigned=true")).data == []
    balance = (await shop.get("/v1/balance")).data
    assert (balance["suspense"], balance["collected"]) == ("0.00", "500.00")
    assert balance["float"] == [{"shortcode": paybill, "places": {"utility": "500.00"}}]
    entries = (await shop.get("/v1/ledger/entries")).data
    assert [each["move"] for each in entries] == ["collection", "clearing"]
    assert [each["sequence"] for each in entries] == [1, 2]


async def test_a_prompt_that_was_paid_is_one_payment_though_m_pesa_tells_of_it_twice(shop, paybill):
    """The callback and the confirmation come at the same moment. (T37)"""
    ordered = [await shop.order(shortcode=paybill) for _ in range(3)]
    for each in ordered:
        await shop.settled(each.data["id"])
    await asyncio.sleep(0.5)  # the slower of both

    listed = (await shop.get("/v1/payments")).data
    assert {each["id"] for each in listed} == {each.data["id"] for each in ordered}
    assert {each["source"] for each in listed} == {"stk"}
    assert len((await shop.get("/v1/ledger/entries")).data) == len(ordered)


async def test_addresses_that_stand_already_are_explained(shop, paybill):
    """In production M-Pesa takes them once; the way out is on the portal."""
    async with shop.switched(register_once=True):
        refused = await shop.send("POST", "/v1/merchant/c2b", json={"shortcode": paybill})

    assert (refused.status, refused.body["code"]) == (502, "daraja_refused")
    assert "Delete the old URLs on the portal" in refused.body["detail"]
    assert refused.body["daraja"]["code"] == "500.003.1001"


async def test_a_payment_that_is_for_nothing_is_not_taken(shop, paybill):
    """The payer's phone says that the account number is wrong, and keeps the money. (F21)"""
    ruled = await shop.send("PUT", "/v1/merchant/c2b/validation", json={
        "shortcode": paybill, "rule": "open_payment", "when_undecided": "refuse",
    })
    assert ruled.data["rule"] == "open_payment"
    async with shop.switched(external_validation=[paybill]):
        async with shop.session.post(f"{shop.world.simulator}/_simulator/c2b", json={
            "phone": new_person(), "shortcode": paybill, "amount": 500, "account": "MISTYPED",
        }) as answer:
            refused = await answer.json()
        await shop.order(
            shortcode=paybill, reference="ORDER-5", amount=500, phone="254711000002",
        )
        receipt = await pay(shop, paybill, amount=500, account="order-5")

    assert (refused["state"], refused["reason"]) == ("declined", "C2B00012")
    assert (await found(shop, receipt))["reference"] in {"ORDER-5", "order-5"}
    assert (await shop.get("/v1/merchant/c2b")).data == [ruled.data | {"version_seen": 2}]


async def test_a_rule_that_makes_no_sense_is_refused(shop, paybill):
    for body, code in (
        ({"rule": "callback"}, "callback_url_invalid"),
        ({"rule": "callback", "callback_url": "https://shop.example"},
         "callback_url_without_endpoint"),
        ({"rule": "everybody"}, "enum"), ({}, "missing_field"),
    ):
        refused = await shop.send("PUT", "/v1/merchant/c2b/validation", json=body)
        assert (refused.status, refused.body["errors"][0]["code"]) == (400, code)
    unknown = await shop.send(
        "PUT", "/v1/merchant/c2b/validation", json={"rule": "accept_all", "shortcode": "999999"},
    )
    assert (unknown.status, unknown.body["code"]) == (404, "not_found")


async def test_unknown_short_codes_have_no_addresses(shop):
    refused = await shop.send("POST", "/v1/merchant/c2b", json={"shortcode": "999999"})

    assert (refused.status, refused.body["code"]) == (404, "not_found")
