"""Rows of an XLSX workbook. What could make it grow is measured before it is opened.

A workbook is a ZIP of XML. `measure` unpacks each part once, without keeping it: that finds cut
files, bombs, and a cell so far out that the rectangle up to it would fill the memory.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Generator, Iterator
from typing import BinaryIO

import python_calamine as calamine

from hakika.domain.errors import (
    StatementEncrypted,
    StatementForeign,
    StatementTooLarge,
    StatementUnreadable,
)
from hakika.sheets import columns
from hakika.sheets.rows import LINES_MAX, Row, too_long

# A sheet of LINES_MAX lines is 100 MB of XML.
_UNPACKED_MAX = 300 << 20
# Excel's XML of a statement shrinks to a tenth or so. Small files may be all blank cells.
_GROWS_MAX = 60
_UNPACKED_FREE = 16 << 20
# A sheet is held as the rectangle up to its last cell. A statement has 13 columns.
_COLUMNS_MAX = 20
_PARTS_MAX = 1000
_CHUNK = 1 << 20
_LOCKED = 0x1  # of a ZIP part's flags

_ROWS_BEFORE_COLUMNS_MAX = 200
# The place of a cell, "B12", or of a row, "12".
_REFERENCE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]*)([0-9]+)["']""")
_DIGITS_MAX = 7
_TAG_MAX = 200  # a tag that matters is shorter, so this much of a chunk is looked at again


def rows(file: BinaryIO) -> Generator[Row, None, None]:
    """Yield the rows of the first sheet that has the columns. The place is Excel's row number.

    Raises:
        StatementUnreadable: cut or broken. StatementEncrypted: a locked ZIP.
        StatementTooLarge: unpacks to more than any statement. StatementForeign: no such sheet.
    """
    measure(file)
    file.seek(0)
    try:
        with calamine.load_workbook(file) as book:
            for meta in book.sheets_metadata:
                if meta.typ is calamine.SheetTypeEnum.WorkSheet:
                    sheet = book.get_sheet_by_name(meta.name)
                    if _has_columns(sheet):
                        yield from _rows_of(sheet)
                        return
    except calamine.CalamineError as error:
        raise StatementUnreadable("The workbook is broken.") from error
    raise StatementForeign("No sheet has a row with the names of a statement's columns.")


def _has_columns(sheet: calamine.CalamineSheet) -> bool:
    beginning = sheet.to_python(nrows=_ROWS_BEFORE_COLUMNS_MAX)
    return any(columns.found_in(cells) for cells in beginning)


def _rows_of(sheet: calamine.CalamineSheet) -> Iterator[Row]:
    first, height = (sheet.start or (0, 0))[0], max(1, sheet.height)
    # iter_rows begins at Excel's row 1, or at the first that has a cell: the count tells which.
    skipped = 0 if sheet.total_height == sheet.height else first
    for index, cells in enumerate(sheet.iter_rows()):
        yield Row(index + 1, cells, min(1.0, (index + 1) / (height + skipped)))


def measure(file: BinaryIO, *, lines_max: int = LINES_MAX) -> None:
    """Refuse a workbook that is none, or too large, before a byte of it is kept.

    Raises:
        StatementUnreadable, StatementEncrypted, StatementTooLarge, StatementForeign: as `rows`.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if len(parts) > _PARTS_MAX:
                raise StatementTooLarge(f"The workbook has more than {_PARTS_MAX} parts.")
            if any(part.flag_bits & _LOCKED for part in parts):
                raise StatementEncrypted(
                    "The ZIP is locked.", hint="Unpack it with its password and send the file.",
                )
            if not any(part.filename == "xl/workbook.xml" for part in parts):
                raise StatementForeign(
                    "The ZIP is no XLSX workbook.",
                    hint="Unpack it and send the statement that is inside.",
                )
            _refuse_bomb(parts)
            unpacked = 0
            for part in parts:
                unpacked += _measure_part(
                    archive, part, _UNPACKED_MAX - unpacked, lines_max=lines_max,
                )
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise StatementUnreadable("The workbook is cut or broken.") from error


def _refuse_bomb(parts: list[zipfile.ZipInfo]) -> None:
    """Raise StatementTooLarge by the sizes that a workbook states. A part with more is broken."""
    stated, packed = (sum(sizes) for sizes in zip(
        *((part.file_size, part.compress_size) for part in parts), strict=True,
    ))
    if stated > min(_UNPACKED_MAX, max(_UNPACKED_FREE, packed * _GROWS_MAX)):
        raise StatementTooLarge("The workbook unpacks to more than any statement.")


def _measure_part(
    archive: zipfile.ZipFile, part: zipfile.ZipInfo, left: int, *, lines_max: int,
) -> int:
    """Return how many bytes the part unpacks to; a part that lies about it fails its checksum."""
    extent = _Extent(lines_max) if part.filename.startswith("xl/worksheets/") else None
    unpacked, tail = 0, b""
    with archive.open(part) as opened:
        while chunk := opened.read(_CHUNK):
            unpacked += len(chunk)
            if unpacked > left:
                raise StatementTooLarge("The workbook unpacks to more than any statement.")
            xml = tail + chunk
            if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
                raise StatementUnreadable("The workbook holds what Excel never writes.")
            if extent is not None:
                extent.grow(xml)
            tail = chunk[-_TAG_MAX:]
    return unpacked


class _Extent:
    """How far out a sheet's cells are, and how many there may be."""

    def __init__(self, lines_max: int) -> None:
        self._lines_max = lines_max
        self._rows = self._columns = self._cells = 0

    def grow(self, xml: bytes) -> None:
        """Take the next piece of the sheet. Raises: StatementTooLarge."""
        found = _REFERENCE.findall(xml)
        for letters in {letters for letters, _ in found}:
            self._columns = max(self._columns, column_number(letters.upper()))
        for number in {number for _, number in found}:
            # A number only when it is a short one: endless digits would take Python its time.
            row = int(number) if len(number) <= _DIGITS_MAX else self._lines_max + 1
            self._rows = max(self._rows, row)
        self._cells += xml.count(b"c>")  # every cell with a value ends so
        if self._rows > self._lines_max:
            raise too_long()
        if max(self._cells // 2, self._rows * self._columns) > self._lines_max * _COLUMNS_MAX:
            raise StatementTooLarge("The sheet has far more cells than any statement.")


def column_number(letters: bytes) -> int:
    """Return 1 for A, 27 for AA, 0 for nothing."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
