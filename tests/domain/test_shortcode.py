"""Short codes: what a paybill and a till send to Daraja, paired once and never guessed."""

from __future__ import annotations

import pytest

from hakika.domain.errors import Invalid
from hakika.domain.shortcode import paybill, till


def test_a_paybill_is_its_own_business_and_its_own_receiver():
    """One number everywhere: what most merchants have."""
    code = paybill("174379")

    assert (code.business_short_code, code.party_b, code.transaction_type) == (
        "174379", "174379", "CustomerPayBillOnline",
    )


def test_a_till_speaks_through_its_store_and_receives_itself():
    """With the two swapped, Daraja refuses or the money lands in another account."""
    code = till("5678901", store_number="123456")

    assert (code.business_short_code, code.party_b, code.transaction_type) == (
        "123456", "5678901", "CustomerBuyGoodsOnline",
    )


@pytest.mark.parametrize("number", ["12345", "123456", "1234567"])
def test_short_codes_have_five_to_seven_digits(number):
    """The lengths in use."""
    assert paybill(number).number == number


@pytest.mark.parametrize(
    "number", ["", "1234", "12345678", "12 345", "12345a", "１７４３７９", "-12345", "174379\n"],
)
def test_anything_else_is_no_short_code(number):
    """A slip in a setting must stop the start, not the first payment."""
    with pytest.raises(Invalid) as refused:
        paybill(number)

    assert refused.value.errors[0].code == "shortcode_invalid"


@pytest.mark.parametrize("store_number", ["", "5678901", "12"])
def test_a_till_needs_the_number_of_its_store(store_number):
    """The till's own number in its place is the most common mistake."""
    with pytest.raises(Invalid) as refused:
        till("5678901", store_number=store_number)

    assert refused.value.errors[0].field == "store_number"
