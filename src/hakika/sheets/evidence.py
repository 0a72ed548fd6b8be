"""The evidence of a payment as pages that a person can hand to an auditor.

The same pack gives the same bytes: nothing of the day it is written is in it. Every text in it is
somebody else's and stays text; what the letters here cannot draw is written as its number, so that
nothing of a name is lost without a word. Importing this takes a moment: only who needs it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import distribution
from typing import Any

from fpdf import FPDF, FontFace
from fpdf.fonts import TTFFont

from hakika.domain.money import Money
from hakika.domain.times import NAIROBI

Pack = Mapping[str, Any]
Rows = Sequence[Sequence[str]]

_FONT = "Source Sans Pro"
_FONT_FILES = {"": "SourceSansPro-Regular.ttf", "B": "SourceSansPro-Semibold.ttf"}

_MARGIN_MM = 16.0
_LINE_MM, _SMALL_MM = 4.6, 3.7
_BODY, _SMALL, _SECTION, _TITLE, _AMOUNT = 9, 7.5, 12, 11, 24    # points

_INK, _FAINT, _RULE = (27, 33, 39), (104, 115, 125), (214, 220, 225)
_GREEN, _RED, _AMBER = (17, 112, 68), (176, 32, 37), (148, 92, 4)
_LINE_CHARACTERS_MAX, _CELL_CHARACTERS_MAX = 200, 600

# M-Pesa's own have 500. Somebody else's may have 64 KiB, each a second's work.
_BODY_CHARACTERS_MAX = 4_000

_STATUS_INK = {"completed": _GREEN, "failed": _RED, "canceled": _RED}


def evidence_pdf(pack: Pack) -> bytes:
    """Return the pages of a pack of evidence (`services.evidence.pack`), as a PDF."""
    with _written(pack, pages=0) as pdf:    # once to count them, once to say how many there are
        pages = pdf.page_no()
    with _written(pack, pages=pages) as pdf:
        return bytes(pdf.output())


@contextmanager
def _written(pack: Pack, *, pages: int) -> Iterator[_Pages]:
    sheet = _Sheet(pack, pages=pages)
    try:
        sheet.head()
        sheet.payment()
        sheet.chain()
        sheet.facts()
        sheet.books()
        sheet.witnesses()
        sheet.events()
        sheet.bodies()
        yield sheet.pdf
    finally:
        sheet.pdf.put_letters_back()


class _Pages(FPDF):
    """Empty pages with our letters, each with its number at the foot."""

    def __init__(self, foot: str, *, pages: int) -> None:
        super().__init__(format="A4")
        self._foot_text, self._page_count = foot, pages
        self.str_alias_nb_pages = ""    # no text of a payer's is a place to put a number in
        self.set_margins(_MARGIN_MM, _MARGIN_MM)
        self.set_auto_page_break(True, margin=_MARGIN_MM + 2)
        for style, name in _FONT_FILES.items():
            package = distribution("font-source-sans-pro")
            path = package.locate_file(f"font_source_sans_pro/files/{name}")
            self.add_font(_FONT, style, str(path))
        self._letters = [each for each in self.fonts.values() if isinstance(each, TTFFont)]
        self._glyphs = self._letters[0].cmap

    def put_letters_back(self) -> None:
        """Close the files of our letters, which the library keeps open."""
        for each in self._letters:
            each.ttfont.close()

    def footer(self) -> None:
        """Write the foot of a page."""
        self.set_y(-12)
        self.ink(_FAINT, _SMALL)
        of = f" of {self._page_count}" if self._page_count else ""
        self.cell(self.epw * 3 / 4, 4, self._foot_text)
        self.cell(0, 4, f"Page {self.page_no()}{of}", align="R")

    def ink(self, color: tuple[int, int, int], points: float, *, bold: bool = False) -> None:
        """Choose the letters of what is written next."""
        self.set_font(_FONT, "B" if bold else "", points)
        self.set_text_color(*color)

    def drawn(self, text: str) -> str:
        """Return `text` with each sign that our letters do not have as its number: <U+1F600>."""
        return "".join(
            each if each == "\n" or (each.isprintable() and ord(each) in self._glyphs)
            else f"<U+{ord(each):04X}>"
            for each in text.replace("\r\n", "\n")
        )


class _Sheet:
    """What stands on the pages of one pack, from top to bottom."""

    def __init__(self, pack: Pack, *, pages: int) -> None:
        self._pack, self._payment = pack, pack["payment"]
        shown = "numbers and names shown" if pack["revealed"] else "numbers and names hidden"
        self.pdf = _Pages(f"{self._payment['id']} · times are Nairobi's · {shown}", pages=pages)
        self.pdf.set_title(f"Evidence of payment {self._payment['id']}")
        self.pdf.set_creation_date(datetime.fromisoformat(self._payment["updated_at"]))
        self.pdf.add_page()

    def head(self) -> None:
        """Write what was paid, by whom, and what became of it."""
        payment, pdf = self._payment, self.pdf
        self.pdf.ink(_FAINT, _TITLE, bold=True)
        pdf.cell(pdf.epw / 2, 6, "Evidence of a payment")
        mode = "M-Pesa · real money" if payment["livemode"] else "M-Pesa · test mode, no real money"
        self.pdf.ink(_FAINT, _BODY)
        pdf.cell(0, 6, mode, align="R", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(4)
        self.pdf.ink(_INK, _AMOUNT, bold=True)
        amount = payment["amount_received"] or payment["amount"]
        pdf.cell(pdf.epw * 2 / 3, 11, f"{payment['currency']} {_grouped(amount)}")
        self.pdf.ink(_STATUS_INK.get(payment["status"], _AMBER), 15, bold=True)
        pdf.cell(0, 11, payment["status"].upper(), align="R", new_x="LMARGIN", new_y="NEXT")
        self.pdf.ink(_FAINT, _BODY)
        self._line(_sentence(payment))
        pdf.ln(3)

    def payment(self) -> None:
        """Write the payment, a line for each thing that is known of it."""
        pdf = self.pdf
        for name, value in _particulars(self._payment):
            self.pdf.ink(_FAINT, _BODY)
            pdf.cell(36, _LINE_MM, name)
            self.pdf.ink(_INK, _BODY)
            self._line(value)
        pdf.ln(2)

    def chain(self) -> None:
        """Write whether all that was heard is as it was heard."""
        chain, count = self._pack["chain"], len(self._pack["facts"])
        self.pdf.ink(_GREEN if chain["is_whole"] else _RED, _BODY, bold=True)
        self._line(
            f"The chain of {count} facts is whole: each hash was calculated anew from what is kept."
            if chain["is_whole"] else "The chain is broken: what is kept is not what was heard.",
        )
        self.pdf.ink(_RED, _BODY)
        for each in chain["breaches"]:
            self._line(each)
        self.pdf.ink(_FAINT, _SMALL)
        self._line(f"First hash {chain['first']}", _SMALL_MM)
        self._line(f"Last hash {chain['last']}", _SMALL_MM)

    def facts(self) -> None:
        """Write what was heard, in order."""
        self._section("What was heard, in order")
        names = ("", "When", "Fact", "Source", "State after", "What it said")
        self._table(names, (6, 31, 22, 24, 24, 71), [
            [
                str(each["sequence"]), _time(each["heard_at"]), each["fact"], each["source"],
                each["state"], _details(each["details"]),
            ]
            for each in self._pack["facts"]
        ], none="Nothing was heard.")

    def books(self) -> None:
        """Write the postings."""
        self._section("In the books")
        names = ("No.", "Money moved", "Move", "From", "To", "Receipt", "KES")
        self._table(names, (9, 31, 20, 30, 42, 25, 21), [
            [
                str(each["sequence"]), _time(each["happened_at"]), each["move"], each["credit"],
                each["debit"], each["receipt"], _grouped(each["amount"]),
            ]
            for each in self._pack["entries"]
        ], none="No money is in the books for this payment.", last_right=True)

    def witnesses(self) -> None:
        """Write what other sources said of the same money."""
        self._section("Who else told of it")
        self._table(("Source", "Receipt", "Money moved", "Heard", "KES"), (30, 40, 40, 40, 28), [
            [
                each["source"], each["receipt"], _time(each["happened_at"]),
                _time(each["heard_at"]), _grouped(each["amount"]),
            ]
            for each in self._pack["witnesses"]
        ], none="Nobody but its own callback, or answer.", last_right=True)

    def events(self) -> None:
        """Write who was told, and what came of it."""
        self._section("Who was told")
        names = ("No.", "When", "Event", "Delivery", "State", "Tries")
        self._table(names, (9, 31, 42, 56, 28, 12), [
            row for event in self._pack["events"] for row in _event_rows(event)
        ], none="Nobody was told anything.", last_right=True)

    def bodies(self) -> None:
        """Write each body as it came, and the hashes that prove it."""
        self._section("The bodies as they came")
        if not self._pack["revealed"]:
            self.pdf.ink(_FAINT, _SMALL)
            self._line("Numbers, names and secrets are hidden; a SHA-256 is of the whole body.")
        for each in self._pack["facts"]:
            self.pdf.ln(1.5)
            self.pdf.ink(_INK, _BODY, bold=True)
            self._line(f"{each['sequence']} · {each['fact']}, from {each['source']}")
            self.pdf.ink(_FAINT, _SMALL)
            self._line(f"Hash in the chain {each['link']}", _SMALL_MM)
            self._line(f"SHA-256 of the body {each['raw_sha256']}", _SMALL_MM)
            self.pdf.ink(_INK, _SMALL)
            self._line(_body(each["raw"]), _SMALL_MM)

    def _section(self, title: str) -> None:
        pdf = self.pdf
        if pdf.will_page_break(30):
            pdf.add_page()
        pdf.ln(5)
        self.pdf.ink(_INK, _SECTION, bold=True)
        pdf.cell(0, 6, title, new_x="LMARGIN", new_y="NEXT")
        pdf.ln(0.5)

    def _table(
        self, names: Sequence[str], widths: Sequence[int], rows: Rows, *, none: str,
        last_right: bool = False,
    ) -> None:
        if not rows:
            self.pdf.ink(_FAINT, _BODY)
            self._line(none)
            return
        self.pdf.ink(_INK, _SMALL + 0.5)
        self.pdf.set_draw_color(*_RULE)
        aligns = ("LEFT",) * (len(names) - 1) + ("RIGHT" if last_right else "LEFT",)
        with self.pdf.table(
            col_widths=tuple(widths), line_height=_LINE_MM, text_align=aligns, padding=(0.8, 1.2),
            borders_layout="HORIZONTAL_LINES", v_align="TOP",
            headings_style=FontFace(emphasis="BOLD", color=_FAINT),
        ) as table:
            for row in (names, *rows):
                table.row([self.pdf.drawn(_short(each, _CELL_CHARACTERS_MAX)) for each in row])

    def _line(self, text: str, height: float = _LINE_MM) -> None:
        self.pdf.multi_cell(
            0, height, self.pdf.drawn(text), align="L", new_x="LMARGIN", new_y="NEXT",
        )


def _sentence(payment: Pack) -> str:
    """Return what became of the payment, in words."""
    payer = payment["phone"] or payment["phone_masked"] or "somebody unknown"
    asked = "Asked of" if payment["source"] == "stk" else "Paid, unasked, by"
    parts = [f"{asked} {payer} on {_time(payment['created_at'])}."]
    if payment["receipt"]:
        parts.append(f"M-Pesa's receipt is {payment['receipt']}.")
    if payment["amount_received"] not in {None, payment["amount"]}:
        parts.append(f"Asked for was {payment['currency']} {_grouped(payment['amount'])}.")
    if payment["failure_reason"]:
        parts.append(str(payment["failure_reason"]))
    if payment["late"]:
        parts.append("The money came after it had been said that it would not.")
    if payment["needs_review"]:
        parts.append("What was heard contradicts itself, or is too little: a person must look.")
    return " ".join(parts)


def _particulars(payment: Pack) -> Iterator[tuple[str, str]]:
    """Yield what is known of the payment, by name: what nobody said is left out."""
    for name, value in (
        ("Payment", payment["id"]), ("Merchant", payment["merchant_id"]),
        ("Payer", payment["phone"]), ("Receipt", payment["receipt"]),
        ("Account reference", payment["reference"]), ("Description", payment["description"]),
        ("Assigned to", payment["assigned_to"]), ("Customer", payment["customer_id"]),
        ("M-Pesa's request", payment["provider_ref"]),
        ("Confirmed by", payment["confirmed_by"]), ("Failure", payment["failure_code"]),
        ("Idempotency key", payment["idempotency_key"]),
        *(("Metadata", f"{name}: {text}") for name, text in payment["metadata"].items()),
        ("Created", _time(payment["created_at"])),
        ("Completed", _time(payment["completed_at"])),
        ("Last changed", _time(payment["updated_at"])),
    ):
        if value:
            yield name, value


def _details(details: Mapping[str, Any]) -> str:
    """Return what a fact says besides its kind, a line for each thing."""
    lines = [
        _short(_detail(name, value)) for name, value in details.items() if value not in (None, "")
    ]
    return "\n".join(lines)


def _detail(name: str, value: Any) -> str:
    match name, value:
        case "amount_cents", int(cents):
            return f"amount: KES {_grouped(str(Money(cents)))}"
        case "paid_at", str(when):
            return f"paid at: {_time(when)}"
    return f"{name.replace('_', ' ')}: {value}"


def _body(raw: str) -> str:
    """Return a body as far as pages are made for it."""
    if not raw:
        return "It came without a body."
    left = len(raw) - _BODY_CHARACTERS_MAX
    if left <= 0:
        return raw
    return f"{raw[:-left]} … and {left:,} characters more, which the pack in JSON has."


def _short(text: str, characters_max: int = _LINE_CHARACTERS_MAX) -> str:
    """Return `text` so that a row stays on one page; the bodies have all of it."""
    return text if len(text) <= characters_max else text[:characters_max - 1] + "…"


def _event_rows(event: Pack) -> Iterator[list[str]]:
    """Yield a row for each delivery of an event, the first of them with the event itself."""
    told = [str(event["sequence"] or ""), _time(event["timestamp"]), event["type"]]
    for each in event["deliveries"]:
        state = f"{each['state']}\n{_short(each['reason'] or '')}".strip()
        yield [*told, f"{each['id']}\nto {each['endpoint_id']}", state, str(each["attempts"])]
        told = ["", "", ""]
    if not event["deliveries"]:
        yield [*told, "nobody wanted it", "", ""]


def _time(when: str | None) -> str:
    """Return a time as people in Nairobi read it; nothing, when it never was."""
    if when is None:
        return ""
    return f"{datetime.fromisoformat(when).astimezone(NAIROBI):%Y-%m-%d %H:%M:%S}"


def _grouped(amount: str) -> str:
    """Return 1,500.00 for 1500.00."""
    whole, _, cents = amount.partition(".")
    return f"{int(whole):,}.{cents}"
