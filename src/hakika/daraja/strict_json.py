"""Reading JSON that strangers send: everything ambiguous is refused, everything harmless accepted.

Keys come back folded (lower case, no spaces), because Safaricom's own spelling wavers
(daraja.md 7.6) and because two keys that differ by case alone would otherwise be a way to say two
things at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NoReturn

BYTES_MAX = 64 * 1024
DEPTH_MAX = 20     # the deepest documented body has 6 levels
TEXT_MAX = 1024    # ResultDesc's documented maximum
_NUMBER_TEXT_MAX = 40

# ids are opaque; a ResultCode has at most 10 signs, a gateway's fault over 40.
_WORD = re.compile(r"[!-~]{1,64}", re.ASCII)

# A whole string, or one bracket. The closing quote may be missing, and nothing is given back, so
# that a body of quotes and backslashes is still read in one pass.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)


class Unreadable(ValueError):
    """The body is not what was promised. Its text is not repeated: it may hold a phone number."""


def read_json(raw: bytes) -> object:
    """Return the JSON value in `raw`; fractions as Decimal, keys folded.

    Raises:
        Unreadable: not UTF-8, not JSON, over 64 KB, nested deeper than 20, NaN or Infinity, the
            same key twice, or a number too long to be one. Keep the raw body; act on nothing.
    """
    if len(raw) > BYTES_MAX:
        raise Unreadable("the body is too long")
    try:
        text = raw.decode("utf-8-sig")
        _check_depth(text)
        value: object = json.loads(
            text,
            parse_float=_fraction,
            parse_int=_whole,
            parse_constant=_refuse_constant,
            object_pairs_hook=_folded,
        )
    except Unreadable:
        raise
    except ValueError:
        raise Unreadable("the body is not JSON in UTF-8") from None
    return value


def text_at(fields: Mapping[str, object], *names: str) -> str:
    """Return the first of these folded names as one printable line, "" when there is none.

    Numbers become text, because Safaricom sends codes as either; true, false and objects do not.
    """
    for name in names:
        value = fields.get(name)
        if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
            text = str(value)[:TEXT_MAX]
            if not text.isprintable():
                text = "".join(sign if sign.isprintable() else " " for sign in text)
            return text.strip()
    return ""


def word_at(fields: Mapping[str, object], *names: str) -> str:
    """Return the first of these as one printable word of at most 64 signs: an id, a code; or ""."""
    text = text_at(fields, *names)
    return text if _WORD.fullmatch(text) else ""


def object_at(value: object, *path: str) -> Mapping[str, object]:
    """Return the object found along `path` of folded names, or an empty one."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the parser meets it: it would run out of stack, not say so."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    depth = 0
    for token in _TOKEN.findall(text):
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
        if depth > DEPTH_MAX:
            raise Unreadable("the body is nested too deep")


def _folded(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = {"".join(key.split()).lower(): value for key, value in pairs}
    if len(fields) != len(pairs):
        raise Unreadable("the body says the same key twice")
    return fields


def _fraction(text: str) -> Decimal | str:
    """Return the number; one with an exponent stays a text, because it is never an amount."""
    if len(text) > _NUMBER_TEXT_MAX:
        raise Unreadable("the body has a number that is too long")
    return text if "e" in text.lower() else Decimal(text)


def _whole(text: str) -> int:
    if len(text) > _NUMBER_TEXT_MAX:
        raise Unreadable("the body has a number that is too long")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise Unreadable("the body has a number that is none")
