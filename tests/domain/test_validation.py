"""Which payments are let in, and what is said when that could not be found out."""

from __future__ import annotations

from typing import Any

import pytest

from hakika.domain import validation
from hakika.domain.errors import Invalid
from hakika.domain.money import Money
from hakika.domain.shortcode import Shortcode, paybill, till
from hakika.domain.validation import Refused, Rule, Terms, Undecided, WhenUndecided

PAYBILL = paybill("600966")
TILL = till("5551234", store_number="600100")
PRICE = Money.shillings(500)


@pytest.mark.parametrize(("open_", "said"), [
    ([], Refused.REFERENCE),
    ([Money.shillings(499)], Refused.AMOUNT),
    ([Money.shillings(499), PRICE], None),
])
def test_an_open_payment_is_named_by_reference_and_amount(open_, said):
    """The payer's phone says which of the two was mistyped."""
    assert validation.by_open_payment(PRICE, open_) is said


@pytest.mark.parametrize(("body", "said"), [
    ({"accept": True}, None),
    ({"accept": True, "reason": "amount"}, None),
    ({"accept": False}, Refused.OTHER),
    ({"accept": False, "reason": "kyc"}, Refused.KYC),
    ({"accept": False, "reason": "the moon"}, Refused.OTHER),
    ({"accept": False, "reason": ["amount"]}, Refused.OTHER),
])
def test_a_merchants_program_says_yes_or_why_not(body, said):
    assert validation.by_answer(body) is said


@pytest.mark.parametrize("body", [None, [], "yes", {}, {"accept": 1}, {"accept": "true"}])
def test_what_is_no_answer_decides_nothing(body: Any):
    """A proxy's error page must neither let in nor turn away."""
    with pytest.raises(Undecided):
        validation.by_answer(body)


@pytest.mark.parametrize(("terms", "shortcode"), [
    (Terms(Rule.KNOWN_REFERENCE), TILL),
    (Terms(Rule.OPEN_PAYMENT), TILL),
    (Terms(Rule.CALLBACK), PAYBILL),
    (Terms(Rule.ACCEPT_ALL, "https://shop.example/ask"), PAYBILL),
])
def test_terms_that_make_no_sense_are_refused(terms: Terms, shortcode: Shortcode):
    with pytest.raises(Invalid):
        validation.check(terms, shortcode)


def test_the_default_is_the_merchants():
    assert Terms().fallback is None
    assert Terms(when_undecided=WhenUndecided.REFUSE).fallback is Refused.OTHER
