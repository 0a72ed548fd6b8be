"""Kenyan banks by the two digits that clear for them: to whom a payout by hand is addressed.

The codes are those that banks print on cheques and transfer forms. They were put down from memory,
and only the larger banks' were compared with a public list: compare a code with your bank's before
money is sent by it. A bank that is not here is refused, and not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from hakika.domain.errors import Invalid

# As of 2026-11-22. Banks merge and are renamed; their codes stay for years.
BANKS: Mapping[str, str] = {
    "01": "KCB Bank", "02": "Standard Chartered Bank", "03": "Absa Bank", "05": "Bank of India",
    "06": "Bank of Baroda", "07": "NCBA Bank", "10": "Prime Bank", "11": "Co-operative Bank",
    "12": "National Bank", "14": "M Oriental Bank", "16": "Citibank", "17": "Habib Bank AG Zurich",
    "18": "Middle East Bank", "19": "Bank of Africa", "23": "Consolidated Bank",
    "25": "Credit Bank", "26": "Access Bank", "31": "Stanbic Bank",
    "35": "African Banking Corporation", "43": "Ecobank", "50": "Paramount Bank",
    "51": "Kingdom Bank", "53": "Guaranty Trust Bank", "54": "Victoria Commercial Bank",
    "55": "Guardian Bank", "57": "I&M Bank", "59": "Development Bank", "60": "SBM Bank",
    "61": "HFC", "62": "Postbank", "63": "Diamond Trust Bank", "65": "CIB Kenya",
    "66": "Sidian Bank", "68": "Equity Bank", "70": "Family Bank", "72": "Gulf African Bank",
    "74": "Premier Bank", "75": "DIB Bank", "76": "UBA Kenya Bank",
    "78": "Kenya Women Microfinance Bank",
}

_ACCOUNT_NUMBER = re.compile(r"[A-Za-z0-9]{5,20}", re.ASCII)
_SEPARATORS = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class Bank:
    """One bank."""

    code: str
    name: str


def parse(value: str, *, field: str = "bank") -> Bank:
    """Return the bank that `value` names, by its code or its name.

    Raises:
        Invalid: none of these. Nothing is guessed: a similar name is another bank.
    """
    code = value.strip().zfill(2) if value.strip().isascii() and value.strip().isdigit() else ""
    if code in BANKS:
        return Bank(code, BANKS[code])
    for each, name in BANKS.items():
        if _folded(value) in {_folded(name), _folded(f"{name} Kenya"), _folded(f"{name} Bank")}:
            return Bank(each, name)
    raise Invalid(
        f"{value[:40]!r} is not a bank that is known here.", field=field, code="bank_unknown",
        hint="Use its clearing code, such as 68 for Equity Bank: docs/platform.md lists them.",
    )


def read_account_number(value: str, *, field: str = "account") -> str:
    """Return the number of a bank account without its spaces and dashes. Raises: Invalid."""
    number = _SEPARATORS.sub("", value)
    if not _ACCOUNT_NUMBER.fullmatch(number):
        raise Invalid(
            "A bank's account number has 5 to 20 letters and digits.", field=field,
            code="bank_account_invalid",
        )
    return number


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in plain if sign.isalnum())
