"""The tariffs that come with Hakika, and an operator's own in their place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from hakika.domain.money import PAYMENT_SHILLINGS_MAX, Money
from hakika.domain.tariff import Product
from hakika.settings import SettingsInvalid, read_settings, read_tariffs

TODAY = date(2026, 11, 21)
SHIPPED = read_tariffs(read_settings({}))

OWN = """
[[tariff]]
product = "till"
name = "ours"
valid_from = 2026-01-01
confidence = "own"
source = "Our tariff sheet of January 2026."
percent = 0.50
"""


@pytest.mark.parametrize(("product", "name", "shillings", "charge"), [
    (Product.PAYBILL, "mgao", 500, 0), (Product.PAYBILL, "mgao", 1_500, 5),
    (Product.PAYBILL, "mgao", 250_000, 84),
    (Product.PAYBILL, "customer_bouquet", 1_500, 15),
    (Product.PAYBILL, "customer_bouquet", 250_000, 108),
    (Product.PAYBILL, "business_bouquet", 250_000, 0),
    (Product.TILL, "mauzo", 200, 0), (Product.TILL, "mauzo", 250_000, 200),
    (Product.B2C, "registered", 1_500, 5), (Product.B2C, "registered", 20_001, 13),
    (Product.B2C, "registered_withdrawal_paid", 1_500, 34),
    (Product.B2B, "till_to_till", 1_000, 2.5),
])
def test_the_published_tables_are_in_the_file(product, name, shillings, charge):
    """As their sources have them: a band mistyped is a difference on every day that closes."""
    found = SHIPPED.charge_for(product, name, Money.shillings(shillings), on=TODAY)

    assert found == Money(int(charge * 100))


def test_every_tariff_says_where_it_is_from_and_ends_where_m_pesa_does():
    for each in SHIPPED.known:
        assert each.source.endswith(".") and each.confidence in {"agreed", "one_source"}
        assert each.charge(Money.shillings(PAYMENT_SHILLINGS_MAX)) is not None, each.name
        charges = [band.charge for band in each.bands]
        assert charges == sorted(charges), f"{each.name} charges less for more"


def test_whoever_collects_pays_what_the_payer_does_not():
    """Of mgao the business pays a part of what the customer bouquet has it pay whole."""
    for shillings in range(1, PAYMENT_SHILLINGS_MAX, 499):
        of = {name: SHIPPED.charge_for(
            Product.PAYBILL, name, Money.shillings(shillings), on=TODAY,
        ) or Money(0) for name in SHIPPED.names(Product.PAYBILL)}
        assert of["business_bouquet"] <= of["mgao"] <= of["customer_bouquet"], shillings


def test_an_operators_own_file_stands_in_the_place_of_ours(tmp_path: Path):
    path = tmp_path / "tariffs.toml"
    path.write_text(OWN)
    own = read_tariffs(read_settings({"HAKIKA_TARIFFS_FILE": str(path)}))

    assert own.names(Product.PAYBILL) == []
    assert own.charge_for(
        Product.TILL, "ours", Money.shillings(1_000), on=TODAY,
    ) == Money.shillings(5)


@pytest.mark.parametrize("text", ["[[tariff", "[[tariff]]\nname = 'x'\n", None])
def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path, text: str | None):
    path = tmp_path / "tariffs.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsInvalid, match="HAKIKA_TARIFFS_FILE"):
        read_settings({"HAKIKA_TARIFFS_FILE": str(path)})
