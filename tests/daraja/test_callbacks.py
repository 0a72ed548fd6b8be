"""Callbacks: every documented shape is read, and no bytes whatever do harm."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.daraja.wire import StkCallback, Unreadable, read_stk_callback
from hakika.domain.money import Money
from tests.daraja.conftest import FIXTURES

SUCCESSES = sorted(FIXTURES.glob("stk-success*.json"))
FAILURES = {
    "stk-failure-1.json": "insufficient_funds",
    "stk-failure-1032.json": "payer_canceled",
    "stk-failure-1032-old-prefix.json": "payer_canceled",
    "stk-failure-1037-as-text.json": "payer_unreachable",
    "stk-failure-2001.json": "wrong_pin",
    "stk-failure-4999.json": "still_processing",
    "stk-failure-SFC_IC0003.json": "receiver_unknown",
    "stk-failure-with-metadata.json": "insufficient_funds",
}
RECEIPT = "NLJ7RT61SV"


def callback(code: object = 0, **items: object) -> bytes:
    """Return a callback with these metadata items (`...`: an item without a value)."""
    return json.dumps({"Body": {"stkCallback": {
        "MerchantRequestID": "29115-34620561-1", "CheckoutRequestID": "ws_CO_191220191020363925",
        "ResultCode": code, "ResultDesc": "Whatever",
        "CallbackMetadata": {"Item": [
            {"Name": name} if value is ... else {"Name": name, "Value": value}
            for name, value in items.items()
        ]},
    }}}).encode()


def test_every_fixture_is_used():
    """A fixture that no test reads proves nothing."""
    names = {path.name for path in FIXTURES.glob("*.json")}
    assert names == {path.name for path in SUCCESSES} | set(FAILURES)
    assert len(SUCCESSES) == 13


@pytest.mark.parametrize("path", SUCCESSES, ids=lambda path: path.stem)
def test_a_success_is_read_in_every_shape(path: Path):
    """A success that cannot be read is a payer who paid for nothing (trap T23)."""
    read = read_stk_callback(path.read_bytes())

    assert read == StkCallback(
        merchant_request_id="29115-34620561-1",
        checkout_request_id="ws_CO_191220191020363925",
        result_code="0",
        result_text="The service request is processed successfully.",
        result=read.result,
        receipt=RECEIPT,
        amount=Money.shillings(1),
        paid_at=datetime(2019, 12, 19, 7, 21, 15, tzinfo=UTC),
    )
    assert read.result.is_paid


@pytest.mark.parametrize(("name", "ours"), FAILURES.items())
def test_a_failure_has_its_reason_and_no_receipt(name: str, ours: str):
    """Placeholder receipts on failures collide, and block the next callback (trap T27)."""
    read = read_stk_callback((FIXTURES / name).read_bytes())

    assert read.result.code == ours
    assert (read.receipt, read.amount, read.paid_at) == ("", None, None)
    assert not read.result_text.startswith("[")


@pytest.mark.parametrize("receipt", [
    "OAK0000000", "SKE0000000", "NLJ7RT61S", "NLJ7RT61SVX", "nlj7rt61sv", "NLJ7RT61S\u0660",
    "", " ", ..., None, 1234567890, True, ["NLJ7RT61SV"], {"a": 1}, "NLJ7RT61SV\n<script>",
])
def test_what_is_no_receipt_is_none(receipt: object):
    """The success stands, and without a receipt it is no money yet."""
    read = read_stk_callback(callback(Amount=1, MpesaReceiptNumber=receipt))

    assert read.result.is_paid
    assert (read.receipt, read.amount) == ("", Money.shillings(1))


def test_a_success_without_metadata_is_a_success_without_a_receipt():
    """Seldom, but seen; a query will say the same."""
    bare = {"CheckoutRequestID": "ws_CO_1", "ResultCode": 0}

    read = read_stk_callback(json.dumps({"Body": {"stkCallback": bare}}).encode())

    assert (read.result_code, read.receipt, read.amount) == ("0", "", None)


@pytest.mark.parametrize(("value", "cents"), [
    (1500, 150_000), ("1500", 150_000), ("1500.00", 150_000), ("19.99", 1_999), ("0.10", 10),
    (" 5 ", 500), ("007", 700), ("1.500000", 150),
])
def test_an_amount_is_read_exactly(value: object, cents: int):
    """To the cent, never through a binary fraction (trap T30)."""
    assert read_stk_callback(callback(Amount=value)).amount == Money(cents)


@pytest.mark.parametrize("literal", ["1.00", "1.0", "1", "1.000000"])
def test_an_amount_keeps_its_digits_through_json(literal: str):
    """Safaricom writes 1.00; a float would have lost what it wrote."""
    raw = callback(Amount="@").replace(b'"@"', literal.encode())

    assert read_stk_callback(raw).amount == Money.shillings(1)


@pytest.mark.parametrize("value", [
    -1, "-1", "+1", 0, "0.00", "1e3", "1,000", "1.001", "", "x", "0x10", "1_000", True, False,
    None, ..., [1], {"a": 1}, 10**10, "9" * 40, "1.", ".5", "1 000",
])
def test_an_amount_that_is_none_is_none(value: object):
    """Better no amount than a guessed one: the payment goes to a person."""
    read = read_stk_callback(callback(Amount=value, MpesaReceiptNumber=RECEIPT))

    assert (read.amount, read.receipt) == (None, RECEIPT)


@pytest.mark.parametrize("literal", ["1e3", "1E+3", "-1.00", "1e-2", "0.1e1", "1e999999999999"])
def test_signs_and_exponents_in_numbers_are_no_amount(literal: str):
    """Valid JSON, and nothing that a gateway writes."""
    raw = callback(Amount="@").replace(b'"@"', literal.encode())

    assert read_stk_callback(raw).amount is None


@pytest.mark.parametrize("value", ["\u0661\u0660\u0660", "\uff11\uff10", "1\u0660", "१०"])
def test_digits_of_another_script_are_refused(value: str):
    """Python would read them as numbers; no gateway writes them."""
    with pytest.raises(Unreadable):
        read_stk_callback(callback(Amount=value))


@pytest.mark.parametrize(("value", "time"), [
    (20260326005959, datetime(2026, 3, 25, 21, 59, 59, tzinfo=UTC)),  # Nairobi's day is another
    ("20260326120000", datetime(2026, 3, 26, 9, tzinfo=UTC)),
    (20261326120000, None), ("2026-03-26 12:00:00", None), (2026, None), (True, None),
    ("00000000000000", None), ("00010101000000", None), (..., None), ([], None),
])
def test_a_time_never_stands_in_the_way(value: object, time: datetime | None):
    """Nairobi's time in UTC; unreadable, it blocks no credit (trap T32)."""
    read = read_stk_callback(callback(
        TransactionDate=value, MpesaReceiptNumber=RECEIPT, Amount=1,
    ))

    assert (read.paid_at, read.receipt) == (time, RECEIPT)


