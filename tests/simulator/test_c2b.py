"""Payments that nobody asked for: registered URLs, validation, and the confirmation to the byte."""

import hashlib
import json
from typing import Any

import pytest

from tests.simulator.world import PAYS, PERSON, SHORTCODE, Answer, Daraja, Merchant

PAYBILL, TILL = "600000", "600123"
REGISTER = "/mpesa/c2b/v2/registerurl"


async def register(daraja: Daraja, path: str = REGISTER, **changes: Any) -> Answer:
    """Register C2B URLs; a change of `...` leaves the field out."""
    base = daraja.callback_url.removesuffix("/c/token")
    body = {
        "ShortCode": PAYBILL, "ResponseType": "Completed",
        "ConfirmationURL": f"{base}/confirm", "ValidationURL": f"{base}/validate",
    } | changes
    return await daraja.call(
        "POST", path, json={k: v for k, v in body.items() if v is not ...},
        headers={"Authorization": daraja.bearer},
    )


async def pay(daraja: Daraja, **changes: Any) -> dict[str, Any]:
    """Let a person pay, and return what became of it."""
    body = {"phone": PERSON, "shortcode": PAYBILL, "amount": 250, "account": "ROOM 4"} | changes
    answer = await daraja.control("POST", "c2b", body)
    assert answer.status == 200, answer.text
    ended: dict[str, Any] = answer.json
    return ended


async def test_urls_are_registered_with_a_misspelt_ack(daraja: Daraja) -> None:
    answer = await register(daraja)

    assert answer.status == 200
    assert answer.json.pop("OriginatorCoversationID")
    assert answer.json == answer.json | {"ResponseCode": "0", "ResponseDescription": "Success"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ShortCode", ...),
        ("ResponseType", "completed"),
        ("ResponseType", "Canceled"),
        ("ConfirmationURL", "https://pay.example.com/mpesa/c2b"),
        ("ConfirmationURL", ...),
        ("ValidationURL", "https://pay.example.com/queries"),
    ],
)
async def test_a_wrong_field_is_named(daraja: Daraja, field: str, value: object) -> None:
    changes: dict[str, Any] = {field: value}
    answer = await register(daraja, **changes)

    assert answer.refusal == (400, "400.003.02", f"Bad Request - Invalid {field}")


async def test_a_stale_token_is_refused_in_c2bs_own_code(daraja: Daraja) -> None:
    daraja.bearer = "Bearer stale"

    assert (await register(daraja)).refusal == (400, "400.003.01", "Invalid Access Token")


async def test_urls_may_be_registered_again_unless_told(daraja: Daraja) -> None:
    first, second = await register(daraja), await register(daraja)
    await daraja.turn(register_once=True)
    third = await register(daraja)
    await daraja.control("DELETE", f"c2b/urls/{PAYBILL}")
    fourth = await register(daraja)

    assert [answer.status for answer in (first, second, fourth)] == [200, 200, 200]
    assert third.refusal == (500, "500.003.1001", "Urls are already registered")


async def test_a_payment_unasked_is_confirmed_to_the_byte(
    daraja: Daraja, merchant: Merchant
) -> None:
    await register(daraja)
    ended = await pay(daraja)
    heard = (await merchant.hears())[0]

    told = json.loads(heard.text)
    assert (heard.path, ended["state"], ended["reason"]) == ("/confirm", "completed", None)
    assert heard.text == (
        '{"TransactionType":"Pay Bill","TransID":"' + ended["receipt"] + '",'
        '"TransTime":"' + told["TransTime"] + '","TransAmount":"250.00",'
        '"BusinessShortCode":"600000","BillRefNumber":"ROOM 4","InvoiceNumber":"",'
        '"OrgAccountBalance":"250.00","ThirdPartyTransID":"","MSISDN":"2547 ***** 678",'
        '"FirstName":"KEVIN","MiddleName":"","LastName":"KARIUKI"}'
    )


async def test_version_1_hashes_the_number(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja, "/mpesa/c2b/v1/registerurl")
    await pay(daraja)

    told = json.loads((await merchant.hears())[0].text)
    assert told["MSISDN"] == hashlib.sha256(PERSON.encode()).hexdigest()


async def test_a_till_knows_no_account(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja, ShortCode=TILL)
    await pay(daraja, shortcode=TILL, account="")

    told = json.loads((await merchant.hears())[0].text)
    assert (told["TransactionType"], told["BillRefNumber"]) == ("Buy Goods", "")
    assert (await daraja.truth())["accounts"] == {TILL: {"merchant": 25_000}}


