"""The address of a payment's own callbacks: unguessable, and found without a look-up.

The token is the payment's id and an HMAC of it, in an alphabet that cannot spell any of the words
that Safaricom bans from callback addresses (daraja.md 7.4): without e, m, q and s there is no
"mpesa", "safaricom", "exe", "exec", "cmd", "sql" or "query". Exactly 32 letters and digits remain.
"""

from __future__ import annotations

import hashlib
import hmac

from hakika.domain.ids import PaymentId, bits_of, write

PATH = "/c/"

_ALPHABET = "0123456789abcdfghijklnoprtuvwxyz"
_ID_BYTES, _MAC_BYTES = 16, 16
_LENGTH = 52  # 256 bits, 5 a character


def write_token(payment_id: PaymentId, *, key: bytes) -> str:
    """Return the token of a payment: its 128-bit id, then 128 bits that only we can make."""
    body = bits_of(payment_id).to_bytes(_ID_BYTES, "big")
    number = int.from_bytes(body + _mac(body, key), "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))


def read_token(token: str, *, key: bytes) -> PaymentId | None:
    """Return the payment that `token` was made for, or None when we did not make it.

    Takes the same time for a wrong token as for a right one.
    """
    if len(token) != _LENGTH or not set(token) <= set(_ALPHABET):
        return None
    number = 0
    for character in token:
        number = (number << 5) | _ALPHABET.index(character)
    if number >> (8 * (_ID_BYTES + _MAC_BYTES)):
        return None
    whole = number.to_bytes(_ID_BYTES + _MAC_BYTES, "big")
    body, mac = whole[:_ID_BYTES], whole[_ID_BYTES:]
    if not hmac.compare_digest(mac, _mac(body, key)):
        return None
    return PaymentId(write("pay", int.from_bytes(body, "big")))


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"callback address of payment " + body, hashlib.sha256)[:_MAC_BYTES]
