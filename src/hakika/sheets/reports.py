"""A day's report as JSON, XLSX and PDF, and back: what `hakika verify-report` proves.

The JSON is the whole report. An XLSX carries the proof and the movements on sheets of their own, a
PDF the proof as an attachment. The same report makes the same file, byte for byte, so a file whose
pages or cells somebody changed is found by drawing it once more: read `examine`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import xlsxwriter
from python_calamine import CalamineError, CalamineWorkbook

from hakika.domain.checkpoint import FORMAT, Report, document, fingerprint, flaws, read_document
from hakika.domain.money import CENTS_PER_SHILLING, parse
from hakika.sheets import report_pages

_PROOF, _MOVEMENTS = "Proof", "Movements"
_COLUMNS = (
    "sequence", "move", "debit", "credit", "amount", "currency", "shortcode", "receipt",
    "payment_id", "happened_at", "posted_at", "link",
)
_CELL_MAX = 32_000             # Excel keeps 32,767 characters
_ROWS_MAX = 1_000_000          # of one sheet

_DRAWN_BY_OTHERS = (
    "What it shows is not what this Hakika draws from the signed figures: it was changed, or drawn "
    "by another version of Hakika. Ask for the JSON."
)


class NoReport(Exception):
    """The file is no report of a day."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a file says, and whether it can be believed."""

    report: Report
    flaws: tuple[str, ...]       # empty: everything in the file is as it was signed

    @property
    def key(self) -> str:
        """The fingerprint of the key that signed it."""
        return fingerprint(self.report.signed.public_key)


def as_json(report: Report) -> bytes:
    """Return the whole report."""
    return orjson.dumps(document(report), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def as_pdf(report: Report) -> bytes:
    """Return the report for people, with its proof attached; the movements are not in it."""
    proof = replace(report, movements=None)
    return report_pages.draw(proof, attached=as_json(proof))


def as_xlsx(report: Report) -> bytes:
    """Return the report as a workbook: the day, its differences, its movements, and the proof."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {
        "in_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
        "strings_to_numbers": False,
    }) as book:
        closed_at = datetime.fromisoformat(report.signed.checkpoint.closed_at)
        book.set_properties({"created": closed_at.replace(tzinfo=None), "title": "Hakika day"})
        _Book(book).draw(report)
    return file.getvalue()


def examine(file: bytes) -> Examined:
    """Return what a report in any of the three forms says, and what in it is not as signed.

    Raises:
        NoReport: it is none of ours, or what proves it was taken out.
    """
    if file.startswith(b"%PDF-"):
        report = _read_document(report_pages.attached(file))
        drawn = as_pdf(report) == file
    elif file.startswith(b"PK"):
        report = _read_book(file)
        drawn = _cells(file) == _cells(as_xlsx(report))
    else:
        report, drawn = _read_document(file), True
    found = list(flaws(report))
    return Examined(report, tuple(found if drawn else [*found, _DRAWN_BY_OTHERS]))


def _read_document(raw: bytes | None) -> Report:
    if raw is None:
        raise NoReport("There is no proof in it.")
    try:
        written = orjson.loads(raw)
        if not isinstance(written, dict):
            raise NoReport("It is JSON, and no report.")
        return read_document(written)
    except orjson.JSONDecodeError:
        raise NoReport("It is no JSON, PDF or XLSX of a report.") from None
    except ValueError as error:
        raise NoReport(f"It is no report: {error}.") from None


class _Book:
    """A workbook that is being drawn."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self._bold = book.add_format({"bold": True})
        self._shillings = book.add_format({"num_format": "#,##0.00"})

    def draw(self, report: Report) -> None:
        summary = report.summary
        self._sheet("Day", list(report_pages.facts(report)))
        self._sheet("Accounts", [
            ("account", "opening", "closing"),
            *((each["account"], each["opening"], each["closing"]) for each in summary["accounts"]),
        ])
        self._sheet("Moved", [
            ("move", "count", "amount"),
            *((each["move"], each["count"], each["amount"]) for each in summary["moved"]),
        ])
        self._sheet("Differences", [
            ("state", "kind", "short code", "receipt", "payment", "ours", "theirs", "words",
             "resolved by", "reason"),
            *(
                (each["state"], each["kind"], each["shortcode"], each["receipt"],
                 each["payment_id"], each["ours"], each["theirs"], each["words"],
                 each["resolved_by"], each["resolution"])
                for each in summary["differences"]
            ),
        ])
        self._movements(report.movements or ())
        self._sheet(_PROOF, [
            (FORMAT, "Do not change this sheet: `hakika verify-report` reads it."),
            *((part,) for part in _parts(as_json(replace(report, movements=None)))),
        ])

    def _movements(self, movements: Sequence[Mapping[str, Any]]) -> None:
        for at in range(0, max(1, len(movements)), _ROWS_MAX):
            self._sheet(_MOVEMENTS if not at else f"{_MOVEMENTS} {at // _ROWS_MAX + 1}", [
                _COLUMNS,
                *(
                    tuple(each[name] for name in _COLUMNS)
                    for each in movements[at:at + _ROWS_MAX]
                ),
            ], money={"amount"})

    def _sheet(
        self, name: str, rows: Sequence[Sequence[Any]], *, money: set[str] | None = None,
    ) -> None:
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(rows[0]) - 1, 24)
        named = money or {"opening", "closing", "amount", "ours", "theirs"}
        for number, row in enumerate(rows):
            for at, value in enumerate(row):
                if not number:
                    sheet.write_string(0, at, str(value), self._bold)
                elif value is None:
                    continue
                elif isinstance(value, int) and not isinstance(value, bool):
                    sheet.write_number(number, at, value)
                elif rows[0][at] in named:
                    shillings = parse(value).cents / CENTS_PER_SHILLING
                    sheet.write_number(number, at, shillings, self._shillings)
                else:
                    sheet.write_string(number, at, str(value))


def _parts(text: bytes) -> Iterator[str]:
    whole = text.decode()
    for at in range(0, len(whole), _CELL_MAX):
        yield whole[at:at + _CELL_MAX]


def _cells(file: bytes) -> list[tuple[str, list[list[Any]]]]:
    """Return every cell of a workbook."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(file))
    return [
        (name, book.get_sheet_by_name(name).to_python(skip_empty_area=False))
        for name in book.sheet_names
    ]


def _read_book(file: bytes) -> Report:
    try:
        sheets = dict(_cells(file))
    except (CalamineError, ValueError, OSError) as error:
        raise NoReport(f"The workbook cannot be read: {error}.") from None
    if _PROOF not in sheets:
        raise NoReport("The workbook has no sheet Proof.")
    proof = _read_document("".join(str(row[0]) for row in sheets[_PROOF][1:]).encode())
    movements = [
        _movement(row)
        for name, rows in sheets.items() if name.partition(" ")[0] == _MOVEMENTS
        for row in rows[1:]
    ]
    return replace(proof, movements=movements)


def _movement(row: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(_COLUMNS, row, strict=False))
    try:
        return found | {
            "sequence": int(found["sequence"]), "amount": f"{float(found['amount']):.2f}",
            "payment_id": found["payment_id"] or None,
        }
    except (KeyError, ValueError) as error:
        raise NoReport(f"A movement cannot be read: {error}.") from None
