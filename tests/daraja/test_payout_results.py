"""Results of orders: Safaricom's own samples, and every documented way of telling them.

The samples are from daraja.md 5.4, 5.6 and 5.10.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.daraja.payouts import OrderResult, read_order_result
from hakika.daraja.strict_json import Unreadable
from hakika.domain.money import Money

RECEIPT = "UKL7RT61SV"


def raw(*items: dict[str, Any], parameters: Any = None, **fields: Any) -> bytes:
    """Return a result; `parameters` instead of the list of items. A field of ... is left out."""
    listed = {"ResultParameter": list(items)} if parameters is None else parameters
    result = {
        "ResultType": 0, "ResultCode": 0, "ResultDesc": "The service request is processed.",
        "OriginatorConversationID": "53e3-4aa8-9fe0-8fb5e4092cdd3533373",
        "ConversationID": "AG_20240706_2010364430d9bbdaf872", "TransactionID": RECEIPT,
        "ResultParameters": listed,
    } | fields
    return json.dumps(
        {"Result": {name: value for name, value in result.items() if value is not ...}},
    ).encode()


def items(**told: Any) -> list[dict[str, Any]]:
    return [{"Key": key, "Value": value} for key, value in told.items()]


B2C = raw(
    *items(
        TransactionAmount=10, TransactionReceipt="SG632NMUAB",
        ReceiverPartyPublicName="254708374149 - JANE TEST DOE",
        TransactionCompletedDateTime="06.07.2024 22:48:52",
        B2CUtilityAccountAvailableFunds=8959269.60, B2CWorkingAccountAvailableFunds=1199371.00,
        B2CRecipientIsRegisteredCustomer="Y", B2CChargesPaidAccountAvailableFunds=-1980.00,
    ),
    TransactionID="SG632NMUAB",
)
B2B_ITEMS = items(
    DebitAccountBalance="{Amount={CurrencyCode=KES, MinimumAmount=618683, BasicAmount=6186.83}}",
    Amount="190.00",
    DebitPartyAffectedAccountBalance="Working Account|KES|346568.83|6186.83|340382.00|0.00",
    TransCompletedTime="20221110110717", DebitPartyCharges="",
    ReceiverPartyPublicName="000000- Biller Company", Currency="KES",
    InitiatorAccountCurrentBalance=(
        "{Amount={CurrencyCode=KES, MinimumAmount=618683, BasicAmount=6186.83}}"
    ),
)
B2B = raw(
    *B2B_ITEMS, ResultType="0", ResultCode="0", TransactionID="QKA81LK5CY",
    ReferenceData={"ReferenceItem": [
        {"Key": "BillReferenceNumber", "Value": "19008"}, {"Key": "Occassion"},
    ]},
)
REVERSAL_ITEMS = items(
    DebitAccountBalance="Utility Account|KES|7722179.62|7722179.62|0.00|0.00", Amount=1.00,
    TransCompletedTime=20211114132711, OriginalTransactionID="PKE4K2N3UC", Charge=0.00,
    CreditPartyPublicName="254708374149 - John Doe", DebitPartyPublicName="600992 - Safaricom",
)
REVERSAL = raw(*REVERSAL_ITEMS, TransactionID="PKF9M4JLKR")


def test_a_payment_to_a_person_is_read():
    assert read_order_result(B2C) == OrderResult(
        conversation_id="AG_20240706_2010364430d9bbdaf872",
        originator_conversation_id="53e3-4aa8-9fe0-8fb5e4092cdd3533373",
        code="0", is_final=True, receipt="SG632NMUAB", amount=Money.shillings(10),
        happened_at=datetime(2024, 7, 6, 19, 48, 52, tzinfo=UTC), payee_name="JANE TEST DOE",
        available={
            "Utility Account": Money(895_926_960), "Working Account": Money(119_937_100),
            "Charges Paid Account": Money(-198_000),
        },
    )


def test_a_payment_to_a_business_is_read():
    """Its codes are texts, its time is another's, and its reference data is a list."""
    read = read_order_result(B2B)

    assert (read.code, read.is_final, read.receipt) == ("0", True, "QKA81LK5CY")
    assert (read.amount, read.payee_name) == (Money.shillings(190), "Biller Company")
    assert read.happened_at == datetime(2022, 11, 10, 8, 7, 17, tzinfo=UTC)
    assert read.available == {"Working Account": Money(618_683)}
    assert read.charge is None


def test_a_payment_given_back_is_read():
    """Its receipt is its own; what it gave back is told beside it."""
    read = read_order_result(REVERSAL)

    assert (read.receipt, read.original_receipt) == ("PKF9M4JLKR", "PKE4K2N3UC")
    assert (read.amount, read.charge) == (Money.shillings(1), Money(0))
    assert read.happened_at == datetime(2021, 11, 14, 10, 27, 11, tzinfo=UTC)
    assert read.payee_name == "John Doe"
    assert read.available == {"Utility Account": Money(772_217_962)}


