"""Merchants, and the keys by which their programs speak: written form, scopes, checksum, digest.

A key reads `hk_test_<id><secret><checksum>`: 8 characters that name the key, 32 that keep it (160
random bits) and 6 of checksum, so that a mistyped or made-up key is refused without a look-up and
a leaked one can be found in text. We store only a keyed hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hakika.domain.errors import Forbidden, Unauthenticated
from hakika.domain.ids import KeyId, MerchantId

# What a secret scanner should look for (docs/security.md).
KEY_PATTERN = r"hk_(?:test|live)_[0-9a-z]{8}[0-9a-z]{32}[0-9a-z]{6}"

_KEY = re.compile(r"hk_(test|live)_([0-9a-z]{8})([0-9a-z]{32})([0-9a-z]{6})", re.ASCII)
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


class Scope(StrEnum):
    """What a key may do: resource and verb."""

    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    MERCHANT_READ = "merchant:read"
    MERCHANT_WRITE = "merchant:write"


@dataclass(frozen=True, slots=True)
class Merchant:
    """A business that collects."""

    id: MerchantId
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as we keep it: never the secret, only its digest."""

    id: KeyId
    merchant_id: MerchantId
    livemode: bool
    handle: str                   # the 8 characters that name it, found in the key itself
    digest: bytes
    scopes: frozenset[Scope]
    label: str
    created_at: datetime
    revoked_at: datetime | None = None

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless this key has `scope`."""
        if scope not in self.scopes:
            raise Forbidden(
                f"This key lacks the scope {scope}.",
                hint=f"Create a key with it: hakika keys create --scope {scope}",
            )


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its owner holds it, taken apart. Its repr hides the secret."""

    livemode: bool
    handle: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyText({'live' if self.livemode else 'test'}, {self.handle}…)"

    def write(self) -> str:
        """Return the key as it is shown once to its owner."""
        body = f"hk_{'live' if self.livemode else 'test'}_{self.handle}{self.secret}"
        return body + _checksum(body)


def mint_key(random_bits: int, *, livemode: bool) -> KeyText:
    """Return a new key from 200 random bits: 40 name it, 160 keep it."""
    digits = [_BASE32[(random_bits >> (5 * place)) & 31] for place in range(40)]
    return KeyText(livemode, "".join(digits[:8]), "".join(digits[8:]))


def read_key(text: str) -> KeyText:
    """Return the parts of a key.

    Raises:
        Unauthenticated: not written like a key, or its checksum is wrong: mistyped or cut short.
    """
    match = _KEY.fullmatch(text)
    if match is None or not hmac.compare_digest(_checksum(text[:-6]), match.group(4)):
        raise Unauthenticated("This is not an API key of Hakika, or it was copied incompletely.")
    mode, handle, secret, _ = match.groups()
    return KeyText(mode == "live", handle, secret)


def digest(key: KeyText, *, pepper: bytes) -> bytes:
    """Return the keyed hash that is stored. A copy of the database alone cannot test a guess.

    A slow password hash would only slow us: 160 random bits cannot be guessed.
    """
    return hmac.digest(pepper, key.write().encode(), hashlib.sha256)


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(6):
        number, digit = divmod(number, 36)
        digits.append(_ALPHABET[digit])
    return "".join(digits)
