"""A day's report as JSON, XLSX and PDF, and back: what `hakika verify-report` proves.

The JSON is the whole report. An XLSX carries the proof and the movements on sheets of their own, a
PDF the proof as an attachment. The same report makes the same file, byte for byte, so a file whose
pages or cells somebody changed is found by drawing it once more: read `examine`. Comparing cells
would not do: a formula has the value that it was saved with, and Excel shows another.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import xlsxwriter
from python_calamine import CalamineError, CalamineWorkbook

from hakika.domain.checkpoint import FORMAT, Report, document, fingerprint, flaws, read_document
from hakika.domain.errors import Invalid
from hakika.domain.money import CENTS_PER_SHILLING, parse
from hakika.sheets import report_pages

_PROOF, _MOVEMENTS = "Proof", "Movements"
_CELL_MAX = 32_000             # Excel keeps 32,767 characters
_ROWS_MAX = 1_000_000          # of one sheet

_DRAWN_BY_OTHERS = (
    "What it shows is not what this Hakika draws from the signed figures: it was changed, saved by "
    "another program, or drawn by another version of Hakika. Ask for the JSON."
)
_LESS_THAN_SIGNED = (
    "The movements were taken out of it: only a PDF is without them. Ask for the JSON anew."
)
_MORE_THAN_SIGNED = "There is more in it than was signed."

_SAID_OF_PROOF = "Read by `hakika verify-report`. A workbook that was saved anew proves nothing."


class NoReport(Exception):
    """The file is no report of a day."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a file says, and whether it can be believed."""

    report: Report
    facts: tuple[tuple[str, str], ...]    # what the day was, in words
    flaws: tuple[str, ...]                # empty: everything in the file is as it was signed

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
        report, draw = _read_document(report_pages.attached(file)), as_pdf
    elif file.startswith(b"PK"):
        report, draw = _read_book(file), as_xlsx
    else:
        report, draw = _read_document(file), None
    found = list(flaws(report))
    try:
        facts = tuple(report_pages.facts(report))
        if draw is None:
            found += [_MORE_THAN_SIGNED] if document(report) != orjson.loads(file) else []
            found += [_LESS_THAN_SIGNED] if report.movements is None else []
        elif draw(report) != file:
            found.append(_DRAWN_BY_OTHERS)
    except (AttributeError, Invalid, LookupError, TypeError, ValueError):
        raise NoReport("What it tells of the day cannot be read.") from None
    return Examined(report, facts, tuple(found))


