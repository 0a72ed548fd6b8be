"""Statements as the M-Pesa organisation portal writes them, made here: CSV, XLSX and PDF.

Nothing here is of `hakika.sheets`: what reads and what writes share no code, so that one misreading
cannot pass both ways.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

import xlsxwriter
from fpdf import FPDF

from hakika.sheets.statements import Statement, read_statement

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)

COLUMNS = (
    "Receipt No.", "Completion Time", "Initiation Time", "Details", "Transaction Status",
    "Paid In", "Withdrawn", "Balance", "Balance Confirmed", "Reason Type", "Other Party Info",
    "Linked Transaction ID", "A/C No.",
)

HEAD = (
    ("Account Holder:", "DUKA MOJA LTD"), ("Short Code:", "600123"),
    ("Account:", "Utility Account"),
    ("Time Period:", "From 21-11-2026 00:00:00 to 21-11-2026 23:59:59"),
    ("Operator:", "accountant"), ("Opening Balance:", "1,000.00"),
    ("Closing Balance:", "2,477.60"), ("Available Balance:", "2,477.60"),
    ("Total Paid In:", "1,500.00"), ("Total Withdrawn:", "-22.40"), (),
)

PAID = (
    "TKL4PAID01", "21-11-2026 10:15:00", "21-11-2026 10:14:57",
    "Pay Bill from 254712345678 - JANE DOE Acc. INV-1", "Completed", "1,500.00", "", "2,500.00",
    "true", "Pay Bill Online", "254712345678 - JANE DOE", "", "INV-1",
)
CHARGE = (
    "TKL4PAID01", "21-11-2026 10:15:00", "21-11-2026 10:14:57", "Pay Bill Charge", "Completed",
    "", "-22.40", "2,477.60", "true", "Pay Bill Charge", "Safaricom", "", "",
)

Rows = Sequence[Sequence[object]]

WHOLE: Rows = (*HEAD, COLUMNS, PAID, CHARGE)


def changed(line: Sequence[object], **cells: object) -> tuple[object, ...]:
    """Return `line` with other cells, each named as its column with _ for all that is no letter."""
    names = [
        "".join(c if c.isalnum() else "_" for c in column).strip("_") for column in COLUMNS
    ]
    found = list(line)
    for name, value in cells.items():
        found[names.index(name)] = value
    return tuple(found)


def several(count: int, start: int = 1_000) -> list[tuple[object, ...]]:
    """Return `count` payments of 1,500 shillings, the balance of each above the one before."""
    return [
        changed(PAID, Receipt_No=f"TKL4P{n:05d}", Balance=f"{start + 1_500 * (n + 1)}.00")
        for n in range(count)
    ]


def as_csv(rows: Rows = WHOLE, *, separator: str = ",") -> bytes:
    """Return a CSV file of `rows`, in UTF-8."""
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=separator).writerows(rows)
    return written.getvalue().encode()


def as_xlsx(rows: Rows = WHOLE) -> bytes:
    """Return a workbook of `rows`: texts stay texts; numbers and datetimes are real cells."""
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Statement")
        a_date = book.add_format({"num_format": "dd-mm-yyyy hh:mm:ss"})
        for index, row in enumerate(rows):
            for at, cell in enumerate(row):
                if isinstance(cell, datetime):
                    sheet.write_datetime(index, at, cell, a_date)
                elif isinstance(cell, int | float) and not isinstance(cell, bool):
                    sheet.write_number(index, at, cell)
                elif cell != "":
                    sheet.write_string(index, at, str(cell))
    return written.getvalue()


WIDTHS = (24, 34, 34, 100, 24, 22, 22, 26, 24, 30, 48, 26, 26)  # mm


def as_pdf(rows: Rows = WHOLE, *, password: str = "", names_wrap: bool = False) -> bytes:
    """Return a PDF of `rows`, the names of the columns on each page, and a foot."""
    pdf = _Pdf("landscape", "mm", (300, 460))
    pdf.set_font("Helvetica", size=7)
    names = next((row for row in rows if len(row) == len(COLUMNS)), ())
    above = list(rows).index(names) if names else len(rows)
    pdf.add_page()
    for row in rows[:above]:
        pdf.cell(0, 5, " ".join(map(str, row)), new_x="LMARGIN", new_y="NEXT")
    pdf.names, pdf.names_wrap = names, names_wrap
    pdf.header()
    for row in rows[above + 1:]:
        for at, (width, cell) in enumerate(zip(WIDTHS, row, strict=True)):
            pdf.cell(width, 5, str(cell), align="R" if at in {5, 6, 7} else "L")
        pdf.ln(6)
    if password:
        pdf.set_encryption(owner_password="owner", user_password=password)
    return bytes(pdf.output())


class _Pdf(FPDF):
    names: Sequence[object] = ()
    names_wrap = False

    def header(self) -> None:
        """Write the names of the columns."""
        lines = [[str(name) for name in self.names]]
        if self.names_wrap:
            parted = [name.rpartition(" ") for name in lines[0]]
            lines = [[first for first, _, _ in parted], [last for _, _, last in parted]]
        for line in lines:
            for at, (width, name) in enumerate(zip(WIDTHS, line, strict=False)):
                self.cell(width, 4, name, align="R" if at in {5, 6, 7} else "L")
            self.ln(4)
        self.ln(2)

    def footer(self) -> None:
        """Write the number of the page."""
        self.set_y(-12)
        self.cell(0, 5, f"Page {self.page_no()} of the statement", align="C")


def read(content: bytes, *, password: str | None = None) -> Statement:
    """Return what `hakika.sheets` makes of a file."""
    return read_statement(io.BytesIO(content), now=NOW, password=password)