FAILURES = [
    (raw(parameters=..., ResultCode=2001, TransactionID="SG632NMUAB"), "2001"),
    (raw(parameters=..., ResultCode="SFC_IC0003", TransactionID="OAK0000000"), "SFC_IC0003"),
    (raw(parameters={"ResultParameter": {"Key": "BOCompletedTime", "Value": 20200120164825}},
         ResultCode=1, TransactionID="OAK0000000"), "1"),
    (raw(ResultCode="R000002", TransactionID="OAK000000"), "R000002"),
    (raw(*B2B_ITEMS, ResultCode="21"), "21"),
]


@pytest.mark.parametrize(("body", "code"), FAILURES, ids=[code for _, code in FAILURES])
def test_a_failure_has_no_receipt_whatever_it_carries(body: bytes, code: str):
    """Even the real-looking one that Safaricom's own sample of a 2001 carries (T27)."""
    read = read_order_result(body)

    assert (read.code, read.receipt) == (code, "")


def test_what_was_given_back_is_no_receipt_of_giving_it_back():
    """It is in the books already: kept again it would be money that went, and is not."""
    read = read_order_result(raw(*REVERSAL_ITEMS, TransactionID="PKE4K2N3UC"))

    assert (read.receipt, read.original_receipt) == ("", "PKE4K2N3UC")


def test_a_failure_told_as_a_single_object_has_its_time():
    read = read_order_result(FAILURES[2][0])

    assert read.happened_at == datetime(2020, 1, 20, 13, 48, 25, tzinfo=UTC)


@pytest.mark.parametrize("told", [1, "1"])
def test_nothing_is_proved_while_more_is_to_come(told: object):
    """ResultType 1 must settle nothing, whatever code stands beside it (T29)."""
    read = read_order_result(raw(*items(TransactionReceipt=RECEIPT), ResultType=told))

    assert (read.code, read.is_final, read.receipt) == ("0", False, "")


@pytest.mark.parametrize(("told", "listed", "receipt"), [
    ("OAK0000000", [], ""), ("OAK000000", [], ""), (..., [], ""), (None, [], ""), (12, [], ""),
    (..., [RECEIPT], RECEIPT), ("OAK0000000", [RECEIPT], RECEIPT), (RECEIPT, [RECEIPT], RECEIPT),
    (RECEIPT, ["SG632NMUAB"], ""), (..., [RECEIPT, "SG632NMUAB"], ""),
    (RECEIPT, [None, 7, [], {}], RECEIPT),
])
def test_a_receipt_is_one_that_proves_money_or_none(told: object, listed: list[Any], receipt: str):
    """Two that differ are none: which of them is true is not ours to choose."""
    read = read_order_result(raw(
        *({"Key": "TransactionReceipt", "Value": each} for each in listed), TransactionID=told,
    ))

    assert read.receipt == receipt


@pytest.mark.parametrize("code", [0.0, "00", "O", "٠", " ", "", None, True, False, [], {}, "0 1"])
def test_only_zero_is_zero(code: object):
    try:
        read = read_order_result(raw(ResultCode=code))
    except Unreadable:
        return
    assert (read.receipt, read.code == "0") == ("", False)


def test_spaces_case_and_spelling_make_no_difference():
    """Safaricom's own keys waver (daraja.md 7.6)."""
    read = read_order_result(json.dumps({"result": {
        "RESULTTYPE": "0", "Result Code": "0", "Conversation ID": "AG_1",
        "OriginatorCoversationID": "12-3", "transactionId": RECEIPT,
        "ResultParameters": {"resultparameter": [
            {"key": "Transaction Amount", "value": "1500.00"},
            {"Key": "TRANSACTION COMPLETED DATE TIME", "Value": 20260326120000},
            {"Key": "Debit Party Charges", "Value": "Fee For B2C Payment|KES|22.40"},
        ]},
    }}).encode())

    assert (read.conversation_id, read.originator_conversation_id) == ("AG_1", "12-3")
    assert (read.receipt, read.amount, read.charge) == (
        RECEIPT, Money.shillings(1_500), Money(2_240),
    )
    assert read.happened_at == datetime(2026, 3, 26, 9, tzinfo=UTC)


@pytest.mark.parametrize("parameters", [
    ..., {}, [], "x", {"ResultParameter": None}, {"ResultParameter": "x"},
    {"ResultParameter": [1, None, {}, {"Key": "Amount"}, {"Key": None, "Value": 1}, {"Value": 1}]},
], ids=str)
def test_the_receipt_is_read_whatever_the_parameters_are(parameters: object):
    """Money that went must be seen, though nothing else of it can be read."""
    read = read_order_result(raw(parameters=parameters))

    assert (read.receipt, read.amount, read.available) == (RECEIPT, None, {})


