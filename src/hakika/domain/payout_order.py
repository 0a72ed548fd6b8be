"""What may be ordered: whom money can be sent to, how much, and with which words. Read `read`.

Safaricom's limits: daraja.md 5.4, 5.6 and section 8, Daraja 3.0 portal, scraped December 2025.
"""

from __future__ import annotations

import re

from hakika.domain.errors import Invalid
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Payee, Way

PHONE_SHILLINGS_MIN, PHONE_SHILLINGS_MAX = 10, 250_000
ACCOUNT_CHARACTERS_MAX = 13
REMARKS_CHARACTERS_MIN, REMARKS_CHARACTERS_MAX = 2, 100
REFERENCE_CHARACTERS_MAX = 100
NAME_CHARACTERS_MAX = 100

_NUMBER = re.compile(r"[0-9]{5,7}", re.ASCII)


def read_payee(
    *, phone: Msisdn | None = None, paybill: str = "", account: str = "", till: str = "",
    top_up: str = "", name: str = "",
) -> tuple[Way, Payee]:
    """Return how money goes to whoever is named, and to whom.

    Raises:
        Invalid: none is named, or several; or a pay bill without an account, or another with one.
    """
    named = [
        way for way, value in (
            (Way.PHONE, phone), (Way.PAYBILL, paybill), (Way.TILL, till), (Way.TOP_UP, top_up),
        ) if value
    ]
    if len(named) != 1:
        raise Invalid(
            "Name one payee: a phone, a paybill with its account, a till, or a short code to "
            "top_up.", field="phone", code="payee_not_one",
        )
    way = named[0]
    if (way is Way.PAYBILL) != bool(account):
        raise Invalid(
            "A paybill must be told an account; no other payee has one.", field="account",
            code="account_missing" if way is Way.PAYBILL else "account_not_wanted",
        )
    return way, Payee(phone, paybill or till or top_up, account, name)


def check_amount(amount: Money, way: Way) -> None:
    """Raise Invalid when M-Pesa does not move this amount this way."""
    shillings = amount.whole_shillings()
    least = PHONE_SHILLINGS_MIN if way is Way.PHONE else 1
    if shillings < least:
        raise Invalid(
            f"{amount} is below the smallest payout this way, KES {least}.", field="amount",
            code="amount_too_small",
        )
    if shillings > PHONE_SHILLINGS_MAX:
        raise Invalid(
            # Not repeated: a number this large may be a phone number in the wrong field.
            f"The amount is above the largest payout, KES {PHONE_SHILLINGS_MAX:,}.",
            field="amount", code="amount_too_large",
        )


def read_number(value: object) -> str:
    """Return the number of a pay bill, a till or a short code. Raises: Invalid."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise Invalid(
            "A paybill, till or short code has 5 to 7 digits, written as a text.", field="paybill",
            code="shortcode_invalid",
        )
    return value


def read_account(value: object) -> str:
    """Return what a pay bill is told. Raises: Invalid."""
    return _text(value, "account", least=1, most=ACCOUNT_CHARACTERS_MAX)


def read_remarks(value: object) -> str:
    """Return what M-Pesa keeps beside the money. Raises: Invalid."""
    return _text(value, "remarks", least=REMARKS_CHARACTERS_MIN, most=REMARKS_CHARACTERS_MAX)


def read_reference(value: object) -> str:
    """Return the merchant's own reference, which M-Pesa never sees. Raises: Invalid."""
    return _text(value, "reference", least=0, most=REFERENCE_CHARACTERS_MAX)


def read_name(value: object) -> str:
    """Return the payee's name, as the merchant knows it. Raises: Invalid."""
    return _text(value, "name", least=0, most=NAME_CHARACTERS_MAX)


def _text(value: object, name: str, *, least: int, most: int) -> str:
    """Return a text that fits. Nothing is ever cut: what is alike when cut is mistaken. (T13)"""
    if not isinstance(value, str) or not value.isprintable():
        raise Invalid(
            f"The {name} is a text of printable characters, on one line.", field=name,
            code=f"{name}_invalid",
        )
    if not least <= len(value.strip()) or len(value) > most:
        raise Invalid(
            f"The {name} has {least} to {most} characters. It is never cut.", field=name,
            code=f"{name}_invalid",
        )
    return value
