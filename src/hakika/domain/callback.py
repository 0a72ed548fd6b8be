"""The address of a payment's own callbacks: unguessable, and found without a look-up.

The token is the payment's id and an HMAC of it, in an alphabet that cannot spell any of the words
that Safaricom bans from callback addresses (daraja.md 7.4): without e, m, q and s there is no
"mpesa", "safaricom", "exe", "exec", "cmd", "sql" or "query". Exactly 32 letters and digits remain.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32decode, b32encode

from hakika.domain.ids import PaymentId, bits_of, write

PATH = "/c/"

_ALPHABET = "0123456789abcdfghijklnoprtuvwxyz"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648's
_OURS, _THEIRS = str.maketrans(_BASE32, _ALPHABET), str.maketrans(_ALPHABET, _BASE32)
_ID_BYTES, _MAC_BYTES = 16, 16
_LENGTH = 52  # 256 bits, 5 a character
_PADDING = "===="


def write_token(payment_id: PaymentId, *, key: bytes) -> str:
    """Return the token of a payment: its 128-bit id, then 128 bits that only we can make."""
    body = bits_of(payment_id).to_bytes(_ID_BYTES, "big")
    return b32encode(body + _mac(body, key)).decode()[:_LENGTH].translate(_OURS)


def read_token(token: str, *, key: bytes) -> PaymentId | None:
    """Return the payment that `token` was made for, or None when we did not make it.

    Takes the same time for a wrong token as for a right one.
    """
    if len(token) != _LENGTH or not set(token) <= set(_ALPHABET):
        return None
    body = b32decode(token.translate(_THEIRS) + _PADDING)[:_ID_BYTES]
    payment_id = PaymentId(write("pay", int.from_bytes(body, "big")))
    return payment_id if hmac.compare_digest(token, write_token(payment_id, key=key)) else None


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"callback address of payment " + body, hashlib.sha256)[:_MAC_BYTES]
