"""B2C: the wire to the letter, the money really moved, and never twice under one id."""

import asyncio
import csv
import io
import json
import re
from typing import Any

import aiohttp
import pytest

from tests.simulator.conftest import OpenDaraja
from tests.simulator.orders import (
    B2C,
    B2C_V1,
    OWN_ID,
    PAYBILL,
    codes,
    fund,
    order,
    ordered,
    payouts,
    plan,
)
from tests.simulator.test_operators import STATUS, ask, credential, parameters, result
from tests.simulator.world import PAYS, PERSON, WAIT_SECONDS_MAX, Daraja, Merchant

SUM_CENTS = 10**15
PERSON_NAMED = f"{PERSON} - KEVIN KARIUKI"


async def test_money_leaves_utility_for_the_persons_wallet(
    daraja: Daraja, merchant: Merchant
) -> None:
    """The ack echoes our id, the result does not: it must be found by its ConversationID."""
    await fund(daraja)
    answer = await order(daraja, B2C)
    payout = (await payouts(daraja))[0]
    told = (await daraja.control("GET", "callbacks")).json["callbacks"][0]
    truth = await daraja.truth()

    ack = answer.json
    assert (ack["ResponseCode"], ack["OriginatorConversationID"]) == ("0", OWN_ID)
    assert re.fullmatch(r"AG_\d{8}_[0-9a-f]{20}", ack["ConversationID"])
    assert truth["accounts"] == {PAYBILL: {"utility": 70_000}}
    assert truth["wallets"][PERSON] == 10_030_000
    assert truth["sum_cents"] == SUM_CENTS
    assert payout["asked_at"] <= payout.pop("finished_at")
    assert payout.pop("told_originator_conversation_id") != OWN_ID
    assert payout.pop("callbacks_sent")[0]["at"] == told["at"]
    assert payout == payout | {
        "conversation_id": ack["ConversationID"], "originator_conversation_id": OWN_ID,
        "kind": "b2c", "command": "BusinessPayment", "shortcode": PAYBILL, "receiver": PERSON,
        "amount_cents": 30_000, "charge_cents": 0, "state": "completed", "result_code": "0",
        "asked_times": 1,
    }  # fmt: skip


async def test_the_result_is_typed_as_safaricoms_own_sample(
    daraja: Daraja, merchant: Merchant
) -> None:
    await fund(daraja)
    await daraja.turn(payout_charge_cents=2240)
    told = await ordered(daraja, merchant, B2C)
    payout = (await payouts(daraja))[0]

    found = parameters(told)
    assert re.fullmatch(
        r"\d{2}\.\d{2}\.\d{4} \d{2}:\d{2}:\d{2}", found.pop("TransactionCompletedDateTime")
    )
    assert found == {
        "TransactionAmount": 300, "TransactionReceipt": payout["receipt"],
        "ReceiverPartyPublicName": PERSON_NAMED, "B2CUtilityAccountAvailableFunds": 700.0,
        "B2CWorkingAccountAvailableFunds": 0.0, "B2CRecipientIsRegisteredCustomer": "Y",
        "B2CChargesPaidAccountAvailableFunds": -22.4,
    }  # fmt: skip
    assert (told["ResultType"], told["ResultCode"]) == (0, 0)
    assert told["TransactionID"] == payout["receipt"]
    assert told["OriginatorConversationID"] == payout["told_originator_conversation_id"]
    assert told["ReferenceData"]["ReferenceItem"]["Key"] == "QueueTimeoutURL"


async def test_an_id_is_used_up_by_whatever_became_of_it(
    daraja: Daraja, merchant: Merchant
) -> None:
    """Also by a payout that failed: a deliberate new one needs a new id."""
    failed = await ordered(daraja, merchant, B2C)
    await fund(daraja)
    again = await order(daraja, B2C)
    other = await ordered(daraja, merchant, B2C, OriginatorConversationID="payout_02")
    found = await payouts(daraja)

    assert (failed["ResultCode"], other["ResultCode"]) == (1, 0)
    assert again.refusal == (500, "500.002.1001", "Duplicate OriginatorConversationID.")
    assert [(each["state"], each["asked_times"]) for each in found] == [
        ("declined", 2), ("completed", 1),
    ]
    assert (await daraja.truth())["wallets"][PERSON] == 10_030_000


