"""Single values in what Safaricom sends: a receipt, an amount, a time; or None, never a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from hakika.daraja.credentials import TIME_FORMAT
from hakika.daraja.strict_json import Unreadable
from hakika.domain import money, msisdn
from hakika.domain.errors import Invalid
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.times import NAIROBI

_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_RECEIPT = re.compile(r"[A-Z0-9]{10}")
_RECEIPT_PLACEHOLDER = "0000000"            # "OAK0000000": no money moved (daraja.md 1.1)
_AMOUNT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", re.ASCII)
_BALANCE = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,2})?", re.ASCII)
_TIMES = {
    TIME_FORMAT: re.compile(r"[0-9]{14}", re.ASCII),
    "%d.%m.%Y %H:%M:%S": re.compile(            # of B2C alone (daraja.md 5.4)
        r"[0-9]{2}\.[0-9]{2}\.[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII,
    ),
}
_CHARGE = re.compile(r"[^|]+\|KES\|([0-9]{1,9}(?:\.[0-9]{1,2})?)", re.ASCII)
_NUMBER_IN_FRONT = re.compile(r"[0-9* ]+(?:-\s*|$)", re.ASCII)


def receipt_of(value: object) -> str:
    """Return the receipt, or "" for anything that is none: a placeholder must never be stored."""
    if not isinstance(value, str):
        return ""
    text = value.strip()
    is_receipt = _RECEIPT.fullmatch(text) and not text.endswith(_RECEIPT_PLACEHOLDER)
    return text if is_receipt else ""


def amount_of(value: object) -> Money | None:
    """Return the amount received, exactly; None for a sign, an exponent or anything but a number.

    Raises:
        Unreadable: digits of another script. No gateway writes them; somebody tries something.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    text = str(value).strip()
    if not text.isascii():
        raise Unreadable("the callback has an amount that is no number")
    if not _AMOUNT.fullmatch(text):
        return None
    try:
        amount = money.parse(text)
    except Invalid:
        return None
    return amount if amount.cents > 0 else None


def balance_of(text: str) -> Money | None:
    """Return what lies on an account, which may be negative or nothing; None for no number."""
    return money.parse(text) if _BALANCE.fullmatch(text) else None


def time_of(value: object) -> datetime | None:
    """Return Safaricom's Nairobi time in UTC, or None."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    for form, pattern in _TIMES.items():
        if not pattern.fullmatch(text):
            continue
        try:
            return datetime.strptime(text, form).replace(tzinfo=NAIROBI).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    return None


def charge_of(value: object) -> Money | None:
    """Return what M-Pesa took: of "Fee For B2C Payment|KES|22.40", or of a plain number.

    None when it does not say, which is not the same as nothing.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    text = str(value).strip()
    told = _CHARGE.fullmatch(text)
    charge = balance_of(told.group(1) if told else text)
    return charge if charge is not None and charge.cents >= 0 else None


def name_of(text: str) -> str:
    """Return the name in "254708374149 - JANE TEST DOE" or "000000- Biller Company"."""
    number = _NUMBER_IN_FRONT.match(text)
    return text[number.end():] if number else text


@dataclass(frozen=True, slots=True)
class Payer:
    """A payer's number as it came: whole, masked, hashed, or not at all."""

    whole: Msisdn | None = None
    masked: str = ""
    hashed: str = field(default="", repr=False)  # SHA-256 in hex: so few numbers that it hides none


def payer_of(text: str) -> Payer:
    """Return whose number `text` tells, as far as it does (daraja.md 1.2)."""
    if _SHA256.fullmatch(text):
        return Payer(hashed=text.lower())
    try:
        return Payer(msisdn.parse(text))
    except Invalid:
        return Payer(masked=text)