@pytest.mark.parametrize(("values", "receipt"), [
    ([RECEIPT, RECEIPT], RECEIPT),
    ([RECEIPT, "NLJ7RT61SX"], ""),
    ([RECEIPT, "NLJ7RT61SX", RECEIPT], ""),
])
def test_two_receipts_in_one_callback_are_none(values: list[str], receipt: str):
    """Which of them is true is not ours to choose."""
    items = [{"Name": "MpesaReceiptNumber", "Value": value} for value in values]
    body = {"CheckoutRequestID": "a", "ResultCode": 0, "CallbackMetadata": {"Item": items}}

    read = read_stk_callback(json.dumps({"Body": {"stkCallback": body}}).encode())

    assert read.receipt == receipt


def test_a_single_item_need_not_be_a_list():
    """Safaricom's gateway writes lists of one as one."""
    item = {"Name": "MpesaReceiptNumber", "Value": RECEIPT}
    body = {"CheckoutRequestID": "a", "ResultCode": 0, "CallbackMetadata": {"Item": item}}

    read = read_stk_callback(json.dumps({"Body": {"stkCallback": body}}).encode())

    assert read.receipt == RECEIPT


@pytest.mark.parametrize("code", [0.0, "00", "O", "٠", " ", "", None, True, False, [], {}, "0 1"])
def test_only_zero_is_zero(code: object):
    """A code that merely looks like success is no success."""
    try:
        read = read_stk_callback(callback(code, MpesaReceiptNumber=RECEIPT, Amount=1))
    except Unreadable:
        return
    assert not read.result.is_paid
    assert (read.receipt, read.amount) == ("", None)