async def test_one_id_pays_once_however_many_ask_at_once(daraja: Daraja) -> None:
    await fund(daraja, 10_000)
    sealed = await credential(daraja)
    answers = await asyncio.gather(
        *(order(daraja, B2C, SecurityCredential=sealed) for _ in range(20))
    )
    found = await payouts(daraja)

    assert sorted(answer.status for answer in answers) == [200] + [500] * 19
    assert [each["asked_times"] for each in found] == [20]
    assert (await daraja.truth())["wallets"][PERSON] == 10_030_000


async def test_version_1_pays_each_time(daraja: Daraja) -> None:
    """It has no id of the caller's, so the gateway's own is in the ack and the result."""
    await fund(daraja)
    first, second = [await order(daraja, B2C_V1) for _ in range(2)]
    found = await payouts(daraja)

    assert first.json["OriginatorConversationID"] != second.json["OriginatorConversationID"]
    assert [each["originator_conversation_id"] for each in found] == [
        each["told_originator_conversation_id"] for each in found
    ]
    assert (await daraja.truth())["wallets"][PERSON] == 10_060_000


async def test_version_3_may_be_refused_so_that_1_is_needed(daraja: Daraja) -> None:
    await fund(daraja)
    await daraja.turn(b2c_v3_refused=True)
    refused, paid = await order(daraja, B2C), await order(daraja, B2C_V1)

    assert refused.refusal[:2] == (403, "403.002.1001")
    assert paid.status == 200
    assert len(await payouts(daraja)) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Amount": 9}, 2),
        ({"Amount": 250_001}, 3),
        ({"Amount": "1001"}, 1),
        ({"PartyB": "254700002040"}, 2040),
        ({"PartyB": "254713000021"}, "SFC_IC0003"),
        ({"InitiatorName": "nobody"}, 20),
    ],
)
async def test_a_payout_that_cannot_be_ends_with_its_code(
    daraja: Daraja, merchant: Merchant, changes: dict[str, Any], code: int | str
) -> None:
    """The id that its result bears looks like a receipt and is none."""
    await fund(daraja)
    told = await ordered(daraja, merchant, B2C, **changes)
    payout = (await payouts(daraja))[0]
    truth = await daraja.truth()

    assert told["ResultCode"] == code
    assert "ResultParameters" not in told
    assert (payout["state"], payout["receipt"]) == ("declined", None)
    assert re.fullmatch(r"[A-Z0-9]{10}", told["TransactionID"])
    assert told["TransactionID"] not in [row["receipt"] for row in truth["receipts"]]
    assert truth["accounts"] == {PAYBILL: {"utility": 100_000}}


async def test_a_wallet_holds_no_more_than_half_a_million(
    daraja: Daraja, merchant: Merchant
) -> None:
    await fund(daraja, 1_000_000)
    first = await ordered(daraja, merchant, B2C, Amount=250_000)
    second = await ordered(
        daraja, merchant, B2C, Amount=150_001, OriginatorConversationID="payout_02"
    )
    magic = [
        await ordered(daraja, merchant, B2C_V1, Amount=250_000, PartyB=phone)
        for phone in (PAYS, "254713103345", "254713103345")
    ]

    assert [each["ResultCode"] for each in (first, second, *magic)] == [0, 8, 0, 0, 0]


