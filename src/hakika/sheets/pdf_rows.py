"""Rows of a PDF statement: words by their place on the page, put under the names of the columns.

A PDF has no table, only words at places. `_Table` learns from the row of names where each column
is; a cell belongs to the column that it lines up with, at the left, at the right or in the middle.
A line of text without a receipt continues the row that it is nearest to (`_gathered`).
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from ctypes import byref
from typing import BinaryIO, NamedTuple

import pypdfium2 as pdfium
from pypdfium2 import raw

from hakika.domain.errors import StatementEncrypted, StatementForeign, StatementUnreadable
from hakika.sheets import columns
from hakika.sheets.cells import is_receipt
from hakika.sheets.rows import Row

# PDFium is not safe to be used by two threads.
_ONE_AT_A_TIME = threading.Lock()

_WORD = re.compile(r"\S+")

_END = b"%%EOF"
_END_WITHIN = 2048  # some writers put a few bytes after it

# Of a line's height. Words of one cell stand nearer than this, cells farther.
_WORD_GAP_MAX = 0.4
# Lines of one row of the table are nearer than this; rows that are set apart are farther.
_LINE_GAP_MAX = 0.45

_NAME_LINES_MAX = 3
_NAMES_MIN = 5  # a sentence that mentions a receipt has fewer names of columns


class _Text(NamedTuple):
    """A word or a cell at its place: points from the left and from the bottom of the page."""

    left: float
    right: float
    bottom: float
    top: float
    said: str


_Line = list[_Text]  # cells, from left to right


def rows(file: BinaryIO, password: str | None) -> Generator[Row, None, None]:
    """Yield the rows of a PDF, page by page. The place counts the statement's lines from 1.

    Raises:
        StatementEncrypted: no password, or a wrong one. StatementUnreadable: cut or broken.
        StatementForeign: no row of names; a scanned page has no text at all.
    """
    _refuse_cut(file)
    table, place = None, 0
    with _ONE_AT_A_TIME, _opened(file, password) as document:
        pages = len(document)
        for number in range(pages):
            share = (number + 1) / pages
            try:
                lines = _lines(document, number)
            except pdfium.PdfiumError as error:
                raise StatementUnreadable(f"Page {number + 1} is broken.") from error
            head, named, body = _split(lines, table)
            for line in head:
                yield Row(place, [cell.said for cell in line], share)
            table = named or table
            if table is None:
                continue
            if named is not None:
                yield Row(place, named.names, share)
            for row in _gathered(body, table):
                place += is_receipt(row[table.receipt])
                yield Row(place, row, share)
    if table is None:
        raise StatementForeign(
            "No page has a row with the names of a statement's columns.",
            hint="Send the PDF that the portal made: a scan or a photo has no text to read.",
        )


def _refuse_cut(file: BinaryIO) -> None:
    """PDFium mends a cut file and reads its first pages: half a statement that looks whole."""
    file.seek(0, 2)
    file.seek(max(0, file.tell() - _END_WITHIN))
    if _END not in file.read():
        raise StatementUnreadable("The PDF is cut: its end is missing.")


@contextmanager
def _opened(file: BinaryIO, password: str | None) -> Iterator[pdfium.PdfDocument]:
    file.seek(0)
    try:
        document = pdfium.PdfDocument(file, password=password)
    except pdfium.PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            said = "The password does not open the PDF." if password else "The PDF is locked."
            raise StatementEncrypted(said) from error
        raise StatementUnreadable("The PDF is broken.") from error
    with closing(document):
        yield document


def _lines(document: pdfium.PdfDocument, number: int) -> list[_Line]:
    """Return the lines of a page from top to bottom."""
    with closing(document[number]) as page, closing(page.get_textpage()) as text:
        words = sorted(_words(text), key=_from_top)
    lines: list[list[_Text]] = []
    middle = -math.inf
    for word in words:
        if abs(middle - (word.bottom + word.top) / 2) > (word.top - word.bottom) / 3:
            lines.append([])
            middle = (word.bottom + word.top) / 2
        lines[-1].append(word)
    return [_cells(sorted(line)) for line in lines]


def _from_top(word: _Text) -> float:
    return -(word.bottom + word.top)


def _cells(words: list[_Text]) -> _Line:
    """Return the words of a line put together where only a space is between them."""
    cells: _Line = []
    for word in words:
        before = cells[-1] if cells else None
        if before and word.left - before.right < _WORD_GAP_MAX * (word.top - word.bottom):
            cells[-1] = before._replace(right=word.right, said=f"{before.said} {word.said}")
        else:
            cells.append(word)
    return cells


def _words(page: pdfium.PdfTextPage) -> Iterator[_Text]:
    count = page.count_chars()
    said = page.get_text_range()
    if len(said) != count:  # a character beyond 16 bits: ask for each, so that places fit
        said = "".join(chr(raw.FPDFText_GetUnicode(page, index)) for index in range(count))
    # A large statement has millions of words, so what can be looked up once is.
    box, handle, look = raw.FS_RECTF(), page.raw, raw.FPDFText_GetLooseCharBox
    into = byref(box)
    for word in _WORD.finditer(said):
        start, end = word.span()
        look(handle, start, into)
        left, bottom, top = box.left, box.bottom, box.top
        look(handle, end - 1, into)
        text = word[0] if word[0].isascii() else _mended(word[0])
        yield _Text(left, box.right, bottom, top, text)


def _mended(text: str) -> str:
    """Return `text` with the halves of characters beyond 16 bits put together."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Table:
    """Where the columns are, learned from the row of their names."""

    def __init__(self, cells: Sequence[_Text]) -> None:
        self._columns = sorted(cells)
        self.names = [cell.said for cell in self._columns]
        self.receipt = [columns.field_of(name) for name in self.names].index("receipt")
        # Most cells begin or end at the very point where the name of their column does.
        self._lefts = {round(cell.left): at for at, cell in enumerate(self._columns)}
        self._rights = {round(cell.right): at for at, cell in enumerate(self._columns)}

    def placed(self, line: _Line) -> list[str]:
        """Return what stands under each name in a line of text."""
        said = [""] * len(self._columns)
        for cell in line:
            at = self._column_of(cell)
            said[at] = f"{said[at]} {cell.said}" if said[at] else cell.said
        return said

    def _column_of(self, cell: _Text) -> int:
        """Return the index of the column that `cell` lines up with best."""
        for edges, edge in ((self._lefts, cell.left), (self._rights, cell.right)):
            exact = edges.get(round(edge))
            if exact is not None:
                return exact
        return min(range(len(self._columns)), key=lambda at: self._away(self._columns[at], cell))

    @staticmethod
    def _away(name: _Text, cell: _Text) -> float:
        left, right = name.left - cell.left, name.right - cell.right
        return min(abs(left), abs(right), abs(left + right) / 2)