@pytest.mark.parametrize(("told", "charge"), [
    ("Fee For B2C Payment|KES|22.40", Money(2_240)), (22.40, Money(2_240)), ("0", Money(0)),
    ("", None), ("|KES|22.40", None), ("Fee|USD|22.40", None), ("Fee|KES|-1.00", None), (-1, None),
    ("Fee|KES|1.00&Fee|KES|2.00", None), (True, None), ([], None), ("Fee|KES|1e3", None),
])
def test_a_charge_is_told_or_it_is_not(told: object, charge: Money | None):
    """Nothing and not told are two things: the books wait for the second (T58)."""
    assert read_order_result(raw(*items(DebitPartyCharges=told))).charge == charge


@pytest.mark.parametrize(("told", "name"), [
    ("254708374149 - JANE TEST DOE", "JANE TEST DOE"), ("000000- Biller Company", "Biller Company"),
    ("2547 ***** 126 - JANE", "JANE"), ("JANE - DOE", "JANE - DOE"), ("254708374149", ""),
    ("254708374149 -", ""), ("2Go Shop", "2Go Shop"), ("", ""), (None, ""), (7, ""),
])
def test_a_payee_has_the_name_without_the_number(told: object, name: str):
    read = read_order_result(raw(*items(ReceiverPartyPublicName=told)))

    assert read.payee_name == name
    assert not name or name not in repr(read)


@pytest.mark.parametrize("told", [
    "06.07.2024", "31.02.2024 10:00:00", "2024-07-06 22:48:52", "06.07.2024 22:48:52 ?", "x", 7,
    "٠٦.٠٧.٢٠٢٤ 22:48:52", "01.01.0001 00:00:00", True, [],
])
def test_a_time_never_stands_in_the_way(told: object):
    read = read_order_result(raw(*items(TransactionCompletedDateTime=told)))

    assert (read.happened_at, read.receipt) == (None, RECEIPT)


def test_what_is_told_twice_and_differently_is_not_told():
    read = read_order_result(raw(
        *items(Amount="10.00"), *items(Amount="20.00"), *items(OriginalTransactionID="PKE4K2N3UC"),
        *items(OriginalTransactionID="PKE4K2N3UD"),
        *items(B2CUtilityAccountAvailableFunds=1), *items(B2CUtilityAccountAvailableFunds=2),
    ))

    assert (read.amount, read.original_receipt, read.available) == (None, "", {})


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{}", b"null", b"<html>", b'{"Result":[]}', raw(ConversationID=...),
    raw(ConversationID="a b"), raw(ResultCode=...), raw(ResultCode="x" * 65),
    raw()[:-1], raw() + b" " * 70_000, raw(*items(Amount="١٠٠")),
    raw().replace(b'"ResultType": 0', b'"resulttype": 1, "ResultType": 0'),
], ids=lambda body: repr(body[:40]))
def test_what_is_no_result_is_unreadable(body: bytes):
    """It is kept, and it moves nothing."""
    with pytest.raises(Unreadable):
        read_order_result(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["0", 0, RECEIPT, "Amount", "TransactionReceipt", "1.00", "Fee|KES|1.00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["Key", "Value", "ResultParameter", "x"]), inner, max_size=3,
    ),
    max_leaves=6,
)
KEYS = [
    "TransactionAmount", "Amount", "TransactionReceipt", "TransactionCompletedDateTime",
    "TransCompletedTime", "ReceiverPartyPublicName", "DebitPartyCharges", "Charge",
    "OriginalTransactionID", "DebitAccountBalance", "B2CUtilityAccountAvailableFunds",
]


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({}, optional={name: JSON_VALUES for name in (
        "ConversationID", "ResultType", "ResultCode", "TransactionID", "ResultParameters",
    )}),
    st.lists(st.tuples(st.sampled_from(KEYS), JSON_VALUES), max_size=6),
)
def test_a_result_of_any_content_is_read_or_unreadable(
    fields: dict[str, object], told: list[tuple[str, object]],
):
    """The shape is right and everything in it is not."""
    body = raw(*({"Key": key, "Value": value} for key, value in told), **fields)
    try:
        read = read_order_result(body)
    except Unreadable:
        return
    assert read.receipt in {"", RECEIPT}
    assert not read.receipt or (read.code == "0" and read.is_final)
    assert read.amount is None or read.amount.cents > 0
    assert read.charge is None or read.charge.cents >= 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_result_with_bytes_changed_is_read_or_unreadable(data: st.DataObject):
    """Every byte of the real thing may be another."""
    body = bytearray(data.draw(st.sampled_from([B2C, B2B, REVERSAL])))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = read_order_result(bytes(body))
    except Unreadable:
        return
    assert isinstance(read, OrderResult)
