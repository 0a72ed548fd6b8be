"""The pages of a day's report: what people see of it, the proof attached.

The same report gives the same bytes. Importing this takes a moment: only who needs it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pypdfium2

from hakika.domain.checkpoint import Report, fingerprint
from hakika.domain.discrepancy import NOBODY, proven_words
from hakika.sheets.pages import (
    AMBER,
    BODY,
    FAINT,
    GREEN,
    INK,
    RED,
    SMALL,
    SMALL_MM,
    Pages,
    grouped,
    local,
)

_ATTACHED = "hakika-day.json"

_TITLE, _DAY, _RESULT = 11, 24, 15    # points

_DIFFERENCES_MAX = 500      # that pages show; the JSON and the XLSX have all

_DIFFERENCE_NAMES = ("What", "Receipt", "In words", "In the books", "At M-Pesa")
_DIFFERENCE_WIDTHS = (28, 24, 80, 23, 23)


def facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what a day is and how it was closed: a name and its words."""
    summary, checkpoint = report.summary, report.signed.checkpoint
    yield "day", f"{checkpoint.day} (Africa/Nairobi)"
    yield "merchant", f"{summary['merchant']['name']} ({checkpoint.merchant_id})"
    yield "mode", "live" if checkpoint.livemode else "test"
    yield "result", checkpoint.result
    yield "differences", _differences(report)
    for each in summary["shortcodes"]:
        yield f"held against, {each['shortcode']}", _sources(each)
    yield "closed", f"{local(checkpoint.closed_at)} (Africa/Nairobi)"
    yield from proof(report)


