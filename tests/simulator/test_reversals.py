"""Reversals by API: the same as by the portal, told to whoever asked and to nobody else."""

import asyncio
import json
import re
from typing import Any

import pytest

from tests.simulator.orders import B2C, PAYBILL, REVERSAL, fund, order, ordered
from tests.simulator.test_c2b import pay
from tests.simulator.test_operators import STATUS, credential, parameters, result
from tests.simulator.world import PERSON, SHORTCODE, Daraja, Merchant

SUM_CENTS = 10**15


async def test_the_payer_gets_the_money_back_under_a_receipt_of_its_own(
    daraja: Daraja, merchant: Merchant
) -> None:
    original = (await pay(daraja))["receipt"]
    told = await ordered(daraja, merchant, REVERSAL, TransactionID=original)
    await daraja.settled()
    truth = await daraja.truth()
    page = (await daraja.call("GET", f"/phone/{PERSON}")).text

    receipt = told["TransactionID"]
    found = parameters(told)
    assert type(found.pop("TransCompletedTime")) is int
    assert found == {
        "DebitAccountBalance": "Utility Account|KES|0.00|0.00|0.00|0.00", "Amount": 250.0,
        "OriginalTransactionID": original, "Charge": 0.0,
        "CreditPartyPublicName": f"{PERSON} - KEVIN KARIUKI",
        "DebitPartyPublicName": f"{PAYBILL} - BUSINESS {PAYBILL}",
    }  # fmt: skip
    assert (told["ResultType"], told["ResultCode"]) == (0, 0)
    assert receipt != original
    assert truth["receipts"][1] == truth["receipts"][1] | {
        "kind": "reversal", "receipt": receipt, "linked": original, "cents": -25_000,
    }
    assert truth["reversals"][0] == truth["reversals"][0] | {
        "kind": "reversal", "state": "completed", "receipt": receipt,
        "original_receipt": original, "amount_cents": 25_000,
    }  # fmt: skip
    assert truth["payouts"] == []
    assert (truth["wallets"][PERSON], truth["sum_cents"]) == (10_000_000, SUM_CENTS)
    assert f"Transaction {original} has been reversed" in page
    assert len(merchant.heard) == 1


async def test_the_second_reversal_finds_it_done(daraja: Daraja, merchant: Merchant) -> None:
    """Whatever amount it names, and whichever way the first went."""
    original = (await pay(daraja))["receipt"]
    await daraja.control("POST", "portal/reversals", {"receipt": original})
    told = [
        await ordered(daraja, merchant, REVERSAL, TransactionID=original, Amount=amount)
        for amount in (250, 100)
    ]

    assert [each["ResultCode"] for each in told] == ["R000001"] * 2
    assert told[0]["TransactionID"].endswith("0000000")
    assert (await daraja.truth())["wallets"][PERSON] == 10_000_000


async def test_of_many_at_once_one_gives_the_money_back(daraja: Daraja, merchant: Merchant) -> None:
    original = (await pay(daraja))["receipt"]
    await pay(daraja)
    sealed = await credential(daraja)
    await asyncio.gather(
        *(
            order(daraja, REVERSAL, TransactionID=original, SecurityCredential=sealed)
            for _ in range(10)
        )
    )
    heard = await merchant.hears(10)

    found = sorted(str(json.loads(each.text)["Result"]["ResultCode"]) for each in heard)
    assert found == ["0"] + ["R000001"] * 9
    assert (await daraja.truth())["accounts"] == {PAYBILL: {"utility": 25_000}}


async def test_a_payment_that_is_not_there_or_anothers_is_not_reversed(
    daraja: Daraja, merchant: Merchant
) -> None:
    """Nor a B2C's: that is done by hand on the portal."""
    original = (await pay(daraja))["receipt"]
    await fund(daraja)
    payout = (await ordered(daraja, merchant, B2C))["TransactionID"]
    asked: list[dict[str, Any]] = [
        {"TransactionID": "UKL0000001"},
        {"TransactionID": original, "ReceiverParty": SHORTCODE},
        {"TransactionID": payout, "Amount": 300},
    ]
    told = [(await ordered(daraja, merchant, REVERSAL, **each))["ResultCode"] for each in asked]

    assert told == ["R000002"] * 3


async def test_money_that_left_cannot_go_back(daraja: Daraja, merchant: Merchant) -> None:
    original = (await pay(daraja))["receipt"]
    withdrawal = {"shortcode": PAYBILL, "from": "utility", "to": "bank", "amount_cents": 1}
    await daraja.control("POST", "portal/floats", withdrawal)
    told = await ordered(daraja, merchant, REVERSAL, TransactionID=original)

    assert told["ResultCode"] == 1


@pytest.mark.parametrize("amount", [249, 251])
async def test_another_amount_than_the_payments_moves_nothing(
    daraja: Daraja, merchant: Merchant, amount: int
) -> None:
    original = (await pay(daraja))["receipt"]
    await fund(daraja)
    told = await ordered(daraja, merchant, REVERSAL, TransactionID=original, Amount=amount)

    assert told["ResultCode"] == 25
    assert len((await daraja.truth(phone=PERSON))["receipts"]) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"RecieverIdentifierType": ..., "ReceiverIdentifierType": "11"}, "RecieverIdentifierType"),
        ({"RecieverIdentifierType": "4"}, "RecieverIdentifierType"),
        ({"TransactionID": "short"}, "TransactionID"),
        ({"ReceiverParty": ...}, "ReceiverParty"),
        ({"Remarks": "x"}, "Remarks"),
        ({"Amount": ...}, "Amount"),
    ],
)
async def test_a_wrong_field_is_named(daraja: Daraja, changes: dict[str, Any], field: str) -> None:
    asked = {"SecurityCredential": "bm8=", "TransactionID": "UKL0000001"} | changes
    answer = await order(daraja, REVERSAL, **asked)

    assert answer.refusal == (400, "400.002.02", f"Bad Request - Invalid {field}")


async def test_status_tells_a_reversal_by_its_id_and_its_receipt(
    daraja: Daraja, merchant: Merchant
) -> None:
    original = (await pay(daraja))["receipt"]
    answer = await order(daraja, REVERSAL, TransactionID=original)
    receipt = json.loads((await merchant.hears())[0].text)["Result"]["TransactionID"]
    originator = answer.json["OriginatorConversationID"]
    found = [
        parameters(await result(daraja, merchant, STATUS, **asked))
        for asked in ({"OriginalConversationID": originator}, {"TransactionID": receipt})
    ]

    assert found[0] == found[1]
    assert found[0] == found[0] | {
        "TransactionStatus": "Completed",
        "ReasonType": "Transaction Reversal",
        "ReceiptNo": receipt,
        "CreditPartyName": f"{PERSON} - KEVIN KARIUKI",
        "DebitAccountType": "Utility Account",
    }
    assert re.fullmatch(r"\d{14}", found[0]["FinalisedTime"])