@pytest.mark.parametrize("raw", [
    b"", b"[]", b"{}", b"null", b"0", b'{"Body":{}}', b'{"Body":[]}',
    b'{"Body":{"stkCallback":[]}}',    b'{"Body":{"stkCallback":{}}}',
    b'{"Body":{"stkCallback":{"ResultCode":0}}}',
    b'{"Body":{"stkCallback":{"CheckoutRequestID":"a"}}}',
    b'{"Body":{"stkCallback":{"CheckoutRequestID":"a b","ResultCode":0}}}',
    b'{"Body":{"stkCallback":{"CheckoutRequestID":"' + b"a" * 65 + b'","ResultCode":0}}}',
    b'{"Body":{"stkCallback":{"CheckoutRequestID":"a","ResultCode":0,"ResultCode":1032}}}',
    b'{"Body":{"stkCallback":{"CheckoutRequestID":"a","ResultCode":0,"resultcode":1032}}}',
    b'{"Body":{"stkCallback":{"CheckoutRequestID":"a","ResultCode":NaN}}}',
    callback(Amount="@").replace(b'"@"', b"NaN"),
    callback(Amount="@").replace(b'"@"', b"Infinity"),
    callback(Amount="@").replace(b'"@"', b"[" * 30 + b"]" * 30),
    callback() + b" " * 70_000,
], ids=lambda raw: repr(raw[:50]))
def test_what_is_no_callback_is_unreadable(raw: bytes):
    """It is kept, and it moves nothing."""
    with pytest.raises(Unreadable):
        read_stk_callback(raw)


def test_hostile_text_is_made_harmless():
    """No control characters and no half signs get into a database or a terminal."""
    raw = callback().replace(b"Whatever", b"a\\u0000b\\ud800c\\u001b[31m\\n")

    text = read_stk_callback(raw).result_text

    assert text.isprintable()
    assert text.encode()


def test_a_callback_shows_no_number():
    """Its repr ends up in logs."""
    raw = (FIXTURES / "stk-success.json").read_bytes().replace(
        b"ws_CO_191220191020363925", b"ws_CO_26032026133641276708374149",
    )

    assert "708374149" not in repr(read_stk_callback(raw))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["0", 0, "NLJ7RT61SV", "Amount", "MpesaReceiptNumber", "1.00", "Name"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["Name", "Value", "Item", "x"]), inner, max_size=3,
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({}, optional={
    name: JSON_VALUES for name in (
        "MerchantRequestID", "CheckoutRequestID", "ResultCode", "ResultDesc", "CallbackMetadata",
    )
}))
def test_a_callback_of_any_content_is_read_or_unreadable(body: dict[str, object]):
    """The shape is right and everything in it is not."""
    body.setdefault("CheckoutRequestID", "ws_CO_1")
    body.setdefault("ResultCode", 0)
    try:
        read = read_stk_callback(json.dumps({"Body": {"stkCallback": body}}).encode())
    except Unreadable:
        return
    assert read.receipt in {"", "NLJ7RT61SV"}
    assert read.amount is None or read.amount.cents > 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_success_with_bytes_changed_is_read_or_unreadable(data: st.DataObject):
    """Every byte of the real thing may be another."""
    raw = bytearray((FIXTURES / "stk-success.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = read_stk_callback(bytes(raw))
    except Unreadable:
        return
    assert isinstance(read, StkCallback)
