"""Rows for people and programs: CSV, XLSX or JSON Lines, a million of them in flat memory.

`exporting` is the door. A column has a kind:

    kind      CSV                         XLSX                        JSON Lines
    TEXT      never a formula: `harmless` a text cell                 a string
    MONEY     shillings: 1500.00          a number with two decimals  a string: "1500.00"
    TIME      ISO 8601 in Nairobi's time, with its offset, in all three
    INTEGER   digits                      a number                    a number

CSV begins with a mark that makes Excel read it as UTF-8.
"""

from __future__ import annotations

import csv
import io
import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Protocol

import orjson
import xlsxwriter

from hakika.domain.money import CENTS_PER_SHILLING, Money
from hakika.domain.times import NAIROBI

Value = str | Money | datetime | int | None


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    XLSX = "xlsx"
    JSON_LINES = "jsonl"


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    MONEY = "money"
    TIME = "time"
    INTEGER = "integer"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name as people read it and programs find it, and what it holds."""

    name: str
    kind: Kind = Kind.TEXT


class Export(Protocol):
    """An export that is being written."""

    @abstractmethod
    def write(self, row: Sequence[Value]) -> None:
        """Write one row: a value of its kind, or None, for each column."""


@contextmanager
def exporting(file: BinaryIO, form: Format, columns: Sequence[Column]) -> Iterator[Export]:
    """Give an export of `columns` into `file`; the file is whole when the block has ended.

    XLSX keeps its rows in the system's folder for temporary files until then, and needs a file
    that can seek. The others go out as they are written.
    """
    match form:
        case Format.CSV:
            yield _Csv(file, columns)
        case Format.JSON_LINES:
            yield _JsonLines(file, columns)
        case Format.XLSX:
            with xlsxwriter.Workbook(file, _XLSX_OPTIONS) as book:
                yield _Xlsx(book, columns)


# A spreadsheet runs a cell that begins with one of these, some also after spaces (OWASP, "CSV
# Injection", read 2026-11-21). The last four are the same signs in full width.
_AROUND = " \"\xa0\ufeff\x00"
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


# Where Excel's list separator is another than ours, what stands behind it begins a cell of its own,
# and our quotation marks do not hold it together.
_RUNS_BEHIND = re.compile(r"""([;|\t\r\n]["\s]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")


def harmless(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula: with a ' before, if need be."""
    text = _RUNS_BEHIND.sub(r"\1'", text)
    if text.startswith(_RUNS) or text.lstrip(_AROUND).startswith(_RUNS):
        return "'" + text
    return text


class _Csv:
    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._width = len(columns)
        self._line = io.StringIO(newline="")
        self._writer = csv.writer(self._line)
        self._file.write(b"\xef\xbb\xbf")
        self._put([harmless(column.name) for column in columns])

    def write(self, row: Sequence[Value]) -> None:
        assert len(row) == self._width, "a row has a value for each column"
        # By the value, not by the column's kind: a text is somebody's wherever it stands.
        self._put([
            harmless(value) if isinstance(value, str) else _as_text(value) for value in row
        ])

    def _put(self, cells: Sequence[str]) -> None:
        self._writer.writerow(cells)
        self._file.write(self._line.getvalue().encode())
        self._line.seek(0)
        self._line.truncate()


class _JsonLines:
    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._names = [column.name for column in columns]

    def write(self, row: Sequence[Value]) -> None:
        cells = {
            name: value if value is None or isinstance(value, int) else _as_text(value)
            for name, value in zip(self._names, row, strict=True)
        }
        self._file.write(orjson.dumps(cells, option=orjson.OPT_APPEND_NEWLINE))


# Rows leave the memory as soon as they are written. Texts are never taken for anything else.
_XLSX_OPTIONS = {
    "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
    "strings_to_numbers": False,
}
_XLSX_ROWS_MAX = 1_048_576     # Excel's own limits
_XLSX_TEXT_MAX = 32_767
_XLSX_WIDTHS = {Kind.TEXT: 20, Kind.MONEY: 14, Kind.TIME: 26, Kind.INTEGER: 10}  # characters
_XLSX_INTEGER_MAX = 10**15     # more digits than Excel keeps: written as a text


class _Xlsx:
    def __init__(self, book: xlsxwriter.Workbook, columns: Sequence[Column]) -> None:
        self._book, self._columns = book, columns
        self._bold = book.add_format({"bold": True})
        self._shillings = book.add_format({"num_format": "#,##0.00"})
        self._begin_sheet()

    def write(self, row: Sequence[Value]) -> None:
        if self._row == _XLSX_ROWS_MAX:
            self._begin_sheet()
        assert len(row) == len(self._columns), "a row has a value for each column"
        for at, value in enumerate(row):
            match value:
                case None:
                    pass
                case Money():
                    shillings = value.cents / CENTS_PER_SHILLING  # Excel knows no other number
                    self._sheet.write_number(self._row, at, shillings, self._shillings)
                case int() if abs(value) < _XLSX_INTEGER_MAX:
                    self._sheet.write_number(self._row, at, value)
                case _:
                    self._sheet.write_string(self._row, at, _fitting(_as_text(value)))
        self._row += 1

    def _begin_sheet(self) -> None:
        """Begin a sheet with the names on top: the first one, or one more when Excel's is full."""
        self._sheet, self._row = self._book.add_worksheet(), 1
        self._sheet.freeze_panes(1, 0)
        for at, column in enumerate(self._columns):
            self._sheet.set_column(at, at, _XLSX_WIDTHS[column.kind])
            self._sheet.write_string(0, at, column.name, self._bold)


def _fitting(text: str) -> str:
    return text if len(text) <= _XLSX_TEXT_MAX else text[:_XLSX_TEXT_MAX - 1] + "…"


def _as_text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        assert value.tzinfo is not None, "a time without a zone would be written as anybody's"
        return value.astimezone(NAIROBI).isoformat()
    return str(value)
