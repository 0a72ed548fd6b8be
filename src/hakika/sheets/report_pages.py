"""The pages of a day's report: what people see of it, the proof attached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pypdfium2
from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from hakika.domain.checkpoint import Report, fingerprint
from hakika.domain.times import NAIROBI

_ATTACHED = "hakika-day.json"

_INK, _PALE, _LINE = (33, 37, 41), (108, 117, 125), (222, 226, 230)
_GREEN, _RED = (25, 135, 84), (186, 33, 44)

_DIFFERENCES_MAX = 500      # that pages show; the JSON and the XLSX have all


def facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what a day is: a name and its words, the first of which are the heads."""
    summary, checkpoint = report.summary, report.signed.checkpoint
    found = summary["differences"]
    is_open = sum(each["state"] == "open" for each in found)
    yield "day", f"{checkpoint.day} (Africa/Nairobi)"
    yield "merchant", f"{summary['merchant']['name']} ({checkpoint.merchant_id})"
    yield "mode", "live" if checkpoint.livemode else "test"
    yield "result", checkpoint.result
    yield "differences", f"{is_open} open, {len(found) - is_open} settled"
    for each in summary["shortcodes"]:
        yield f"held against, {each['shortcode']}", _sources(each)
    yield "closed", _local(checkpoint.closed_at)
    yield "newest posting", f"{checkpoint.sequence}, {checkpoint.link}"
    yield "checkpoint", f"{checkpoint.number}, {checkpoint.sha256}"
    yield "checkpoint before", checkpoint.previous
    yield "movements", checkpoint.movements_sha256
    yield "signed with", f"Ed25519 key {fingerprint(report.signed.public_key)}"


def draw(report: Report, *, attached: bytes) -> bytes:
    """Return the pages as a PDF: the same bytes for the same report."""
    checkpoint = report.signed.checkpoint
    pages = _Pages()
    pages.set_creation_date(datetime.fromisoformat(checkpoint.closed_at))
    pages.set_title(f"Hakika: {checkpoint.day}")
    pages.embed_file(
        bytes=attached, basename=_ATTACHED, mime_type="application/json",
        modification_date=datetime.fromisoformat(checkpoint.closed_at),
    )
    pages.add_page()
    pages.head(report)
    summary = report.summary
    pages.part("Accounts", ("Account", "At midnight before", "At midnight after"), [
        (each["account"], each["opening"], each["closing"]) for each in summary["accounts"]
    ], (50, 25, 25), none="The books have no account yet.")
    pages.part("Moved", ("Why", "How often", "KES"), [
        (each["move"], f"{each['count']:,}", each["amount"]) for each in summary["moved"]
    ], (50, 25, 25), none="Nothing moved.")
    pages.differences(summary["differences"])
    pages.proof(report)
    return bytes(pages.output())


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