def _read_document(raw: bytes | None) -> Report:
    if raw is None:
        raise NoReport("There is no proof in it.")
    try:
        written = orjson.loads(raw)
        json.loads(raw, object_pairs_hook=_refuse_twice)
        if not isinstance(written, dict):
            raise NoReport("It is JSON, and no report.")
        return read_document(written)
    except orjson.JSONDecodeError:
        raise NoReport("It is no JSON, PDF or XLSX of a report.") from None
    except RecursionError:
        raise NoReport("It is nested too deeply for a report.") from None
    except ValueError as error:
        raise NoReport(f"It is no report: {error}.") from None


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: one program reads the first, another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands in it twice")
    return found


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a sheet: its name, how many characters wide, and how its cells look."""

    name: str
    width: int = 14
    look: str = "text"


class _Book:
    """A workbook that is being drawn."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self._names = book.add_format({"bold": True, "bottom": 1, "bg_color": "#EEF1F3"})
        self._looks = {
            name: book.add_format({"valign": "top", **look}) for name, look in _LOOKS.items()
        }

    def draw(self, report: Report) -> None:
        """Draw every sheet."""
        summary = report.summary
        self._sheet("Day", (_Column("Report of a day", 30, "name"), _Column("", 90, "words")), [
            *report_pages.facts(report),
        ])
        self._sheet("Differences", _DIFFERENCE_COLUMNS, [
            tuple(each[name] for name in _DIFFERENCE_FIELDS) for each in summary["differences"]
        ])
        self._sheet("Moved", (_Column("why", 20), _Column("how often", 12, "count"), _KES), [
            (each["move"], each["count"], each["amount"]) for each in summary["moved"]
        ])
        self._sheet("Accounts", _ACCOUNT_COLUMNS, [
            (each["account"], each["opening"], each["closing"]) for each in summary["accounts"]
        ])
        self._movements(report.movements or ())
        proof = as_json(replace(report, movements=None))
        self._sheet(_PROOF, (_Column(FORMAT, 24), _Column(_SAID_OF_PROOF)), [
            (part,) for part in _parts(proof)
        ])

    def _movements(self, movements: Sequence[Mapping[str, Any]]) -> None:
        for at in range(0, max(1, len(movements)), _ROWS_MAX):
            name = _MOVEMENTS if not at else f"{_MOVEMENTS} {at // _ROWS_MAX + 1}"
            self._sheet(name, _MOVEMENT_COLUMNS, [
                tuple(each[field] for field in _MOVEMENT_FIELDS)
                for each in movements[at:at + _ROWS_MAX]
            ])

    def _sheet(
        self, name: str, columns: Sequence[_Column], rows: Sequence[Sequence[Any]],
    ) -> None:
        sheet = self._book.add_worksheet(name)
        sheet.hide_gridlines(2)
        sheet.freeze_panes(1, 0)
        sheet.fit_to_pages(1, 0)
        sheet.set_landscape()
        for at, column in enumerate(columns):
            sheet.set_column(at, at, column.width)
            sheet.write_string(0, at, column.name, self._names)
        for number, row in enumerate(rows, start=1):
            for at, value in enumerate(row):
                look = self._looks[columns[at].look]
                if value is None:
                    continue
                if columns[at].look == "count":
                    sheet.write_number(number, at, value, look)
                elif columns[at].look == "money":
                    sheet.write_number(number, at, parse(value).cents / CENTS_PER_SHILLING, look)
                else:
                    sheet.write_string(number, at, str(value), look)


_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "text": {}, "name": {"bold": True}, "words": {"text_wrap": True}, "count": {"num_format": "0"},
    "money": {"num_format": "#,##0.00"},
}

_KES = _Column("KES", 16, "money")

_ACCOUNT_COLUMNS = (
    _Column("account", 30), _Column("at midnight before", 20, "money"),
    _Column("at midnight after", 20, "money"),
)

_DIFFERENCE_FIELDS = (
    "state", "kind", "shortcode", "receipt", "words", "ours", "theirs", "payment_id",
    "assigned_to", "resolved_by", "resolution",
)
_DIFFERENCE_COLUMNS = (
    _Column("state", 10), _Column("what", 18), _Column("short code", 12), _Column("receipt", 14),
    _Column("in words", 70, "words"), _Column("in the books", 14, "money"),
    _Column("at M-Pesa", 14, "money"), _Column("payment", 32), _Column("with", 18),
    _Column("settled by", 18), _Column("reason", 50, "words"),
)

# What a movement is signed with, in a fixed order: `_movement` reads it back.
_MOVEMENT_FIELDS = (
    "sequence", "happened_at", "receipt", "move", "debit", "credit", "amount", "currency",
    "shortcode", "payment_id", "posted_at", "link",
)
_MOVEMENT_COLUMNS = (
    _Column("number", 10, "count"), _Column("happened (UTC)", 28), _Column("receipt", 14),
    _Column("why", 14), _Column("debit", 26), _Column("credit", 26), _Column("amount", 14, "money"),
    _Column("currency", 9), _Column("short code", 12), _Column("payment", 32),
    _Column("posted (UTC)", 28), _Column("hash", 66),
)


def _parts(text: bytes) -> Iterator[str]:
    whole = text.decode()
    for at in range(0, len(whole), _CELL_MAX):
        yield whole[at:at + _CELL_MAX]


def _read_book(file: bytes) -> Report:
    """Return the report in a workbook: its proof, and its movements as their cells have them."""
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(file))
        sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
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
    found = dict(zip(_MOVEMENT_FIELDS, row, strict=False))
    try:
        return found | {
            "sequence": int(found["sequence"]), "amount": f"{float(found['amount']):.2f}",
            "payment_id": found["payment_id"] or None,
        }
    except (KeyError, TypeError, ValueError) as error:
        raise NoReport(f"A movement cannot be read: {error}.") from None
