"""Calls under an operator's name: the password really decrypted, the ack, and the result."""

import asyncio
import base64
import json
import re
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.simulator.test_c2b import PAYBILL, pay
from tests.simulator.world import PERSON, SHORTCODE, Answer, Daraja, Merchant

STATUS = "/mpesa/transactionstatus/v1/query"
BALANCE = "/mpesa/accountbalance/v1/query"
COMMANDS = {STATUS: "TransactionStatusQuery", BALANCE: "AccountBalance"}
PASSWORD = "Simulated#1"


async def credential(daraja: Daraja, password: str = PASSWORD) -> str:
    """Return a password encrypted as the docs say: PKCS#1 v1.5, base64."""
    pem = (await daraja.control("GET", "certificate")).text
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()


async def ask(daraja: Daraja, path: str = STATUS, **changes: Any) -> Answer:
    """Ask under the operator's name; a change of `...` leaves the field out."""
    base = daraja.callback_url.removesuffix("/c/token")
    if "SecurityCredential" not in changes:
        changes["SecurityCredential"] = await credential(daraja)
    body = {
        "Initiator": "testapi", "CommandID": COMMANDS[path], "PartyA": PAYBILL,
        "IdentifierType": "4", "ResultURL": f"{base}/result", "QueueTimeOutURL": f"{base}/timeout",
        "Remarks": "ok",
    } | changes
    return await daraja.call(
        "POST", path, json={k: v for k, v in body.items() if v is not ...},
        headers={"Authorization": daraja.bearer},
    )


async def result(daraja: Daraja, merchant: Merchant, path: str = STATUS, **changes: Any) -> Any:
    """Ask, and return the result that comes."""
    before = len(merchant.heard)
    answer = await ask(daraja, path, **changes)
    assert answer.status == 200, answer.text
    return json.loads((await merchant.hears(before + 1))[-1].text)["Result"]


def parameters(told: dict[str, Any]) -> dict[str, Any]:
    """Return a result's parameters by key."""
    listed = told["ResultParameters"]["ResultParameter"]
    return {item["Key"]: item.get("Value") for item in listed}


async def test_a_receipt_is_answered_twice(daraja: Daraja, merchant: Merchant) -> None:
    """An ack with fresh ids, then the result under the same ids."""
    receipt = (await pay(daraja))["receipt"]
    answer = await ask(daraja, TransactionID=receipt)
    heard = (await merchant.hears())[0]

    told = json.loads(heard.text)["Result"]
    found = parameters(told)
    assert answer.json["ResponseCode"] == "0"
    assert re.fullmatch(r"AG_\d{8}_[0-9a-f]{20}", answer.json["ConversationID"])
    assert (heard.path, told["ResultType"], told["ResultCode"]) == ("/result", 0, 0)
    for name in ("ConversationID", "OriginatorConversationID"):
        assert told[name] == answer.json[name]
    assert re.fullmatch(r"[A-Z]{2}[0-9A-V]0{7}", told["TransactionID"])
    assert found == found | {
        "ReceiptNo": receipt,
        "TransactionStatus": "Completed",
        "Amount": "250",
        "DebitPartyName": f"{PERSON} - KEVIN KARIUKI",
        "CreditPartyName": f"{PAYBILL} - BUSINESS {PAYBILL}",
        "ReasonType": "Pay Utility",
    }
    assert {"Key": "TransactionReason"} in told["ResultParameters"]["ResultParameter"]
    assert told["ReferenceData"] == {"ReferenceItem": {"Key": "Occasion"}}


