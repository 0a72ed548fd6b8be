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
_TIME = re.compile(r"[0-9]{14}", re.ASCII)


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
    if not _TIME.fullmatch(text):
        return None
    try:
        local = datetime.strptime(text, TIME_FORMAT).replace(tzinfo=NAIROBI)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


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
