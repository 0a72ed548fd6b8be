"""What M-Pesa takes of an order's own words: a reference of 12 characters, a description of 13.

A longer reference is never cut, because two orders would then look alike (T13). It is kept whole on
our side, and M-Pesa is given another one that stands for it, and for no other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from textwrap import shorten
from typing import Any

from hakika.domain.payment import folded

CHARACTERS_MAX = 12
DESCRIPTION_CHARACTERS_MAX = 13

# Other characters have made pushes vanish without a word (daraja.md 5.1).
SAFE = re.compile(r"[A-Za-z0-9 .-]*", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9 .-]+", re.ASCII)

PREFIX = "HK"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGITS = CHARACTERS_MAX - len(PREFIX)
BITS = 5 * _DIGITS  # as many orders as there may be, hardly two of them ever share one

# Where a payment's metadata has the words that M-Pesa could not be given.
_REFERENCE, _DESCRIPTION = "order.reference", "order.description"


def made_of(bits: int) -> str:
    """Return an account reference that M-Pesa takes, made of BITS bits."""
    digits = [_ALPHABET[(bits >> (5 * place)) & 31] for place in range(_DIGITS)]
    return PREFIX + "".join(digits)


def sent_as(reference: str) -> str:
    """Return what M-Pesa is given for an order's reference: itself, or what stands for it alone.

    The same reference is always sent as the same, so that it can be found by either.
    """
    fits = len(reference) <= CHARACTERS_MAX and SAFE.fullmatch(reference)
    if fits and reference.strip():
        return reference
    digest = hashlib.sha256(folded(reference).encode()).digest()
    return made_of(int.from_bytes(digest, "big") % (1 << BITS))


def shown_as(description: str) -> str:
    """Return what of a description M-Pesa takes: its first words. It tells no orders apart."""
    if len(description) <= DESCRIPTION_CHARACTERS_MAX and SAFE.fullmatch(description):
        return description
    words = _UNSAFE.sub(" ", description).strip()
    most = DESCRIPTION_CHARACTERS_MAX
    return shorten(words, most, placeholder="") or words[:most]


def kept_whole(*, description: str, reference: str = "") -> dict[str, str]:
    """Return the metadata that keeps whole what M-Pesa is not given so."""
    own = {}
    if reference and sent_as(reference) != reference:
        own[_REFERENCE] = reference
    if shown_as(description) != description:
        own[_DESCRIPTION] = description
    return own


def own_reference(data: Mapping[str, Any]) -> str:
    """Return the reference as the caller wrote it, from a payment's data."""
    found: str = data["metadata"].get(_REFERENCE, data["reference"])
    return found


def own_description(data: Mapping[str, Any]) -> str:
    """Return the description as the caller wrote it, from a payment's data."""
    found: str = data["metadata"].get(_DESCRIPTION, data["description"])
    return found
