"""Kenyan phone numbers: every spelling in, one form inside, masked wherever people look.

The rule is Daraja's (2547… or 2541…, 12 digits; daraja.md 1.2), not the numbering plan's: numbers
are ported between networks, so a list of prefixes would be wrong both ways. That is why no general
phone library stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hakika.domain.errors import Invalid

_SEPARATORS = re.compile(r"[\s().-]+")
_SPELLINGS = re.compile(r"(?:\+?254|0)?([17][0-9]{8})", re.ASCII)
_TEXT_MAX = 24


@dataclass(frozen=True, slots=True)
class Msisdn:
    """A phone number as Daraja wants it: `digits` is 254 and nine more. Its repr is masked."""

    digits: str

    @property
    def masked(self) -> str:
        """The number as people may see it: 2547••••4149."""
        return f"{self.digits[:4]}••••{self.digits[-4:]}"

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
