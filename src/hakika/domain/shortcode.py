"""Short codes: a paybill, or a till with its store number, and what each sends to Daraja.

Sending a till's number as the business short code, or a paybill's rules for a till, lands money in
another account or is refused with 2002, 2028 or SFC_IC0003 (daraja.md 5.1 and trap T10). So the
pairing is made here once and never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from hakika.domain.errors import Invalid

_NUMBER = re.compile(r"[0-9]{5,7}", re.ASCII)

# Published by Safaricom for every developer's sandbox; refused for live money (trap T11).
SANDBOX_NUMBER = "174379"


class Kind(StrEnum):
    """The two kinds of business number that can collect."""

    PAYBILL = "paybill"
    TILL = "till"


class WhenUnheard(StrEnum):
    """What M-Pesa does with a payment when our validation does not answer in time."""

    COMPLETED = "Completed"
    CANCELLED = "Cancelled"


@dataclass(frozen=True, slots=True)
class Shortcode:
    """A business number that collects. Daraja knows a till by its store (head office) number."""

    kind: Kind
    number: str
    store_number: str = ""

    @property
    def business_short_code(self) -> str:
        """What goes in BusinessShortCode and the password: the paybill, or the till's store."""
        return self.number if self.kind is Kind.PAYBILL else self.store_number

    @property
    def party_b(self) -> str:
        """Who receives: the paybill itself, or the till itself (not its store)."""
        return self.number

    def is_named(self, number: str) -> bool:
        """Say whether `number` is this short code: M-Pesa may name a till by its store."""
        return bool(number) and number in {self.number, self.store_number}

    @property
    def transaction_type(self) -> str:
        """The command Daraja expects for this kind."""
        if self.kind is Kind.PAYBILL:
            return "CustomerPayBillOnline"
        return "CustomerBuyGoodsOnline"


def paybill(number: str) -> Shortcode:
    """Return a paybill. Raises: Invalid, when the number is not 5 to 7 digits."""
    return Shortcode(Kind.PAYBILL, _checked(number, "shortcode"))


def till(number: str, *, store_number: str) -> Shortcode:
    """Return a till with its store number.

    Raises:
        Invalid: either is not 5 to 7 digits, or both are the same. The store number is on the
            till's go-live letter, as "store" or "head office" number.
    """
    checked = _checked(number, "shortcode")
    store = _checked(store_number, "store_number")
    if checked == store:
        raise Invalid(
            "A till and its store have different numbers.",
            field="store_number", code="store_number_invalid",
        )
    return Shortcode(Kind.TILL, checked, store)


def _checked(number: str, field: str) -> str:
    if not _NUMBER.fullmatch(number):
        raise Invalid(
            f"{number!r} is not a short code of 5 to 7 digits.",
            field=field, code=f"{field}_invalid",
        )
    return number
