"""Money: every spelling of an amount is either exact or refused; nothing is rounded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain.errors import Invalid
from hakika.domain.money import (
    PAYMENT_SHILLINGS_MAX,
    Money,
    parse,
    parse_payment_amount,
)

FEW = settings(max_examples=15, deadline=None, database=None)


@pytest.mark.parametrize(
    ("value", "shillings"),
    [
        (1, 1), (250_000, 250_000), ("500", 500), ("500.00", 500), ("500.", 500), (" 500 ", 500),
        (Decimal("500.0"), 500), (Decimal(500), 500), ("+500", 500), ("0500", 500),
    ],
)
def test_every_way_to_write_an_amount_is_read_exactly(value, shillings):
    """Merchants send numbers and texts; both must be the same money."""
    assert parse_payment_amount(value) == Money.shillings(shillings)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (Decimal("1.50"), "amount_has_cents"), ("1.50", "amount_has_cents"),
        ("0.001", "amount_has_cents"), ("499.99", "amount_has_cents"),
        (0, "amount_too_small"), ("0", "amount_too_small"), ("-0", "amount_too_small"),
        (-5, "amount_too_small"), ("-5", "amount_too_small"),
        (250_001, "amount_too_large"), ("250000.01", "amount_has_cents"),
        ("250001", "amount_too_large"), (10**17, "amount_too_large"),
        (10**30, "amount_invalid"), (10**5000 // 10**4000, "amount_invalid"),
        (Decimal("1E+3"), "amount_invalid"), ("1e3", "amount_invalid"),
        (Decimal("1E+999999999"), "amount_invalid"), ("9" * 21, "amount_invalid"),
        (1.0, "amount_invalid"), (500.0, "amount_invalid"), (float("nan"), "amount_invalid"),
        (True, "amount_invalid"), (False, "amount_invalid"), (None, "amount_invalid"),
        ("", "amount_invalid"), (" ", "amount_invalid"), ("abc", "amount_invalid"),
        ("NaN", "amount_invalid"), ("sNaN", "amount_invalid"), ("Infinity", "amount_invalid"),
        ("-inf", "amount_invalid"), (Decimal("NaN"), "amount_invalid"),
        ("1,000", "amount_invalid"), ("1_000", "amount_invalid"), ("KES 500", "amount_invalid"),
        ("٥٠٠", "amount_invalid"), ("५००", "amount_invalid"), ("５００", "amount_invalid"),
        ("0x1F", "amount_invalid"), ("5\x00", "amount_invalid"), ("--5", "amount_invalid"),
        ([500], "amount_invalid"), ({"amount": 500}, "amount_invalid"), (b"500", "amount_invalid"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_anything_else_is_refused_with_its_reason(value, code):
    """An amount that was guessed charges somebody the wrong sum."""
    with pytest.raises(Invalid) as refused:
        parse_payment_amount(value)

    assert [(each.field, each.code) for each in refused.value.errors] == [("amount", code)]


@FEW
@given(st.integers(1, PAYMENT_SHILLINGS_MAX))
def test_an_amount_survives_being_written_and_read(shillings):
    """We answer with the text that we would accept."""
    amount = Money.shillings(shillings)

    assert parse_payment_amount(str(amount)) == amount
    assert amount.whole_shillings() == shillings


@FEW
@given(st.text(max_size=30))
def test_no_text_does_anything_but_parse_or_be_refused(text):
    """A surprising text must never be a crash, nor an amount that M-Pesa cannot move."""
    try:
        amount = parse_payment_amount(text)
    except Invalid:
        return

    assert 1 <= amount.whole_shillings() <= PAYMENT_SHILLINGS_MAX


@FEW
@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_no_decimal_does_anything_but_parse_or_be_refused(value):
    """JSON numbers arrive as decimals of any length and exponent."""
    try:
        amount = parse(value)
    except Invalid:
        return

    assert Decimal(amount.cents) == value * 100


def test_cents_are_never_dropped():
    """M-Pesa moves whole shillings: a sum with cents must stop, not shrink."""
    with pytest.raises(Invalid) as refused:
        Money(150).whole_shillings()

    assert refused.value.errors[0].code == "amount_has_cents"


@pytest.mark.parametrize(
    ("cents", "text"),
    [(0, "0.00"), (5, "0.05"), (150, "1.50"), (100, "1.00"), (-150, "-1.50"), (-5, "-0.05")],
)
def test_money_reads_as_shillings_with_two_decimals(cents, text):
    """Half of all mistakes with money are a unit that nobody said."""
    assert str(Money(cents)) == text
