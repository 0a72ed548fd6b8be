"""What is written for people and programs, and that no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import UTC, datetime

import pytest
import python_calamine
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain.money import Money
from hakika.sheets import exports
from hakika.sheets.exports import Column, Format, Kind, Value, exporting, harmless

COLUMNS = (
    Column("receipt"), Column("paid_at", Kind.TIME), Column("amount", Kind.MONEY),
    Column("name"), Column("attempts", Kind.INTEGER),
)
NOON = datetime(2026, 11, 21, 9, tzinfo=UTC)
ROW: tuple[Value, ...] = ("TKL4PAID01", NOON, Money(-2_240), "JANE, \"Doe\" Ñ", 3)
NOTHING: tuple[Value, ...] = ("TKL4PAID02", None, None, None, None)

FORMULAS = (
    "=1+1", "+254712345678", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\"=1", "\xa0=1",
    "\uff1d1+1", "=HYPERLINK(\"http://evil.example\",\"x\")", "=cmd|'/C calc'!A0",
)


def written(form: Format, *rows: tuple[Value, ...]) -> bytes:
    """Return an export of `rows`."""
    file = io.BytesIO()
    with exporting(file, form, COLUMNS) as export:
        for row in rows:
            export.write(row)
    return file.getvalue()


def csv_rows(content: bytes, separator: str = ",") -> list[list[str]]:
    """Return the cells of a CSV file as a spreadsheet splits them."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.reader(text, delimiter=separator))


def test_csv_has_shillings_and_nairobis_time():
    content = written(Format.CSV, ROW, NOTHING)

    assert content.startswith(b"\xef\xbb\xbf")
    assert csv_rows(content) == [
        ["receipt", "paid_at", "amount", "name", "attempts"],
        ["TKL4PAID01", "2026-11-21T12:00:00+03:00", "-22.40", "JANE, \"Doe\" Ñ", "3"],
        ["TKL4PAID02", "", "", "", ""],
    ]


def test_json_lines_have_decimal_strings():
    """A program that reads 22.4 as a float would lose cents; a string loses nothing."""
    first, second = map(json.loads, written(Format.JSON_LINES, ROW, NOTHING).splitlines())

    assert first == {
        "receipt": "TKL4PAID01", "paid_at": "2026-11-21T12:00:00+03:00", "amount": "-22.40",
        "name": "JANE, \"Doe\" Ñ", "attempts": 3,
    }
    assert second["amount"] is None


def test_xlsx_has_numbers_that_can_be_summed():
    content = written(Format.XLSX, ROW, NOTHING)

    sheet = python_calamine.load_workbook(io.BytesIO(content)).get_sheet_by_index(0)
    assert sheet.to_python() == [
        ["receipt", "paid_at", "amount", "name", "attempts"],
        ["TKL4PAID01", "2026-11-21T12:00:00+03:00", -22.4, "JANE, \"Doe\" Ñ", 3.0],
        ["TKL4PAID02", "", "", "", ""],
    ]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula_in_csv(text):
    """A payer chooses their reference; the accountant who opens the export must not run it."""
    content = written(Format.CSV, (text, None, None, text, None))

    _, row = csv_rows(content)
    assert row[0] == row[3]
    assert row[0].startswith("'")
    assert row[0].replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_no_text_is_a_formula_where_another_separator_is_used(separator):
    """Half of Europe's Excel splits at semicolons: what stands behind one begins a cell."""
    content = written(Format.CSV, (f"INV{separator}=1+1", None, None, f"a{separator} \"@x", None))

    for row in csv_rows(content, separator):
        assert not [cell for cell in row if cell.lstrip(' "').startswith(("=", "+", "-", "@"))]


@given(text=st.text(st.sampled_from("=+-@\t\r\n ;'\"aA1,"), max_size=8))
def test_what_is_made_harmless_stays_so(text):
    """Whatever is put before it, the first sign that counts is never one that runs."""
    once = harmless(text)

    assert not re.match(r"[\s\"]*[=+\-@]", once)
    assert harmless(once) == once
    assert text.replace("'", "") == once.replace("'", "")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula_in_xlsx(text):
    """In a workbook a formula is a cell of its own kind: no text may become one, or a link."""
    content = written(Format.XLSX, (text, None, None, "http://evil.example", None))

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        parts = archive.namelist()
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert not [name for name in parts if "_rels/sheet" in name or "externalLink" in name]
    assert len(re.findall(r'<c [^>]*t="(inlineStr|s)"', sheet)) == len(COLUMNS) + 2


def test_a_full_sheet_is_followed_by_another(monkeypatch):
    """Excel has 1,048,576 rows. A row past them would be lost without a word."""
    monkeypatch.setattr(exports, "_XLSX_ROWS_MAX", 3)

    content = written(Format.XLSX, *[ROW] * 5)

    book = python_calamine.load_workbook(io.BytesIO(content))
    heights = [book.get_sheet_by_name(name).height for name in book.sheet_names]
    assert heights == [3, 3, 2]


def test_a_text_too_long_for_excel_is_cut_and_says_so():
    """xlsxwriter would leave the cell out."""
    content = written(Format.XLSX, ("x" * 40_000, None, None, "y", None))

    sheet = python_calamine.load_workbook(io.BytesIO(content)).get_sheet_by_index(0)
    cell = str(sheet.to_python()[1][0])
    assert (len(cell), cell[-1]) == (32_767, "…")


@settings(max_examples=30, deadline=None)
@given(
    name=st.text(st.characters(codec="utf-8"), max_size=20), cents=st.integers(-10**12, 10**12),
)
def test_json_lines_and_csv_give_back_what_they_got(name, cents):
    row = ("TKL4PAID01", NOON, Money(cents), name, None)

    (line,) = written(Format.JSON_LINES, row).splitlines()
    _, cells = csv_rows(written(Format.CSV, row))

    assert json.loads(line)["name"] == name
    assert cells[3].replace("'", "") == name.replace("'", "")
    assert (json.loads(line)["amount"], cells[2]) == (str(Money(cents)), str(Money(cents)))


@pytest.mark.parametrize("form", list(Format))
def test_a_row_has_a_value_for_each_column(form):
    with pytest.raises((AssertionError, ValueError)):
        written(form, ("too", "few"))
