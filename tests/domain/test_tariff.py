"""What Safaricom charges, by the tariff that held on the day; and nothing that nobody told us."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from hakika.domain import tariff
from hakika.domain.money import Money
from hakika.domain.tariff import Product, TariffMalformed, Tariffs

OLD, NEW = date(2022, 1, 1), date(2023, 7, 29)


def table(**changed: Any) -> dict[str, Any]:
    """Return one table of the file."""
    return {
        "product": "paybill", "name": "mgao", "valid_from": NEW, "confidence": "agreed",
        "source": "A form.", "bands": [[100, 0], [500, 5], [1_000, Decimal("10.50")]],
    } | changed


TILL = table(
    product="till", name="mauzo", percent=Decimal("0.55"), free_up_to=200, at_most=200,
)
del TILL["bands"]

TARIFFS: Tariffs = tariff.parse({"tariff": [
    table(valid_from=OLD, bands=[[1_000, 23]]), table(), TILL,
]})


@pytest.mark.parametrize(("cents", "charge"), [
    (1, 0), (100_00, 0), (100_01, 5_00), (101_00, 5_00), (500_00, 5_00), (501_00, 10_50),
    (1_000_00, 10_50), (1_000_01, None),
])
def test_a_band_goes_up_to_and_with_its_end(cents, charge):
    found = TARIFFS.charge_for(Product.PAYBILL, "mgao", Money(cents), on=NEW)

    assert found == (None if charge is None else Money(charge))


@pytest.mark.parametrize(("shillings", "charge"), [
    (1, 0), (200, 0), (201, 1_11), (1_000, 5_50), (36_363, 200_00), (36_364, 200_00),
    (250_000, 200_00),
])
def test_a_percentage_has_a_free_beginning_and_an_end(shillings, charge):
    """201 shillings at 0.55% are 1.1055: to the nearest cent."""
    amount = Money.shillings(shillings)

    assert TARIFFS.charge_for(Product.TILL, "mauzo", amount, on=NEW) == Money(charge)


@pytest.mark.parametrize(("on", "charge"), [
    (date(2021, 12, 31), None), (OLD, 23_00), (date(2023, 7, 28), 23_00), (NEW, 5_00),
    (date(2099, 1, 1), 5_00),
])
def test_a_tariff_holds_from_its_day_until_the_next_one(on, charge):
    """A day that is closed again must cost what it cost then."""
    found = TARIFFS.charge_for(Product.PAYBILL, "mgao", Money.shillings(300), on=on)

    assert found == (None if charge is None else Money(charge))


@pytest.mark.parametrize(("product", "name"), [
    (Product.PAYBILL, ""), (Product.PAYBILL, "mauzo"), (Product.TILL, "mgao"), (Product.B2C, "x"),
])
def test_what_nobody_told_is_not_assumed(product, name):
    assert TARIFFS.charge_for(product, name, Money.shillings(300), on=NEW) is None


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in table().items() if field != name}


@pytest.mark.parametrize(("data", "said"), [
    ({}, "[[tariff]]"), ({"tariff": [], "more": 1}, "[[tariff]]"), ({"tariff": {}}, "[[tariff]]"),
    ({"tariff": [1]}, "tariff 1: "),
    ({"tariff": [table(), table()]}, "the same day"),
    ({"tariff": [without("source")]}, "tariff 1: source is missing"),
    ({"tariff": [without("bands")]}, "either bands or a percentage"),
    ({"tariff": [table(percent=1)]}, "either bands or a percentage"),
    ({"tariff": [table(free_upto=1)]}, "free_upto is not a field"),
    ({"tariff": [table(product="bank")]}, "'bank'"),
    ({"tariff": [table(valid_from="2023-07-29")]}, "is not a day"),
    ({"tariff": [table(valid_from=datetime(2023, 7, 29))]}, "is not a day"),  # noqa: DTZ001
    ({"tariff": [table(bands=[[500, 5], [100, 0]])]}, "do not ascend"),
    ({"tariff": [table(bands=[[500, 5], [500, 6]])]}, "do not ascend"),
    ({"tariff": [table(bands=[[500]])]}, "tariff 1: "),
    ({"tariff": [table(bands=[[500, -5]])]}, "not an amount"),
    ({"tariff": [table(bands=[[500, Decimal("0.001")]])]}, "parts of a cent"),
    ({"tariff": [table(bands=[[Decimal("inf"), 5]])]}, "tariff 1: "),
    ({"tariff": [table(bands=[[500, Decimal("nan")]])]}, "tariff 1: "),
    ({"tariff": [{**TILL, "percent": 101}]}, "not a percentage"),
    ({"tariff": [{**TILL, "percent": "1"}]}, "not a percentage"),
])
def test_a_file_that_cannot_be_is_refused_and_says_where(data, said):
    """A mistyped price is wrong on every day until somebody sees it."""
    with pytest.raises(TariffMalformed) as refused:
        tariff.parse(data)
    assert said in str(refused.value)