async def test_wrong_passwords_lock_the_operator_out_of_paying(
    daraja: Daraja, merchant: Merchant
) -> None:
    await fund(daraja)
    wrong = await credential(daraja, "Guess#1")
    found = [
        (await ordered(daraja, merchant, B2C_V1, SecurityCredential=wrong))["ResultCode"]
        for _ in range(3)
    ]
    locked = await ordered(daraja, merchant, B2C_V1)

    assert (found, locked["ResultCode"]) == ([2001] * 3, 8006)
    assert (await daraja.truth())["accounts"] == {PAYBILL: {"utility": 100_000}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("InitiatorName", ...),
        ("OriginatorConversationID", ...),
        ("OriginatorConversationID", "with space"),
        ("CommandID", "BusinessPayBill"),
        ("Amount", "10.50"),
        ("Amount", 0),
        ("PartyB", "0712345678"),
        ("Remarks", "x"),
        ("ResultURL", "https://pay.example.com/mpesa"),
        ("Occassion", "x" * 101),
    ],
)
async def test_a_wrong_field_is_named(daraja: Daraja, field: str, value: object) -> None:
    changes: dict[str, Any] = {"SecurityCredential": "bm8=", field: value}
    answer = await order(daraja, B2C, **changes)

    assert answer.refusal == (400, "400.002.02", f"Bad Request - Invalid {field}")


async def test_a_body_that_is_no_json_lacks_its_initiator(daraja: Daraja) -> None:
    answer = await daraja.call("POST", B2C, data="{}", headers={"Authorization": daraja.bearer})

    assert answer.refusal[2] == "Bad Request - Invalid InitiatorName"


async def test_a_stale_token_is_refused_in_b2cs_own_code(daraja: Daraja) -> None:
    daraja.bearer = "Bearer stale"
    answer = await order(daraja, B2C, SecurityCredential="bm8=")

    assert answer.refusal[:2] == (401, "401.002.01")


async def test_status_finds_a_payout_by_its_ids_and_its_receipt(
    daraja: Daraja, merchant: Merchant
) -> None:
    await fund(daraja)
    await daraja.turn(payout_charge_cents=2240)
    told = await ordered(daraja, merchant, B2C)
    asked = [
        {"TransactionID": told["TransactionID"]},
        {"OriginalConversationID": OWN_ID},
        {"OriginatorConversationID": told["OriginatorConversationID"]},
    ]
    answers = [parameters(await result(daraja, merchant, STATUS, **each)) for each in asked]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0] == answers[0] | {
        "DebitPartyName": f"{PAYBILL} - BUSINESS {PAYBILL}",
        "CreditPartyName": PERSON_NAMED,
        "DebitAccountType": "Utility Account",
        "DebitPartyCharges": "Fee For B2C Payment|KES|22.40",
        "ReasonType": "Business Payment to Customer via API",
        "TransactionStatus": "Completed",
        "Amount": "300",
        "ReceiptNo": told["TransactionID"],
        "OriginatorConversationID": OWN_ID,
        "ConversationID": told["ConversationID"],
    }


async def test_status_tells_each_way_of_not_being_paid(
    daraja: Daraja, merchant: Merchant
) -> None:
    """Open, declined, never left the queue, and never got in."""
    await fund(daraja)
    await plan(daraja, seconds=3600)
    await plan(daraja, result_code="21")
    await plan(daraja, queue_timeout="only")
    await plan(daraja, answer="reset", accepted=False)
    for number in range(3):
        await order(daraja, B2C, OriginatorConversationID=f"id_{number}")
    with pytest.raises(aiohttp.ClientError):
        await order(daraja, B2C, OriginatorConversationID="id_3")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while (await daraja.control("GET", "settled")).json["open_instructions"] > 1:
            await asyncio.sleep(0.02)
    found = [
        await result(daraja, merchant, STATUS, OriginalConversationID=f"id_{number}")
        for number in range(4)
    ]

    assert [parameters(each)["TransactionStatus"] for each in found[:3]] == [
        "Initiated", "Declined", "Expired",
    ]
    assert {"Key": "ReceiptNo"} in found[0]["ResultParameters"]["ResultParameter"]
    assert found[3]["ResultCode"] == 25
    assert (await daraja.truth())["accounts"] == {PAYBILL: {"utility": 100_000}}


