"""Kenyan phone numbers: every spelling in, one form inside, masked wherever people look.

The rule is Daraja's (2547… or 2541…, 12 digits; daraja.md 1.2), not the numbering plan's: numbers
are ported between networks, so a list of prefixes would be wrong both ways. That is why no general
phone library stands here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from hakika.domain.errors import Invalid

_SEPARATORS = re.compile(r"[\s().-]+")
_SPELLINGS = re.compile(r"(?:\+?254|0)?([17][0-9]{8})", re.ASCII)
_TEXT_MAX = 24
_MASKED = re.compile(r"(?P<head>\+?[0-9]{3,5})[\s*•x.]*(?P<tail>[0-9]{2,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Msisdn:
    """A phone number as Daraja wants it: `digits` is 254 and nine more. Its repr is masked."""

    digits: str

    @property
    def masked(self) -> str:
        """The number as people may see it: 2547••••4149."""
        return f"{self.digits[:4]}••••{self.digits[-4:]}"

    @property
    def sha256(self) -> str:
        """The number as version 1 of C2B tells it. There are so few numbers that it hides none."""
        return hashlib.sha256(self.digits.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Msisdn({self.masked})"

    def __str__(self) -> str:
        return self.masked


def parse(value: object, *, field: str = "phone") -> Msisdn:
    """Return the number in `value`: 07…, 01…, 7…, 1…, 254… or +254…, spaces and dashes allowed.

    Raises:
        Invalid: not a Kenyan mobile number. The text is not repeated: it may be somebody's number.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        value = str(value)
    if isinstance(value, str) and len(value) <= _TEXT_MAX:
        match = _SPELLINGS.fullmatch(_SEPARATORS.sub("", value))
        if match:
            return Msisdn("254" + match.group(1))
    raise Invalid(
        "This is not a Kenyan mobile number. Write it like 0712345678 or 254712345678.",
        field=field, code="phone_invalid",
    )


@dataclass(frozen=True, slots=True)
class Mask:
    """What can be seen of a masked number: how it begins and ends."""

    head: str
    tail: str

    def fits(self, payer: Msisdn) -> bool:
        """Say whether `payer` may be the one behind it."""
        return payer.digits.startswith(self.head) and payer.digits.endswith(self.tail)


def read_mask(masked: str) -> Mask | None:
    """Return what can be seen of a number in "2547 ***** 126" or "25470****149", or None."""
    match = _MASKED.fullmatch(masked.strip())
    return None if match is None else Mask(match["head"].lstrip("+"), match["tail"])
