"""Statements as files: CSV in pieces, XLSX, and PDF with or without a password."""

import csv
import io
import secrets
from collections.abc import Iterator
from itertools import islice
from textwrap import wrap

import xlsxwriter

from hakika_simulator.sms import plain_shillings, shillings
from hakika_simulator.statements import COLUMNS, Cell, Statement

LINES_AT_ONCE = 1_000
SHEET = "transaction"
# Signs that each column of the PDF is wide, at a width of 1.16 mm a sign on a lying A4 page.
PDF_WIDTHS = (13, 20, 20, 36, 11, 13, 13, 14, 10, 25, 30, 11, 21)
PDF_FONT_POINTS = 5.5
PDF_SIGN_MM = 0.6 * PDF_FONT_POINTS * 25.4 / 72
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
    y = PDF_HEIGHT_MM
    for row in _pdf_rows(statement):
        height = PDF_LINE_MM * max(len(cell) for cell in row)
        if y + height > PDF_HEIGHT_MM - PDF_MARGIN_MM:
            pdf.add_page()
            pdf.set_font("Courier", size=PDF_FONT_POINTS)
            y = PDF_MARGIN_MM + PDF_LINE_MM
        x = PDF_MARGIN_MM
        for cell, signs in zip(row, PDF_WIDTHS, strict=False):
            for depth, text in enumerate(cell):
                pdf.text(x, y + depth * PDF_LINE_MM, text)
            x += signs * PDF_SIGN_MM
        y += height
    return bytes(pdf.output())


def _pdf_rows(statement: Statement) -> Iterator[list[list[str]]]:
    """Yield rows whose cells are broken into the lines that fit their columns."""
    for row in statement.header():
        # Labels and values run on in one line, as nothing stands in columns yet.
        yield [[_latin("  ".join(_amount(cell) for cell in row))]]
    yield [[""]]
    names: list[Cell] = list(COLUMNS)
    for row in (names, *statement.lines()):
        yield [
            wrap(_latin(_amount(cell)), signs - 1) or [""]
            for cell, signs in zip(row, PDF_WIDTHS, strict=True)
        ]


def _all_rows(statement: Statement) -> Iterator[list[Cell]]:
    yield from statement.header()
    yield list(COLUMNS)
    yield from statement.lines()


def _amount(cell: Cell) -> str:
    return shillings_grouped(cell) if isinstance(cell, int) else cell


def _latin(text: str) -> str:
    """Return text in the signs that a PDF's own fonts have."""
    return text.encode("latin-1", "replace").decode("latin-1")
