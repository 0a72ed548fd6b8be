"""What somebody typed is taken for all that it may be, and for nothing that it cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakika.domain.errors import Invalid
from hakika.domain.money import Money
from hakika.domain.search import AROUND, Around, Named, What, hint, read

# Saturday, 21 November 2026, 23:00 in Nairobi.
NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
PAID_AT = datetime(2026, 11, 3, 11, 5, tzinfo=UTC)      # 14:05 in Nairobi
PAYMENT = "pay_01kaxb2m8fe2tv5k0c3y7h9q4d"
CHECKOUT = "ws_CO_21112026120000123712345678"
REQUEST = "2654-4b64-97ff-b82712345678"


def whats(text: str) -> list[What]:
    return [each.what for each in read(text, now=NOW)]


@pytest.mark.parametrize(("text", "meant"), [
    ("UKL7RT61SV", [What.RECEIPT, What.REFERENCE]),
    ("ukl7rt61sv", [What.RECEIPT, What.REFERENCE]),
    (CHECKOUT, [What.CHECKOUT_ID]),
    (PAYMENT, [What.PAYMENT_ID]), (PAYMENT.upper(), [What.PAYMENT_ID]),
    (REQUEST, [What.MERCHANT_REQUEST_ID, What.CONVERSATION_ID, What.REFERENCE]),
    ("29115-34620561-1", [What.MERCHANT_REQUEST_ID, What.CONVERSATION_ID, What.REFERENCE]),
    ("AG_20191219_00005797af5d7d75f652", [What.CONVERSATION_ID]),
    ("order 77", [What.REFERENCE]), ("1500", [What.REFERENCE]), ("Mary 3", [What.REFERENCE]),
    ("Wanjikũ", [What.REFERENCE]), ("1500 2026-02-31", [What.REFERENCE]),
    ("1500 25:99", [What.REFERENCE]), ("room 7 3 Nov", [What.REFERENCE]),
])
def test_a_text_is_all_that_it_may_be(text, meant):
    assert whats(text) == meant


@pytest.mark.parametrize("text", [
    "0712345678", "0712 345 678", "+254712345678", "254-712-345-678", "712345678", " 0712345678 ",
])
def test_a_number_is_one_number_in_every_spelling(text):
    """Whoever phones in does not know how we write it."""
    assert Named(What.PHONE, "254712345678") in read(text, now=NOW)


@pytest.mark.parametrize("text", [
    "1500 2026-11-03 14:05", "2026-11-03T14:05 1500", "KES 1,500 3 Nov 14:05",
    "Ksh1,500.00 on 3/11/26 at 2:05 PM", "1500/= 3rd November 2026, 14:05:31",
    "1500 Nov 3 2:05pm", "14:05 3.11.2026 kes 1500",
])
def test_an_amount_and_a_time_are_read_as_people_write_them(text):
    """The fourth is how M-Pesa's own message says it; all are of Nairobi."""
    (meaning,) = read(text, now=NOW)

    assert isinstance(meaning, Around)
    assert meaning.amount == Money.shillings(1_500)
    assert meaning.since == PAID_AT - AROUND
    assert meaning.until == PAID_AT + AROUND + timedelta(minutes=1)


@pytest.mark.parametrize(("text", "day"), [
    ("1500 2026-11-03", 3), ("1500 today", 21), ("1500 jana", 20), ("1500 3 nov", 3),
])
def test_a_day_alone_is_that_whole_day_of_nairobi(text, day):
    (meaning,) = read(text, now=NOW)

    assert isinstance(meaning, Around)
    assert meaning.since == datetime(2026, 11, day, tzinfo=UTC) - timedelta(hours=3)
    assert meaning.until - meaning.since == timedelta(days=1)


@pytest.mark.parametrize(("text", "since"), [
    ("1500 31 Dec", datetime(2025, 12, 30, 21, tzinfo=UTC)),
    ("1500 23:30", datetime(2026, 11, 20, 20, 15, tzinfo=UTC)),
    ("1500 22:30", datetime(2026, 11, 21, 19, 15, tzinfo=UTC)),
])
def test_what_is_left_out_is_the_last_that_was(text, since):
    """Nobody asks about a payment of next New Year's Eve."""
    (meaning,) = read(text, now=NOW)

    assert isinstance(meaning, Around) and meaning.since == since


@pytest.mark.parametrize("text", ["...", "  ", "KES 1,500", "1500/=", "3 Nov", "14:05", "leo"])
def test_half_a_question_is_told_what_is_missing(text):
    with pytest.raises(Invalid) as refused:
        read(text, now=NOW)

    assert refused.value.errors[0].code == "search_vague"
    assert "1500 2026-01-31 14:05" in refused.value.hint


def test_a_hint_says_what_to_try_instead():
    assert "Say when" in hint("1500", read("1500", now=NOW))
    assert "the receipt" in hint("0712345678", read("0712345678", now=NOW))
    assert "the day alone" in hint("", read("1500 3 Nov 14:05", now=NOW))


@given(st.text(max_size=60))
def test_any_text_at_all_has_a_meaning_or_a_refusal(text):
    """It comes from anybody's keyboard: nothing in it may break us."""
    try:
        assert read(text, now=NOW)
    except Invalid as refused:
        assert refused.errors[0].code == "search_vague"
