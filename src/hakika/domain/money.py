"""Money: whole cents of Kenyan shillings. Never a float, never rounded without saying how."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from hakika.domain.errors import Invalid

CENTS_PER_SHILLING = 100

# Safaricom's limits for one collection (daraja.md section 8, Daraja 3.0 portal).
PAYMENT_SHILLINGS_MIN = 1
PAYMENT_SHILLINGS_MAX = 250_000

# Far above any M-Pesa amount; a longer text is refused before it is turned into a number.
_AMOUNT_TEXT_MAX = 20


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in cents of KES. Build it with `shillings` or `parse`, so that the unit is said."""

    cents: int

    @classmethod
    def shillings(cls, amount: int) -> Money:
        """Return `amount` whole shillings."""
        return cls(amount * CENTS_PER_SHILLING)

    def whole_shillings(self) -> int:
        """Return the amount in shillings.

        Raises:
            Invalid: cents would be lost. M-Pesa moves whole shillings; ask for a whole amount.
        """
        shillings, cents = divmod(self.cents, CENTS_PER_SHILLING)
        if cents:
            raise Invalid(
                f"{self} has cents; M-Pesa moves whole shillings.",
                field="amount", code="amount_has_cents",
            )
        return shillings

    def __str__(self) -> str:
        sign, cents = ("-", -self.cents) if self.cents < 0 else ("", self.cents)
        return f"{sign}{cents // CENTS_PER_SHILLING}.{cents % CENTS_PER_SHILLING:02d}"


NOTHING = Money(0)


def parse(value: object, *, field: str = "amount") -> Money:
    """Return the amount in `value`, in shillings: an int, a Decimal, or a text such as "500.00".

    Raises:
        Invalid: not a number, a float (binary fractions lose cents), more than two decimals, an
            exponent, or longer than any amount. Send a number or a decimal text.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise _unreadable(value, field)
    text = str(value).strip()
    if len(text) > _AMOUNT_TEXT_MAX or not text.isascii() or "_" in text or "e" in text.lower():
        raise _unreadable(value, field)
    try:
        cents = Decimal(text) * CENTS_PER_SHILLING
    except InvalidOperation:
        raise _unreadable(value, field) from None
    if not cents.is_finite():
        raise _unreadable(value, field)
    if cents != cents.to_integral_value():
        raise Invalid(
            f"{text} has a fraction of a cent.", field=field, code="amount_has_cents",
        )
    return Money(int(cents))


def parse_payment_amount(value: object, *, field: str = "amount") -> Money:
    """Return an amount that one M-Pesa collection can have: 1 to 250,000 whole shillings.

    Raises:
        Invalid: with code `amount_invalid`, `amount_has_cents`, `amount_too_small` or
            `amount_too_large`. Fractions are refused, never rounded.
    """
    amount = parse(value, field=field)
    if amount.cents % CENTS_PER_SHILLING:
        raise Invalid(
            f"{amount} has cents; M-Pesa moves whole shillings. Nothing was rounded.",
            field=field, code="amount_has_cents",
        )
    if amount < Money.shillings(PAYMENT_SHILLINGS_MIN):
        raise Invalid(
            f"{amount} is below the smallest M-Pesa payment of KES {PAYMENT_SHILLINGS_MIN}.",
            field=field, code="amount_too_small",
        )
    if amount > Money.shillings(PAYMENT_SHILLINGS_MAX):
        raise Invalid(
            # Not repeated: a number this large may be a phone number in the wrong field.
            f"The amount is above the largest M-Pesa payment of KES {PAYMENT_SHILLINGS_MAX:,}.",
            field=field, code="amount_too_large",
        )
    return amount


def _unreadable(value: object, field: str) -> Invalid:
    shown = str(value)[:_AMOUNT_TEXT_MAX]
    return Invalid(
        f"{shown!r} is not an amount. Send shillings, as 500 or as \"500.00\".",
        field=field, code="amount_invalid",
    )
