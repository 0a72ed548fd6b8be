"""Safaricom's door: a forged callback moves nothing and learns nothing. (faults.md F20)"""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import UTC
from typing import Any

import pytest

from hakika.domain.sealing import INSTANCE
from tests.api.world import PAYS, new_person
from tests.vault import opened

THANKS = (200, b'{"ResultCode":0,"ResultDesc":"Accepted"}')
UNKNOWN_TOKEN = "0" * 52

_receipts = itertools.count()


def success(payment, **changed):
    """A callback of success, as Safaricom writes it."""
    has: dict[str, Any] = {
        "merchant": "29115-34620561-1", "checkout": payment["provider_ref"], "amount": 500,
        "receipt": f"UKL7R{next(_receipts):05d}", "phone": int(payment["phone"]), "code": 0,
    } | changed
    item = [
        {"Name": "Amount", "Value": has["amount"]},
        {"Name": "MpesaReceiptNumber", "Value": has["receipt"]},
        {"Name": "TransactionDate", "Value": 20260302150000},
        {"Name": "PhoneNumber", "Value": has["phone"]},
    ]
    return json.dumps({"Body": {"stkCallback": {
        "MerchantRequestID": has["merchant"], "CheckoutRequestID": has["checkout"],
        "ResultCode": has["code"], "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {"Item": item},
    }}}).encode()


async def call(shop, url, raw, **more):
    """Post to an address as Safaricom does; without a key."""
    async with shop.session.post(
        url, data=raw, headers={"Content-Type": "application/json"} | more,
    ) as answer:
        return answer.status, await answer.read(), sorted(answer.headers)


def address_of(shop, payment):
    return shop.world.rt.callback_url(payment["id"])


def held(shop, payment_id):
    return [row["reason"] for row in shop.world.rows(
        "select reason from quarantine where payment_id = %s order by id", payment_id,
    )]


async def waiting(shop):
    """A payment whose prompt nobody answers."""
    return (await shop.order(phone=new_person())).data


def merchant_id_of(shop, payment):
    row, = shop.world.rows(
        "select merchant_request_id as id from payments where id = %s", payment["id"],
    )
    return row["id"]


