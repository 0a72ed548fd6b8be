"""B2B: a pay bill, a till or another short code's Utility is paid off Working."""

import csv
import io
import json
import re
from typing import Any

import pytest

from tests.simulator.orders import B2B, PAYBILL, SUPPLIER, TILL, fund, order, ordered, payouts
from tests.simulator.test_operators import STATUS, parameters, result
from tests.simulator.world import Daraja, Merchant

SUM_CENTS = 10**15


@pytest.mark.parametrize(
    ("changes", "account"),
    [
        ({}, "utility"),
        ({"CommandID": "BusinessBuyGoods", "PartyB": TILL}, "merchant"),
        ({"CommandID": "BusinessBuyGoods", "PartyB": TILL, "RecieverIdentifierType": 2},
         "merchant"),
        ({"CommandID": "BusinessPayToBulk", "AccountReference": ...}, "utility"),
    ],
)  # fmt: skip
async def test_money_goes_from_working_to_the_account_of_the_command(
    daraja: Daraja, merchant: Merchant, changes: dict[str, Any], account: str
) -> None:
    await fund(daraja, account="working")
    told = await ordered(daraja, merchant, B2B, **changes)
    payout = (await payouts(daraja))[0]
    truth = await daraja.truth()
    lines = [row for row in truth["receipts"] if row["kind"] == "b2b"]

    receiver = changes.get("PartyB", SUPPLIER)
    assert truth["accounts"] == {PAYBILL: {"working": 81_000}, receiver: {account: 19_000}}
    assert truth["sum_cents"] == SUM_CENTS
    assert [row["cents"] for row in lines] == [-19_000, 19_000]
    assert {row["receipt"] for row in lines} == {told["TransactionID"]} == {payout["receipt"]}
    assert (payout["kind"], payout["state"], payout["receiver"]) == ("b2b", "completed", receiver)


async def test_a_success_is_told_in_strings_and_lists(daraja: Daraja, merchant: Merchant) -> None:
    await fund(daraja, account="working")
    await daraja.turn(payout_charge_cents=500)
    told = await ordered(daraja, merchant, B2B, Occassion="")

    found = parameters(told)
    balance = "{Amount={CurrencyCode=KES, MinimumAmount=81000, BasicAmount=810.00}}"
    assert (told["ResultType"], told["ResultCode"]) == ("0", "0")
    assert re.fullmatch(r"\d{14}", found.pop("TransCompletedTime"))
    assert found == {
        "DebitAccountBalance": balance, "Amount": "190.00",
        "DebitPartyAffectedAccountBalance": "Working Account|KES|810.00|810.00|0.00|0.00",
        "DebitPartyCharges": "Fee For B2B Payment|KES|5.00",
        "ReceiverPartyPublicName": f"{SUPPLIER} - BUSINESS {SUPPLIER}",
        "Currency": "KES", "InitiatorAccountCurrentBalance": balance,
    }  # fmt: skip
    items = told["ReferenceData"]["ReferenceItem"]
    assert items[0] == {"Key": "BillReferenceNumber", "Value": "19008"}
    assert items[2] == {"Key": "Occassion"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Amount": 1001}, 1),
        ({"PartyB": "012345"}, "SFC_IC0003"),
        ({"RecieverIdentifierType": "2"}, "SFC_IC0003"),
    ],
)
async def test_a_failure_is_told_in_numbers_and_a_lone_object(
    daraja: Daraja, merchant: Merchant, changes: dict[str, Any], code: int | str
) -> None:
    await fund(daraja, account="working")
    told = await ordered(daraja, merchant, B2B, **changes)

    assert (told["ResultType"], told["ResultCode"]) == (0, code)
    parameter = told["ResultParameters"]["ResultParameter"]
    assert parameter["Key"] == "BOCompletedTime"
    assert type(parameter["Value"]) is int
    assert told["TransactionID"].endswith("0000000")
    assert (await daraja.truth())["accounts"] == {PAYBILL: {"working": 100_000}}


async def test_the_same_order_again_is_another_payout(daraja: Daraja) -> None:
    """B2B has no idempotency at all."""
    await fund(daraja, account="working")
    await order(daraja, B2B)
    await order(daraja, B2B)

    assert [each["state"] for each in await payouts(daraja)] == ["completed"] * 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"RecieverIdentifierType": ..., "ReceiverIdentifierType": "4"}, "RecieverIdentifierType"),
        ({"SenderIdentifierType": "1"}, "SenderIdentifierType"),
        ({"AccountReference": ...}, "AccountReference"),
        ({"AccountReference": "x" * 14}, "AccountReference"),
        ({"CommandID": "PayTaxToKRA"}, "CommandID"),
        ({"Requester": "0712"}, "Requester"),
        ({"PartyB": "254712345678"}, "PartyB"),
    ],
)
async def test_a_wrong_field_is_named(
    daraja: Daraja, changes: dict[str, Any], field: str
) -> None:
    """Correctly spelt, the receiver's type is missing."""
    answer = await order(daraja, B2B, SecurityCredential="bm8=", **changes)

    assert answer.refusal == (400, "400.002.02", f"Bad Request - Invalid {field}")


async def test_both_businesses_see_it_on_their_statements(
    daraja: Daraja, merchant: Merchant
) -> None:
    await fund(daraja, account="working")
    told = await ordered(daraja, merchant, B2B)
    sent = (await daraja.control("GET", f"statements/{PAYBILL}?account=working")).text
    got = (await daraja.control("GET", f"statements/{SUPPLIER}")).text
    out, into = [list(csv.reader(io.StringIO(text)))[7] for text in (sent, got)]

    assert out[0] == into[0] == told["TransactionID"]
    assert out[3] == f"Business Pay Bill via API to {SUPPLIER} - BUSINESS {SUPPLIER} Acc. 19008"
    assert into[3] == f"Business Pay Bill via API from {PAYBILL} - BUSINESS {PAYBILL} Acc. 19008"
    assert (out[6], into[5], out[12]) == ("-190.00", "190.00", "19008")


async def test_status_knows_it_from_both_sides(daraja: Daraja, merchant: Merchant) -> None:
    await fund(daraja, account="working")
    answer = await order(daraja, B2B)
    await merchant.hears()
    receipt = json.loads(merchant.heard[0].text)["Result"]["TransactionID"]
    originator = answer.json["OriginatorConversationID"]
    ours = await result(daraja, merchant, STATUS, OriginalConversationID=originator)
    theirs = await result(daraja, merchant, STATUS, TransactionID=receipt, PartyA=SUPPLIER)

    for told in (ours, theirs):
        found = parameters(told)
        assert found["DebitPartyName"] == f"{PAYBILL} - BUSINESS {PAYBILL}"
        assert found["CreditPartyName"] == f"{SUPPLIER} - BUSINESS {SUPPLIER}"
        assert (found["ReceiptNo"], found["Amount"]) == (receipt, "190")
    assert parameters(ours)["DebitAccountType"] == "Working Account"
