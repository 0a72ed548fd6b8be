"""Callbacks: the body to the byte, and how delivery goes wrong."""

import asyncio
import json
import time

import pytest

from tests.simulator.world import PAYS, PERSON, Daraja, Merchant


async def test_a_success_is_told_to_the_byte(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed()
    heard = (await merchant.hears())[0]

    payment = await daraja.payment(pushed)
    assert heard.text == (
        '{"Body":{"stkCallback":{"MerchantRequestID":"' + payment["merchant_request_id"] + '",'
        '"CheckoutRequestID":"' + pushed + '","ResultCode":0,'
        '"ResultDesc":"The service request is processed successfully.",'
        '"CallbackMetadata":{"Item":[{"Name":"Amount","Value":500.00},'
        '{"Name":"MpesaReceiptNumber","Value":"' + payment["receipt"] + '"},{"Name":"Balance"},'
        '{"Name":"TransactionDate","Value":' + str(heard.items["TransactionDate"]) + "},"
        '{"Name":"PhoneNumber","Value":254708374149}]}}}}'
    )


async def test_the_transaction_date_is_nairobis(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.pushed()
    heard = (await merchant.hears())[0]

    told = time.strptime(str(heard.items["TransactionDate"]), "%Y%m%d%H%M%S")
    assert abs(time.mktime(told) - time.mktime(time.gmtime(heard.at + 3 * 3600))) < 3


async def test_a_failure_is_told_without_metadata(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed("254700001032")
    heard = (await merchant.hears())[0]

    payment = await daraja.payment(pushed)
    assert heard.outcome == {
        "MerchantRequestID": payment["merchant_request_id"],
        "CheckoutRequestID": pushed,
        "ResultCode": 1032,
        "ResultDesc": "Request cancelled by user",
    }


async def test_a_refused_callback_is_not_sent_again(daraja: Daraja, merchant: Merchant) -> None:
    merchant.status = 503
    pushed = await daraja.pushed()
    await daraja.settled()
    await asyncio.sleep(0.2)

    assert [sent["status"] for sent in (await daraja.payment(pushed))["callbacks_sent"]] == [503]
    assert len(merchant.heard) == 1


async def test_retries_may_be_switched_on(daraja: Daraja, merchant: Merchant) -> None:
    merchant.status = 500
    await daraja.turn(callback_retries=2)
    pushed = await daraja.pushed()
    await daraja.settled()

    sent = (await daraja.payment(pushed))["callbacks_sent"]
    assert [callback["kind"] for callback in sent] == ["genuine", "retry", "retry"]


async def test_a_redirect_loses_the_callback(daraja: Daraja, merchant: Merchant) -> None:
    merchant.status, merchant.location = 301, merchant.url + "/"
    pushed = await daraja.pushed()
    await daraja.settled()

    assert [sent["status"] for sent in (await daraja.payment(pushed))["callbacks_sent"]] == [301]
    assert len(merchant.heard) == 1


async def test_nobody_at_home_is_written_down(daraja: Daraja) -> None:
    pushed = await daraja.pushed(CallBackURL="http://127.0.0.1:9/c/token")
    await daraja.settled()

    sent = (await daraja.payment(pushed))["callbacks_sent"]
    assert sent[0]["status"] is None
    assert sent[0]["problem"].startswith("ClientConnectorError")


async def test_a_silent_receiver_is_given_up(open_daraja, merchant: Merchant, monkeypatch) -> None:
    merchant.pause_seconds = 1
    monkeypatch.setattr("hakika_simulator.callbacks.ANSWER_SECONDS_MAX", 0.1)
    async with open_daraja() as daraja:
        pushed = await daraja.pushed()
        await daraja.settled()

        sent = (await daraja.payment(pushed))["callbacks_sent"]
        assert [(callback["status"], callback["problem"]) for callback in sent] == [
            (None, "timeout")
        ]


async def test_a_slow_receiver_keeps_nobody_waiting(daraja: Daraja, merchant: Merchant) -> None:
    merchant.pause_seconds = 1.0
    await daraja.pushed()
    await merchant.hears()
    before = time.monotonic()

    await daraja.pushed()

    assert time.monotonic() - before < 0.5


async def test_a_share_of_callbacks_may_be_lost(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.turn(callbacks_off=100)
    pushed = await daraja.pushed()
    await daraja.settled()

    assert (await daraja.payment(pushed))["state"] == "paid"
    assert merchant.heard == []


async def test_callbacks_may_be_delayed(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.turn(callback_delay_seconds=15)
    pushed = await daraja.pushed()
    heard = (await merchant.hears())[0]

    assert heard.at - (await daraja.payment(pushed))["finished_at"] >= 15 / 50


async def test_phones_may_be_masked(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.turn(masked_phone=True)
    await daraja.pushed()

    assert (await merchant.hears())[0].items["PhoneNumber"] == "0708374***"


async def test_a_callback_can_be_repeated(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed()
    await merchant.hears()
    answer = await daraja.control("POST", f"callbacks/{pushed}/repeat", {"times": 3})

    assert [sent["status"] for sent in answer.json["callbacks"]] == [200, 200, 200]
    assert len({heard.text for heard in merchant.heard}) == 1
    assert len(merchant.heard) == 4


async def test_an_open_push_has_no_callback_to_repeat(daraja: Daraja) -> None:
    pushed = await daraja.pushed(PERSON)

    answer = await daraja.control("POST", f"callbacks/{pushed}/repeat")

    assert answer.status == 409


async def test_a_forgery_tells_of_a_receipt_that_never_was(
    daraja: Daraja, merchant: Merchant
) -> None:
    pushed = await daraja.pushed(PERSON)
    await daraja.control("POST", "forge", {"checkout_request_id": pushed})

    forged = (await merchant.hears())[0]
    assert (forged.outcome["ResultCode"], forged.outcome["CheckoutRequestID"]) == (0, pushed)
    assert (await daraja.payment(pushed))["state"] == "open"


async def test_a_forgery_may_name_a_push_that_never_was(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.control("POST", "forge", {"callback_url": merchant.url})

    assert (await merchant.hears())[0].outcome["ResultCode"] == 0


async def test_a_public_host_can_be_mapped_to_a_local_one(open_daraja, merchant: Merchant) -> None:
    base = merchant.url.removesuffix("/c/token")
    async with open_daraja(callback_hosts={"pay.example.com": base}, production=True) as daraja:
        await daraja.pushed(PAYS, CallBackURL="https://pay.example.com/c/other")

        assert (await merchant.hears())[0].path == "/c/other"


async def test_the_sent_callbacks_can_be_read(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed()
    await daraja.settled()

    sent = (await daraja.control("GET", "callbacks")).json["callbacks"]
    assert [(c["checkout_request_id"], c["status"], c["kind"]) for c in sent] == [
        (pushed, 200, "genuine")
    ]
    assert json.loads(sent[0]["body"]) == json.loads(merchant.heard[0].text)


@pytest.mark.parametrize("wanted", [{"callbacks_off": 101}, {"nothing": True}, {"push_outage": 1}])
async def test_a_switch_that_cannot_be_is_refused(daraja: Daraja, wanted) -> None:
    answer = await daraja.control("PUT", "switches", wanted)

    assert answer.status == 422
