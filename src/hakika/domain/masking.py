"""What must never be shown whole, by what it looks like: numbers of people, and secrets.

The last line of defence of logs and traces. The first is not to put such things there: our own
objects for phone numbers, keys and credentials hide themselves when they are printed.
"""

from __future__ import annotations

import re

HIDDEN = "•••"

# Kenyan mobile numbers as people and Safaricom write them; not the digits of a fraction or a time.
_PHONES = (
    re.compile(r"(?<!\d)(?<!\d\.)254[- ]?[17]\d{2}[- ]?\d{3}[- ]?\d{3}(?!\d)"),
    re.compile(r"(?<!\d)(?<!\d[.:])0[17]\d{2}[- ]?\d{3}[- ]?\d{3}(?!\d)(?!\.\d)"),
)
_SHOWN_AT_END = 4

# A CheckoutRequestID: when, to the second or the millisecond, then the payer's last nine digits.
_CHECKOUT_ID = re.compile(r"\b(ws_CO_\d{14,})\d{5}(\d{4})(?!\d)")

_SECRETS = (
    (re.compile(r"\b(Bearer|Basic) +[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(hk_(?:test|live)_[0-9a-z]{8})[0-9a-z]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(whsec_)[A-Za-z0-9+/=_-]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(://[^:/\s@]*:)[^@/\s]+@"), rf"\1{HIDDEN}@"),
    # The token of a callback's address, in the address or alone (domain/callback.py).
    (re.compile(r"(/c/)[0-9A-Za-z]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b[0-9abcdfghijklnoprtuvwxyz]{52}\b"), HIDDEN),
    # A passkey; and the password made of one, which is base64 of more than 80 characters.
    (re.compile(r"\b[0-9a-fA-F]{64}\b"), HIDDEN),
    (re.compile(r"[A-Za-z0-9+/]{100,}={0,2}"), HIDDEN),
)


# Whom Safaricom names: FirstName, ReceiverPartyPublicName, pairs of a key and a value in either
# order, and "2547****123 - JANE DOE".
_NAMES = (
    re.compile(r'("[A-Za-z ]*Name"\s*:\s*")(?:[^"\\]|\\.)*(")'),
    re.compile(r'("Key"\s*:\s*"[A-Za-z ]*Name"\s*,\s*"Value"\s*:\s*")(?:[^"\\]|\\.)*(")'),
    re.compile(r'("Value"\s*:\s*")(?:[^"\\]|\\.)*("\s*,\s*"Key"\s*:\s*"[A-Za-z ]*Name")'),
    re.compile(r'([\d*•xX]{3,}\s+-\s+)(?:[^"\\]|\\.)+?(\s+Acc\b|")'),
)

# The same in the words of a statement's line, which end where the account reference begins.
_PARTY = re.compile(r"([\d*•xX]{3,}\s+-\s+).+?(?=\s+Acc\b|\Z)", re.DOTALL | re.IGNORECASE)


def mask_body(text: str) -> str:
    """Return a body of Safaricom's with numbers, secrets and names hidden."""
    for name in _NAMES:
        text = name.sub(rf"\1{HIDDEN}\2", text)
    return mask_text(text)


def mask_line(text: str, *, party: str = "") -> str:
    """Return the words of a statement's line with numbers, secrets and names hidden.

    `party` is its Other Party Info: "2547****123 - JANE DOE".
    """
    text = _PARTY.sub(rf"\1{HIDDEN}", text)
    _, _, name = party.partition(" - ")
    if name.strip():
        text = re.sub(re.escape(name.strip()), HIDDEN, text, flags=re.IGNORECASE)
    return mask_text(text)


def mask_text(text: str) -> str:
    """Return `text` with everything hidden that looks like a Kenyan number or a secret."""
    for secret, shown in _SECRETS:  # first, or a number inside of a secret would disguise it
        if secret.search(text):     # `sub` takes its template apart each time: eight times slower
            text = secret.sub(shown, text)
    for phone in _PHONES:
        text = phone.sub(_mask_phone, text)
    return _CHECKOUT_ID.sub(r"\1••••\2", text) if _CHECKOUT_ID.search(text) else text


def _mask_phone(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found.group())
    return f"{digits[:-8]}••••{digits[-_SHOWN_AT_END:]}"
