"""`/api/v1`: what was written for the older gateway (seed 004) works here as it stands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hakika.domain.ids import MerchantId
from hakika.services import keys
from hakika.services.keys import Wanted
from tests.api.test_payments import NO_MERCHANT, RESET, THROTTLED
from tests.api.test_payments import pushed as carried_out
from tests.api.world import PAYS, Answer, Shop, new_key, new_person

ORDER = {"amount": 100, "phone": PAYS, "reference": "ORDER-1234", "description": "T-shirt"}
ERROR = {"error", "hint", "detail"}


async def push(shop: Shop, *, idempotency_key: str = "", **fields: Any) -> Answer:
    return await shop.send(
        "POST", "/api/v1/stk-push", json=ORDER | fields, idempotency_key=idempotency_key or None,
    )


async def transaction(shop: Shop, pushed: Answer) -> dict[str, Any]:
    found: dict[str, Any] = (await shop.get(pushed.body["poll_url"])).body["transaction"]
    return found


async def test_a_payment_from_the_prompt_to_success(shop: Shop):
    """Every field that the older gateway's page shows, and no other."""
    pushed = await push(shop)
    told = pushed.body
    await shop.settled(told["transaction_id"])
    read = await shop.get(told["poll_url"])
    found = read.body["transaction"]

    assert (pushed.status, read.status) == (200, 200)
    assert told == {
        "success": True, "transaction_id": told["transaction_id"],
        "merchant_request_id": told["merchant_request_id"],
        "checkout_request_id": told["checkout_request_id"],
        "customer_message": "Success. Request accepted for processing",
        "amount": 100, "platform_fee": 0, "net_amount": 100, "status": "pending",
        "poll_url": f"/api/v1/transactions/{told['transaction_id']}",
    }
    assert told["checkout_request_id"].startswith("ws_CO_") and told["merchant_request_id"]
    assert found == {
        "id": told["transaction_id"], "reference": "ORDER-1234", "amount": 100,
        "platform_fee": 0, "net_amount": 100, "status": "success",
        "mpesa_receipt_number": found["mpesa_receipt_number"], "result_code": "0",
        "result_desc": "The service request is processed successfully.",
        "completed_at": found["completed_at"],
    }
    assert len(found["mpesa_receipt_number"]) == 10 and found["completed_at"].endswith("Z")


@pytest.mark.parametrize(("fields", "named"), [
    ({"amount": 150_001}, "amount_too_large"), ({"amount": 0}, "amount_too_small"),
    ({"amount": 1.5}, "amount_has_cents"), ({"amount": "ten"}, "amount_invalid"),
    ({"phone": "0812345678"}, "phone_invalid"), ({"phone": None}, "phone_invalid"),
    ({"reference": "R" * 41}, "reference"), ({"reference": " "}, "reference"),
    ({"description": "D" * 61}, "description"), ({"description": 7}, "description"),
], ids=str)
async def test_what_the_older_gateway_refused_is_refused(shop: Shop, fields, named):
    answer = await push(shop, **fields)

    assert (answer.status, set(answer.body)) == (400, ERROR)
    assert answer.headers["Content-Type"] == "application/json"
    assert named in answer.body["detail"]


async def test_what_the_older_gateway_took_is_taken(shop: Shop):
    """Its limits, its three spellings, and whatever else a program sent along."""
    taken = [
        await push(shop, amount=150_000, reference="R" * 40, description="D" * 60),
        *[await push(shop, phone=phone) for phone in (
            new_person(), "0" + new_person()[3:], "01" + new_person()[4:],
        )],
        await push(shop, amount=100.0, channel="web"),
    ]

    assert {answer.status for answer in taken} == {200}


async def test_a_long_reference_is_kept_whole_and_mpesa_gets_one_of_its_own(shop: Shop):
    """Cut at 12 characters, all invoices of a year would be one. (T13)"""
    whole = [f"INVOICE-2026/{new_key()}-{last}" for last in "AB"]
    pushed = [
        await push(shop, reference=each, description="T-shirt, large & blue") for each in whole
    ]
    found = [(await transaction(shop, each))["reference"] for each in pushed]
    sent = {
        (await shop.get(f"/v1/payments/{each.body['transaction_id']}")).data["reference"]
        for each in pushed
    }
    given = [await carried_out(shop, each) for each in sent]
    sought = [(await shop.get(f"/v1/payments?search={each}")).data for each in whole]

    assert found == whole
    assert len(sent) == 2 and given == [1, 1]
    assert [[each["id"] for each in one] for one in sought] == [
        [each.body["transaction_id"]] for each in pushed
    ]
    assert {each["description"] for one in sought for each in one} == {"T-shirt large"}


