"""The push: what is accepted, in which shape, and each way to be refused."""

import re
import time
from typing import Any, cast

import aiohttp
import pytest

from hakika_simulator.clock import in_nairobi
from hakika_simulator.orders import read_order
from hakika_simulator.refusals import Refused
from tests.simulator.world import PAYS, PERSON, SHORTCODE, Daraja, credentials

PROCESSED = "/mpesa/stkpush/v1/processrequest"


async def test_an_accepted_push_is_answered_in_strings(daraja: Daraja) -> None:
    answer = await daraja.push()

    accepted = "Success. Request accepted for processing"
    assert answer.json.pop("MerchantRequestID")
    assert answer.status == 200
    assert answer.json == answer.json | {
        "ResponseCode": "0",
        "ResponseDescription": accepted,
        "CustomerMessage": accepted,
    }


async def test_the_ids_have_mpesas_shapes(daraja: Daraja) -> None:
    answer = await daraja.push()

    today = in_nairobi(time.time()).strftime("%d%m%Y")
    assert re.fullmatch(rf"ws_CO_{today}\d{{9}}708374149", answer.json["CheckoutRequestID"])
    assert re.fullmatch(
        r"[0-9a-f]{4}-4[0-9a-f]{3}-9[0-9a-f]{3}-[0-9a-f]{12}\d{4}", answer.json["MerchantRequestID"]
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("BusinessShortCode", ...),
        ("BusinessShortCode", "1743"),
        ("Password", ...),
        ("Timestamp", "2026"),
        ("Timestamp", "20200101000000"),
        ("Timestamp", "20269999999999"),
        ("TransactionType", "CustomerPayBill"),
        ("Amount", 0),
        ("Amount", 250_001),
        ("Amount", "10.50"),
        ("Amount", 10.5),
        ("Amount", -1),
        ("Amount", True),
        ("PartyA", "0712345678"),
        ("PartyB", "x"),
        ("PhoneNumber", ...),
        ("PhoneNumber", "255712345678"),
        ("CallBackURL", ...),
        ("CallBackURL", "pay.example.com"),
        ("CallBackURL", "https://pay.example.com/mpesa/callback"),
        ("CallBackURL", "https://pay.example.com/M-PESA"),
        ("CallBackURL", "https://safaricom.example.com/x"),
        ("CallBackURL", "https://pay.example.com/execute"),
        ("CallBackURL", "https://pay.example.com/queries"),
        ("CallBackURL", "https://pay.example.com/sql"),
        ("AccountReference", ...),
        ("AccountReference", "THIRTEENSIGNS"),
        ("TransactionDesc", "Fourteen signs"),
    ],
)
async def test_a_wrong_field_is_named(daraja: Daraja, field: str, value: Any) -> None:
    answer = await daraja.push(**{field: value})

    assert answer.refusal == (400, "400.002.02", f"Bad Request - Invalid {field}")


@pytest.mark.parametrize("amount", [1, 250_000, "500"])
async def test_whole_shillings_up_to_the_limit_are_accepted(daraja: Daraja, amount) -> None:
    answer = await daraja.push(amount=amount)

    assert answer.status == 200


async def test_a_description_may_be_left_out(daraja: Daraja) -> None:
    answer = await daraja.push(TransactionDesc=...)

    assert answer.status == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://pay.example.com/c/abc",
        "https://localhost/c/abc",
        "https://127.0.0.1/c/abc",
        "https://10.0.0.8/c/abc",
        "https://shop.ngrok.io/c/abc",
    ],
)
def test_production_calls_public_https_only(url: str) -> None:
    body = Daraja("", cast("aiohttp.ClientSession", None), url).push_body()
    now = in_nairobi(time.time())

    assert read_order(body, now=now, production=False).callback_url == url
    with pytest.raises(Refused, match="Invalid CallBackURL"):
        read_order(body, now=now, production=True)


async def test_a_body_that_is_not_called_json_has_no_fields(daraja: Daraja) -> None:
    answer = await daraja.call(
        "POST",
        PROCESSED,
        data="{}",
        headers={"Authorization": daraja.bearer, "Content-Type": "text/plain"},
    )

    assert answer.refusal == (400, "400.002.02", "Bad Request - Invalid BusinessShortCode")


@pytest.mark.parametrize("passkey", ["", "f" * 64])
async def test_a_password_made_with_another_passkey_is_refused(daraja: Daraja, passkey) -> None:
    answer = await daraja.push(**credentials(passkey))

    assert answer.refusal == (500, "500.001.1001", "Wrong credentials")