FORGERIES = {
    "another checkout id": lambda payment: success(payment, checkout="ws_CO_1"),
    "another merchant request id": success,
    "no receipt": lambda payment: success(payment, receipt=""),
    "garbage": lambda _: b"garbage",
    "nothing": lambda _: b"",
    "an array": lambda _: b"[]",
    "a body of 100 KB": lambda payment: success(payment) + b" " * 100_000,
    "deep nesting": lambda _: b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a field twice": lambda payment: success(payment)[:-1] + b',"Body":{}}',
    "NaN": lambda payment: success(payment).replace(b"500", b"NaN"),
    "invalid UTF-8": lambda _: b"\xff\xfe",
    "unicode digits": lambda payment: success(payment, amount="٥٠٠"),
    "NUL": lambda payment: success(payment, receipt="UKL7RT61S\x00"),
    "half a surrogate pair": lambda payment: success(payment).replace(b"UKL7R", b"\\ud800"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_callback_that_cannot_be_true_is_thanked_and_put_aside(shop, forgery):
    """The answer is the same as to a good one, the payment stays, and the body is kept whole."""
    payment = await waiting(shop)

    answer = await call(shop, address_of(shop, payment), FORGERIES[forgery](payment))

    after = (await shop.get(f"/v1/payments/{payment['id']}")).data
    facts = (await shop.get(f"/v1/payments/{payment['id']}/timeline")).data
    assert answer[:2] == THANKS
    assert after == payment
    assert [each["fact"] for each in facts] == ["asked", "accepted"]
    assert len(held(shop, payment["id"])) == 1


async def test_success_without_a_receipt_is_a_doubt_at_most(shop):
    """With the right ids it may be M-Pesa's; it proves nothing."""
    payment = await waiting(shop)

    raw = success(payment, merchant=merchant_id_of(shop, payment), receipt="")
    assert (await call(shop, address_of(shop, payment), raw))[:2] == THANKS

    after = (await shop.get(f"/v1/payments/{payment['id']}")).data
    assert after["status"] in {"pending", "unknown"}
    assert (after["receipt"], after["amount_received"]) == (None, None)


async def test_another_amount_asks_for_a_person_and_completes_nothing(shop):
    """The right ids and the right address, and one shilling for five hundred."""
    payment = await waiting(shop)

    raw = success(payment, merchant=merchant_id_of(shop, payment), amount=1)
    assert (await call(shop, address_of(shop, payment), raw))[:2] == THANKS

    after = (await shop.get(f"/v1/payments/{payment['id']}")).data
    assert (after["status"], after["needs_review"], after["amount_received"]) == (
        "unknown", True, "1.00",
    )
    told = (await shop.get("/v1/events")).data
    assert [each["type"] for each in told] == ["payment.needs_review"]


async def test_a_receipt_of_another_payment_does_not_pay_this_one(shop):
    """A payer shows one SMS at two tills."""
    paid = await shop.settled((await shop.order()).data["id"])
    payment = await waiting(shop)

    raw = success(
        payment, merchant=merchant_id_of(shop, payment), receipt=paid["receipt"],
    )
    assert (await call(shop, address_of(shop, payment), raw))[:2] == THANKS

    after = (await shop.get(f"/v1/payments/{payment['id']}")).data
    assert (after["status"], after["receipt"], after["needs_review"]) == ("pending", None, True)


async def test_a_genuine_callback_sent_again_changes_nothing(shop):
    """Replayed at its own address, and at that of another payment."""
    paid = await shop.settled((await shop.order()).data["id"])
    payment = await waiting(shop)
    row, = shop.world.rows(
        "select sequence, private from facts where payment_id = %s and kind = 'paid'", paid["id"],
    )
    place = f"facts.private {paid['id']} {row['sequence']}"
    fact = opened(shop.world.database_url, paid["merchant_id"], place, row["private"])
    raw = fact.partition(b"\n")[2]

    for place in (paid, payment):
        assert (await call(shop, address_of(shop, place), raw))[:2] == THANKS

    again = (await shop.get(f"/v1/payments/{paid['id']}")).data
    assert {**again, "updated_at": ""} == {**paid, "updated_at": ""}
    assert (await shop.get(f"/v1/payments/{payment['id']}")).data == payment
    assert held(shop, payment["id"]) == ["not_this_payment"]
    told = (await shop.get("/v1/events")).data
    assert [each["type"] for each in told] == ["payment.completed"]


@pytest.mark.parametrize("token", [
    UNKNOWN_TOKEN, "guess", "x" * 3000, "%00", "pay_01kaxb2m8fe2tv5k0c3y7h9q4d",
])
async def test_an_address_that_we_never_gave_is_thanked_all_the_same(shop, token):
    """Whoever guesses learns nothing; what they sent is kept."""
    before = shop.world.rows("select count(*) from quarantine where payment_id is null")
    answer = await call(shop, f"{shop.world.url}/c/{token}", b"{}")

    after = shop.world.rows("select count(*) from quarantine where payment_id is null")
    assert answer[:2] == THANKS
    assert after[0]["count"] == before[0]["count"] + 1


async def test_good_and_bad_callbacks_have_the_same_answer(shop):
    """To the byte, headers included: no oracle for guesses."""
    payment = await waiting(shop)
    address = address_of(shop, payment)
    good = await call(shop, address, success(payment, merchant=merchant_id_of(shop, payment)))
    bad = [
        await call(shop, address, b"garbage"), await call(shop, address, success(payment)),
        await call(shop, f"{shop.world.url}/c/{UNKNOWN_TOKEN}", b"{}"),
    ]

    assert [each for each in bad if each != good] == []
    assert (await shop.settled(payment["id"]))["status"] == "completed"


async def test_a_callback_is_kept_as_it_came_up_to_64_kb(shop):
    """A person must be able to see what was sent, and nobody can fill the disk by one body."""
    payment = await waiting(shop)
    await call(shop, address_of(shop, payment), b"x" * 100_000)

    row, = shop.world.rows("select * from quarantine where payment_id = %s", payment["id"])
    at = row["received_at"].astimezone(UTC).isoformat()
    place = f"quarantine.raw {row['source_address']} {at}"
    kept = opened(shop.world.database_url, INSTANCE, place, row["raw"])
    assert kept == b"x" * 64 * 1024


async def test_a_hundred_copies_of_a_callback_pay_once(shop):
    """All at the same moment."""
    payment = await waiting(shop)
    raw = success(payment, merchant=merchant_id_of(shop, payment))

    answers = await asyncio.gather(
        *(call(shop, address_of(shop, payment), raw) for _ in range(100)),
    )

    assert {each[:2] for each in answers} == {THANKS}
    paid = (await shop.get(f"/v1/payments/{payment['id']}")).data
    assert (paid["status"], paid["needs_review"]) == ("completed", False)
    told = (await shop.get("/v1/events")).data
    assert [each["type"] for each in told] == ["payment.completed"]


async def test_the_door_speaks_only_post(shop):
    """A link preview or a browser must not count as a callback."""
    answer = await shop.get(f"/c/{UNKNOWN_TOKEN}")

    assert answer.problem == (405, "method_not_allowed", [])


async def test_the_payers_number_is_not_in_the_callback_address(shop):
    """It is in Safaricom's logs, and in those of every proxy."""
    payment = (await shop.order()).data

    assert PAYS[3:] not in address_of(shop, payment)
