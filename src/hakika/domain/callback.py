"""Addresses that Safaricom calls: unguessable, and found without a look-up.

A token is an id and an HMAC of it, in an alphabet that cannot spell any of the words that Safaricom
bans from callback addresses (daraja.md 7.4): without e, m, q and s there is no "mpesa",
"safaricom", "exe", "exec", "cmd", "sql" or "query". Exactly 32 letters and digits remain.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32decode, b32encode
from dataclasses import dataclass
from enum import Enum

from hakika.domain.ids import bits_of, write

PATH = "/c/"

# Where other services were called back, the same address for everybody. Nothing is ever given out
# of these: who still has one written down is heard, and not believed (services/hearsay.py).
GUESSABLE_PATH = "/v1/webhooks/mpesa"
GUESSABLE = tuple(GUESSABLE_PATH + behind for behind in (
    "", "/transactionstatus/result", "/transactionstatus/timeout", "/reversal/result",
    "/reversal/timeout",
))

_ALPHABET = "0123456789abcdfghijklnoprtuvwxyz"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648's
_OURS, _THEIRS = str.maketrans(_BASE32, _ALPHABET), str.maketrans(_ALPHABET, _BASE32)
_ID_BYTES, _MAC_BYTES = 16, 16
_LENGTH = 52  # 256 bits, 5 a character
_PADDING = "===="


class Door(Enum):
    """What an address is for: a name that goes into the proof, and whose id is in the token."""

    PAYMENT = (b"callback address of payment ", "pay")
    CONFIRMATION = (b"confirmations of provider ", "prv")
    VALIDATION = (b"validations of provider ", "prv")
    RESULT = (b"result of inquiry ", "inq")
    TIMEOUT = (b"queue timeout of inquiry ", "inq")
    PAYOUT_RESULT = (b"result of payout ", "pyo")
    PAYOUT_TIMEOUT = (b"queue timeout of payout ", "pyo")


@dataclass(frozen=True, slots=True)
class Called:
    """An address of ours that was called: what it is for, and about what."""

    door: Door
    id: str


def write_token(id_: str, *, key: bytes, door: Door = Door.PAYMENT) -> str:
    """Return the token of an id: its 128 bits, then 128 bits that only we can make."""
    body = bits_of(id_).to_bytes(_ID_BYTES, "big")
    return b32encode(body + _mac(body, key, door)).decode()[:_LENGTH].translate(_OURS)


def read_token(token: str, *, key: bytes) -> Called | None:
    """Return what `token` was made for, or None when we did not make it.

    Takes the same time for a wrong token as for a right one.
    """
    if len(token) != _LENGTH or not set(token) <= set(_ALPHABET):
        return None
    whole = b32decode(token.translate(_THEIRS) + _PADDING)
    body, mac = whole[:_ID_BYTES], whole[_ID_BYTES:]
    found = [door for door in Door if hmac.compare_digest(mac, _mac(body, key, door))]
    if not found or b32encode(whole).decode()[:_LENGTH].translate(_OURS) != token:
        return None  # the bits that are left over at the end say nothing, and must say it one way
    return Called(found[0], write(found[0].value[1], int.from_bytes(body, "big")))


def _mac(body: bytes, key: bytes, door: Door) -> bytes:
    return hmac.digest(key, door.value[0] + body, hashlib.sha256)[:_MAC_BYTES]
