"""Files that are not what they should be: each is refused in words, and gives nothing."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime, timedelta

import pytest

from hakika.domain.errors import StatementUnreadable
from hakika.sheets import pdf_rows, statements, xlsx_rows
from tests.sheets.samples import (
    CHARGE,
    COLUMNS,
    HEAD,
    NOW,
    PAID,
    WHOLE,
    as_csv,
    as_pdf,
    as_xlsx,
    changed,
    read,
)

PASSWORD = "kenya-2026"


def lines(*changes: dict[str, object]) -> tuple[tuple[object, ...], ...]:
    """Return a statement of one good line (row 2 of the file) and one for each change."""
    return (COLUMNS, PAID, *(changed(PAID, **change) for change in changes))


def zipped(**parts: bytes) -> bytes:
    """Return a ZIP of some parts, their names with / for __."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return written.getvalue()


def with_sheet(sheet: bytes) -> bytes:
    """Return a workbook like ours, with another sheet in it."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(as_xlsx())) as good, zipfile.ZipFile(
        written, "w", zipfile.ZIP_DEFLATED,
    ) as archive:
        for name in good.namelist():
            is_sheet = name == "xl/worksheets/sheet1.xml"
            archive.writestr(name, sheet if is_sheet else good.read(name))
    return written.getvalue()


def sheet_of(cells: bytes) -> bytes:
    """Return the XML of a sheet."""
    return (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b"<sheetData>" + cells + b"</sheetData></worksheet>"
    )


def lying() -> bytes:
    """Return a workbook whose largest part says that it is much smaller than it is."""
    content = bytearray(with_sheet(sheet_of(b"<row/>" * 100_000)))
    size = len(sheet_of(b"<row/>" * 100_000)).to_bytes(4, "little")
    assert content.count(size) == 2, "in the part's own head, and in the list of all parts"
    return bytes(content.replace(size, (1000).to_bytes(4, "little")))


ODD_CELL = sheet_of(
    b'<row r="1"><c r="A1"><v>1</v></c><c r="XFD190000"><v>1</v></c></row>',  # no such row
)
OUT_OF_FAR_ROW = sheet_of(b'<row r="1048576"><c r="A1048576"><v>1</v></c></row>')
WIDE = sheet_of(b'<row r="190000"><c r="A190000"><v>1</v></c><c r="ZZ190000"><v>1</v></c></row>')
ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + sheet_of(b"<row/>")
)
COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(500)
TURNED = (
    COLUMNS,
    changed(PAID, Completion_Time=datetime(2026, 5, 11, 10, 15)),  # noqa: DTZ001 - Excel has no zones
    changed(PAID, Completion_Time="21-11-2026 10:15:00"),
)

# The file, its code, and what must stand in the message or in the hint.
BAD: dict[str, tuple[bytes, str, str]] = {
    "no bytes": (b"", "statement_empty", "The file is empty"),
    "no lines": (as_csv((*HEAD[:5], COLUMNS)), "statement_empty", "no lines"),
    "noise": (bytes(range(256)) * 40, "statement_foreign", "CSV, XLSX or PDF"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, "statement_foreign", "CSV, XLSX or PDF"),
    "a letter": (b"Dear sir, where is my money?\n", "statement_foreign", "names of a statement"),
    "another table": (b"id,name,amount\n1,Jane,5\n", "statement_foreign", "names of a statement"),
    "another workbook": (
        as_xlsx((("id", "name"), (1, "Jane"))), "statement_foreign", "No sheet has a row",
    ),
    "another pdf": (
        as_pdf((("Dear sir",), ("where is my money",))), "statement_foreign", "No page has a row",
    ),
    "a column is missing": (
        as_csv([row[:6] + row[7:] for row in (COLUMNS, PAID)]),
        "statement_foreign", "lacks the columns: Withdrawn",
    ),
    "a column is there twice": (
        as_csv([(*row, row[5]) for row in (COLUMNS, PAID)]), "statement_foreign", "there twice",
    ),
    "a person's own": (
        as_csv((("Customer Name:", "JANE"), ("Mobile Number:", "0712345678"), COLUMNS, PAID)),
        "statement_foreign", "person's own",
    ),
    "two short codes above": (
        as_csv((*HEAD, ("Short Code:", "600124"), COLUMNS, PAID)), "statement_foreign",
        "600123 and 600124",
    ),
    "two statements in one file": (
        as_csv((*HEAD[:4], COLUMNS, PAID, ("Short Code:", "600124"), COLUMNS, CHARGE)),
        "statement_foreign", "600123 and 600124",
    ),
    "two short codes in the lines": (
        as_csv([(*COLUMNS, "Short Code"), (*PAID, "600123"), (*CHARGE, "600124")]),
        "statement_foreign", "600123 and 600124",
    ),
    "an old xls": (COMPOUND, "statement_foreign", "Save it as XLSX"),
    "a locked workbook": (
        COMPOUND + "EncryptedPackage".encode("utf-16-le"), "statement_encrypted",
        "save it without a password",
    ),
    "a zip with the csv in it": (
        zipped(statement=as_csv()), "statement_foreign", "Unpack it",
    ),
    "a locked pdf": (as_pdf(password=PASSWORD), "statement_encrypted", "Send the password"),
    "a cut workbook": (as_xlsx()[:-200], "statement_unreadable", "cut or broken"),
    "half a workbook": (as_xlsx()[:3000], "statement_unreadable", "cut or broken"),
    "a broken workbook": (
        as_xlsx()[:600] + b"????" + as_xlsx()[604:], "statement_unreadable", "cut or broken",
    ),
    "a sheet of nonsense": (
        with_sheet(b"<worksheet><sheetData><row"), "statement_unreadable", "broken",
    ),
    "a cut pdf": (as_pdf()[:-300], "statement_unreadable", "its end is missing"),
    "a pdf of nothing": (b"%PDF-1.7\n%%EOF\n", "statement_unreadable", "broken"),
    "cut between quotation marks": (
        as_csv()[:as_csv().rindex(b'"2,477')] + b'"2,4', "statement_unreadable", "Line 14",
    ),
    "cut within a line": (
        as_csv()[:as_csv().rindex(b"Completed")], "statement_unreadable",
        "Line 14: the file is cut",
    ),
    "a short line": (
        as_csv((COLUMNS, PAID, PAID[:5])), "statement_line_wrong", "Line 3: the line is cut",
    ),
    "cut between lines": (
        as_csv((*HEAD, COLUMNS, PAID)), "statement_incomplete", "22.40 was withdrawn",
    ),
    "a workbook with a line deleted": (
        as_xlsx((*HEAD, COLUMNS, CHARGE)), "statement_incomplete", "1500.00 was paid in",
    ),
    "balances that do not meet": (
        as_csv((*HEAD[:8], (), COLUMNS, PAID)), "statement_incomplete", "closes with 2477.60",
    ),
    "both amounts": (
        as_csv(lines({"Withdrawn": "-5.00"})), "statement_line_wrong", "Line 3: the line has both",
    ),
    "neither amount": (
        as_csv(lines({"Paid_In": ""})), "statement_line_wrong", "Line 3: the line has neither",
    ),
    "both are nothing": (
        as_csv(lines({"Paid_In": "0.00", "Withdrawn": "0.00"})), "statement_line_wrong",
        "Line 3: the line has neither",
    ),
    "a negative payment": (
        as_csv(lines({"Paid_In": "-5.00"})), "statement_line_wrong", "Line 3: a negative",
    ),
    "no amount at all": (
        as_csv(lines({"Paid_In": "lots"})), "statement_line_wrong", "Line 3: what stands",
    ),
    "a part of a cent": (
        as_csv(lines({"Paid_In": "1.005"})), "statement_line_wrong", "under Paid In",
    ),
    "an amount past all numbers": (
        as_csv(lines({"Paid_In": "1e400"})), "statement_line_wrong", "under Paid In",
    ),
    "a receipt that Excel read as a number": (
        as_csv(lines({"Receipt_No": "1E+10"})), "statement_line_wrong", "Excel turned it into",
    ),
    "a receipt that is a number": (
        as_xlsx(lines({"Receipt_No": 7e12})), "statement_line_wrong", "Excel turned it into",
    ),
    "a line without its receipt": (
        as_csv(lines({"Receipt_No": ""})), "statement_line_wrong", "Line 3: there is no M-Pesa",
    ),
    "a line without its time": (
        as_csv(lines({"Completion_Time": ""})), "statement_line_wrong", "no Completion Time",
    ),
    "a time without its day": (
        as_csv(lines({"Completion_Time": "15:50"})), "statement_line_wrong", "not a date",
    ),
    "a day that is none": (
        as_csv(lines({"Completion_Time": "31-02-2026 10:00:00"})), "statement_line_wrong",
        "not a date",
    ),
    "the month first": (
        as_csv(lines({"Completion_Time": "11/21/2026 10:00:00"})), "statement_line_wrong",
        "day-month-year",
    ),
    "some days and months changed places": (
        as_xlsx(TURNED), "statement_line_wrong", "changed places",
    ),
    "a line of before M-Pesa": (
        as_csv(lines({"Completion_Time": "21-11-1999 10:00:00"})), "statement_line_wrong",
        "Line 3: the line is older than M-Pesa",
    ),
    "the first of all days": (
        as_csv(lines({"Completion_Time": "01-01-0001 00:00:00"})), "statement_line_wrong",
        "Line 3: what stands under Completion Time is not a date",
    ),
    "the last of all days": (
        as_csv((("Time Period:", "From 21-11-2026 to 31-12-9999"), *lines())),
        "statement_line_wrong", "Time Period is not a date",
    ),
    "a day past all numbers": (
        as_xlsx(lines({"Completion_Time": 1e300})), "statement_line_wrong", "not a date",
    ),
    "an amount that no book can hold": (
        as_csv(lines({"Paid_In": "99,999,999,999,999,999,999.00"})), "statement_line_wrong",
        "under Paid In",
    ),
    "a long amount that no book can hold": (
        as_csv(lines({"Paid_In": "99999999999999999999"})), "statement_line_wrong",
        "under Paid In",
    ),
    "a date of report that is none": (
        as_csv((("Date of Report:", "31-31-2026"), *lines())), "statement_line_wrong",
        "Date of Report is not a date",
    ),
    "tomorrow": (
        as_csv(lines({"Completion_Time": f"{NOW + timedelta(days=1):%d-%m-%Y} 15:00:00"})),
        "statement_line_wrong", "Line 3: the line is dated in the future",
    ),
    "outside of its own period": (
        as_csv((*HEAD[:4], COLUMNS, PAID, changed(CHARGE, Completion_Time="11-02-2026 10:00"))),
        "statement_line_wrong", "Time Period",
    ),
    "a cell far away": (with_sheet(ODD_CELL), "statement_too_large", "cells"),
    "a row far down": (with_sheet(OUT_OF_FAR_ROW), "statement_too_large", "lines"),
    "a rectangle of nothing": (with_sheet(WIDE), "statement_too_large", "cells"),
    "entities": (with_sheet(ENTITIES), "statement_unreadable", "what Excel never writes"),
    "a part that lies about its size": (lying(), "statement_unreadable", "cut or broken"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_words(name):
    """Somebody stands at a counter with this file: the words must get them further."""
    content, code, words = BAD[name]

    with pytest.raises(StatementUnreadable) as refused:
        read(content)

    assert (refused.value.code, refused.value.errors[0].code) == (code, code)
    assert words in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.hint
    line = re.match(r"Line (\d+): ", refused.value.message)
    assert refused.value.line == (int(line[1]) if line else None)


def test_a_wrong_password_is_told_from_none():
    with pytest.raises(StatementUnreadable, match="does not open"):
        read(as_pdf(password=PASSWORD), password="kenya-2025")


def test_a_refused_pdf_does_not_bar_the_next():
    """PDFium serves one at a time. Who holds the error, as a log does, must not hold the turn."""
    bad = as_pdf(lines({"Paid_In": "lots"}))

    with pytest.raises(StatementUnreadable) as refused:
        read(bad)

    assert refused.value.code == "statement_line_wrong"
    assert not pdf_rows._ONE_AT_A_TIME.locked()


def test_no_name_is_in_what_a_refusal_says():
    """Refusals are logged and answered; the cells of people must not get there by them."""
    for name in PAID[3], PAID[10], "lots of JANE":
        for column in "Paid_In", "Completion_Time", "Receipt_No", "Balance":
            with pytest.raises(StatementUnreadable) as refused:
                read(as_csv(lines({column: name})))
            assert "JANE" not in refused.value.message


def test_more_lines_than_are_read_are_refused(monkeypatch):
    """The limit holds for every kind; here it is made small."""
    monkeypatch.setattr(statements, "LINES_MAX", 5)
    monkeypatch.setattr(xlsx_rows, "LINES_MAX", 5)
    for save in as_csv, as_xlsx, as_pdf:
        with pytest.raises(StatementUnreadable) as refused:
            read(save(WHOLE))
        assert refused.value.code == "statement_too_large"


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch):
    """42 KB can unpack to petabytes. The limit is made small, not the file large."""
    monkeypatch.setattr(xlsx_rows, "_UNPACKED_MAX", 1 << 20)
    bomb = with_sheet(sheet_of(b" " * (2 << 20)))

    with pytest.raises(StatementUnreadable) as refused:
        read(bomb)

    assert len(bomb) < 20_000
    assert refused.value.code == "statement_too_large"


def test_a_workbook_that_says_that_it_is_a_bomb_is_not_unpacked(monkeypatch):
    """620 KB that unpack to 600 MB took 10 s of a processor to be refused by unpacking."""
    monkeypatch.setattr(xlsx_rows, "_UNPACKED_FREE", 1 << 20)
    monkeypatch.setattr(xlsx_rows, "_measure_part", None)
    bomb = with_sheet(sheet_of(b" " * (2 << 20)))

    with pytest.raises(StatementUnreadable) as refused:
        read(bomb)

    assert refused.value.code == "statement_too_large"


def test_a_file_of_too_many_bytes_is_refused(monkeypatch):
    monkeypatch.setattr(statements, "FILE_BYTES_MAX", 100)

    with pytest.raises(StatementUnreadable) as refused:
        read(as_csv())

    assert refused.value.code == "statement_too_large"


@pytest.mark.parametrize("content", [as_csv(), as_xlsx(), as_pdf()], ids=["csv", "xlsx", "pdf"])
def test_a_file_cut_anywhere_gives_all_or_nothing(content):
    """A download may stop at any byte. The head's totals find what nothing else does."""
    ends_at = content.rindex(b",") if content.endswith(b",\r\n") else len(content)
    for cut in range(0, ends_at, max(1, len(content) // 60)):
        with pytest.raises(StatementUnreadable):
            read(content[:cut])
