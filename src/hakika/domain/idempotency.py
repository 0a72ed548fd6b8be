"""The promise that the same key and body never do a thing twice."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hakika.domain.errors import IdempotencyKeyMissing, IdempotencyKeyReused, Invalid
from hakika.domain.ids import PaymentId

KEY_CHARACTERS_MAX = 255
_RENEWED = re.compile(r" again after pay_[0-9a-z]{26}\Z", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key as it stands in the store: who holds it, with which body, and the answer once given."""

    fingerprint: bytes
    payment_id: PaymentId
    created_at: datetime
    answer: Mapping[str, Any] | None = None    # the payment as it was first answered


def read_key(header: str | None) -> str:
    """Return the caller's key.

    Raises:
        IdempotencyKeyMissing: none was sent. Add one; a request that moves money needs it.
        Invalid: longer than 255 characters, or not printable ASCII.
    """
    if not header:
        raise IdempotencyKeyMissing("This request moves money: it needs an Idempotency-Key.")
    if len(header) > KEY_CHARACTERS_MAX or not _KEY.fullmatch(header):
        raise Invalid(
            f"An idempotency key is 1 to {KEY_CHARACTERS_MAX} printable ASCII characters.",
            field="Idempotency-Key", code="idempotency_key_invalid",
        )
    return header


def fingerprint(body: Mapping[str, Any], *, key: bytes) -> bytes:
    """Return 32 bytes that are equal for equal requests, in whatever order their fields stand.

    Under a key: all phone numbers there are can be tried on a plain hash in a minute.
    """
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return hmac.digest(key, canonical.encode(), hashlib.sha256)


def renewed(key: str, claim: Claim) -> str:
    """Return what a key is kept as when it is used again, its first use being over.

    The first use stays as it is: no two payments ever have one key.
    """
    return f"{_RENEWED.sub('', key)} again after {claim.payment_id}"


def check_same(claim: Claim, *, fingerprint: bytes) -> None:
    """Raise IdempotencyKeyReused when the key was claimed for another body."""
    if claim.fingerprint != fingerprint:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used before with another body; nothing was done now.",
        )
