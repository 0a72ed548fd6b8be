"""`/v1/express`: what was written for the older hosted service (seeds 000, 001) works here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.test_payments import NO_MERCHANT
from tests.api.world import PAYS, Answer, Shop, new_key, new_person

ORDER = {
    "phoneNumber": PAYS, "amount": 100, "description": "Order 1001",
    "accountReference": "ORDER1001",
}


async def pay(shop: Shop, *, idempotency_key: str = "", **fields: Any) -> Answer:
    body = {name: value for name, value in (ORDER | fields).items() if value is not None}
    return await shop.send(
        "POST", "/v1/express", json=body, idempotency_key=idempotency_key or None,
    )


async def test_a_payment_is_taken_and_read_by_either_id(shop: Shop, other_shop: Shop):
    """Its two ids are ours and Daraja's; a program may have kept either."""
    paid = await pay(shop)
    told = paid.body
    await shop.settled(told["paymentId"])
    ids = told["paymentId"], told["transactionId"]
    read = [(await shop.get(f"/v1/payments/{each}")).data for each in ids]
    others = await other_shop.get(f"/v1/payments/{told['transactionId']}")

    assert paid.status == 202
    assert told == {
        "paymentId": told["paymentId"], "transactionId": told["transactionId"],
        "customerId": None, "phoneNumber": PAYS, "amount": 100, "currency": "KES",
        "status": "pending", "description": "Order 1001", "accountReference": "ORDER1001",
        "environment": "sandbox", "timestamp": told["timestamp"],
        "message": "Payment request sent to customer",
    }
    assert told["transactionId"].startswith("ws_CO_")
    assert read[0] == read[1]
    assert (read[0]["status"], read[0]["amount"]) == ("completed", "100.00")  # shillings
    assert others.problem == (404, "not_found", [])


async def test_a_key_is_not_needed_and_holds_when_it_is_sent(shop: Shop):
    key = new_key()
    once, again = [await pay(shop, idempotency_key=key) for _ in range(2)]
    other = await pay(shop, idempotency_key=key, amount=101)
    without = [await pay(shop), await pay(shop)]

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.body == once.body
    assert other.problem == (422, "idempotency_key_reused", [])
    assert len({each.body["paymentId"] for each in (once, *without)}) == 3


async def test_a_customer_is_made_named_and_asked(shop: Shop):
    """Kept with what the program says of them, and asked by their id alone the next time."""
    person = new_person()
    made = await pay(
        shop, phoneNumber=person, customerName="Jane", customerDescription="VIP",
        customerMetadata={"level": 3, "premium": True}, metadata={"cart": 7.5},
    )
    customer_id = made.body["customerId"]
    customer = (await shop.get(f"/v1/customers/{customer_id}")).data
    payment = (await shop.get(f"/v1/payments/{made.body['paymentId']}")).data
    nobody = await pay(shop, phoneNumber=None, customerId=customer_id)

    assert (customer["name"], customer["phone"]) == ("Jane", person)
    assert customer["metadata"] == {"level": "3", "premium": "true", "description": "VIP"}
    assert payment["metadata"] == {"cart": "7.5"}
    assert nobody.problem == (409, "prompt_open", [])  # this very person is asked already


@pytest.mark.parametrize(("fields", "named"), [
    ({"phoneNumber": None}, "phoneNumber"), ({"amount": 250_001}, "amount"),
    ({"amount": 1.5}, "amount"), ({"description": "fourteen signs"}, "description"),
    ({"accountReference": "ORDER-1"}, "accountReference"),
    ({"metadata": {"a": {}}}, "metadata"), ({"amountInCents": 5}, "amountInCents"),
    ({"customerId": "cus_1"}, "customerId"),
], ids=str)
async def test_what_cannot_be_taken_is_named(shop: Shop, fields: dict[str, Any], named: str):
    answer = await pay(shop, **fields)

    assert (answer.status, [each["field"] for each in answer.body["errors"]]) == (400, [named])


async def test_a_refusal_by_daraja_says_what_it_means(shop: Shop):
    assert (await pay(shop, phoneNumber=NO_MERCHANT)).problem == (502, "daraja_refused", [])
