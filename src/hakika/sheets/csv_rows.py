"""Rows of a CSV file: in whichever encoding and with whichever separator somebody saved it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Generator, Iterator
from typing import BinaryIO

from hakika.domain.errors import StatementForeign, StatementUnreadable
from hakika.sheets import columns
from hakika.sheets.cells import is_receipt
from hakika.sheets.rows import Row

SEPARATORS = ",;\t|"
_CHUNK = 1 << 20
_BEGINNING = 1 << 16  # the names of the columns stand within the first 64 KiB
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def rows(file: BinaryIO, size: int) -> Generator[Row, None, None]:
    """Yield the rows of a CSV file of `size` bytes, streaming. The place is the line of the text.

    Raises:
        StatementForeign: no line has the names of the columns; it may be no text at all.
        StatementUnreadable: the text ends within quotes.
    """
    encoding = encoding_of(file)
    separator, width = _separator(file, encoding)
    file.seek(0)
    wrapped = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        lines = _Lines(wrapped)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        place = 1
        for cells in reader:
            if not lines.last.endswith(("\n", "\r")) and _is_short(cells, width):
                raise StatementUnreadable("the file is cut within the line.", line=place)
            yield Row(place, cells, min(1.0, file.tell() / size))
            place = reader.line_num + 1
    except csv.Error as error:
        raise StatementUnreadable(
            "the file is cut, or a quotation mark is missing.", line=reader.line_num,
        ) from error
    finally:
        wrapped.detach()  # else the caller's file would be closed with it


def encoding_of(file: BinaryIO) -> str:
    """Return in what a text is written: by its mark, by its zeros, or by what can be read.

    Raises:
        StatementForeign: it is no text.
    """
    file.seek(0)
    start = file.read(4)
    for bom, name in _BOMS:
        if start.startswith(bom):
            return name
    if b"\0" in start:
        return "utf-16-be" if start.startswith(b"\0") else "utf-16-le"
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK):
            if b"\0" in chunk:
                raise StatementForeign("The file is no text, and neither XLSX nor PDF.")
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"  # what Excel saves on Windows
    return "utf-8"


def _separator(file: BinaryIO, encoding: str) -> tuple[str, int]:
    """Return what stands between the names of the columns, and how many there are."""
    file.seek(0)
    beginning = codecs.getincrementaldecoder(encoding)(errors="replace").decode(
        file.read(_BEGINNING),
    )
    for line in beginning.splitlines():
        for separator in SEPARATORS:
            cells = _cells(line, separator) if separator in line else []
            if columns.found_in(cells):
                return separator, len(cells)
    raise StatementForeign("The file has no row with the names of a statement's columns.")


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _is_short(cells: list[str], width: int) -> bool:
    """Whether a line of the statement, no foot, lacks its last cells."""
    return len(cells) < width and any(is_receipt(cell) for cell in cells)


class _Lines:
    """The lines of a text, and which was the last. Excel's own first line "sep=;" comes empty."""

    def __init__(self, text: Iterator[str]) -> None:
        self.last = "\n"
        self._text = text
        self._is_first = True

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self.last = next(self._text)
        hint, self._is_first = self._is_first and self.last.startswith("sep="), False
        return "\n" if hint else self.last
