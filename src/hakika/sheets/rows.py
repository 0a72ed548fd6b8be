"""What every kind of file is read as: rows of cells, each with the place where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from hakika.domain.errors import StatementTooLarge

# It bounds what one file can make us hold: 250 MB for an XLSX of so many lines.
LINES_MAX = 200_000

Cell = str | int | float | bool | date | datetime | time | timedelta | None


class Row(NamedTuple):
    """One row of a file."""

    place: int               # the line of the file, as a person counts
    cells: Sequence[Cell]
    share: float             # how much of the file is read with it: 0 to 1


def too_long() -> StatementTooLarge:
    """Return the refusal of a file with more lines than are read."""
    return StatementTooLarge(f"The statement has more than {LINES_MAX:,} lines.")