async def test_a_pushs_receipt_is_found_too(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed()
    await daraja.settled()
    receipt = (await daraja.payment(pushed))["receipt"]
    told = await result(daraja, merchant, PartyA=SHORTCODE, TransactionID=receipt)

    assert parameters(told)["ReasonType"] == "Pay Bill Online"


async def test_a_refused_payment_is_declined(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.control("POST", f"wallets/{PERSON}", {"balance_cents": 0})
    receipt = (await pay(daraja))["receipt"]
    told = await result(daraja, merchant, TransactionID=receipt)

    assert parameters(told)["TransactionStatus"] == "Declined"


async def test_a_reversal_has_a_status_of_its_own(daraja: Daraja, merchant: Merchant) -> None:
    receipt = (await pay(daraja))["receipt"]
    reversed_as = (await daraja.control("POST", "portal/reversals", {"receipt": receipt})).json
    told = await result(daraja, merchant, TransactionID=reversed_as["receipt"])

    found = parameters(told)
    assert found["ReasonType"] == "Transaction Reversal"
    assert found["DebitAccountType"] == "Utility Account"
    assert found["CreditPartyName"].startswith(PERSON)


async def test_a_simulated_payment_is_found_by_its_acks_id(
    daraja: Daraja, merchant: Merchant
) -> None:
    body = {
        "ShortCode": PAYBILL, "CommandID": "CustomerPayBillOnline", "Amount": "10",
        "Msisdn": PERSON, "BillRefNumber": "A1",
    }
    answer = await daraja.call(
        "POST", "/mpesa/c2b/v2/simulate", json=body, headers={"Authorization": daraja.bearer}
    )
    await daraja.settled()
    originator = answer.json["OriginatorCoversationID"]
    told = await result(daraja, merchant, OriginalConversationID=originator)

    assert parameters(told)["Amount"] == "10"


@pytest.mark.parametrize("party", [PAYBILL, "600999"])
async def test_an_unknown_receipt_and_anothers_are_not_told(
    daraja: Daraja, merchant: Merchant, party: str
) -> None:
    receipt = (await pay(daraja))["receipt"]
    asked = "UKL0000001" if party == PAYBILL else receipt
    told = await result(daraja, merchant, TransactionID=asked, PartyA=party)

    assert told["ResultCode"] == 25
    assert "ResultParameters" not in told


async def test_quirks_of_status_may_be_switched_on(daraja: Daraja, merchant: Merchant) -> None:
    receipt = (await pay(daraja))["receipt"]
    await daraja.turn(status_debit_party_twice=True, result_keys_spaced=True)
    told = await result(daraja, merchant, TransactionID=receipt)

    keys = [item["Key"] for item in told["ResultParameters"]["ResultParameter"]]
    assert keys[:2] == ["Debit Party Name", "Debit Party Name"]
    assert "Receipt No" in keys
    assert "Originator Conversation ID" in keys


async def test_a_balance_tells_every_account_in_strings(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.turn(charge_percent=1)
    await pay(daraja)
    float_move = {
        "shortcode": PAYBILL, "from": "utility", "to": "working", "amount_cents": 5_050,
    }
    await daraja.control("POST", "portal/floats", float_move)
    told = await result(daraja, merchant, BALANCE)

    found = parameters(told)
    assert (told["ResultType"], told["ResultCode"]) == ("0", "0")
    assert found["AccountBalance"] == (
        "Working Account|KES|50.50|50.50|0.00|0.00"
        "&Utility Account|KES|199.50|199.50|0.00|0.00"
        "&Charges Paid Account|KES|-2.50|-2.50|0.00|0.00"
        "&Merchant Account|KES|0.00|0.00|0.00|0.00"
        "&Organization Settlement Account|KES|0.00|0.00|0.00|0.00"
    )
    assert re.fullmatch(r"\d{14}", found["BOCompletedTime"])


async def test_a_stores_balance_is_that_of_its_tills(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.pushed(PartyB="600123", TransactionType="CustomerBuyGoodsOnline")
    await daraja.settled()
    told = await result(daraja, merchant, BALANCE, PartyA=SHORTCODE)

    assert "Merchant Account|KES|500.00|" in parameters(told)["AccountBalance"]


async def test_three_wrong_passwords_lock_the_operator(daraja: Daraja, merchant: Merchant) -> None:
    wrong = await credential(daraja, "Guess#1")
    codes = [
        (await result(daraja, merchant, BALANCE, SecurityCredential=wrong))["ResultCode"]
        for _ in range(4)
    ]
    right = (await result(daraja, merchant, BALANCE))["ResultCode"]
    await daraja.control("POST", "operators/testapi/unlock")
    unlocked = (await result(daraja, merchant, BALANCE))["ResultCode"]

    assert (codes, right, unlocked) == ([2001, 2001, 2001, 8006], 8006, "0")


@pytest.mark.parametrize("sealed", ["bm8=", "no base64", PASSWORD])
async def test_a_password_that_is_not_encrypted_is_wrong(
    daraja: Daraja, merchant: Merchant, sealed: str
) -> None:
    told = await result(daraja, merchant, BALANCE, SecurityCredential=sealed)

    assert told["ResultCode"] == 2001
    assert told["ResultDesc"] == "The initiator information is invalid."


async def test_a_right_password_forgives_the_wrong_ones(
    daraja: Daraja, merchant: Merchant
) -> None:
    wrong, right = await credential(daraja, "Guess#1"), await credential(daraja)
    codes = [
        str((await result(daraja, merchant, BALANCE, SecurityCredential=each))["ResultCode"])
        for each in (wrong, wrong, right, wrong, wrong)
    ]

    assert codes == ["2001", "2001", "0", "2001", "2001"]


async def test_operators_can_be_added_and_strangers_are_unknown(
    daraja: Daraja, merchant: Merchant
) -> None:
    stranger = (await result(daraja, merchant, BALANCE, Initiator="wanjiku"))["ResultCode"]
    await daraja.control("PUT", "operators/wanjiku", {"password": "Other#2"})
    sealed = await credential(daraja, "Other#2")
    told = await result(daraja, merchant, BALANCE, Initiator="wanjiku", SecurityCredential=sealed)

    assert (stranger, told["ResultCode"]) == (20, "0")


async def test_any_result_can_be_forced(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.turn(result_code="21")

    assert (await result(daraja, merchant, BALANCE))["ResultCode"] == 21


async def test_a_queue_may_time_out_for_good(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.turn(queue_timeout="only")
    told = await result(daraja, merchant, BALANCE)
    await daraja.settled()

    assert [call.path for call in merchant.heard] == ["/timeout"]
    assert told["ResultType"] == 1


async def test_a_result_may_follow_a_queues_timeout(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.turn(queue_timeout="then_result")
    await ask(daraja, BALANCE)
    heard = await merchant.hears(2)
    await daraja.settled()
    late, timeout = (await daraja.control("GET", "callbacks")).json["callbacks"]

    assert sorted(call.path for call in heard) == ["/result", "/timeout"]
    assert len({json.loads(call.text)["Result"]["ConversationID"] for call in heard}) == 1
    assert (timeout["kind"], late["kind"]) == ("timeout", "result")
    assert timeout["at"] < late["at"]


@pytest.mark.parametrize(
    ("path", "field", "value", "code"),
    [
        (STATUS, "Initiator", ..., "400.003.02"),
        (STATUS, "CommandID", "AccountBalance", "400.003.02"),
        (STATUS, "TransactionID", "short", "400.003.02"),
        (STATUS, "TransactionID", ..., "400.003.02"),
        (STATUS, "ResultURL", "https://pay.example.com/mpesa", "400.003.02"),
        (BALANCE, "PartyA", "x", "400.002.02"),
        (BALANCE, "Remarks", "", "400.002.02"),
        (BALANCE, "QueueTimeOutURL", ..., "400.002.02"),
    ],
)
async def test_a_wrong_field_is_named(daraja: Daraja, path, field, value, code) -> None:
    changes = {"SecurityCredential": "bm8=", "TransactionID": "UKL0000001"} | {field: value}

    answer = await ask(daraja, path, **changes)

    assert answer.refusal == (400, code, f"Bad Request - Invalid {field}")


async def test_each_api_refuses_a_stale_token_in_its_own_way(daraja: Daraja) -> None:
    daraja.bearer = "Bearer stale"
    answers = await asyncio.gather(
        *(ask(daraja, path, SecurityCredential="bm8=") for path in (STATUS, BALANCE))
    )

    assert [answer.refusal[:2] for answer in answers] == [
        (400, "400.003.01"), (401, "401.002.01"),
    ]