async def test_a_password_for_another_second_is_refused(daraja: Daraja) -> None:
    """Two clock reads across a second boundary are a classic mistake."""
    answer = await daraja.push(Timestamp=in_nairobi(time.time() - 60).strftime("%Y%m%d%H%M%S"))

    assert answer.refusal == (500, "500.001.1001", "Wrong credentials")


async def test_a_wrong_passkey_may_be_accepted_and_ring_no_phone(daraja: Daraja) -> None:
    """Seen once in production: an id comes back, and only the query tells what is wrong."""
    await daraja.turn(wrong_passkey_accepted=True)
    pushed = await daraja.pushed(PERSON, **credentials("f" * 64))
    await daraja.settled()
    found = await _asked_later(daraja, pushed)

    assert (found["ResultCode"], found["ResultDesc"]) == ("4999", "Wrong credentials")
    assert (await daraja.payment(pushed))["callbacks_sent"] == []


async def test_one_phone_shows_one_prompt(daraja: Daraja) -> None:
    await daraja.pushed(PERSON)

    answer = await daraja.push(PERSON, amount=600)

    assert answer.refusal == (
        500,
        "500.001.1001",
        "Unable to lock subscriber, a transaction is already in process for the current subscriber",
    )


async def test_the_same_amount_within_two_minutes_ends_with_17(daraja: Daraja) -> None:
    await daraja.pushed(PERSON)
    await daraja.control("POST", f"phone/{PERSON}/pin", {"pin": "1234"})
    again = await daraja.pushed(PERSON)
    await daraja.settled()

    assert (await daraja.payment(again))["result_code"] == "17"


async def test_the_same_amount_after_two_minutes_may_be_paid(open_daraja) -> None:
    async with open_daraja(speed=1000.0) as daraja:
        await daraja.turn(payers_answer_seconds=1)
        first = await daraja.pushed(PERSON)
        await daraja.settled()
        while time.time() < (await daraja.payment(first))["finished_at"] + 0.13:
            pass
        second = await daraja.pushed(PERSON)
        await daraja.settled()

        assert (await daraja.payment(second))["state"] == "paid"


async def test_a_till_gets_its_money_through_its_store(daraja: Daraja) -> None:
    pushed = await daraja.pushed(PartyB="600123", TransactionType="CustomerBuyGoodsOnline")
    await daraja.settled()

    truth = await daraja.truth(checkout_request_id=pushed)
    assert truth["shortcodes"] == {"600123": 50_000}
    assert truth["payments"][0]["till"] == "600123"


@pytest.mark.parametrize(
    ("kind", "party_b", "code"),
    [
        ("CustomerPayBillOnline", "600123", "SFC_IC0003"),
        ("CustomerBuyGoodsOnline", SHORTCODE, "2002"),
    ],
)
async def test_a_wrong_party_b_is_accepted_and_then_fails(
    daraja: Daraja, merchant, kind: str, party_b: str, code: str
) -> None:
    """Alphabetic codes come as strings, which breaks clients that count on numbers."""
    await daraja.pushed(PartyB=party_b, TransactionType=kind)
    heard = await merchant.hears()

    assert heard[0].outcome["ResultCode"] == (int(code) if code.isdigit() else code)


@pytest.mark.parametrize(("mode", "status"), [("503html", 503)])
async def test_an_outage_executes_nothing(daraja: Daraja, mode: str, status: int) -> None:
    await daraja.turn(push_outage=mode)

    answer = await daraja.push()

    assert answer.status == status
    assert (await daraja.truth())["payments"] == []


async def test_unknown_paths_and_verbs_are_refused_in_darajas_words(daraja: Daraja) -> None:
    nowhere = await daraja.call("POST", "/mpesa/stkpush/v2/processrequest")
    wrong_verb = await daraja.call("GET", PROCESSED)

    assert nowhere.refusal == (404, "404.001.01", "Resource not found")
    assert wrong_verb.refusal == (405, "405.001", "Method Not Allowed")


async def test_pushes_in_the_same_millisecond_get_different_ids(daraja: Daraja) -> None:
    ids = [await daraja.pushed(PAYS) for _ in range(20)]

    assert len(set(ids)) == 20


async def _asked_later(daraja: Daraja, checkout_request_id: str) -> dict[str, str]:
    answer = await daraja.query(checkout_request_id)
    while answer.status == 400:
        answer = await daraja.query(checkout_request_id)
    found: dict[str, str] = answer.json
    return found