def proof(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what proves a report: a name and its words."""
    checkpoint = report.signed.checkpoint
    yield "newest posting", f"{checkpoint.sequence}, {checkpoint.link}"
    yield "checkpoint", f"{checkpoint.number}, {checkpoint.sha256}"
    yield "checkpoint before", checkpoint.previous
    yield "movements", checkpoint.movements_sha256
    yield "signed with", f"Ed25519 key {fingerprint(report.signed.public_key)}"


def draw(report: Report, *, attached: bytes) -> bytes:
    """Return the pages as a PDF: the same bytes for the same report."""
    with _drawn(report, pages=0) as pdf:    # once to count them, once to say how many there are
        pages = pdf.page_no()
    with _drawn(report, pages=pages) as pdf:
        pdf.embed_file(
            bytes=attached, basename=_ATTACHED, mime_type="application/json",
            modification_date=datetime.fromisoformat(report.signed.checkpoint.closed_at),
        )
        return bytes(pdf.output())


def attached(file: bytes) -> bytes | None:
    """Return the proof that is attached to a PDF, or None."""
    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError:
        return None
    try:
        for at in range(document.count_attachments()):
            found = document.get_attachment(at)
            if found.get_name() == _ATTACHED:
                return bytes(found.get_data())
        return None
    finally:
        document.close()


@contextmanager
def _drawn(report: Report, *, pages: int) -> Iterator[Pages]:
    sheet = _Sheet(report, pages=pages)
    try:
        sheet.head()
        sheet.sources()
        sheet.differences()
        sheet.moved()
        sheet.accounts()
        sheet.proof()
        yield sheet.pdf
    finally:
        sheet.pdf.put_letters_back()


class _Sheet:
    """What stands on the pages of one report, from top to bottom."""

    def __init__(self, report: Report, *, pages: int) -> None:
        self._report, self._summary = report, report.summary
        checkpoint = report.signed.checkpoint
        self.pdf = Pages(
            f"{checkpoint.merchant_id} · {checkpoint.day} · times are Nairobi's", pages=pages,
        )
        self.pdf.set_title(f"Day {checkpoint.day}, {checkpoint.result}")
        self.pdf.set_creation_date(datetime.fromisoformat(checkpoint.closed_at))
        self.pdf.add_page()

    def head(self) -> None:
        """Write which day it is of whom, and how it closed."""
        pdf, checkpoint = self.pdf, self._report.signed.checkpoint
        is_green, is_open = checkpoint.result == "green", _open(self._report)
        proven = proven_words(self._report.summary, _by_people(self._report))
        pdf.ink(FAINT, _TITLE, bold=True)
        pdf.cell(pdf.epw / 2, 6, "Report of a day")
        pdf.ink(FAINT, BODY)
        mode = "M-Pesa · real money" if checkpoint.livemode else "M-Pesa · test mode, no real money"
        pdf.cell(0, 6, mode, align="R", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(4)
        pdf.ink(INK, _DAY, bold=True)
        pdf.cell(pdf.epw * 2 / 3, 11, checkpoint.day)
        pdf.ink(GREEN if is_green else RED, _RESULT, bold=True)
        pdf.cell(0, 11, checkpoint.result.upper(), align="R", new_x="LMARGIN", new_y="NEXT")
        pdf.ink(INK, BODY + 1, bold=True)
        pdf.say(self._summary["merchant"]["name"])
        pdf.ink(FAINT, BODY)
        pdf.say(
            proven if is_green else
            f"{_counted(is_open, 'difference')} open: the day is not proven.",
        )
        pdf.say(f"Closed on {local(checkpoint.closed_at)}.")

    def sources(self) -> None:
        """Write what of M-Pesa's the day was held against."""
        self.pdf.section("Held against")
        self.pdf.rows(("Short code", "Whose word it is"), (30, 148), [
            (each["shortcode"], _sources(each)) for each in self._summary["shortcodes"]
        ], none="No short code had anything to do on this day.")

    def differences(self) -> None:
        """Write what differed, what is open first."""
        found = self._summary["differences"]
        self.pdf.section("Differences")
        if not found:
            self.pdf.ink(GREEN, BODY)
            self.pdf.say("None.")
            return
        shown = sorted(found, key=lambda each: each["state"] != "open")[:_DIFFERENCES_MAX]
        for state, title, color in (
            ("open", "Open", RED), ("resolved", "Settled", AMBER),
        ):
            rows = [_difference(each) for each in shown if each["state"] == state]
            if rows:
                self.pdf.ln(1.5)
                self.pdf.ink(color, BODY, bold=True)
                self.pdf.say(f"{title}: {len(rows):,}")
                self.pdf.rows(_DIFFERENCE_NAMES, _DIFFERENCE_WIDTHS, rows, none="", amounts=2)
        if len(found) > len(shown):
            self.pdf.ink(FAINT, BODY)
            self.pdf.say(f"And {len(found) - len(shown):,} more, which the XLSX and the JSON have.")

    def moved(self) -> None:
        """Write what moved, and why."""
        self.pdf.section("Moved on this day")
        self.pdf.rows(("Why", "How often", "KES"), (110, 34, 34), [
            (_words(each["move"]), f"{each['count']:,}", grouped(each["amount"]))
            for each in self._summary["moved"]
        ], none="Nothing moved.", amounts=2)

    def accounts(self) -> None:
        """Write what lay on each account before and after."""
        self.pdf.section("Accounts")
        names = ("Account", "At midnight before", "At midnight after")
        self.pdf.rows(names, (110, 34, 34), [
            (each["account"], grouped(each["opening"]), grouped(each["closing"]))
            for each in self._summary["accounts"]
        ], none="The books have no account yet.", amounts=2)

    def proof(self) -> None:
        """Write what proves all of this."""
        pdf = self.pdf
        pdf.section("Proof")
        for name, words in proof(self._report):
            pdf.ink(FAINT, SMALL)
            pdf.cell(32, SMALL_MM, name.capitalize())
            pdf.ink(INK, SMALL)
            pdf.say(words, SMALL_MM)
        pdf.ln(1)
        pdf.ink(FAINT, SMALL)
        pdf.say(
            "Anyone can prove this file, without Hakika's database: hakika verify-report FILE. "
            "The key is told by GET /v1/reconciliation/signing-key.", SMALL_MM,
        )


def _open(report: Report) -> int:
    return sum(each["state"] == "open" for each in report.summary["differences"])


def _by_people(report: Report) -> int:
    """Return how many differences people settled; the others were found no more."""
    return sum(
        each["state"] != "open" and each["resolved_by"] != NOBODY
        for each in report.summary["differences"]
    )


def _differences(report: Report) -> str:
    found, is_open, by_people = (
        len(report.summary["differences"]), _open(report), _by_people(report),
    )
    whose = f", {by_people} of them by people" if by_people else ""
    return f"{is_open} open, {found - is_open} settled{whose}"


def _difference(each: Mapping[str, Any]) -> tuple[str, ...]:
    words = str(each["words"])
    if each["state"] != "open":
        words += f"\nSettled by {each['resolved_by']}: {each['resolution']}"
    elif each["assigned_to"]:
        words += f"\nWith {each['assigned_to']}."
    return (
        _words(each["kind"]), each["receipt"] or "", words,
        grouped(each["ours"]) if each["ours"] else "",
        grouped(each["theirs"]) if each["theirs"] else "",
    )


def _sources(each: Mapping[str, Any]) -> str:
    told = [f"the statement of {account}" for account in each["stated"]]
    if each["listed_to"]:
        told.append(f"M-Pesa's own list up to {local(each['listed_to'])}")
    told += [f"M-Pesa's balance of {account}" for account in each["balances"]]
    return " and ".join(told) or "nothing of M-Pesa's"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _counted(count: int, what: str) -> str:
    return f"{count} {what} is" if count == 1 else f"{count:,} {what}s are"
