"""Status and balance on the wire: what is sent, and every documented way of answering it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hakika.daraja.inquiries import (
    Addresses,
    Operator,
    balance_question,
    conversation_in,
    read_balances,
    read_result,
    read_status,
    read_taken,
    status_question,
)
from hakika.daraja.strict_json import Unreadable
from hakika.domain.money import Money

OPERATOR = Operator("testapi", "U2VhbGVk")
ADDRESSES = Addresses("https://pay.example/c/result", "https://pay.example/c/timeout")


def sent(body: bytes) -> dict[str, str]:
    fields: dict[str, str] = json.loads(body)
    return fields


def raw(*items: dict[str, Any], parameters: Any = None, **fields: Any) -> bytes:
    """Return a result; `parameters` instead of the list of items."""
    listed = {"ResultParameter": list(items)} if parameters is None else parameters
    return json.dumps({"Result": {
        "ResultType": 0, "ResultCode": 0, "ConversationID": "AG_1", "ResultParameters": listed,
    } | fields}).encode()


def test_a_receipt_is_asked_about_under_an_operators_name():
    """daraja.md 5.8."""
    question = status_question("600966", OPERATOR, ADDRESSES, receipt="UKL7RT61SV")

    assert sent(question.body) == {
        "Initiator": "testapi", "SecurityCredential": "U2VhbGVk",
        "CommandID": "TransactionStatusQuery", "TransactionID": "UKL7RT61SV", "PartyA": "600966",
        "IdentifierType": "4", "ResultURL": ADDRESSES.result_url,
        "QueueTimeOutURL": ADDRESSES.timeout_url, "Remarks": "Hakika asks",
    }
    assert "U2VhbGVk" not in repr(question) and "c/result" not in repr(ADDRESSES)


def test_an_order_is_asked_about_by_both_names_of_its_id():
    question = sent(status_question("600966", OPERATOR, ADDRESSES, conversation_id="3211-1").body)

    assert question["OriginalConversationID"] == question["OriginatorConversationID"] == "3211-1"
    assert "TransactionID" not in question


def test_a_balance_is_asked_for_every_account():
    question = balance_question("600966", OPERATOR, ADDRESSES)

    assert question.path == "/mpesa/accountbalance/v1/query"
    assert sent(question.body)["CommandID"] == "AccountBalance"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{}", b'{"ResponseCode":"0"}', b'{"ConversationID":"AG_1"}',
        b'{"ResponseCode":"1","ConversationID":"AG_1"}',
        b'{"ResponseCode":"0","ConversationID":"AG_1","errorCode":"500.003.1001"}',
    ],
)
def test_only_a_plain_acceptance_is_one(body):
    assert read_taken(body) is None


@pytest.mark.parametrize(
    "name",
    ["OriginatorConversationID", "OriginatorCoversationID", "OriginatorConverstionID"],
)
def test_an_acceptance_is_read_in_every_spelling(name):
    taken = read_taken(json.dumps({
        name: "12-3", "ConversationID": "AG_1", "ResponseCode": 0, "ResponseDescription": "Ok",
    }).encode())

    assert taken is not None and taken.originator_conversation_id == "12-3"


# Safaricom's own sample (daraja.md 5.8), as it is printed.
SAMPLE = raw(
    {"Key": "DebitPartyName", "Value": "600310 - Safaricom333"},
    {"Key": "DebitPartyName", "Value": "254708374149 - John Doe"},
    {"Key": "OriginatorConversationID", "Value": "3211-416020-3"},
    {"Key": "InitiatedTime", "Value": "20180223054112"},
    {"Key": "DebitAccountType", "Value": "Utility Account"},
    {"Key": "DebitPartyCharges", "Value": "Fee For B2C Payment|KES|22.40"},
    {"Key": "TransactionReason"}, {"Key": "ReasonType", "Value": "Business Payment to Customer"},
    {"Key": "TransactionStatus", "Value": "Completed"},
    {"Key": "FinalisedTime", "Value": "20180223054112"}, {"Key": "Amount", "Value": "300"},
    {"Key": "ConversationID", "Value": "AG_20180223_000041b09c22e613d6c9"},
    {"Key": "ReceiptNo", "Value": "MBN31H462N"},
)


def test_safaricoms_own_sample_is_read():
    """The giver's name is there twice; the second is the taker. (T24)"""
    said = read_status(read_result(SAMPLE))

    assert (said.status, said.receipt, said.amount) == (
        "Completed", "MBN31H462N", Money.shillings(300),
    )
    assert (said.debit_party, said.credit_party) == (
        "600310 - Safaricom333", "254708374149 - John Doe",
    )
    assert said.happened_at is not None and said.happened_at.isoformat() == (
        "2018-02-23T02:41:12+00:00"
    )


