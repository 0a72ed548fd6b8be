"""What a cell means: money, a time, a receipt, a claim. Tolerant of spellings, never of doubt.

Excel changes what it opens: receipts become numbers, days and months change places, times lose
their day. What can be read in one way only is read; all else is refused, with what to do about it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from hakika.domain.errors import Invalid, StatementLineWrong
from hakika.domain.money import Money, parse
from hakika.domain.times import NAIROBI
from hakika.sheets.rows import Cell

UNOPENED = "Excel changed the file when it was saved. Download it again and send it unopened."

# M-Pesa's receipts: year and month as letters first, so a number is one that Excel has read.
_RECEIPT = re.compile(r"[A-Z]{2}[A-Z0-9]{8}", re.ASCII)
_MANGLED = re.compile(r"[0-9]+([.,][0-9]+)?(E[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)

_CLOCK = r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AP]M))?)?"
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _CLOCK, re.ASCII | re.IGNORECASE)
_DAY_FIRST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})" + _CLOCK, re.ASCII | re.IGNORECASE)

# Excel counts days from here, and 1 January 2000 is 36526.
_EXCEL_DAY_ZERO = datetime(1899, 12, 30, tzinfo=NAIROBI)
_EXCEL_DAYS = range(36_526, 73_051)

# Beyond lies what a typist or Excel makes up, and what Python cannot add a day to.
_YEARS = range(1900, 2200)

# An amount as people write it: thousands by commas, apostrophes or spaces, or the other way round.
_PLAIN = re.compile(r"(-?)(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.(\d\d))?", re.ASCII)
_EUROPEAN = re.compile(r"-?(\d{1,3}(\.\d{3})+|\d+),\d{1,2}", re.ASCII)
_CURRENCY = re.compile(r"^(kes|kshs?|sh)\.?\s*|\s*(kes|kshs?)$", re.IGNORECASE)
_SPACES = re.compile(r"[\s'’]")
_CENTS_MAX = 10**14  # Excel keeps 15 digits
_AMOUNT_MAX = len("-999,999,999,999.99")


def text(cell: Cell) -> str:
    """Return what a person would read in the cell, on one line. Whole numbers have no point."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, str):
        return cell if cell.isalnum() else " ".join(cell.replace("\0", " ").split())
    return str(cell)


def is_receipt(cell: Cell) -> bool:
    """Whether this could be one of M-Pesa's receipts. So could "DISCLAIMER"."""
    return isinstance(cell, str) and _RECEIPT.fullmatch(cell.strip().upper()) is not None


def receipt(cell: Cell, *, line: int) -> str:
    """Return a receipt in capitals.

    Raises:
        StatementLineWrong: not a receipt; or a number, which is what Excel makes of one.
    """
    said = text(cell).upper()
    if _RECEIPT.fullmatch(said):
        return said
    if _MANGLED.fullmatch(said):
        raise StatementLineWrong(
            f"{said} stands where the receipt should be: Excel turned it into a number.",
            hint=UNOPENED, line=line,
        )
    raise StatementLineWrong("there is no M-Pesa receipt in its column.", line=line)


def money(cell: Cell, *, line: int | None, name: str) -> Money | None:
    """Return the amount, or None for an empty cell. A minus or brackets make it negative.

    Raises:
        StatementLineWrong: not an amount of shillings and cents.
    """
    if cell is None or cell == "":
        return None
    if isinstance(cell, str):
        found = _money_of_text(cell)
    elif isinstance(cell, bool) or not isinstance(cell, int | float):
        found = None
    else:
        found = _money_of_number(cell)
    if found is None:
        if not text(cell).strip("-\u2013\u2014"):
            return None  # a dash says: nothing
        raise StatementLineWrong(f"what stands under {name} is not an amount.", line=line)
    return found