async def test_status_may_echo_the_id_that_it_was_asked_about(
    daraja: Daraja, merchant: Merchant
) -> None:
    """Its answer then bears the payout's own id: only ConversationIDs tell the two apart."""
    await fund(daraja)
    paid = await ordered(daraja, merchant, B2C)
    await daraja.turn(status_echoes_originator=True)
    answer = await ask(daraja, STATUS, OriginalConversationID=OWN_ID)
    await daraja.settled()
    told = json.loads(merchant.heard[-1].text)["Result"]

    assert answer.json["OriginatorConversationID"] == told["OriginatorConversationID"] == OWN_ID
    assert answer.json["ConversationID"] == told["ConversationID"] != paid["ConversationID"]


async def test_anothers_payout_is_not_told(daraja: Daraja, merchant: Merchant) -> None:
    await fund(daraja)
    await ordered(daraja, merchant, B2C)
    told = await result(daraja, merchant, STATUS, OriginalConversationID=OWN_ID, PartyA="600999")

    assert told["ResultCode"] == 25


async def test_a_statement_shows_the_payout_and_its_charge(
    daraja: Daraja, merchant: Merchant
) -> None:
    await fund(daraja)
    await daraja.turn(payout_charge_cents=2240, charges_off_collections=True)
    told = await ordered(daraja, merchant, B2C)
    text = (await daraja.control("GET", f"statements/{PAYBILL}")).text
    charge, payout, deposit = list(csv.reader(io.StringIO(text)))[7:]

    masked = "25471****678 - KEVIN KARIUKI"
    assert [charge[0], payout[0]] == [told["TransactionID"]] * 2
    assert payout[3] == f"Business Payment to Customer via API to {masked}"
    assert payout[5:10] == ["", "-300.00", "700.00", "true", "Business Payment to Customer via API"]
    assert (payout[10], payout[12]) == (masked, "")
    assert (charge[3], charge[6], charge[7]) == ("Business Payment Charge", "-22.40", "677.60")
    assert (deposit[3], deposit[5]) == ("Deposit of funds from Bank", "1000.00")


async def test_utility_must_cover_a_charge_that_goes_off_it(
    daraja: Daraja, merchant: Merchant
) -> None:
    await fund(daraja, 300)
    await daraja.turn(payout_charge_cents=1, charges_off_collections=True)
    short = await ordered(daraja, merchant, B2C_V1)
    await daraja.turn(charges_off_collections=False)
    enough = await ordered(daraja, merchant, B2C_V1)

    assert (short["ResultCode"], enough["ResultCode"]) == (1, 0)
    assert (await daraja.truth())["accounts"] == {PAYBILL: {"utility": 0, "charges_paid": -1}}


async def test_the_payee_gets_a_message(daraja: Daraja, merchant: Merchant) -> None:
    await fund(daraja)
    told = await ordered(daraja, merchant, B2C)
    page = (await daraja.call("GET", f"/phone/{PERSON}")).text

    assert f"{told['TransactionID']} Confirmed. You have received Ksh300.00 from" in page
    assert "New M-PESA balance is Ksh100,300.00" in page


async def test_the_index_lists_magic_payees(daraja: Daraja) -> None:
    page = (await daraja.call("GET", "/phone")).text

    assert "254700002040" in page
    assert "254713000001" in page


async def test_a_restart_carries_out_what_was_accepted(
    open_daraja: OpenDaraja, merchant: Merchant, tmp_path
) -> None:
    """An accepted payout is M-Pesa's to pay, whatever becomes of the process."""
    async with open_daraja(data=tmp_path) as daraja:
        await fund(daraja)
        await plan(daraja, seconds=3600)
        await order(daraja, B2C)
        await daraja.control("PUT", "clock", {"forward_seconds": 3600})
    assert merchant.heard == []
    async with open_daraja(data=tmp_path) as daraja:
        await merchant.hears()
        found = await payouts(daraja)

    assert codes(merchant) == [("/result", "0")]
    assert [each["state"] for each in found] == ["completed"]
