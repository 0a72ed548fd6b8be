"""Payments and their customers over HTTP: named, found by phone, made, and outlived."""

from __future__ import annotations

import asyncio

import pytest

from hakika.domain.merchant import Scope
from tests.api.customers import (
    ABSENT,
    WANJIKU,
    erase,
    found,
    key_of,
    made,
    spelled,
    told,
)
from tests.api.world import PAYS, new_key, new_person


async def test_payments_outlive_their_customer(shop):
    """Books are kept; they go on saying that these payments were of one customer."""
    customer = await made(shop, phone=PAYS, name="Wanjiku")
    paid = [await shop.settled(
        (await shop.order(customer_id=customer["id"])).data["id"],
    ) for _ in range(2)]

    await erase(shop, customer)

    assert {each["customer_id"] for each in paid} == {customer["id"]}
    assert (await shop.get(f"/v1/payments?customer={customer['id']}")).data == paid[::-1]


async def test_a_customers_payments_are_listed_and_no_others(shop):
    customer = await made(shop, name="Otieno")
    own = [
        (await shop.order(phone=new_person(), customer_id=customer["id"])).data["id"]
        for _ in range(3)
    ]
    await shop.order(phone=new_person())
    path = f"/v1/customers/{customer['id']}/payments"

    first = await shop.get(f"{path}?limit=2")
    second = await shop.get(f"{path}?limit=2&cursor={first.body['page']['next']}")

    assert [each["id"] for each in first.data + second.data] == own[::-1]
    assert second.body["page"]["next"] is None
    same = (await shop.get(f"/v1/payments?customer={customer['id']}&limit=3")).data
    assert [each["id"] for each in same] == own[::-1]
    assert (await shop.get(f"{path}?customer=x")).problem[:2] == (400, "invalid_request")


async def test_a_payment_makes_the_customer_that_it_is_told_of(shop):
    """In one commit: name and phone once, and the merchant has both."""
    phone = new_person()
    payment = (await shop.order(phone=spelled(phone), customer=WANJIKU)).data

    customer = (await shop.get(f"/v1/customers/{payment['customer_id']}")).data
    assert customer | WANJIKU | {"phone": phone} == customer
    assert await told(shop) == [("customer.created", customer["id"], customer)]


async def test_a_payment_finds_the_customer_that_is_there_and_leaves_it_as_it_is(shop):
    phone = new_person()
    customer = await made(shop, phone=phone, name="Wanjiku")

    payment = (await shop.order(phone=phone, customer={"name": "Somebody"})).data

    assert payment["customer_id"] == customer["id"]
    assert (await shop.get(f"/v1/customers/{customer['id']}")).data == customer


async def test_a_payment_without_a_word_of_customers_makes_none(shop):
    payment = (await shop.order(phone=new_person(), customer=None, customer_id=None)).data

    assert payment["customer_id"] is None
    assert await found(shop, "") == []


async def test_payments_of_a_new_phone_at_the_same_moment_make_one_customer(shop):
    answers = await asyncio.gather(*(shop.order(phone=PAYS, customer={}) for _ in range(6)))

    (customer,) = await found(shop, "")
    assert {answer.data["customer_id"] for answer in answers} == {customer}
    created = [each for each in await told(shop) if each[0] == "customer.created"]
    assert len(created) == 1


async def test_a_repeated_order_makes_no_second_customer(shop):
    """Not even when the first was erased meanwhile: the answer is the one that was given."""
    key, phone = new_key(), new_person()
    first = await shop.order(idempotency_key=key, phone=phone, customer={})
    again = await shop.order(idempotency_key=key, phone=phone, customer={})
    await erase(shop, {"id": first.data["customer_id"]})
    after = await shop.order(idempotency_key=key, phone=phone, customer={})

    assert again.data == after.data == first.data
    assert await found(shop, "") == []
    assert [name for name, _, _ in await told(shop)] == ["customer.created", "customer.deleted"]


async def test_a_repeated_order_of_an_erased_customer_has_its_answer(shop):
    customer = await made(shop, name="Otieno")
    key, phone = new_key(), new_person()
    order = {"idempotency_key": key, "phone": phone, "customer_id": customer["id"]}
    first = await shop.order(**order)
    await erase(shop, customer)

    assert (await shop.order(**order)).data == first.data
    fresh = await shop.order(phone=new_person(), customer_id=customer["id"])
    assert fresh.problem == (400, "invalid_request", [("customer_id", "customer_unknown")])


async def test_a_payment_that_is_refused_makes_no_customer(shop):
    """The phone has a prompt open: whatever was written beside the payment is taken back."""
    phone = new_person()
    await shop.order(phone=phone)

    refused = await shop.order(phone=phone, customer=WANJIKU)

    assert refused.problem == (409, "prompt_open", [])
    assert await found(shop, "") == [] and await told(shop) == []


@pytest.mark.parametrize(("wrong", "errors"), [
    ({"customer_id": "cus_1"}, [("customer_id", "customer_unknown")]),
    ({"customer_id": 5}, [("customer_id", "customer_unknown")]),
    ({"customer_id": ABSENT}, [("customer_id", "customer_unknown")]),
    ({"customer_id": ABSENT, "customer": {}}, [("customer", "customer_twice")]),
    ({"customer": {"name": "x" * 101}}, [("customer.name", "name_too_long")]),
    ({"customer": {"phone": PAYS}}, [("customer.phone", "unknown_field")]),
    ({"customer": True}, None),
])
async def test_a_customer_that_a_payment_cannot_have_is_refused(shop, wrong, errors):
    status, code, named = (await shop.order(phone=new_person(), **wrong)).problem

    assert (status, code) == (400, "invalid_request")
    assert errors is None or named == errors
    assert (await shop.get("/v1/payments")).data == []


async def test_a_key_without_the_scope_makes_no_customer_by_a_payment(shop):
    """Else payments:write would be customers:write by another door."""
    tills = key_of(shop, scopes={Scope.PAYMENTS_WRITE})
    body = {"amount": 5, "currency": "KES", "provider": "mpesa", "phone": new_person()}

    answer = await shop.send(
        "POST", "/v1/payments", key=tills, idempotency_key=new_key(), json=body | {"customer": {}},
    )

    assert answer.problem == (403, "forbidden", [])
    assert (await shop.get("/v1/payments")).data == await found(shop, "") == []