async def test_without_urls_a_payment_completes_and_nobody_is_told(
    daraja: Daraja, merchant: Merchant
) -> None:
    ended = await pay(daraja)
    await daraja.settled()

    truth = await daraja.truth()
    assert ended["state"] == "completed"
    assert truth["shortcodes"] == {PAYBILL: 25_000}
    assert truth["receipts"][0]["receipt"] == ended["receipt"]
    assert merchant.heard == []


async def test_a_push_is_told_twice_where_urls_are_registered(
    daraja: Daraja, merchant: Merchant
) -> None:
    """The same money under the same receipt: whoever books both has too much."""
    await register(daraja, ShortCode=SHORTCODE)
    pushed = await daraja.pushed()
    heard = {call.path: call for call in await merchant.hears(2)}

    twin = json.loads(heard["/confirm"].text)
    assert twin["TransID"] == heard["/c/token"].items["MpesaReceiptNumber"]
    assert twin["BillRefNumber"] == "INV-1"
    assert twin["TransID"] == (await daraja.payment(pushed))["receipt"]


async def test_a_push_to_a_till_is_told_under_its_store(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja, ShortCode=SHORTCODE)
    await daraja.pushed(PartyB=TILL, TransactionType="CustomerBuyGoodsOnline")
    heard = {call.path: call for call in await merchant.hears(2)}

    assert json.loads(heard["/confirm"].text)["BusinessShortCode"] == SHORTCODE


async def test_a_failed_push_confirms_nothing(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja, ShortCode=SHORTCODE)
    await daraja.pushed("254700001032")
    await daraja.settled()

    assert [call.path for call in merchant.heard] == ["/c/token"]


async def test_confirmations_may_be_lost_or_come_thrice(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja)
    await daraja.turn(confirmations_off=100)
    await pay(daraja)
    await daraja.settled()
    assert merchant.heard == []

    await daraja.turn(confirmations_off=0, confirmation_copies=3)
    await pay(daraja)
    assert len({call.text for call in await merchant.hears(3)}) == 1


async def test_a_confirmation_can_be_repeated(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja)
    receipt = (await pay(daraja))["receipt"]
    await merchant.hears()
    answer = await daraja.control("POST", f"callbacks/{receipt}/repeat", {"times": 2})
    unknown = await daraja.control("POST", "callbacks/UKL0000001/repeat")

    assert [sent["status"] for sent in answer.json["callbacks"]] == [200, 200]
    assert len(merchant.heard) == 3
    assert len({call.text for call in merchant.heard}) == 1
    assert unknown.status == 404


async def test_validation_asks_before_money_moves(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja)
    await daraja.turn(external_validation=[PAYBILL])
    merchant.answer = {"ResultCode": "0", "ResultDesc": "Accepted", "ThirdPartyTransID": "t-7"}
    ended = await pay(daraja)
    asked, told = (json.loads(call.text) for call in await merchant.hears(2))

    assert [call.path for call in merchant.heard] == ["/validate", "/confirm"]
    assert ended["state"] == "completed"
    assert (asked["OrgAccountBalance"], asked["ThirdPartyTransID"]) == ("", "")
    assert (told["OrgAccountBalance"], told["ThirdPartyTransID"]) == ("250.00", "t-7")
    assert asked["TransID"] == told["TransID"] == ended["receipt"]


@pytest.mark.parametrize("code", [f"C2B0001{number}" for number in range(1, 7)])
async def test_a_merchant_may_refuse(daraja: Daraja, merchant: Merchant, code: str) -> None:
    await register(daraja)
    await daraja.turn(external_validation=["*"])
    merchant.answer = {"ResultCode": code, "ResultDesc": "Rejected"}
    ended = await pay(daraja)
    await daraja.settled()

    truth = await daraja.truth()
    assert (ended["state"], ended["reason"]) == ("declined", code)
    assert (truth["receipts"], truth["shortcodes"]) == ([], {})
    assert truth["c2b"][0]["receipt"] == ended["receipt"]
    assert [call.path for call in merchant.heard] == ["/validate"]


@pytest.mark.parametrize(
    ("response_type", "state"), [("Completed", "completed"), ("Cancelled", "declined")]
)
@pytest.mark.parametrize("trouble", ["refuses", "errs", "babbles"])
async def test_the_response_type_decides_when_validation_fails(
    daraja: Daraja, merchant: Merchant, response_type: str, state: str, trouble: str
) -> None:
    changes = {"ValidationURL": "http://127.0.0.1:9/validate"} if trouble == "refuses" else {}
    await register(daraja, ResponseType=response_type, **changes)
    await daraja.turn(external_validation=[PAYBILL])
    if trouble == "errs":
        contrary = "C2B00011" if state == "completed" else "0"
        merchant.status, merchant.answer = 500, {"ResultCode": contrary}
    else:
        merchant.answer = ["?"]
    ended = await pay(daraja)

    assert ended["state"] == state


