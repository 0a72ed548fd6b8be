"""Safaricom's charges: which tariff held on a day, and what it takes of an amount.

The tariffs are data (tariffs.toml); nothing of them is known here but their form. Read `Tariffs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any

from hakika.domain.money import CENTS_PER_SHILLING, Money
from hakika.domain.shortcode import Kind


class Product(StrEnum):
    """What is charged for."""

    PAYBILL = "paybill"    # a collection on a paybill
    TILL = "till"          # a collection on a till
    B2C = "b2c"            # a payout to a person
    B2B = "b2b"            # a payout to a business


# What a collection on each kind of short code is, to a tariff.
COLLECTED_ON: Mapping[Kind, Product] = {Kind.PAYBILL: Product.PAYBILL, Kind.TILL: Product.TILL}


class Confidence(StrEnum):
    """How well a tariff is known."""

    AGREED = "agreed"            # several independent sources say it alike
    ONE_SOURCE = "one_source"    # it is not confirmed
    OWN = "own"                  # the operator's own tariff sheet


NOTHING = Money(0)
WHOLE = 100  # of percentages


class TariffMalformed(Exception):
    """The data is no tariffs. The message says where and why."""


@dataclass(frozen=True, slots=True)
class Band:
    """Amounts up to and with `up_to`, from the band before."""

    up_to: Money
    charge: Money


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a business is charged for each payment, from a day on (Nairobi's)."""

    product: Product
    name: str
    valid_from: date
    confidence: Confidence
    source: str
    bands: tuple[Band, ...] = ()           # ascending; or else the percentage below
    percent: Decimal | None = None
    free_up_to: Money = NOTHING
    at_most: Money | None = None

    def charge(self, amount: Money) -> Money | None:
        """Return what is charged for `amount`, or None: it is not known."""
        if self.percent is None:
            return next((band.charge for band in self.bands if amount <= band.up_to), None)
        if amount <= self.free_up_to:
            return NOTHING
        # Half a cent up: nobody has told how Safaricom rounds.
        cents = (amount.cents * self.percent / WHOLE).quantize(Decimal(1), rounding=ROUND_HALF_UP)
        return Money(int(cents)) if self.at_most is None else min(Money(int(cents)), self.at_most)


@dataclass(frozen=True, slots=True)
class Tariffs:
    """All tariffs that are known, of all times."""

    known: tuple[Tariff, ...]

    def charge_for(
        self, product: Product, name: str, amount: Money, *, on: date,
    ) -> Money | None:
        """Return what the business is charged for one payment on a day of Nairobi.

        None: it is not known, because no such tariff held then, or none for such an amount.
        Nothing is ever assumed: without a `name` there is no charge to expect.
        """
        tariff = self.held(product, name, on=on)
        return tariff.charge(amount) if tariff else None

    def held(self, product: Product, name: str, *, on: date) -> Tariff | None:
        """Return the tariff that held on a day of Nairobi, or None."""
        begun = [
            each for each in self.known
            if (each.product, each.name) == (product, name) and each.valid_from <= on
        ]
        return max(begun, key=lambda each: each.valid_from, default=None)

    def names(self, product: Product) -> list[str]:
        """Return the names of a product's tariffs, in order."""
        return sorted({each.name for each in self.known if each.product is product})


def parse(data: Mapping[str, Any]) -> Tariffs:
    """Return the tariffs in `data`, which was read from TOML with decimals.

    Raises:
        TariffMalformed: something in it is missing, not known, or cannot be.
    """
    tables = data.get("tariff")
    if data.keys() != {"tariff"} or not isinstance(tables, list):
        raise TariffMalformed("the file has [[tariff]] tables, and nothing else")
    known = tuple(_tariff(number, each) for number, each in enumerate(tables, start=1))
    if len({(each.product, each.name, each.valid_from) for each in known}) < len(known):
        raise TariffMalformed("two tariffs of one product and name begin on the same day")
    return Tariffs(known)


_FIELDS = frozenset({
    "product", "name", "valid_from", "confidence", "source", "bands", "percent", "free_up_to",
    "at_most",
})


def _tariff(number: int, table: Mapping[str, Any]) -> Tariff:
    try:
        if not table.keys() <= _FIELDS:
            raise TariffMalformed(f"{min(table.keys() - _FIELDS)} is not a field")
        if ("bands" in table) == ("percent" in table):
            raise TariffMalformed("it has either bands or a percentage")
        at_most = table.get("at_most")
        return Tariff(
            Product(table["product"]), _text(table["name"]), _day(table["valid_from"]),
            Confidence(table["confidence"]), _text(table["source"]),
            bands=_bands(table.get("bands", ())),
            percent=_percent(table["percent"]) if "percent" in table else None,
            free_up_to=_shillings(table.get("free_up_to", 0)),
            at_most=None if at_most is None else _shillings(at_most),
        )
    except KeyError as missing:
        raise TariffMalformed(f"tariff {number}: {missing.args[0]} is missing") from None
    except (ArithmeticError, AttributeError, TypeError, ValueError, TariffMalformed) as error:
        raise TariffMalformed(f"tariff {number}: {error}") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TariffMalformed(f"{value!r} is not a text")
    return value


def _day(value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TariffMalformed(f"{value!r} is not a day, such as 2023-07-29")
    return value


def _bands(pairs: Iterable[Any]) -> tuple[Band, ...]:
    bands = tuple(Band(_shillings(up_to), _shillings(charge)) for up_to, charge in pairs)
    ends = [band.up_to for band in bands]
    if any(first >= second for first, second in pairwise(ends)):
        raise TariffMalformed("the bands do not ascend")
    return bands


def _percent(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= WHOLE:
        raise TariffMalformed(f"{value!r} is not a percentage")
    return Decimal(value)


def _shillings(value: object) -> Money:
    """Return whole shillings, or shillings with two decimals at most."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
        raise TariffMalformed(f"{value!r} is not an amount in shillings")
    cents = Decimal(value) * CENTS_PER_SHILLING
    if cents != int(cents):
        raise TariffMalformed(f"{value} has parts of a cent")
    return Money(int(cents))
