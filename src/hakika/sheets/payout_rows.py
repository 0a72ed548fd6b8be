"""Rows of a file of payouts: CSV or XLSX, told by its content. `read_rows` is the door.

What a workbook would work out is not read at all: a formula's value is what somebody's computer
made of it. It works the processor for seconds: a service calls it beside the event loop.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

import python_calamine as calamine

from hakika.domain.errors import StatementTooLarge, StatementUnreadable
from hakika.domain.file_errors import PayoutFileForeign, PayoutFileTooLarge, PayoutFileUnreadable
from hakika.domain.payout_file import BEYOND, COLUMNS, FORMULA, PAYEES, ROWS_MAX, Cell
from hakika.sheets import csv_rows, xlsx_rows
from hakika.sheets.columns import plain

# Rows above the names, and empty ones, do no harm.
_LINES_MAX = ROWS_MAX + 1_000
_BEGINNING_MAX = 1 << 16
_CHUNK, _TAG_MAX = 1 << 20, 400

_COLUMN_OF = {spelling: name for name, spellings in COLUMNS.items() for spelling in spellings}

# A cell whose first child is a formula, and where it stands.
_FORMULA = re.compile(
    rb"""<c\b[^>]{0,300}?\br\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["'][^>]{0,300}>\s{0,9}<f[\s>/]""",
)
_FIRST_SHEET = re.compile(rb"""<sheet\b[^>]*?\b\w+:id\s*=\s*["']([^"']+)["']""")
_RELATION = rb"""<Relationship\b(?=[^>]*?\bId\s*=\s*["']%s["'])[^>]*?\bTarget\s*=\s*["']([^"']+)"""

Rows = list[tuple[int, Mapping[str, Cell]]]


class FileKind(StrEnum):
    """What a file of payouts can come as."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class PayoutRows:
    """The rows of a file, with the number of each as a person counts."""

    kind: FileKind
    sha256: str
    rows: Rows


def read_rows(file: bytes) -> PayoutRows:
    """Return the rows of a file, unchecked but for its columns.

    Raises:
        PayoutFileUnreadable: or one of its kinds; tell the person what it says.
    """
    opened = io.BytesIO(file)
    kind = FileKind.XLSX if file.startswith(b"PK\x03\x04") else FileKind.CSV
    try:
        found = _xlsx(opened) if kind is FileKind.XLSX else _csv(opened)
        rows = _named(found)
    except StatementTooLarge:
        raise PayoutFileTooLarge(
            f"The file has more than {ROWS_MAX:,} rows, or unpacks to far more than they take.",
        ) from None
    except StatementUnreadable as error:
        raise PayoutFileUnreadable(error.message) from None
    if not rows:
        raise PayoutFileUnreadable("The file has no row under the names of its columns.")
    return PayoutRows(kind, hashlib.sha256(file).hexdigest(), rows)


def _named(lines: Iterable[tuple[int, Sequence[Cell]]]) -> Rows:
    """Return the rows under the names of the columns, by those names; empty ones are left out."""
    rows: Rows = []
    names: list[str] = []
    for number, cells in lines:
        if not any(cell not in {None, ""} for cell in cells):
            continue
        if not names:
            names = _names(cells)
            continue
        if len(rows) == ROWS_MAX:
            raise PayoutFileTooLarge(f"The file has more than {ROWS_MAX:,} rows.")
        row: dict[str, Cell] = {}
        for at, cell in enumerate(cells):
            if cell not in {None, ""}:
                row[(names[at] if at < len(names) else "") or BEYOND] = cell
        rows.append((number, row))
    return rows


def _names(cells: Sequence[Cell]) -> list[str]:
    """Return which column each cell of the first row names; empty: none.

    Raises:
        PayoutFileForeign: a name that is not known, or is there twice, or one that is missing.
    """
    said = ["" if cell is None else str(cell) for cell in cells]
    names = [_COLUMN_OF.get(plain(each), "") for each in said]
    unknown = [each.strip()[:40] for each, name in zip(said, names, strict=True)
               if each.strip() and not name]
    if unknown:
        raise PayoutFileForeign(f"Nobody knows the columns: {', '.join(unknown[:10])}.")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise PayoutFileForeign(f"These columns are there twice: {', '.join(twice)}.")
    if "amount" not in names or not any(name in names for name in PAYEES):
        raise PayoutFileForeign("The file lacks the column amount, or one that says who is paid.")
    return names


def _csv(file: BinaryIO) -> Iterator[tuple[int, Sequence[Cell]]]:
    encoding = csv_rows.encoding_of(file)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    beginning = text.read(_BEGINNING_MAX)
    first = next((line for line in beginning.splitlines() if line.strip()), "")
    separator = max(csv_rows.SEPARATORS, key=first.count)
    text.seek(0)
    reader = csv.reader(text, delimiter=separator, strict=True)
    number = 1
    try:
        for cells in reader:
            yield number, [cell.strip() for cell in cells]
            number = reader.line_num + 1
    except csv.Error as error:
        raise PayoutFileUnreadable(
            f"Row {number}: the file is cut, or a quotation mark is missing.",
        ) from error


def _xlsx(file: BinaryIO) -> Iterator[tuple[int, Sequence[Cell]]]:
    xlsx_rows.measure(file, lines_max=_LINES_MAX)
    formulas = _formulas(file)
    file.seek(0)
    try:
        with calamine.load_workbook(file) as book:
            sheet = book.get_sheet_by_index(0)
            for row, cells in enumerate(sheet.to_python(skip_empty_area=False), start=1):
                yield row, [
                    FORMULA if (row, at) in formulas else _plain(cell)
                    for at, cell in enumerate(cells, start=1)
                ]
    except calamine.CalamineError as error:
        raise PayoutFileUnreadable("The workbook is broken.") from error


def _plain(cell: object) -> Cell:
    if cell is None or cell == "":
        return None
    if isinstance(cell, str | int | float) and not isinstance(cell, bool):
        return cell
    return str(cell)


def _formulas(file: BinaryIO) -> set[tuple[int, int]]:
    """Return row and column of every formula in the first sheet; what reads values hides them."""
    found: set[tuple[int, int]] = set()
    with zipfile.ZipFile(file) as archive, archive.open(_first_sheet(archive)) as part:
        tail = b""
        while chunk := part.read(_CHUNK):
            xml = tail + chunk
            for letters, number in _FORMULA.findall(xml):
                found.add((int(number), xlsx_rows.column_number(letters)))
            tail = xml[-_TAG_MAX:]
    return found


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """Return the part in which the first sheet is. Raises: PayoutFileUnreadable."""
    names = set(archive.namelist())
    relations = "xl/_rels/workbook.xml.rels"
    first = _FIRST_SHEET.search(archive.read("xl/workbook.xml"))
    if first and relations in names:
        target = re.search(_RELATION % re.escape(first[1]), archive.read(relations))
        if target:
            path = target[1].decode(errors="replace")
            path = path.lstrip("/") if path.startswith("/") else f"xl/{path}"
            if path in names:
                return path
    raise PayoutFileUnreadable("The workbook does not say which sheet is its first.")
