"""Magic numbers: each does what the guide says, seen from outside."""

import asyncio
import json
import re
import time
from contextlib import suppress

import aiohttp
import pytest

from hakika_simulator.results import TEXTS
from tests.simulator.world import PAYS, SHORTCODE, Daraja, Merchant

RESULTS = sorted(code for code in TEXTS if code.isdigit() and code != "0")
FAULT = "2547110000"
ANSWER = "2547120000"
PAYING_FAULTS = ["01", "02", "03", "08", "09", "10", "12"]
NOT_EXECUTED = ["01", "05", "08", "09", "10", "12", "13"]
PROCESSED = (500, "500.001.1001", "The transaction is being processed")


async def test_the_sandbox_number_always_pays(daraja: Daraja) -> None:
    pushed = [await daraja.pushed(PAYS) for _ in range(3)]
    await daraja.settled()

    assert [(await daraja.payment(p))["state"] for p in pushed] == ["paid"] * 3


@pytest.mark.parametrize("code", RESULTS)
async def test_a_number_ends_with_the_result_it_names(
    daraja: Daraja, merchant: Merchant, code: str
) -> None:
    pushed = await daraja.pushed(f"25470000{code:0>4}")
    told = (await merchant.hears())[0].outcome
    payment = await daraja.payment(pushed)

    assert (told["ResultCode"], told["ResultDesc"]) == (int(code), TEXTS[code])
    assert (payment["state"], payment["receipt"]) == ("failed", None)


@pytest.mark.parametrize("code", ["1032", "0001"])
async def test_a_push_that_failed_moved_no_money(daraja: Daraja, code: str) -> None:
    await daraja.pushed(f"25470000{code}")
    await daraja.settled()

    assert (await daraja.truth())["shortcodes"] == {}


@pytest.mark.parametrize("fault", PAYING_FAULTS)
async def test_a_fault_does_not_keep_the_payer_from_paying(daraja: Daraja, fault: str) -> None:
    pushed = await daraja.pushed(FAULT + fault)
    await daraja.settled()

    truth = await daraja.truth(checkout_request_id=pushed)
    assert truth["payments"][0]["state"] == "paid"
    assert truth["shortcodes"] == {SHORTCODE: 50_000}


@pytest.mark.parametrize("fault", ["01", "10"])
async def test_some_callbacks_never_come(daraja: Daraja, merchant: Merchant, fault: str) -> None:
    pushed = await daraja.pushed(FAULT + fault)
    await daraja.settled()

    assert (await daraja.payment(pushed))["callbacks_sent"] == []
    assert merchant.heard == []


@pytest.mark.parametrize("number", [FAULT + "01", "254711301000", "254711301999"])
async def test_a_fault_has_a_crowd_of_payers(
    daraja: Daraja, merchant: Merchant, number: str
) -> None:
    """Who plants a fault in every twentieth payment needs many payers at once that have it."""
    pushed = await daraja.pushed(number)
    await daraja.settled()

    payment = await daraja.payment(pushed)
    assert (payment["state"], payment["callbacks_sent"], merchant.heard) == ("paid", [], [])


async def test_02_is_told_three_times_at_once(daraja: Daraja, merchant: Merchant) -> None:
    """One of the three has other white space and field order, but the very same meaning."""
    merchant.pause_seconds = 0.3
    await daraja.pushed(FAULT + "02")
    heard = await merchant.hears(3)

    assert len({h.text for h in heard}) == 2
    assert all(h.outcome == heard[0].outcome for h in heard)
    assert all('"Value":500.00' in h.text.replace(" ", "") for h in heard)
    assert heard[2].at - heard[0].at < 0.2


async def test_03_is_told_before_the_push_is_answered(daraja: Daraja, merchant: Merchant) -> None:
    merchant.pause_seconds = 0.2
    pushed = await daraja.pushed(FAULT + "03")
    answered_at = time.time()

    assert merchant.heard[0].outcome["CheckoutRequestID"] == pushed
    assert merchant.heard[0].at < answered_at - 0.15


