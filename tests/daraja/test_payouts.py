"""Orders of money on the wire: each field that is sent, and what is not sent at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hakika.daraja.envelopes import Addresses, Operator, Question
from hakika.daraja.payouts import (
    Order,
    b2b_order,
    b2c_order,
    b2c_v1_order,
    reversal_order,
)
from hakika.domain import msisdn
from hakika.domain.errors import Invalid
from hakika.domain.money import Money
from hakika.domain.payout import Way

ADDRESSES = Addresses("https://pay.example/c/result", "https://pay.example/c/timeout")
ORDER = Order(
    "600996", Operator("testapi", "U2VhbGVk"), ADDRESSES, Money.shillings(1_500), "Order 1234",
)
PAYEE = msisdn.parse("0708374149")
OUR_ID = "pyo_01kaxb2m8fe2tv5k0c3y7h9q4d"
RECEIPT = "UKL7RT61SV"
COMMON = {
    "SecurityCredential": "U2VhbGVk", "Amount": 1500, "Remarks": "Order 1234",
    "QueueTimeOutURL": ADDRESSES.timeout_url, "ResultURL": ADDRESSES.result_url,
}


def sent(question: Question) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(question.body)
    return fields


def test_a_person_is_paid_by_b2c_v3_under_our_own_id():
    """daraja.md 5.4. The id is all that stands between a lost answer and a second payment (T3)."""
    question = b2c_order(ORDER, payee=PAYEE, originator_conversation_id=OUR_ID)

    assert question.path == "/mpesa/b2c/v3/paymentrequest"
    assert sent(question) == COMMON | {
        "OriginatorConversationID": OUR_ID, "InitiatorName": "testapi",
        "CommandID": "BusinessPayment", "PartyA": 600996, "PartyB": 254708374149,
    }


def test_the_old_b2c_has_no_id_of_ours():
    """M-Pesa makes one of its own; ours would only make believe that it protects."""
    question = b2c_v1_order(ORDER, payee=PAYEE)

    assert question.path == "/mpesa/b2c/v1/paymentrequest"
    assert sent(question) == COMMON | {
        "InitiatorName": "testapi", "CommandID": "BusinessPayment", "PartyA": 600996,
        "PartyB": 254708374149,
    }


@pytest.mark.parametrize("unfit", ["", "a b", "x" * 37, "pyo_é", "pyo_1\n"])
def test_without_a_fit_id_nothing_is_ordered_by_v3(unfit: str):
    with pytest.raises(AssertionError):
        b2c_order(ORDER, payee=PAYEE, originator_conversation_id=unfit)


@pytest.mark.parametrize(("way", "command"), [
    (Way.PAYBILL, "BusinessPayBill"), (Way.TILL, "BusinessBuyGoods"),
    (Way.TOP_UP, "BusinessPayToBulk"),
])
def test_a_business_is_paid_by_b2b(way: Way, command: str):
    """daraja.md 5.6, misspelling and all: spelt rightly it is refused."""
    question = b2b_order(ORDER, way=way, number="600000", account_reference="353353")

    assert question.path == "/mpesa/b2b/v1/paymentrequest"
    assert sent(question) == COMMON | {
        "Initiator": "testapi", "CommandID": command, "SenderIdentifierType": "4",
        "RecieverIdentifierType": "4", "PartyA": 600996, "PartyB": 600000,
        "AccountReference": "353353",
    }


def test_a_till_may_be_called_a_till():
    """The documents say 4, a shop in production 2: who pays a till may try (conflict 5)."""
    question = b2b_order(ORDER, way=Way.TILL, number="832909", receiver_type="2")

    assert sent(question)["RecieverIdentifierType"] == "2"
    assert "AccountReference" not in sent(question)


@pytest.mark.parametrize("way", [Way.PHONE, Way.REVERSAL, Way.OUTSIDE])
def test_other_ways_are_none_of_b2bs(way: Way):
    with pytest.raises(AssertionError):
        b2b_order(ORDER, way=way, number="600000")


def test_a_collection_is_given_back_whole():
    """daraja.md 5.10: 11 is what Safaricom calls whoever received it."""
    question = reversal_order(ORDER, receipt=RECEIPT)

    assert question.path == "/mpesa/reversal/v1/request"
    assert sent(question) == COMMON | {
        "Initiator": "testapi", "CommandID": "TransactionReversal", "TransactionID": RECEIPT,
        "ReceiverParty": 600996, "RecieverIdentifierType": "11",
    }


def every_order(order: Order) -> dict[str, Question]:
    return {
        "b2c v3": b2c_order(order, payee=PAYEE, originator_conversation_id=OUR_ID),
        "b2c v1": b2c_v1_order(order, payee=PAYEE),
        "b2b": b2b_order(order, way=Way.PAYBILL, number="600000", account_reference="A-1"),
        "reversal": reversal_order(order, receipt=RECEIPT),
    }


def test_each_api_has_its_own_spelling_of_an_occasion():
    """Under another it would be lost without a word."""
    orders = every_order(replace(ORDER, occasion="Idd"))

    spelt = {name: set(sent(each)) & {"Occasion", "Occassion"} for name, each in orders.items()}
    assert spelt == {
        "b2c v3": {"Occassion"}, "b2c v1": {"Occasion"}, "b2b": {"Occassion"},
        "reversal": {"Occasion"},
    }


def test_an_order_shows_no_secret():
    """It ends up in logs; the addresses in it are as good as a password."""
    for question in every_order(ORDER).values():
        assert question.secret == "U2VhbGVk"
        for secret in ("U2VhbGVk", "/c/result", "/c/timeout"):
            assert secret not in f"{question!r} {ORDER!r}"


@pytest.mark.parametrize(("changed", "refused"), [
    ({"amount": Money(150_050)}, "amount amount_has_cents"),
    ({"amount": Money.shillings(9)}, "amount amount_too_small"),
    ({"amount": Money(0)}, "amount amount_too_small"),
    ({"amount": Money.shillings(-1_500)}, "amount amount_too_small"),
    ({"amount": Money.shillings(250_001)}, "amount amount_too_large"),
    ({"remarks": ""}, "remarks remarks_invalid"),
    ({"remarks": "x"}, "remarks remarks_invalid"),
    ({"remarks": "   "}, "remarks remarks_invalid"),
    ({"remarks": "x" * 101}, "remarks remarks_invalid"),
    ({"remarks": "one\ntwo"}, "remarks remarks_invalid"),
    ({"occasion": "x" * 101}, "occasion occasion_invalid"),
    ({"occasion": " "}, "occasion occasion_invalid"),
])
def test_what_does_not_fit_is_refused_and_never_cut(changed: dict[str, Any], refused: str):
    """A remark that is cut is another remark; an amount that is rounded is another amount."""
    order = replace(ORDER, **changed)
    with pytest.raises(Invalid) as refusal:
        b2c_order(order, payee=PAYEE, originator_conversation_id=OUR_ID)

    (error,) = refusal.value.errors
    assert f"{error.field} {error.code}" == refused
    with pytest.raises(Invalid):
        b2c_v1_order(order, payee=PAYEE)


@pytest.mark.parametrize("shillings", [10, 250_000])
def test_the_limits_themselves_are_within(shillings: int):
    order = replace(ORDER, amount=Money.shillings(shillings), remarks="x" * 100, occasion="x" * 100)

    assert sent(every_order(order)["b2c v3"])["Amount"] == shillings


@pytest.mark.parametrize("amount", [Money(150), Money(0), Money(-100)], ids=str)
def test_a_business_and_a_payer_too_get_whole_shillings(amount: Money):
    order = replace(ORDER, amount=amount)

    with pytest.raises(Invalid):
        b2b_order(order, way=Way.TILL, number="600000")
    with pytest.raises(Invalid):
        reversal_order(order, receipt=RECEIPT)


def test_the_limits_of_b2c_are_of_b2c_alone():
    """A payment of one shilling can be given back, and a supplier be paid a million."""
    one, million = (replace(ORDER, amount=Money.shillings(each)) for each in (1, 1_000_000))

    assert sent(reversal_order(one, receipt=RECEIPT))["Amount"] == 1
    assert sent(b2b_order(million, way=Way.TILL, number="600000"))["Amount"] == 1_000_000


@pytest.mark.parametrize(("changed", "field"), [
    ({"account_reference": ""}, "account_reference"),
    ({"account_reference": "x" * 14}, "account_reference"),
    ({"account_reference": "a\x00"}, "account_reference"),
    ({"number": "1234"}, "number"), ({"number": "254708374149"}, "number"),
    ({"number": "6000OO"}, "number"), ({"number": "٦٠٠٠٠٠"}, "number"),
    ({"receiver_type": "till"}, "receiver_type"), ({"receiver_type": ""}, "receiver_type"),
])
def test_a_pay_bill_needs_a_number_and_an_account(changed: dict[str, str], field: str):
    """Money for an account that is cut, or for none, lands with nobody (T10, T13)."""
    fit = {"number": "600000", "account_reference": "x" * 13}
    assert b2b_order(ORDER, way=Way.PAYBILL, **fit).body

    with pytest.raises(Invalid) as refusal:
        b2b_order(ORDER, way=Way.PAYBILL, **fit | changed)

    assert refusal.value.errors[0].field == field


@pytest.mark.parametrize("receipt", ["", "UKL0000000", "UKL7RT61S", "ukl7rt61sv", " UKL7RT61SV"])
def test_only_a_receipt_can_be_given_back(receipt: str):
    with pytest.raises(Invalid):
        reversal_order(ORDER, receipt=receipt)