class _Pages(FPDF):
    def __init__(self) -> None:
        super().__init__(format="A4")
        self.set_margins(18, 16, 18)
        self.set_auto_page_break(True, 18)

    def footer(self) -> None:
        """Write the number of the page."""
        self.set_y(-14)
        self._font(8, _PALE)
        self.cell(0, 6, f"Hakika  -  page {self.page_no()} of {{nb}}", align="C")

    def head(self, report: Report) -> None:
        checkpoint, summary = report.signed.checkpoint, report.summary
        is_green = checkpoint.result == "green"
        self._font(20, _INK, style="B")
        self.cell(0, 10, f"Day closed: {checkpoint.day}", new_x="LMARGIN", new_y="NEXT")
        self._font(10, _PALE)
        mode = "live" if checkpoint.livemode else "test"
        self.cell(0, 6, _text(f"{summary['merchant']['name']}, {mode}"), new_x="LMARGIN",
                  new_y="NEXT")
        self.ln(3)
        self.set_fill_color(*(_GREEN if is_green else _RED))
        self._font(13, (255, 255, 255), style="B")
        found = sum(each["state"] == "open" for each in summary["differences"])
        said = "GREEN: every shilling is proven" if is_green else f"RED: {found} open differences"
        self.cell(0, 12, said, fill=True, align="C", new_x="LMARGIN", new_y="NEXT")
        self.set_fill_color(255, 255, 255)  # tables are filled with it, too
        self.ln(4)
        self._font(10, _INK)
        for each in summary["shortcodes"]:
            self.multi_cell(
                0, 5.5, _text(f"Short code {each['shortcode']}: held against {_sources(each)}."),
                new_x="LMARGIN", new_y="NEXT",
            )

    def part(
        self, title: str, names: Sequence[str], rows: Sequence[Sequence[str]],
        widths: tuple[int, ...], *, none: str,
    ) -> None:
        self._title(title)
        if not rows:
            self._font(10, _PALE)
            self.cell(0, 6, none, new_x="LMARGIN", new_y="NEXT")
            return
        self._font(9, _INK)
        self.set_draw_color(*_LINE)
        with self.table(
            col_widths=widths, borders_layout=TableBordersLayout.HORIZONTAL_LINES, line_height=5.5,
            headings_style=FontFace(emphasis="BOLD", color=_PALE),
            text_align=("LEFT", *["RIGHT"] * (len(names) - 1)),
        ) as table:
            for row in [names, *rows]:
                table.row([_text(each) for each in row])

    def differences(self, found: Sequence[dict[str, Any]]) -> None:
        self._title("Differences")
        if not found:
            self._font(10, _PALE)
            self.cell(0, 6, "None.", new_x="LMARGIN", new_y="NEXT")
        for each in found[:_DIFFERENCES_MAX]:
            is_open = each["state"] == "open"
            self._font(10, _RED if is_open else _PALE, style="B")
            self.cell(0, 6, _text(f"{each['kind']}, {each['state']}"), new_x="LMARGIN",
                      new_y="NEXT")
            self._font(10, _INK)
            self.multi_cell(0, 5, _text(each["words"]), new_x="LMARGIN", new_y="NEXT")
            if not is_open:
                self._font(9, _PALE)
                self.multi_cell(
                    0, 5, _text(f"Settled by {each['resolved_by']}: {each['resolution']}"),
                    new_x="LMARGIN", new_y="NEXT",
                )
            self.ln(1.5)
        if len(found) > _DIFFERENCES_MAX:
            self.cell(0, 6, f"And {len(found) - _DIFFERENCES_MAX} more: see the XLSX.")

    def proof(self, report: Report) -> None:
        self._title("Proof")
        self._font(8, _INK)
        for name, words in list(facts(report))[-6:]:
            self.multi_cell(0, 4.5, _text(f"{name}: {words}"), new_x="LMARGIN", new_y="NEXT")
        self._font(8, _PALE)
        self.multi_cell(
            0, 4.5, "Anyone can prove this file without Hakika's database: "
            "hakika verify-report FILE", new_x="LMARGIN", new_y="NEXT",
        )

    def _title(self, title: str) -> None:
        self.ln(5)
        self._font(13, _INK, style="B")
        self.cell(0, 8, title, new_x="LMARGIN", new_y="NEXT")

    def _font(self, size: float, color: tuple[int, int, int], *, style: str = "") -> None:
        self.set_font("Helvetica", style=style, size=size)
        self.set_text_color(*color)


def _sources(each: dict[str, Any]) -> str:
    told = [f"the statement of {account}" for account in each["stated"]]
    if each["listed_to"]:
        told.append(f"M-Pesa's own list up to {_local(each['listed_to'])}")
    return " and ".join(told) or "nothing"


def _local(when: str) -> str:
    return f"{datetime.fromisoformat(when).astimezone(NAIROBI):%Y-%m-%d %H:%M:%S}"


def _text(text: str) -> str:
    """Return text as the built-in fonts can draw it: what they cannot is shown as a ?."""
    return text.encode("latin-1", "replace").decode("latin-1")
