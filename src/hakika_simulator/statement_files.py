"""Statements as files: CSV in pieces, XLSX, and PDF with or without a password."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import xlsxwriter

from hakika_simulator.sms import plain_shillings, shillings
from hakika_simulator.statements import COLUMNS, Cell, Statement

if TYPE_CHECKING:
    from fpdf import FPDF

LINES_AT_ONCE = 1_000
SHEET = "transaction"
# Millimetres that each column of the PDF is wide, on a lying A4 page.
PDF_WIDTHS = (17, 24, 24, 44, 14, 16, 16, 17, 13, 29, 36, 14, 20)
PDF_GAP_MM = 2.0
PDF_FONT_POINTS = 5.5
PDF_LINE_MM = 2.4
PDF_MARGIN_MM = 8.0
PDF_HEIGHT_MM = 210.0


def csv_pieces(statement: Statement, *, grouped: bool) -> Iterator[str]:
    """Yield the CSV text piece by piece; `grouped` writes 1,500.00 for 1500.00."""
    written = shillings_grouped if grouped else plain_shillings
    rows = _all_rows(statement)
    while piece := list(islice(rows, LINES_AT_ONCE)):
        text = io.StringIO()
        csv.writer(text).writerows(
            [written(cell) if isinstance(cell, int) else cell for cell in row] for row in piece
        )
        yield text.getvalue()


def shillings_grouped(cents: int) -> str:
    """Return cents as 1,500.00, with a minus before what went out."""
    return f"-{shillings(-cents)}" if cents < 0 else shillings(cents)


def xlsx_file(statement: Statement) -> bytes:
    """Return the workbook: one sheet, amounts as numbers, all else as text."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        sheet = book.add_worksheet(SHEET)
        for number, row in enumerate(_all_rows(statement)):
            for column, cell in enumerate(row):
                if isinstance(cell, int):
                    sheet.write_number(number, column, cell / 100)
                elif cell:
                    # A payer may have written a formula: as a string it stays text.
                    sheet.write_string(number, column, cell)
    return file.getvalue()


def pdf_file(statement: Statement, *, password: str | None) -> bytes:
    """Return the PDF, encrypted if there is a password to open it with."""
    from fpdf import FPDF  # noqa: PLC0415 - it takes a moment, and few ask for a PDF
    from fpdf.enums import AccessPermission, EncryptionMethod  # noqa: PLC0415

    pdf = FPDF(orientation="landscape", format="A4")
    pdf.set_auto_page_break(False)
    if password is not None:
        pdf.set_encryption(
            owner_password=secrets.token_hex(),
            user_password=password,
            encryption_method=EncryptionMethod.AES_128,
            permissions=AccessPermission.all(),
        )
    pdf.set_font("Helvetica", size=PDF_FONT_POINTS)
    y = PDF_HEIGHT_MM
    for row in _pdf_rows(pdf, statement):
        height = PDF_LINE_MM * max(len(cell) for cell in row)
        if y + height > PDF_HEIGHT_MM - PDF_MARGIN_MM:
            pdf.add_page()
            y = PDF_MARGIN_MM + PDF_LINE_MM
        x = PDF_MARGIN_MM
        for cell, width in zip(row, PDF_WIDTHS, strict=False):
            for depth, text in enumerate(cell):
                pdf.text(x, y + depth * PDF_LINE_MM, text)
            x += width
        y += height
    return bytes(pdf.output())


def _pdf_rows(pdf: FPDF, statement: Statement) -> Iterator[list[list[str]]]:
    """Yield rows whose cells are broken into the lines that fit their columns."""
    for row in statement.header():
        # Labels and values run on in one line, as nothing stands in columns yet.
        yield [[_latin("  ".join(_amount(cell) for cell in row))]]
    yield [[""]]
    names: list[Cell] = list(COLUMNS)
    for row in (names, *statement.lines()):
        yield [
            _wrapped(pdf, _latin(_amount(cell)), width - PDF_GAP_MM)
            for cell, width in zip(row, PDF_WIDTHS, strict=True)
        ]


def _wrapped(pdf: FPDF, text: str, width: float) -> list[str]:
    """Return text in lines of `width` at most; a word that is longer is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if pdf.get_string_width(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while pdf.get_string_width(line) > width:
            fits = max(1, int(len(line) * width / pdf.get_string_width(line)))
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line]


def _all_rows(statement: Statement) -> Iterator[list[Cell]]:
    yield from statement.header()
    yield list(COLUMNS)
    yield from statement.lines()


def _amount(cell: Cell) -> str:
    return shillings_grouped(cell) if isinstance(cell, int) else cell


def _latin(text: str) -> str:
    """Return text in the signs that a PDF's own fonts have."""
    return text.encode("latin-1", "replace").decode("latin-1")