async def test_04_is_told_90_seconds_late(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed(FAULT + "04")
    heard = await merchant.hears()

    payment = await daraja.payment(pushed)
    assert payment["state"] == "paid"
    assert heard[0].at - payment["finished_at"] >= 90 / 50


@pytest.mark.parametrize("number", [FAULT + "05", ANSWER + "01"])
async def test_a_cut_connection_gets_not_one_byte(daraja: Daraja, number: str) -> None:
    """A raw socket shows it: a client library would hide an empty answer."""
    reader, writer = await asyncio.open_connection(*daraja.url.removeprefix("http://").split(":"))
    body = json.dumps(daraja.push_body(number)).encode()
    head = (
        "POST /mpesa/stkpush/v1/processrequest HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {daraja.bearer}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    try:
        received: bytes | str = await reader.read()
    except ConnectionResetError:
        received = "reset"
    writer.close()

    assert received == ("reset" if number == FAULT + "05" else b"")


async def test_05_is_executed_though_unanswered(daraja: Daraja, merchant: Merchant) -> None:
    with pytest.raises(aiohttp.ClientError):
        await daraja.push(FAULT + "05")
    told = (await merchant.hears())[0].outcome

    assert told["ResultCode"] == 0
    assert (await daraja.payment(told["CheckoutRequestID"]))["state"] == "paid"


async def test_06_is_executed_though_answered_503(daraja: Daraja, merchant: Merchant) -> None:
    answer = await daraja.push(FAULT + "06")

    assert answer.status == 503
    assert "Incapsula incident ID" in answer.text
    assert (await merchant.hears())[0].outcome["ResultCode"] == 0


async def test_07_is_throttled_and_not_executed(daraja: Daraja) -> None:
    answer = await daraja.push(FAULT + "07")

    assert answer.status == 429
    detail = answer.json["fault"]["detail"]
    assert detail == {"errorcode": "policies.ratelimit.SpikeArrestViolation"}
    assert (await daraja.truth())["payments"] == []


async def test_08_is_forged_before_it_is_told(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed(FAULT + "08")
    heard = await merchant.hears(3)

    receipt = (await daraja.payment(pushed))["receipt"]
    paths = sorted(h.path for h in heard[:2])
    assert re.fullmatch(r"/c/[\w-]{52}", paths[0])
    assert paths[1] == "/v1/webhooks/mpesa"
    assert heard[2].path == "/c/token"
    assert [h.items["MpesaReceiptNumber"] == receipt for h in heard] == [False, False, True]


async def test_09_is_told_failed_and_then_paid(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.pushed(FAULT + "09")
    heard = await merchant.hears(2)

    assert [h.outcome["ResultCode"] for h in heard] == [1037, 0]
    assert heard[0].outcome["CheckoutRequestID"] == heard[1].outcome["CheckoutRequestID"]


async def test_10_is_under_processing_for_a_minute(daraja: Daraja) -> None:
    pushed = await daraja.pushed(FAULT + "10")
    await asyncio.sleep(3 / 50)
    early = (await daraja.query(pushed)).json
    await asyncio.sleep(58 / 50)
    late = (await daraja.query(pushed)).json

    assert (early["ResultCode"], late["ResultCode"]) == ("4999", "0")
    assert early["ResultDesc"] == "The transaction is still under processing"


@pytest.mark.parametrize(("ordered", "paid"), [(500, 499), (1, 2)])
async def test_11_pays_another_amount(
    daraja: Daraja, merchant: Merchant, ordered: int, paid: int
) -> None:
    await daraja.pushed(FAULT + "11", amount=ordered)
    heard = (await merchant.hears())[0]

    assert heard.items["Amount"] == paid
    assert (await daraja.truth())["shortcodes"] == {SHORTCODE: paid * 100}


async def test_12_is_processed_until_it_is_told(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed(FAULT + "12")
    await asyncio.sleep(10 / 50)
    early = await daraja.query(pushed)
    await daraja.settled()
    late = await daraja.query(pushed)

    assert early.refusal == PROCESSED
    assert late.json["ResultCode"] == "0"
    assert merchant.heard[0].at - (await daraja.payment(pushed))["finished_at"] >= 30 / 50


@pytest.mark.parametrize("tail", NOT_EXECUTED)
async def test_some_odd_answers_execute_nothing(daraja: Daraja, tail: str) -> None:
    with suppress(aiohttp.ClientError):
        await daraja.push(ANSWER + tail)

    assert (await daraja.truth())["payments"] == []


async def test_an_answer_that_hangs_comes_in_the_end(
    daraja: Daraja, merchant: Merchant, monkeypatch
) -> None:
    monkeypatch.setattr("hakika_simulator.answers.HANG_SECONDS", 0.5)
    before = time.monotonic()
    answer = await daraja.push(ANSWER + "02")

    assert time.monotonic() - before >= 0.5
    assert answer.json["ResponseCode"] == "0"
    assert merchant.heard[0].outcome["ResultCode"] == 0


@pytest.mark.parametrize(
    ("tail", "status", "shows"),
    [
        ("04", 200, "<html"),
        ("07", 200, '"ResponseCode": "0"'),
    ],
)
async def test_some_odd_answers_hide_an_executed_push(
    daraja: Daraja, merchant: Merchant, tail: str, status: int, shows: str
) -> None:
    answer = await daraja.push(ANSWER + tail)

    assert answer.status == status
    assert shows in answer.text
    assert (await merchant.hears())[0].outcome["CheckoutRequestID"] not in answer.text


async def test_an_answer_cut_off_is_no_json(daraja: Daraja, merchant: Merchant) -> None:
    answer = await daraja.push(ANSWER + "03")
    await merchant.hears()

    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json


async def test_an_answer_may_have_ten_megabytes(daraja: Daraja, merchant: Merchant) -> None:
    answer = await daraja.push(ANSWER + "06")

    assert len(answer.text) > 10_000_000
    told = (await merchant.hears())[0].outcome
    assert answer.json["CheckoutRequestID"] == told["CheckoutRequestID"]


@pytest.mark.parametrize(
    ("tail", "status", "shows"),
    [
        ("05", 500, ""),
        ("08", 200, '"ResponseCode":"1"'),
        ("09", 500, "steps.servicecallout.ExecutionFailed"),
        ("10", 500, "500.003.02"),
        ("12", 500, "Merchant does not exist"),
        ("13", 403, "Incapsula"),
    ],
)
async def test_odd_answers_read_as_documented(
    daraja: Daraja, tail: str, status: int, shows: str
) -> None:
    answer = await daraja.push(ANSWER + tail)

    assert answer.status == status
    assert shows in answer.text if shows else answer.text == ""


async def test_a_stale_token_is_refused_once(daraja: Daraja) -> None:
    refused = await daraja.push(ANSWER + "11")
    accepted = await daraja.push(ANSWER + "11")

    assert refused.refusal == (404, "404.001.03", "Invalid Access Token")
    assert accepted.status == 200


async def test_an_outage_may_refuse_the_connection(daraja: Daraja) -> None:
    await daraja.turn(push_outage="refuse")

    with pytest.raises(aiohttp.ClientError):
        await daraja.push()
    assert (await daraja.truth())["payments"] == []


async def test_an_outage_may_hang(daraja: Daraja) -> None:
    await daraja.turn(push_outage="hang")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await daraja.push()
    assert (await daraja.truth())["payments"] == []
