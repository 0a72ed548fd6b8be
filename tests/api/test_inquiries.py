"""Asking M-Pesa itself, over real HTTP: what became of a receipt, and what lies on a short code."""

from __future__ import annotations

import asyncio
import base64
from itertools import count
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.api.test_c2b import pay
from tests.api.world import WAIT_SECONDS_MAX, Answer, Shop

OPERATOR, PASSWORD = "testapi", "Simulated#1"
_shortcodes = count(604_000)
_people = count(254_711_400_000)


@pytest_asyncio.fixture
async def paybill(shop: Shop) -> str:
    """A paybill whose API operator may ask, and of whose payments nobody tells Hakika."""
    return await with_operator(shop)


async def with_operator(shop: Shop) -> str:
    number = str(next(_shortcodes))
    await shop.put_paybill(
        number, initiator=OPERATOR, security_credential=await credential(shop, PASSWORD),
    )
    return number


async def credential(shop: Shop, password: str) -> str:
    """Return a password encrypted as Safaricom wants it."""
    async with shop.session.get(f"{shop.world.simulator}/_simulator/certificate") as answer:
        key = x509.load_pem_x509_certificate(await answer.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()


async def lost(shop: Shop, paybill: str) -> tuple[str, str]:
    """Let a payer pay whose callback is lost; return the payment's id and its receipt."""
    person = str(next(_people))
    async with shop.switched(callbacks_off=100):
        ordered = (await shop.order(shortcode=paybill, phone=person)).data
        receipt = await paid_by(shop, person)
    assert (await shop.get(f"/v1/payments/{ordered['id']}")).data["status"] == "pending"
    return ordered["id"], receipt


async def paid_by(shop: Shop, person: str) -> str:
    """Type the PIN, and return the receipt that M-Pesa's own books have."""
    address = f"{shop.world.simulator}/_simulator"
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            async with shop.session.post(
                f"{address}/phone/{person}/pin", json={"pin": "1234"},
            ) as answer:
                told: dict[str, Any] = await answer.json()
            if answer.status == 200:
                return str(told["receipt"])
            await asyncio.sleep(0.05)


async def check(shop: Shop, receipt: str, **more: Any) -> str:
    """Ask about a receipt; return the inquiry's id."""
    asked = await shop.send("POST", f"/v1/payments/mpesa/check-status/{receipt}", **more)
    assert asked.status == 202, asked.raw
    return str(asked.data["inquiry_id"])


async def heard(shop: Shop, inquiry_id: str, *, not_in: str = "asked") -> dict[str, Any]:
    """Return an inquiry once it was heard of."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            data: dict[str, Any] = (await shop.get(f"/v1/inquiries/{inquiry_id}")).data
            if data["state"] not in not_in.split():
                return data
            await asyncio.sleep(0.05)


async def asked_balance(shop: Shop, **body: Any) -> Answer:
    return await shop.send("POST", "/v1/balance/check", json=body)


async def test_a_status_completes_a_payment_whose_callback_was_lost(shop, paybill):
    """Seed 002's own request, and what it is for. (F14, T39)"""
    payment_id, receipt = await lost(shop, paybill)
    answer = await shop.send("POST", f"/v1/payments/mpesa/check-status/{receipt}")
    told = answer.data
    found = await heard(shop, told["inquiry_id"])
    payment = await shop.settled(payment_id)

    assert answer.status == 202
    assert (told["ResponseCode"], told["ResponseDescription"]) == (
        "0", "Accept the service request successfully.",
    )
    assert told["ConversationID"] == found["conversation_id"]
    assert (found["outcome"], found["amount"]) == ("completed", "500.00")
    assert (payment["status"], payment["receipt"]) == ("completed", receipt)
    assert payment["confirmed_by"] == "status"
    again = (await shop.get(f"/v1/inquiries/{found['id']}")).data
    assert again["payment_id"] == payment_id
    assert (await shop.get("/v1/balance")).data["collected"] == "500.00"


@pytest.mark.parametrize(
    "quirk", [{"status_debit_party_twice": True}, {"result_keys_spaced": True}], ids=str,
)
async def test_answers_in_other_spellings_complete_it_too(shop, paybill, quirk):
    """T24: in Safaricom's own sample the credit party goes by the debit party's key."""
    payment_id, receipt = await lost(shop, paybill)

    async with shop.switched(**quirk):
        inquiry_id = await check(shop, receipt)
    await heard(shop, inquiry_id)

    assert (await shop.settled(payment_id))["receipt"] == receipt


async def test_unasked_money_is_born_by_its_status(shop, paybill):
    receipt = await pay(shop, paybill, account="order 77")

    found = await heard(shop, await check(shop, receipt))
    await heard(shop, await check(shop, receipt))  # asked twice, it is one payment

    assert "paid to" in found["answer"]
    (payment,) = (await shop.get(f"/v1/payments?search={receipt}")).data
    assert (payment["source"], payment["confirmed_by"]) == ("c2b", "status")
    assert (await shop.get("/v1/balance")).data["suspense"] == "500.00"


async def test_a_result_that_says_declined_completes_nothing(shop, paybill):
    """T25: ResultCode 0 says that the question was answered, not that anybody paid."""
    person = str(next(_people))
    address = f"{shop.world.simulator}/_simulator"
    async with shop.session.post(f"{address}/wallets/{person}", json={"balance_cents": 0}) as done:
        done.raise_for_status()
    async with shop.session.post(f"{address}/c2b", json={
        "phone": person, "shortcode": paybill, "amount": 500, "account": "A1",
    }) as answer:
        receipt = (await answer.json())["receipt"]

    found = await heard(shop, await check(shop, receipt))

    assert (found["state"], found["outcome"]) == ("answered", "failed")
    assert found["transaction_status"] == "Declined"
    assert (await shop.get("/v1/payments")).data == []


async def test_money_that_was_given_back_is_no_collection(shop, paybill):
    """A reversal is Completed too, and has a receipt; it leads out of the short code."""
    receipt = await pay(shop, paybill)
    async with shop.session.post(
        f"{shop.world.simulator}/_simulator/portal/reversals", json={"receipt": receipt},
    ) as answer:
        reversal = (await answer.json())["receipt"]

    found = await heard(shop, await check(shop, reversal))

    assert (found["state"], found["reason_type"]) == ("answered", "Transaction Reversal")
    assert "nothing was recorded" in found["answer"]
    assert (await shop.get("/v1/payments")).data == []


async def test_a_receipt_of_another_short_code_is_not_told(shop, paybill, other_shop):
    """Whose it is, M-Pesa alone knows, and it answers its own operators alone. (I13)"""
    receipt = await pay(shop, paybill)
    await with_operator(other_shop)

    found = await heard(other_shop, await check(other_shop, receipt))

    assert (found["state"], found["result_code"]) == ("refused", "25")
    assert "says nothing about what was asked" in found["answer"]
    assert (await other_shop.get("/v1/payments")).data == []


async def test_an_order_is_found_by_its_conversation_id(shop, paybill):
    """Who lost the ack of a payout, or never got a receipt, has nothing else to ask about."""
    async with shop.session.get(
        f"{shop.world.simulator}/oauth/v1/generate?grant_type=client_credentials",
        headers={"Authorization": aiohttp.encode_basic_auth("key", "secret")},
    ) as answer:
        token = (await answer.json())["access_token"]
    async with shop.session.post(
        f"{shop.world.simulator}/mpesa/c2b/v2/simulate",
        headers={"Authorization": f"Bearer {token}"},
        json={
            "ShortCode": paybill, "CommandID": "CustomerPayBillOnline", "Amount": "10",
            "Msisdn": "254708374149", "BillRefNumber": "A1",
        },
    ) as answer:
        originator = (await answer.json())["OriginatorCoversationID"]

    found: dict[str, Any] = {}
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while found.get("outcome") != "completed":  # the payer's money moves a moment later
            asked = await shop.send("POST", "/v1/inquiries", json={"conversation_id": originator})
            assert asked.status == 202, asked.raw
            found = await heard(shop, asked.data["id"])

    assert (found["amount"], found["asked_conversation_id"]) == ("10.00", originator)
    async with asyncio.timeout(WAIT_SECONDS_MAX):  # it is judged a moment after it was answered
        while not (await shop.get(f"/v1/payments?search={found['receipt']}")).data:
            await asyncio.sleep(0.05)


async def test_a_queues_timeout_is_no_verdict_and_its_result_counts(shop, paybill):
    """T45: the notice comes first, and the answer all the same."""
    payment_id, receipt = await lost(shop, paybill)

    async with shop.switched(queue_timeout="then_result"):
        inquiry_id = await check(shop, receipt)
    found = await heard(shop, inquiry_id, not_in="asked timed_out")

    assert (found["state"], found["outcome"]) == ("answered", "completed")
    assert (await shop.settled(payment_id))["receipt"] == receipt


async def test_a_queues_timeout_alone_decides_nothing(shop, paybill):
    payment_id, receipt = await lost(shop, paybill)

    async with shop.switched(queue_timeout="only"):
        inquiry_id = await check(shop, receipt)
    found = await heard(shop, inquiry_id)

    assert (found["state"], found["outcome"]) == ("timed_out", None)
    assert "may still come" in found["answer"]
    assert (await shop.get(f"/v1/payments/{payment_id}")).data["status"] == "pending"


async def test_a_balance_is_read_and_kept_for_the_days_close(shop, paybill):
    await pay(shop, paybill, amount=500)
    asked = await asked_balance(shop, shortcode=paybill)
    found = await heard(shop, asked.data["id"])

    assert asked.status == 202 and (asked.data["kind"], asked.data["state"]) == ("balance", "asked")
    told = {each["account"]: each["amount"] for each in found["accounts"]}
    assert told[f"float:{paybill}:utility"] == "500.00"
    kept = shop.world.rows("select * from balances where shortcode = %s order by account", paybill)
    assert [(row["account"].rpartition(":")[2], row["amount_cents"]) for row in kept] == [
        ("charges", 0), ("merchant", 0), ("utility", 50_000), ("working", 0),
    ]
    assert {(row["merchant_id"], row["livemode"], row["source"]) for row in kept} == {
        (shop.merchant_id, False, "balance"),
    }
    assert [each["id"] for each in (await shop.get("/v1/inquiries")).data] == [found["id"]]


async def test_a_refused_operator_is_named_and_mended_by_a_person(shop):
    """20: nobody has this name. M-Pesa says so in its answer, not when it is asked."""
    number = str(next(_shortcodes))
    await shop.put_paybill(number, initiator="nobody", security_credential="bm9ib2R5")

    found = await heard(shop, (await asked_balance(shop)).data["id"])

    assert (found["state"], found["result_code"]) == ("refused", "20")
    assert "Mend the operator's name." in found["answer"]


async def test_a_short_code_without_an_operator_says_what_to_put_where(shop):
    number = str(next(_shortcodes))
    await shop.put_paybill(number)
    answers = [
        await shop.send("POST", "/v1/payments/mpesa/check-status/UKL7RT61SV"),
        await shop.send("POST", "/v1/inquiries", json={"receipt": "UKL7RT61SV"}),
        await asked_balance(shop),
    ]
    await shop.put_paybill(number, initiator="testapi")
    half = await asked_balance(shop)
    nobody = await asked_balance(shop, shortcode="999999")

    for each in answers:
        assert each.problem == (
            400, "invalid_request", [("mpesa.initiator", "initiator_missing")],
        )
        assert "PUT /v1/merchant/providers" in each.body["hint"]
    assert half.body["errors"][0]["code"] == "security_credential_missing"
    assert nobody.problem == (404, "not_found", [])
    assert (await shop.get("/v1/inquiries")).data == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "receipt_or_conversation_id"),
        ({"receipt": "UKL7RT61SV", "conversation_id": "AG_1"}, "receipt_or_conversation_id"),
        ({"receipt": "no receipt"}, "receipt_invalid"), ({"receipt": False}, "receipt_invalid"),
    ],
    ids=str,
)
async def test_a_question_is_about_one_thing(shop, paybill, body, code):
    refused = await shop.send("POST", "/v1/inquiries", json=body)

    assert refused.status == 400 and refused.body["errors"][0]["code"] == code
