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
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Any

from hakika.domain.errors import (
    AddressNotAllowed,
    Forbidden,
    Invalid,
    KeyExpired,
    KeyRevoked,
    Unauthenticated,
)
from hakika.domain.ids import KeyId, MerchantId, SellerId
from hakika.domain.times import written

# What a secret scanner should look for (docs/security.md).
KEY_PATTERN = r"hk_(?:test|live)_[0-9a-z]{8}[0-9a-z]{32}[0-9a-z]{6}"

NETWORKS_MAX = 50

# Svix allows a week of grace too (faults.md B4): long enough for a release, short for a leak.
OVERLAP_SECONDS_MAX = 7 * 24 * 3600
OVERLAP_SECONDS = 24 * 3600

_KEY = re.compile(r"hk_(test|live)_([0-9a-z]{8})([0-9a-z]{32})([0-9a-z]{6})", re.ASCII)
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


class Scope(StrEnum):
    """What a key may do: resource and verb."""

    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    REFUNDS_READ = "refunds:read"
    REFUNDS_WRITE = "refunds:write"
    PAYOUTS_READ = "payouts:read"
    PAYOUTS_WRITE = "payouts:write"
    PAYOUTS_APPROVE = "payouts:approve"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    MERCHANT_READ = "merchant:read"
    MERCHANT_WRITE = "merchant:write"
    REPORTS_READ = "reports:read"
    REPORTS_WRITE = "reports:write"
    AUDIT_READ = "audit:read"


@dataclass(frozen=True, slots=True)
class Merchant:
    """A business that collects."""

    id: MerchantId
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose books: those of a merchant in one mode."""

    merchant_id: MerchantId
    livemode: bool


@dataclass(frozen=True, slots=True)
class CollectionsStop:
    """Why no new live payments of a merchant are taken, and since when (UTC)."""

    reason: str                   # may be empty
    stopped_at: datetime
    by_operator: bool             # for everybody; else at the merchant's own switch


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
    networks: tuple[str, ...] = ()            # where it may be used from; empty: anywhere
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaced_by: KeyId | None = None          # the key that was made to take its place
    last_used_at: datetime | None = None      # to the minute
    seller_id: SellerId | None = None         # it is a seller's: it sees what is theirs alone

    @property
    def owner(self) -> Owner:
        """Whose books it sees."""
        return Owner(self.merchant_id, self.livemode)

    def require_platform(self) -> None:
        """Raise Forbidden for a seller's key: this is its platform's."""
        if self.seller_id is not None:
            raise Forbidden(
                "This key is a seller's, and this is its platform's alone.",
                hint="Ask whoever gave you the key; docs/platform.md lists what a seller may do.",
            )

    def check_alive(self, *, now: datetime) -> None:
        """Raise KeyRevoked or KeyExpired unless this key may still be used at `now` (UTC)."""
        if self.revoked_at is not None:
            raise KeyRevoked("This API key was revoked.")
        if self.expires_at is not None and now >= self.expires_at:
            raise KeyExpired("This API key has expired.")

    def check_address(self, address: str) -> None:
        """Raise AddressNotAllowed unless this key may be used from `address`."""
        if self.networks and not _is_in(address, self.networks):
            raise AddressNotAllowed("This API key may not be used from this address.")

    def check_making(self, other: ApiKey) -> ApiKey:
        """Return `other` as this key may make it: bound to the same networks and end, unless said.

        Raises:
            Forbidden: it could do more than this key, from elsewhere, or for longer. A key that was
                stolen must not make itself a better one.
        """
        more = sorted(other.scopes - self.scopes)
        if more:
            raise Forbidden(
                "A key cannot make a key that may do more than itself.",
                hint=f"Leave out the scopes that the making key lacks: {', '.join(more)}",
            )
        if self.networks and not all(_is_within(each, self.networks) for each in other.networks):
            raise Forbidden(
                "A key cannot make a key that is good from elsewhere than itself.",
                hint=f"Leave allowed_networks out, or stay within {', '.join(self.networks)}.",
            )
        return replace(
            other, networks=other.networks or self.networks,
            expires_at=min(filter(None, (self.expires_at, other.expires_at)), default=None),
        )

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless this key has `scope`."""
        if scope not in self.scopes:
            raise Forbidden(
                f"This key lacks the scope {scope}.",
                hint=f"Create a key with it: hakika keys create --scope {scope}",
            )


def key_data(key: ApiKey) -> dict[str, Any]:
    """Return `key` as its merchant reads it."""
    return {
        "id": key.id, "handle": key.handle, "merchant_id": key.merchant_id,
        "seller_id": key.seller_id, "livemode": key.livemode, "scopes": sorted(key.scopes),
        "label": key.label,
        "allowed_networks": list(key.networks), "created_at": written(key.created_at),
        "expires_at": written(key.expires_at) if key.expires_at else None,
        "revoked_at": written(key.revoked_at) if key.revoked_at else None,
        "replaced_by": key.replaced_by,
        "last_used_at": written(key.last_used_at) if key.last_used_at else None,
    }


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


def read_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Return addresses and networks in their plainest form, such as 196.201.214.0/24.

    Raises:
        Invalid: one of them is neither, or there are more than 50.
    """
    networks = []
    for text in texts:
        try:
            networks.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            raise Invalid(
                f"{text[:50]!r} is no address and no network.", field="allowed_networks",
                code="network_invalid", hint="Write them like 203.0.113.7 or 203.0.113.0/24.",
            ) from None
    if len(networks) > NETWORKS_MAX:
        raise Invalid(
            f"A key may have {NETWORKS_MAX} networks.", field="allowed_networks",
            code="network_invalid",
        )
    return tuple(networks)


def check_overlap(seconds: int) -> timedelta:
    """Return for how long an old key or secret stays good beside its successor. Raises: Invalid."""
    if not 0 <= seconds <= OVERLAP_SECONDS_MAX:
        raise Invalid(
            f"The overlap is 0 to {OVERLAP_SECONDS_MAX} seconds (7 days).",
            field="overlap_seconds", code="overlap_invalid",
        )
    return timedelta(seconds=seconds)


def _is_in(address: str, networks: Iterable[str]) -> bool:
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    return any(peer in ip_network(network) for network in networks)


def _is_within(network: str, networks: Iterable[str]) -> bool:
    inner = ip_network(network)
    return any(
        outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]
        for outer in map(ip_network, networks)
    )


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(6):
        number, digit = divmod(number, 36)
        digits.append(_ALPHABET[digit])
    return "".join(digits)