def _split(
    lines: list[_Line], before: _Table | None,
) -> tuple[list[_Line], _Table | None, list[_Line]]:
    """Return what stands above the names of the columns, the table that they make, and its lines.

    A page without names goes on with the table of the page before.
    """
    most, above, below, names = _NAMES_MIN - 1, 0, 0, list[_Text]()
    mentions = [any(cell.said.casefold().startswith("receipt") for cell in line) for line in lines]
    for index in range(len(lines)):
        # Long names wrap, "Completion" over "Time".
        for end in range(index + 1, min(index + _NAME_LINES_MAX, len(lines)) + 1):
            if any(mentions[index:end]):
                stacked = _stacked(lines[index:end])
                known = sum(columns.field_of(name.said) is not None for name in stacked)
                if known > most:
                    most, above, below, names = known, index, end, stacked
    if columns.found_in([name.said for name in names]):
        return lines[:above], _Table(names), lines[below:]
    return ([], None, lines) if before else (lines, None, [])


def _stacked(lines: list[_Line]) -> list[_Text]:
    """Return the cells of some lines, those put together that stand above one another."""
    stacks: list[_Text] = []
    for cell in (cell for line in lines for cell in line):
        for index, above in enumerate(stacks):
            if min(above.right, cell.right) > max(above.left, cell.left):
                stacks[index] = above._replace(
                    left=min(above.left, cell.left), right=max(above.right, cell.right),
                    said=f"{above.said} {cell.said}",
                )
                break
        else:
            stacks.append(cell)
    return stacks


def _gathered(lines: list[_Line], table: _Table) -> Iterator[list[str]]:
    """Yield the rows of the table, each with the lines of text that it wraps into.

    Where rows are set apart, a row is what stands together. Where they are not, it begins with
    the line that has the receipt. Lines without any receipt are a row of their own: a foot.
    """
    for block in _blocks(lines):
        row: list[str] = []
        begun = False
        for line in block:
            placed = table.placed(line)
            if is_receipt(placed[table.receipt]):
                if begun:
                    yield row
                    row = []
                begun = True
            row = _under(row, placed) if row else placed
        yield row


def _under(above: list[str], below: list[str]) -> list[str]:
    return [f"{first} {last}".strip() for first, last in zip(above, below, strict=True)]


def _blocks(lines: list[_Line]) -> Iterator[list[_Line]]:
    """Yield the lines in groups that stand together."""
    block: list[_Line] = []
    for line in lines:
        if block:
            above, below = block[-1][0], line[0]
            if above.bottom - below.top > _LINE_GAP_MAX * (below.top - below.bottom):
                yield block
                block = []
        block.append(line)
    if block:
        yield block