async def test_a_late_validation_counts_as_none(
    open_daraja, merchant: Merchant, monkeypatch
) -> None:
    monkeypatch.setattr("hakika_simulator.arrivals.VALIDATION_REAL_SECONDS_MIN", 0.1)
    merchant.pause_seconds = 1
    async with open_daraja(speed=1000) as daraja:
        await register(daraja, ResponseType="Cancelled")
        await daraja.turn(external_validation=[PAYBILL])
        ended = await pay(daraja)

    assert (ended["state"], ended["reason"]) == ("declined", "Cancelled")


async def test_a_payer_without_money_is_declined(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja)
    await daraja.control("POST", f"wallets/{PERSON}", {"balance_cents": 24_999})
    ended = await pay(daraja)

    assert (ended["state"], ended["reason"]) == ("declined", "1")
    assert (await daraja.truth())["wallets"][PERSON] == 24_999


async def test_the_sandbox_pays_at_a_call(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja)
    body = {
        "ShortCode": PAYBILL, "CommandID": "CustomerPayBillOnline", "Amount": "10",
        "Msisdn": PAYS, "BillRefNumber": "A1",
    }
    answer = await daraja.call(
        "POST", "/mpesa/c2b/v2/simulate", json=body, headers={"Authorization": daraja.bearer}
    )

    told = json.loads((await merchant.hears())[0].text)
    assert answer.json["ResponseDescription"] == "Accept the service request successfully."
    assert (told["TransAmount"], told["BillRefNumber"]) == ("10.00", "A1")


async def test_production_simulates_nothing_and_registers_once(
    open_daraja, merchant: Merchant
) -> None:
    urls = {
        "ConfirmationURL": "https://pay.example.com/c", "ValidationURL": "https://pay.example.com/v"
    }
    async with open_daraja(production=True) as daraja:
        first, second = await register(daraja, **urls), await register(daraja, **urls)
        simulated = await daraja.call(
            "POST", "/mpesa/c2b/v2/simulate", json={}, headers={"Authorization": daraja.bearer}
        )

    assert (first.status, second.status, simulated.status) == (200, 500, 400)


async def test_a_payment_that_a_restart_cut_short_is_finished(
    open_daraja, merchant: Merchant, tmp_path
) -> None:
    body = {
        "ShortCode": PAYBILL, "CommandID": "CustomerPayBillOnline", "Amount": "10",
        "Msisdn": PERSON, "BillRefNumber": "A1",
    }
    async with open_daraja(data=tmp_path, speed=0.01) as daraja:
        await register(daraja)
        await daraja.call(
            "POST", "/mpesa/c2b/v2/simulate", json=body, headers={"Authorization": daraja.bearer}
        )
        assert (await daraja.truth())["c2b"][0]["state"] == "waiting"
    async with open_daraja(data=tmp_path) as daraja:
        await daraja.settled()

        assert (await daraja.truth())["c2b"][0]["state"] == "completed"
    assert len(merchant.heard) == 1


async def test_a_person_pays_from_the_phone_page(daraja: Daraja, merchant: Merchant) -> None:
    await register(daraja)
    form = {"shortcode": PAYBILL, "account": "A<b>1", "amount": "300", "pin": "1234"}
    page = await daraja.call("POST", f"/phone/{PERSON}/pay", data=form, allow_redirects=True)

    told = json.loads((await merchant.hears())[0].text)
    assert (told["TransAmount"], told["BillRefNumber"]) == ("300.00", "A<b>1")
    assert f"{told['TransID']} Confirmed. Ksh300.00 sent to BUSINESS 600000" in page.text
    assert "<b>1" not in page.text


@pytest.mark.parametrize(
    ("change", "notice"),
    [
        ({"amount": "0"}, "Give a business number"),
        ({"shortcode": "12"}, "Give a business number"),
        ({"pin": "12"}, "A PIN has four digits."),
        ({"pin": "0000"}, "Wrong M-PESA PIN"),
    ],
)
async def test_the_phone_page_says_why_it_did_not_pay(daraja: Daraja, change, notice) -> None:
    form = {"shortcode": PAYBILL, "account": "", "amount": "300", "pin": "1234"} | change
    page = await daraja.call("POST", f"/phone/{PERSON}/pay", data=form, allow_redirects=True)

    assert notice in page.text
    assert (await daraja.truth())["receipts"] == []
