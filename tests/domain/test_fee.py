"""The platform's fee: nothing is lost to rounding, whoever bears it and however it is refunded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakika.domain.errors import Invalid
from hakika.domain.fee import Bearer, FeeRefund, Price, Rate, check, priced, returned
from hakika.domain.money import Money

CENTS_MAX = 250_000_00

shillings = st.integers(1, 250_000).map(Money.shillings)
parts = st.integers(0, CENTS_MAX).map(Money)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    least = draw(parts)
    return Rate(
        draw(st.integers(0, 10_000)), draw(parts), least,
        draw(st.none() | st.integers(least.cents, CENTS_MAX).map(Money)),
        draw(st.sampled_from(Bearer)),
    )


@pytest.mark.parametrize(
    ("asked", "rate", "amount", "fee", "net"),
    [
        (100, Rate(150), "100.00", "1.50", "98.50"),                    # seed 004's own example
        (1, Rate(50), "1.00", "0.01", "0.99"),                          # half a cent goes up
        (1_000, Rate(150, Money.shillings(5)), "1000.00", "20.00", "980.00"),
        (100, Rate(150, least=Money.shillings(10)), "100.00", "10.00", "90.00"),
        (100_000, Rate(150, most=Money.shillings(200)), "100000.00", "200.00", "99800.00"),
        (5, Rate(150, least=Money.shillings(10)), "5.00", "5.00", "0.00"),  # never below nothing
        (100, Rate(150, bearer=Bearer.PAYER), "102.00", "2.00", "100.00"),  # M-Pesa asks no cents
        (100, None, "100.00", "0.00", "100.00"),
    ],
)
def test_a_fee_is_a_share_and_a_fixed_part_within_its_bounds(asked, rate, amount, fee, net):
    price = priced(Money.shillings(asked), rate)

    assert (str(price.amount), str(price.fee), str(price.net)) == (amount, fee, net)


@given(shillings, rates())
def test_fee_and_net_are_always_the_amount_and_never_below_nothing(asked, rate):
    """Every cent that a payer pays is the platform's or the seller's, and M-Pesa can ask for it."""
    price = priced(asked, rate)

    assert price.fee.cents + price.net.cents == price.amount.cents
    assert price.fee.cents >= 0 and price.net.cents >= 0
    assert price.amount.cents % 100 == 0
    if rate.bearer is Bearer.PAYER:
        assert price.net == asked
        assert price.fee >= rate.least
    else:
        assert price.amount == asked
        assert price.fee >= min(rate.least, asked)
        assert rate.most is None or price.fee <= rate.most


@given(shillings, rates(), st.lists(st.integers(1, CENTS_MAX), max_size=6))
def test_refunds_in_parts_return_together_what_the_whole_would(asked, rate, cuts):
    """Rounded each by itself, parts would return a cent too many or too few."""
    price = priced(asked, rate)
    given_back, before = 0, 0
    for cut in [*cuts, price.amount.cents]:
        part = min(cut, price.amount.cents - before)
        fee = returned(price, before=Money(before), amount=Money(part), policy=FeeRefund.RETURN)
        assert 0 <= fee.cents <= part
        given_back, before = given_back + fee.cents, before + part

    assert given_back == price.fee.cents


def test_a_platform_that_keeps_its_fee_returns_none_of_it():
    price = Price(Money.shillings(100), Money(150))

    assert returned(
        price, before=Money(0), amount=price.amount, policy=FeeRefund.KEEP,
    ) == Money(0)


@pytest.mark.parametrize(
    ("rate", "field"),
    [
        (Rate(-1), "basis_points"), (Rate(10_001), "basis_points"), (Rate(0, Money(-1)), "fixed"),
        (Rate(0, least=Money(-1)), "minimum"), (Rate(0, most=Money(-1)), "maximum"),
        (Rate(0, least=Money(2), most=Money(1)), "maximum"),
        (Rate(0, Money(CENTS_MAX + 1)), "fixed"),
    ],
    ids=str,
)
def test_a_rate_that_cannot_be_reckoned_with_is_refused_by_its_field(rate, field):
    with pytest.raises(Invalid) as refused:
        check(rate)

    assert refused.value.errors[0].field == field