def test_spaces_case_and_numbers_make_no_difference():
    said = read_status(read_result(raw(
        {"Key": "Debit Party Name", "Value": "254708374149 - John Doe"},
        {"key": "CREDITPARTYNAME", "value": "600966 - Duka"},
        {"Key": "Receipt No", "Value": "MBN31H462N"}, {"Key": "Amount", "Value": 300.00},
        {"Key": "Finalised Time", "Value": 20180223054112},
    )))

    assert (said.receipt, said.amount, said.credit_party) == (
        "MBN31H462N", Money.shillings(300), "600966 - Duka",
    )
    assert said.happened_at is not None


@pytest.mark.parametrize(
    "parameters",
    [
        {"ResultParameter": {"Key": "ReceiptNo", "Value": "MBN31H462N"}}, {}, [], None, "x",
        {"ResultParameter": None}, {"ResultParameter": "x"}, {"ResultParameter": [1, None, {}]},
    ],
    ids=str,
)
def test_parameters_are_a_list_or_one_or_none(parameters):
    result = read_result(raw(parameters=parameters or {}))

    assert read_status(result).receipt in {"MBN31H462N", ""}


def test_what_is_said_twice_and_differently_is_not_said():
    said = read_status(read_result(raw(
        {"Key": "TransactionStatus", "Value": "Completed"},
        {"Key": "TransactionStatus", "Value": "Declined"},
        {"Key": "Amount", "Value": "300"}, {"Key": "Amount", "Value": "300"},
        {"Key": "ReceiptNo", "Value": "OAK0000000"},
    )))

    assert (said.status, said.receipt, said.amount) == ("", "", Money.shillings(300))


@pytest.mark.parametrize(("kind", "is_final"), [(0, True), ("0", True), (1, False), ("1", False)])
def test_a_result_says_whether_more_will_come(kind, is_final):
    assert read_result(raw(ResultType=kind)).is_final is is_final


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[]", raw(ConversationID=""), raw(ResultCode="")],
)
def test_what_is_no_result_cannot_be_read(body):
    with pytest.raises(Unreadable):
        read_result(body)


def test_a_notices_id_is_found_where_there_is_one():
    assert [conversation_in(each) for each in (
        raw(), b'{"ConversationID":"AG_2"}', b"", b"[]", b'{"Result":{}}', b"<html>",
    )] == ["AG_1", "AG_2", "", "", "", ""]


def test_a_balance_is_read_to_the_cent():
    """Safaricom's own sample: five accounts, of which one is negative by design."""
    told = read_balances(read_result(raw(
        {"Key": "AccountBalance", "Value":
         "Working Account|KES|700000.00|700000.00|0.00|0.00&Float Account|KES|0.00|0.00|0.00|0.00"
         "&Utility Account|KES|228037.00|228037.00|0.00|0.00&amp;Charges Paid Account|KES|-1540.05"
         "|-1540.05|0.00|0.00&Organization Settlement Account|KES|0.00|0.00|0.00|0.00"},
        {"Key": "BOCompletedTime", "Value": "20200109125710"}, ResultType="0", ResultCode="0",
    )))

    assert list(told.accounts) == [
        ("Working Account", Money.shillings(700_000)), ("Float Account", Money(0)),
        ("Utility Account", Money.shillings(228_037)), ("Charges Paid Account", Money(-154_005)),
        ("Organization Settlement Account", Money(0)),
    ]
    assert told.completed_at is not None
    assert told.completed_at.isoformat() == "2020-01-09T09:57:10+00:00"
