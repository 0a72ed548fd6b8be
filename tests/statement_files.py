"""Statements of a day that is over, for tests that import them: each line is the same in any file.

The files themselves are made by `tests/sheets/samples.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.sheets.samples import COLUMNS, Rows

NAIROBI = ZoneInfo("Africa/Nairobi")
OPENING = 1_000


def yesterday() -> str:
    """Return the day of Nairobi that was over last: 2026-11-03."""
    return f"{datetime.now(NAIROBI) - timedelta(days=1):%Y-%m-%d}"


def paid(shortcode: str, day: str, number: int, **cells: str) -> tuple[str, ...]:
    """Return the line of one payment of 10 shillings; its number says when it came, and whose."""
    at = datetime.fromisoformat(f"{day} 08:00:00") + timedelta(seconds=4 * number)
    payer = f"25470****{number % 1000:03d} - JANE DOE"
    line = {
        "Receipt No.": receipt(shortcode, number), "Completion Time": f"{at:%d-%m-%Y %H:%M:%S}",
        "Initiation Time": f"{at:%d-%m-%Y %H:%M:%S}",
        "Details": f"Pay Bill from {payer} Acc. INV-{number}", "Transaction Status": "Completed",
        "Paid In": "10.00", "Withdrawn": "", "Balance": f"{OPENING + 10 * (number + 1)}.00",
        "Balance Confirmed": "true", "Reason Type": "Pay Utility", "Other Party Info": payer,
        "Linked Transaction ID": "", "A/C No.": f"INV-{number}",
    }
    return tuple((line | cells)[name] for name in COLUMNS)


def receipt(shortcode: str, number: int) -> str:
    """Return the receipt of one payment, which no other short code has."""
    return f"UK{int(shortcode) % 1000:03d}{number:05d}"


def reversed_(shortcode: str, day: str, number: int, *, line: int) -> tuple[str, ...]:
    """Return the line that takes payment `line` back, after `number` payments."""
    return paid(shortcode, day, number, **{
        "Receipt No.": receipt(shortcode, 90_000 + line), "Paid In": "", "Withdrawn": "-10.00",
        "Balance": f"{OPENING + 10 * (number - 1)}.00", "Reason Type": "Transaction Reversal",
        "Details": f"Reversal of {receipt(shortcode, line)}", "A/C No.": "",
        "Linked Transaction ID": receipt(shortcode, line),
    })


def statement(
    shortcode: str, day: str, lines: Iterable[tuple[str, ...]], *,
    account: str = "Utility Account",
) -> Rows:
    """Return the rows of a file: its head, which states no sums, and `lines`."""
    day_first = f"{datetime.fromisoformat(day):%d-%m-%Y}"
    return (
        ("Account Holder:", "DUKA MOJA LTD"), ("Short Code:", shortcode), ("Account:", account),
        ("Time Period:", f"From {day_first} 00:00:00 to {day_first} 23:59:59"), (),
        COLUMNS, *lines,
    )


def payments(shortcode: str, day: str, numbers: Iterable[int]) -> Rows:
    """Return the rows of a file of payments alone."""
    return statement(shortcode, day, [paid(shortcode, day, number) for number in numbers])
