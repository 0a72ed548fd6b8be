"""Phone numbers: every Kenyan spelling in, one form inside, and masked wherever people look."""

from __future__ import annotations

import logging
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain.errors import Invalid
from hakika.domain.msisdn import Msisdn, parse

FEW = settings(max_examples=15, deadline=None, database=None)
DIGITS = "254712345678"
HIDDEN = "345678"[1:]  # the middle of the number, which no mask may show
SUBSCRIBERS = st.from_regex(r"[17][0-9]{8}", fullmatch=True)
PREFIXES = ("", "0", "254", "+254")


@pytest.mark.parametrize("spelling", [
    "0712345678", "712345678", "254712345678", "+254712345678", "+254 712 345 678",
    "254-712-345-678", "0712 345 678", "(0712) 345678", "0712.345.678", " 0712345678 ",
    "+254(712)345678", 254712345678, 712345678,
])
def test_every_spelling_of_a_number_is_the_same_number(spelling):
    """People copy numbers from contacts, tills and spreadsheets."""
    assert parse(spelling) == Msisdn(DIGITS)


@pytest.mark.parametrize(
    ("spelling", "digits"),
    [
        ("0110000001", "254110000001"), ("0799999999", "254799999999"),
        ("0100000000", "254100000000"),
    ],
)
def test_new_ranges_are_numbers_too(spelling, digits):
    """Safaricom's 01… numbers exist since 2019, and ported numbers are anywhere."""
    assert parse(spelling).digits == digits


@pytest.mark.parametrize("wrong", [
    "", " ", "abc", "071234567", "07123456789", "0812345678", "0212345678", "+255712345678",
    "00254712345678", "+2540712345678", "2547123456789", "25471234567", "++254712345678",
    "07123x5678", "0712345678;", "0712345678\x00", "tel:0712345678", "0712345678,0722345678",
    "٠٧١٢٣٤٥٦٧٨", "０７１２３４５６７８", "²54712345678", "0712345678" + " " * 20,
    None, True, 0.5, 254712345678.0, ["0712345678"], {"phone": "0712345678"}, -712345678,
    12345678901234567890123456, b"0712345678",
], ids=lambda wrong: repr(wrong)[:28])
def test_what_is_not_a_kenyan_mobile_number_is_refused(wrong):
    """A prompt on a stranger's phone is worse than a refusal."""
    with pytest.raises(Invalid) as refused:
        parse(wrong)

    assert {(each.field, each.code) for each in refused.value.errors} == {
        ("phone", "phone_invalid"),
    }


def test_a_refusal_does_not_repeat_the_number():
    """A mistyped number is still somebody's, and refusals are logged."""
    with pytest.raises(Invalid) as refused:
        parse("0799999999x")

    assert "9999" not in str(refused.value) + refused.value.hint + repr(refused.value.errors)


@FEW
@given(SUBSCRIBERS)
def test_all_four_prefixes_mean_the_same(subscriber):
    """For every number, not only for the ones we thought of."""
    assert {parse(prefix + subscriber).digits for prefix in PREFIXES} == {"254" + subscriber}


@FEW
@given(st.text(max_size=24))
def test_no_text_does_anything_but_parse_or_be_refused(text):
    """Whatever is accepted is twelve plain digits that Daraja takes."""
    try:
        digits = parse(text).digits
    except Invalid:
        return

    assert digits.isascii() and digits.isdigit() and len(digits) == 12


def test_a_number_is_masked_in_every_way_of_showing_it(caplog):
    """Whoever logs, formats or raises with a number must not leak it by habit."""
    number = Msisdn(DIGITS)
    with caplog.at_level(logging.INFO):
        logging.getLogger("shop").info("asked %s %r", number, number)
    shown = [
        str(number), repr(number), f"{number}", f"{number!r}", format(number),
        "%s" % number, repr([number]), repr({"payer": number}), caplog.text,  # noqa: UP031
        str(ValueError(number)), repr(ValueError(number)),
    ]

    assert [text for text in shown if HIDDEN in text or DIGITS in text] == []
    assert str(number) == "2547••••5678"


def test_the_whole_number_is_reached_by_asking_for_it():
    """Daraja and the merchant need it; the name `digits` says that it is revealed."""
    assert asdict(Msisdn(DIGITS)) == {"digits": DIGITS}
