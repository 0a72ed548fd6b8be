"""Files of payouts as people save them, and as nobody honest does."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import pytest
import xlsxwriter

from hakika.domain.file_errors import PayoutFileForeign, PayoutFileTooLarge, PayoutFileUnreadable
from hakika.domain.payout_file import BEYOND, FORMULA, ROWS_MAX
from hakika.sheets.payout_rows import FileKind, read_rows


def workbook(*rows: tuple[object, ...], top: int = 0, left: int = 0) -> bytes:
    """Return an XLSX; a text that begins with = is written as a formula."""
    made = io.BytesIO()
    with xlsxwriter.Workbook(made) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(top + at, left, row)
    return made.getvalue()


@pytest.mark.parametrize("file", [
    b"Phone,Amount\n0712345678,100\n",
    b"Phone;Amount\r\n0712345678;100\r\n",
    b"\xef\xbb\xbfPhone\tAmount\n0712345678\t100",
    "Phone,Amount\n0712345678,100\n".encode("utf-16"),
    b'\n"PHONE", "Amount (KES)"\n\n"0712345678","100"\n'.replace(b' "', b'"'),
])
def test_a_csv_is_read_however_it_was_saved(file: bytes):
    found = read_rows(file)

    assert found.kind is FileKind.CSV
    assert [cells for _, cells in found.rows] == [{"phone": "0712345678", "amount": "100"}]


def test_a_row_is_numbered_as_its_person_sees_it():
    """The number is what a person looks for in the spreadsheet; it also makes the payout's key."""
    text = read_rows(b"phone,amount\n\n0712345678,100\n").rows
    sheet = read_rows(workbook(("phone", "amount"), (), ("0712345678", 100), top=2, left=1)).rows

    assert [number for number, _ in text] == [3]
    assert [number for number, _ in sheet] == [5]


def test_a_formula_is_seen_in_a_workbook():
    """What reads a workbook gives the value that somebody's computer last wrote there."""
    file = workbook(("phone", "amount", "name"), ("0712345678", "=1+99", "Jane"))

    assert read_rows(file).rows == [
        (2, {"phone": "0712345678", "amount": FORMULA, "name": "Jane"}),
    ]


def test_a_comma_in_a_name_is_seen():
    assert read_rows(b"amount,name,phone\n100,Doe, Jane,0712345678\n").rows[0][1][BEYOND]


@pytest.mark.parametrize(("file", "error"), [
    (b"", PayoutFileUnreadable),
    (b"phone,amount\n", PayoutFileUnreadable),
    (b"phone,amout\n0712345678,1\n", PayoutFileForeign),
    (b"phone,name\n0712345678,1\n", PayoutFileForeign),
    (b"phone,phone,amount\n1,2,3\n", PayoutFileForeign),
    (b'phone,amount\n"0712345678,1\n', PayoutFileUnreadable),
    (b"\x00\x01\x02\x03" * 100, PayoutFileUnreadable),
    (b"PK\x03\x04 and no more", PayoutFileUnreadable),
    (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, PayoutFileUnreadable),
    (b"phone,amount\n" + b"0712345678,1\n" * (ROWS_MAX + 1), PayoutFileTooLarge),
], ids=range(10))
def test_what_is_no_file_of_payouts_is_refused(file: bytes, error: type[Exception]):
    with pytest.raises(error):
        read_rows(file)


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"<c>" * (40 << 20))
    tracemalloc.start()

    with pytest.raises(PayoutFileTooLarge):
        read_rows(bomb.getvalue())

    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