@lru_cache(maxsize=4096)
def _money_of_text(said: str) -> Money | None:
    if len(said) <= _AMOUNT_MAX and (usual := _PLAIN.fullmatch(said)):
        cents = int(usual[2].replace(",", "")) * 100 + int(usual[3] or 0)
        return Money(-cents if usual[1] else cents)
    bare = _SPACES.sub("", _CURRENCY.sub("", said.strip())).replace("\u2212", "-")
    if bare.startswith("(") and bare.endswith(")"):
        bare = "-" + bare[1:-1]
    elif bare.endswith("-"):
        bare = "-" + bare[:-1]
    if _EUROPEAN.fullmatch(bare):
        bare = bare.replace(".", "").replace(",", ".")
    elif _PLAIN.fullmatch(bare):
        bare = bare.replace(",", "")
    if bare in {"", "-"}:
        return None
    try:
        found = parse(bare)
    except Invalid:
        return None
    return found if abs(found.cents) <= _CENTS_MAX else None


def _money_of_number(said: float) -> Money | None:
    try:
        # A sum worked out by Excel carries binary dust far behind the cents.
        cents = (Decimal(str(said)) * 100).quantize(Decimal("0.0001"))
    except InvalidOperation:
        return None  # not finite, or beyond any amount
    if cents != cents.to_integral_value() or abs(cents) > _CENTS_MAX:
        return None
    return Money(int(cents))


def moment(cell: Cell, *, line: int | None, name: str) -> datetime | None:
    """Return the time in UTC, or None for an empty cell. Written in Nairobi's time, day first.

    Raises:
        StatementLineWrong: not a day with a year, no such day, or only a clock.
    """
    if cell is None or cell == "":
        return None
    found: datetime | None = None
    if isinstance(cell, str):
        if not cell.strip():
            return None
        found = _moment_of_text(" ".join(cell.split()))
    elif isinstance(cell, datetime):
        found = cell
    elif isinstance(cell, date):
        found = datetime.combine(cell, time())
    elif isinstance(cell, int | float) and _EXCEL_DAYS[0] <= cell <= _EXCEL_DAYS[-1]:
        found = _EXCEL_DAY_ZERO + timedelta(days=cell)
    if found is None or found.year not in _YEARS:
        raise StatementLineWrong(
            f"what stands under {name} is not a date such as 21-11-2026 10:15:00.",
            hint=f"{UNOPENED} Dates are day-month-year or year-month-day.", line=line,
        )
    if found.microsecond:
        found = _to_the_second(found)
    return found.replace(tzinfo=NAIROBI).astimezone(UTC)


@lru_cache(maxsize=4096)
def _moment_of_text(said: str) -> datetime | None:
    if parts := _YEAR_FIRST.fullmatch(said):
        year, month, day = parts[1], parts[2], parts[3]
    elif parts := _DAY_FIRST.fullmatch(said):
        day, month, year = parts[1], parts[2], parts[3]
    else:
        return None
    hour, half = int(parts[4] or 0), (parts[7] or "").upper()
    if half:
        if hour not in range(1, 13):
            return None
        hour = hour % 12 + (12 if half == "PM" else 0)
    try:
        return datetime(  # noqa: DTZ001 - the caller says that it is Nairobi's
            int(year), int(month), int(day), hour, int(parts[5] or 0), int(parts[6] or 0),
        )
    except ValueError:
        return None


def period(cell: Cell) -> tuple[datetime, datetime] | None:
    """Return the two times in a text such as "From 01-11-2026 to 30-11-2026 23:59:59", in UTC.

    An end without a clock is the end of its day.
    """
    said = [parts[0] for parts in _A_TIME.finditer(text(cell))]
    if len(said) != len(("from", "to")):
        return None
    start, end = (moment(each, line=None, name="Time Period") for each in said)
    assert start is not None, "the pattern found a time"
    assert end is not None, "the pattern found a time"
    if ":" not in said[1]:
        end += timedelta(days=1, seconds=-1)
    return start, end


_A_TIME = re.compile(rf"(?:{_YEAR_FIRST.pattern})|(?:{_DAY_FIRST.pattern})", re.IGNORECASE)


def _to_the_second(when: datetime) -> datetime:
    """Excel keeps a day as a fraction, so a second comes back as 0.999999 of one."""
    return (when + timedelta(milliseconds=500)).replace(microsecond=0)


def claim(cell: Cell) -> bool | None:
    """Return what "true", "Yes" or a tick box says, or None."""
    said = text(cell).casefold()
    if said in {"true", "yes", "y", "1"}:
        return True
    if said in {"false", "no", "n", "0"}:
        return False
    return None
