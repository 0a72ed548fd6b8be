"""The evidence of a payment as pages that a person can hand to an auditor.

The same pack gives the same bytes: nothing of the day it is written is in it. Importing this takes
a moment: only who needs it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from hakika.domain.money import Money
from hakika.sheets.pages import (
    AMBER,
    BODY,
    FAINT,
    GREEN,
    INK,
    LINE_MM,
    RED,
    SMALL,
    SMALL_MM,
    Pages,
    grouped,
    local,
    short,
)

Pack = Mapping[str, Any]

_TITLE, _AMOUNT = 11, 24    # points

# M-Pesa's own have 500. Somebody else's may have 64 KiB, each a second's work.
_BODY_CHARACTERS_MAX = 4_000

_STATUS_INK = {"completed": GREEN, "failed": RED, "canceled": RED}


def evidence_pdf(pack: Pack) -> bytes:
    """Return the pages of a pack of evidence (`services.evidence.pack`), as a PDF."""
    with _written(pack, pages=0) as pdf:    # once to count them, once to say how many there are
        pages = pdf.page_no()
    with _written(pack, pages=pages) as pdf:
        return bytes(pdf.output())


@contextmanager
def _written(pack: Pack, *, pages: int) -> Iterator[Pages]:
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


class _Sheet:
    """What stands on the pages of one pack, from top to bottom."""

    def __init__(self, pack: Pack, *, pages: int) -> None:
        self._pack, self._payment = pack, pack["payment"]
        shown = "numbers and names shown" if pack["revealed"] else "numbers and names hidden"
        self.pdf = Pages(f"{self._payment['id']} · times are Nairobi's · {shown}", pages=pages)
        self.pdf.set_title(f"Evidence of payment {self._payment['id']}")
        self.pdf.set_creation_date(datetime.fromisoformat(self._payment["updated_at"]))
        self.pdf.add_page()

    def head(self) -> None:
        """Write what was paid, by whom, and what became of it."""
        payment, pdf = self._payment, self.pdf
        self.pdf.ink(FAINT, _TITLE, bold=True)
        pdf.cell(pdf.epw / 2, 6, "Evidence of a payment")
        mode = "M-Pesa · real money" if payment["livemode"] else "M-Pesa · test mode, no real money"
        self.pdf.ink(FAINT, BODY)
        pdf.cell(0, 6, mode, align="R", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(4)
        self.pdf.ink(INK, _AMOUNT, bold=True)
        amount = payment["amount_received"] or payment["amount"]
        pdf.cell(pdf.epw * 2 / 3, 11, f"{payment['currency']} {grouped(amount)}")
        self.pdf.ink(_STATUS_INK.get(payment["status"], AMBER), 15, bold=True)
        pdf.cell(0, 11, payment["status"].upper(), align="R", new_x="LMARGIN", new_y="NEXT")
        self.pdf.ink(FAINT, BODY)
        self.pdf.say(_sentence(payment))
        pdf.ln(3)

    def payment(self) -> None:
        """Write the payment, a line for each thing that is known of it."""
        pdf = self.pdf
        for name, value in _particulars(self._payment):
            self.pdf.ink(FAINT, BODY)
            pdf.cell(36, LINE_MM, name)
            self.pdf.ink(INK, BODY)
            self.pdf.say(value)
        pdf.ln(2)

    def chain(self) -> None:
        """Write whether all that was heard is as it was heard."""
        chain, count = self._pack["chain"], len(self._pack["facts"])
        self.pdf.ink(GREEN if chain["is_whole"] else RED, BODY, bold=True)
        self.pdf.say(
            f"The chain of {count} facts is whole: each hash was calculated anew from what is kept."
            if chain["is_whole"] else "The chain is broken: what is kept is not what was heard.",
        )
        self.pdf.ink(RED, BODY)
        for each in chain["breaches"]:
            self.pdf.say(each)
        self.pdf.ink(FAINT, SMALL)
        self.pdf.say(f"First hash {chain['first']}", SMALL_MM)
        self.pdf.say(f"Last hash {chain['last']}", SMALL_MM)

    def facts(self) -> None:
        """Write what was heard, in order."""
        self.pdf.section("What was heard, in order")
        names = ("", "When", "Fact", "Source", "State after", "What it said")
        self.pdf.rows(names, (6, 31, 22, 24, 24, 71), [
            [
                str(each["sequence"]), local(each["heard_at"]), each["fact"], each["source"],
                each["state"], _details(each["details"]),
            ]
            for each in self._pack["facts"]
        ], none="Nothing was heard.")

    def books(self) -> None:
        """Write the postings."""
        self.pdf.section("In the books")
        names = ("No.", "Money moved", "Move", "From", "To", "Receipt", "KES")
        self.pdf.rows(names, (9, 31, 20, 30, 42, 25, 21), [
            [
                str(each["sequence"]), local(each["happened_at"]), each["move"], each["credit"],
                each["debit"], each["receipt"], grouped(each["amount"]),
            ]
            for each in self._pack["entries"]
        ], none="No money is in the books for this payment.", amounts=1)

    def witnesses(self) -> None:
        """Write what other sources said of the same money."""
        self.pdf.section("Who else told of it")
        self.pdf.rows(("Source", "Receipt", "Money moved", "Heard", "KES"), (30, 40, 40, 40, 28), [
            [
                each["source"], each["receipt"], local(each["happened_at"]),
                local(each["heard_at"]), grouped(each["amount"]),
            ]
            for each in self._pack["witnesses"]
        ], none="Nobody but its own callback, or answer.", amounts=1)

    def events(self) -> None:
        """Write who was told, and what came of it."""
        self.pdf.section("Who was told")
        names = ("No.", "When", "Event", "Delivery", "State", "Tries")
        self.pdf.rows(names, (9, 31, 42, 56, 28, 12), [
            row for event in self._pack["events"] for row in _event_rows(event)
        ], none="Nobody was told anything.", amounts=1)

    def bodies(self) -> None:
        """Write each body as it came, and the hashes that prove it."""
        self.pdf.section("The bodies as they came")
        if not self._pack["revealed"]:
            self.pdf.ink(FAINT, SMALL)
            self.pdf.say("Numbers, names and secrets are hidden; a SHA-256 is of the whole body.")
        for each in self._pack["facts"]:
            self.pdf.ln(1.5)
            self.pdf.ink(INK, BODY, bold=True)
            self.pdf.say(f"{each['sequence']} · {each['fact']}, from {each['source']}")
            self.pdf.ink(FAINT, SMALL)
            self.pdf.say(f"Hash in the chain {each['link']}", SMALL_MM)
            self.pdf.say(f"SHA-256 of the body {each['raw_sha256']}", SMALL_MM)
            self.pdf.ink(INK, SMALL)
            self.pdf.say(_body(each["raw"]), SMALL_MM)


def _sentence(payment: Pack) -> str:
    """Return what became of the payment, in words."""
    payer = payment["phone"] or payment["phone_masked"] or "somebody unknown"
    asked = "Asked of" if payment["source"] == "stk" else "Paid, unasked, by"
    parts = [f"{asked} {payer} on {local(payment['created_at'])}."]
    if payment["receipt"]:
        parts.append(f"M-Pesa's receipt is {payment['receipt']}.")
    if payment["amount_received"] not in {None, payment["amount"]}:
        parts.append(f"Asked for was {payment['currency']} {grouped(payment['amount'])}.")
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
        ("Created", local(payment["created_at"])),
        ("Completed", local(payment["completed_at"])),
        ("Last changed", local(payment["updated_at"])),
    ):
        if value:
            yield name, value


def _details(details: Mapping[str, Any]) -> str:
    """Return what a fact says besides its kind, a line for each thing."""
    lines = [
        short(_detail(name, value)) for name, value in details.items() if value not in (None, "")
    ]
    return "\n".join(lines)


def _detail(name: str, value: Any) -> str:
    match name, value:
        case "amount_cents", int(cents):
            return f"amount: KES {grouped(str(Money(cents)))}"
        case "paid_at", str(when):
            return f"paid at: {local(when)}"
    return f"{name.replace('_', ' ')}: {value}"


def _body(raw: str) -> str:
    """Return a body as far as pages are made for it."""
    if not raw:
        return "It came without a body."
    left = len(raw) - _BODY_CHARACTERS_MAX
    if left <= 0:
        return raw
    return f"{raw[:-left]} … and {left:,} characters more, which the pack in JSON has."


def _event_rows(event: Pack) -> Iterator[list[str]]:
    """Yield a row for each delivery of an event, the first of them with the event itself."""
    told = [str(event["sequence"] or ""), local(event["timestamp"]), event["type"]]
    for each in event["deliveries"]:
        state = f"{each['state']}\n{short(each['reason'] or '')}".strip()
        yield [*told, f"{each['id']}\nto {each['endpoint_id']}", state, str(each["attempts"])]
        told = ["", "", ""]
    if not event["deliveries"]:
        yield [*told, "nobody wanted it", "", ""]