async def test_the_same_key_gives_the_transaction_that_there_is(shop: Shop):
    key = new_key()
    first = await push(shop, idempotency_key=key)
    await shop.settled(first.body["transaction_id"])
    again = await push(shop, idempotency_key=key)
    other = await push(shop, idempotency_key=key, amount=101)
    without = [await push(shop), await push(shop)]

    assert again.body == first.body | {"status": "success"}
    assert (other.status, set(other.body)) == (400, ERROR)
    assert "idempotency_key_reused" in other.body["detail"]
    assert len({each.body["transaction_id"] for each in (first, *without)}) == 3


async def test_many_at_once_with_one_key_make_one_prompt(shop: Shop):
    """A double click, or a client that gives up too soon."""
    key, phone = new_key(), new_person()
    answers = await asyncio.gather(*(
        push(shop, idempotency_key=key, phone=phone) for _ in range(8)
    ))

    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["transaction_id"] for answer in answers}) == 1


async def test_while_the_first_request_runs_its_transaction_is_given(shop: Shop):
    """The older gateway knew no 409, and there is a transaction to give."""
    key, phone = new_key(), new_person()
    first = await push(shop, idempotency_key=key, phone=phone)
    payment_id = first.body["transaction_id"]
    for still_runs in (
        "update payments set state = 'sending' where id = %s returning 1",
        "update idempotency_keys set answer = null where payment_id = %s returning 1",
    ):
        shop.world.rows(still_runs, payment_id)
    again = await push(shop, idempotency_key=key, phone=phone)

    assert (again.status, again.body["transaction_id"]) == (200, payment_id)


async def test_a_key_may_be_used_again_after_a_day_and_only_here(shop: Shop):
    """The older gateway forgot it then; ours never does."""
    key = new_key()
    first = (await push(shop, idempotency_key=key)).body["transaction_id"]
    ours = await shop.order(idempotency_key=key)
    await later(shop, first, "23 hours 59 minutes")
    almost = (await push(shop, idempotency_key=key)).body["transaction_id"]
    await later(shop, first, "1 minute")
    second = (await push(shop, idempotency_key=key, amount=101)).body["transaction_id"]
    replayed = (await push(shop, idempotency_key=key, amount=101)).body["transaction_id"]
    await later(shop, second, "24 hours")
    third = (await push(shop, idempotency_key=key)).body["transaction_id"]

    assert almost == first
    assert replayed == second
    assert len({first, second, third, ours.data["id"]}) == 4


async def later(shop: Shop, payment_id: str, much: str) -> None:
    """Let time pass for one idempotency key."""
    shop.world.rows(
        "update idempotency_keys set created_at = created_at - %s::interval"
        " where payment_id = %s returning 1", much, payment_id,
    )


async def test_nobody_else_sees_a_transaction(shop: Shop, other_shop: Shop):
    pushed = await push(shop)
    path = pushed.body["poll_url"]
    answers = {
        "another's": await other_shop.get(path), "no id": await shop.get("/api/v1/transactions/x"),
        "no key": await shop.get(path, key=""), "wrong key": await shop.get(path, key="mpg_test_x"),
    }

    assert {name: each.status for name, each in answers.items()} == {
        "another's": 404, "no id": 404, "no key": 401, "wrong key": 401,
    }
    assert all(set(each.body) == ERROR and all(each.body.values()) for each in answers.values())


async def test_a_live_key_without_live_credentials_is_of_the_wrong_mode(shop: Shop):
    _, live = shop.world.in_api(
        keys.create(shop.world.rt, MerchantId(shop.merchant_id), Wanted(livemode=True)),
    )
    answer = await shop.send("POST", "/api/v1/stk-push", json=ORDER, key=live)

    assert (answer.status, set(answer.body)) == (400, ERROR)
    assert "live_mode_unavailable" in answer.body["detail"]


async def test_a_failed_push_is_told_as_one(shop: Shop):
    """502, with what Daraja said; nothing was sent, and the same key says the same."""
    key = new_key()
    refused, again = [
        await push(shop, idempotency_key=key, phone=NO_MERCHANT) for _ in range(2)
    ]
    throttled = await push(shop, phone=THROTTLED)

    assert [each.status for each in (refused, again, throttled)] == [502, 502, 502]
    assert refused.body["detail"].startswith("Daraja ")
    assert "daraja_unreachable" in throttled.body["detail"]


async def test_a_push_without_an_answer_is_pending_and_never_failed(shop: Shop):
    """The prompt may be on the phone: who is told of a failure asks again, and is paid twice."""
    pushed = await push(shop, phone=RESET)

    assert (pushed.status, pushed.body["status"]) == (200, "pending")
    assert pushed.body["checkout_request_id"] is None
    assert "may be on the phone" in pushed.body["customer_message"]
