"""What is most likely wrong when M-Pesa refuses an API operator, and who can mend it.

One refusal is enough: after a few wrong tries M-Pesa locks the operator, and then nothing is paid,
given back or asked about until a person unlocks it (daraja.md T14).

Source: daraja.md 6.2, and 3.3 and 3.4 for what makes a credential and a role; codes of Safaricom's
page "B2C", read 2026-01, but for TP40153, which people observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What of an operator may be wrong."""

    NAME = "name"
    PASSWORD = "password"
    CERTIFICATE = "certificate"
    ROLE = "role"
    SHORTCODE = "shortcode"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a code says of an operator: the parts, the likeliest first, and what to do."""

    likely: tuple[Part, ...]
    words: str


TROUBLES: Mapping[str, Trouble] = {
    "18": Trouble(
        (Part.PASSWORD, Part.CERTIFICATE),
        "The password is most likely wrong, or was encrypted for the other environment's "
        "certificate. Encrypt it anew and put the credentials.",
    ),
    "20": Trouble(
        (Part.NAME, Part.SHORTCODE),
        "The name is most likely wrong: nobody is called so, or not on this short code. Put the "
        "operator's name as the M-Pesa portal writes it.",
    ),
    "21": Trouble(
        (Part.ROLE,),
        "The role is most likely missing. Give the operator the role of this API on the M-Pesa "
        "portal, then lift the stop.",
    ),
    "22": Trouble(
        (Part.ROLE, Part.SHORTCODE),
        "The operator is most likely not active, or has no say over this short code. Activate it "
        "on the M-Pesa portal, then lift the stop.",
    ),
    "2001": Trouble(
        (Part.PASSWORD, Part.CERTIFICATE, Part.NAME),
        "The password is most likely wrong, or expired, or was encrypted for the other "
        "environment's certificate; seldom it is the name. Encrypt it anew and put it.",
    ),
    "8006": Trouble(
        (Part.PASSWORD,),
        "The operator is locked after wrong passwords. A Business Administrator unlocks it on the "
        "M-Pesa portal; put the right password before the next try.",
    ),
    "100000010": Trouble(
        (Part.ROLE,),
        "The app or the operator may not do this. Give the operator its role on the M-Pesa portal, "
        "or ask Safaricom for the permission; then lift the stop.",
    ),
    "TP40153": Trouble(
        (Part.SHORTCODE, Part.ROLE),
        "The operator is most likely another organisation's, or of another short code. Put the "
        "operator of this one.",
    ),
}


def trouble_words(daraja_code: str) -> str | None:
    """Return what a code says is wrong with the operator, or None: it says nothing of it."""
    trouble = TROUBLES.get(daraja_code)
    if trouble is None:
        return None
    parts = ", then ".join(part.replace("shortcode", "short code") for part in trouble.likely)
    said = f"M-Pesa refused the API operator (code {daraja_code})."
    return f"{said} Look at: {parts}. {trouble.words}"
