"""From rows to lines of a statement, each checked, and at the end the whole.

`Checked` takes the rows of one file in their order. What stands above, below or between the lines
is the head; a row is passed over only when nothing in it could be a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hakika.domain.errors import (
    StatementEmpty,
    StatementForeign,
    StatementIncomplete,
    StatementLineWrong,
)
from hakika.domain.money import Money
from hakika.domain.statement import StatementHead, StatementLine, is_status, taken_back
from hakika.sheets import cells as reads
from hakika.sheets import columns
from hakika.sheets.balances import Balances
from hakika.sheets.rows import Cell, Row

# The clocks of Safaricom and of this machine differ by less.
_AHEAD = timedelta(hours=1)

# The period is asked for in days, and a movement may complete just after the last.
_BESIDE_PERIOD = timedelta(days=1)

# 6 March 2007, in Nairobi.
_MPESA_BEGAN = datetime(2007, 3, 5, 21, tzinfo=UTC)

_SHORTCODE = re.compile(r"(?<!\d)\d{5,7}(?!\d)", re.ASCII)
_DIGIT = re.compile(r"\d", re.ASCII)
_MONTHS = 12


class Checked:
    """One file on its way in. Call `line` with every row, then `whole` once."""

    def __init__(self, now: datetime) -> None:
        assert now.tzinfo is not None, "a time without a zone is nobody's now"
        self.lines = 0
        self._latest = now + _AHEAD
        self._where: Mapping[str, int] | None = None
        self._needed = 0
        self._labels: dict[str, tuple[Cell, int]] = {}
        self._shortcode = ""
        self._span: tuple[datetime, datetime] | None = None
        self._in = self._out = 0
        self._turned = _TurnedDates()
        self._balances = Balances()
        self._known: dict[tuple[object, ...], int] = {}

    def line(self, row: Row) -> StatementLine | None:
        """Return the line that `row` is, or None when it is of the head, the foot or empty.

        Raises:
            StatementLineWrong: the line cannot be true; the error says where and why.
            StatementForeign: names of columns are missing, or a second short code is met.
        """
        where = self._where
        if where is None:
            self._above(row)
            return None
        cells = row.cells
        at = where["receipt"]
        receipt = cells[at] if at < len(cells) else None
        is_line = reads.is_receipt(receipt) and _DIGIT.search(str(receipt))
        if not is_line and self._is_no_line(row, where):
            return None
        if len(cells) <= self._needed:
            raise StatementLineWrong(
                "the line is cut: it ends before its amounts.", line=row.place,
                hint="Download the statement again: this file is not whole.",
            )
        line = self._read(row, where)
        self._counted(line)
        return line

    def whole(self) -> tuple[StatementHead, tuple[datetime, datetime]]:
        """Return the head, and when the earliest and the latest line were completed.

        Without lines, of a head that proves that nothing happened: its period.

        Raises:
            StatementForeign: no row had the names of the columns. StatementEmpty: no lines.
            StatementLineWrong: days and months have changed places.
            StatementIncomplete: the lines do not add up to what the head says.
        """
        if self._where is None:
            raise StatementForeign("The file has no row with the names of a statement's columns.")
        self._turned.refuse()
        head = self._head()
        span = self._span or _quiet(head)
        self._refuse_beside(head, span)
        self._refuse_incomplete(head)
        return head, span

    def _above(self, row: Row) -> None:
        """Take a row above the columns."""
        self._where = columns.found_in(row.cells)
        if self._where is not None:
            last = {*columns.REQUIRED, "balance"} & set(self._where)
            self._needed = max(self._where[name] for name in last)
            return
        if columns.is_of_a_person(row.cells):
            raise StatementForeign("This is the statement of a person's own M-Pesa.")
        self._take_labels(row)

    def _is_no_line(self, row: Row, where: Mapping[str, int]) -> bool:
        """Whether a row without a receipt is empty, a label, a foot, or the names once more."""
        cells = row.cells
        if self._take_labels(row):
            return True
        if columns.plain(_cell(cells, where["receipt"])) in columns.COLUMNS["receipt"]:
            return True
        return not any(
            reads.text(_cell(cells, where[name])) for name in ("completed_at", "status")
        )

    def _take_labels(self, row: Row) -> bool:
        found = columns.labels_in(row.cells)
        for label, value in found:
            if label == "shortcode":
                self._take_shortcodes(reads.text(value))
            else:
                self._labels.setdefault(label, (value, row.place))
        return bool(found)

    def _take_shortcodes(self, said: str) -> None:
        for number in _SHORTCODE.findall(said):
            if self._shortcode not in {"", number}:
                raise StatementForeign(
                    f"The file is of two short codes, {self._shortcode} and {number}.",
                    hint="Send one file for each short code.",
                )
            self._shortcode = number

    def _read(self, row: Row, where: Mapping[str, int]) -> StatementLine:
        cells, place = row.cells, row.place

        def cell(name: str) -> Cell:
            at = where.get(name)
            return None if at is None or at >= len(cells) else cells[at]

        completed_at = reads.moment(cell("completed_at"), line=place, name="Completion Time")
        receipt = reads.receipt(cell("receipt"), line=place)
        if completed_at is None:
            raise StatementLineWrong("the line has no Completion Time.", line=place)
        if completed_at < _MPESA_BEGAN:
            raise StatementLineWrong("the line is older than M-Pesa.", line=place)
        if completed_at > self._latest:
            raise StatementLineWrong(
                "the line is dated in the future.", line=place,
                hint="Have days and months changed places? Is this server's clock right?",
            )
        self._turned.look(cell("completed_at"))
        paid_in, withdrawn = _amounts(cell, place)
        if "shortcode" in where:
            self._take_shortcodes(reads.text(cell("shortcode")))
        line = StatementLine(
            place=place, receipt=receipt, completed_at=completed_at,
            status=_status(cell("status"), place), paid_in=paid_in, withdrawn=withdrawn,
            initiated_at=reads.moment(cell("initiated_at"), line=place, name="Initiation Time"),
            balance=reads.money(cell("balance"), line=place, name="Balance"),
            balance_confirmed=reads.claim(cell("balance_confirmed")),
            reason_type=reads.text(cell("reason_type")),
            linked_receipt=reads.text(cell("linked_receipt")).upper(),
            details=reads.text(cell("details")), other_party=reads.text(cell("other_party")),
            account_reference=reads.text(cell("account_reference")),
        )
        known = line.identity
        self._known[known] = nth = self._known.get(known, 0) + 1
        linked = taken_back(line)
        if nth == 1 and linked == line.linked_receipt:
            return line
        return replace(line, nth=nth, linked_receipt=linked)

    def _counted(self, line: StatementLine) -> None:
        self.lines += 1
        when = line.completed_at
        if self._span is None:
            self._span = when, when
        elif when < self._span[0]:
            self._span = when, self._span[1]
        elif when > self._span[1]:
            self._span = self._span[0], when
        self._balances.add(line)
        if line.is_completed:
            if line.paid_in is not None:
                self._in += line.paid_in.cents
            elif line.withdrawn is not None:
                self._out += line.withdrawn.cents

    def _head(self) -> StatementHead:
        def said(label: str) -> str:
            return reads.text(self._labels.get(label, (None, 0))[0])

        def amount(label: str) -> Money | None:
            cell, place = self._labels.get(label, (None, 0))
            return reads.money(cell, line=place, name=label)

        withdrawn = amount("withdrawn")
        starts_at, ends_at = self._period()
        return StatementHead(
            holder=said("holder"), shortcode=self._shortcode, account=said("account"),
            operator=said("operator"), starts_at=starts_at, ends_at=ends_at,
            reported_at=self._reported_at(), opening=amount("opening"),
            closing=amount("closing"), available=amount("available"), paid_in=amount("paid_in"),
            withdrawn=None if withdrawn is None else Money(abs(withdrawn.cents)),
        )

    def _period(self) -> tuple[datetime, datetime] | tuple[None, None]:
        """Return the period, whether it stands in one cell or in two, with or without a label."""
        whole = self._labels.get("period")
        found = reads.period(whole[0]) if whole else None
        if found is None and {"starts_at", "ends_at"} <= set(self._labels):
            start, end = (reads.text(self._labels[label][0]) for label in ("starts_at", "ends_at"))
            found = reads.period(f"{start} to {end}")
        return found or (None, None)

    def _reported_at(self) -> datetime | None:
        """Return when the file was made. Of a day without a clock it knows nothing."""
        cell, place = self._labels.get("reported_at", (None, 0))
        if not _DIGIT.search(reads.text(cell)):
            return None
        return reads.moment(cell, line=place, name="Date of Report")

    def _refuse_incomplete(self, head: StatementHead) -> None:
        for name, stated, summed in (
            ("paid in", head.paid_in, self._in), ("withdrawn", head.withdrawn, self._out),
        ):
            if stated is not None and stated.cents != summed:
                raise StatementIncomplete(
                    f"The head says that {stated} was {name}; the lines make {Money(summed)}.",
                )
        if head.opening is not None and head.closing is not None:
            ends = Money(head.opening.cents + self._in - self._out)
            if ends != head.closing:
                raise StatementIncomplete(
                    f"From {head.opening} the lines lead to {ends}; the head closes with "
                    f"{head.closing}.",
                )
        if wrong := self._balances.wrong(head.opening, head.closing):
            raise StatementIncomplete(wrong)

    @staticmethod
    def _refuse_beside(head: StatementHead, span: tuple[datetime, datetime]) -> None:
        if head.starts_at is None or head.ends_at is None:
            return
        if span[0] < head.starts_at - _BESIDE_PERIOD or span[1] > head.ends_at + _BESIDE_PERIOD:
            raise StatementLineWrong(
                "Some lines are outside the statement's own Time Period.", hint=reads.UNOPENED,
            )


class _TurnedDates:
    """Finds the trace of an Excel that reads the month first.

    It turns 05-11-2026 into the date 11 May, and leaves 21-11-2026 a text, since there is no 21st
    month. So: real dates with no day past 12, beside texts with no day before 13.
    """

    def __init__(self) -> None:
        self._dates = self._texts = False
        self._is_innocent = False

    def look(self, cell: Cell) -> None:
        """Take one Completion Time."""
        if self._is_innocent:
            return
        if isinstance(cell, datetime):
            self._dates = True
            self._is_innocent = cell.day > _MONTHS
        elif isinstance(cell, str):
            self._texts = True
            day = cell.strip()[:2]
            self._is_innocent = not day.isdigit() or int(day) <= _MONTHS

    def refuse(self) -> None:
        """Raises: StatementLineWrong, when the trace is there."""
        if self._dates and self._texts and not self._is_innocent:
            raise StatementLineWrong(
                "Days and months have changed places in some of the dates.", hint=reads.UNOPENED,
            )


def _amounts(
    cell: Callable[[str], Cell], place: int,
) -> tuple[Money | None, Money | None]:
    """Return what was paid in or withdrawn, the other None. The portal writes it as -500."""
    paid_in = reads.money(cell("paid_in"), line=place, name="Paid In")
    withdrawn = reads.money(cell("withdrawn"), line=place, name="Withdrawn")
    if paid_in is not None and paid_in.cents < 0:
        raise StatementLineWrong("a negative amount stands under Paid In.", line=place)
    has_in, has_out = bool(paid_in and paid_in.cents), bool(withdrawn and withdrawn.cents)
    if has_in and has_out:
        raise StatementLineWrong("the line has both Paid In and Withdrawn.", line=place)
    if has_in:
        return paid_in, None
    if withdrawn is not None and has_out:
        return None, Money(abs(withdrawn.cents))
    raise StatementLineWrong("the line has neither Paid In nor Withdrawn.", line=place)


def _status(cell: Cell, place: int) -> str:
    said = reads.text(cell)
    if is_status(said):
        return said
    raise StatementLineWrong(
        "nobody knows whether money moved with what stands under Transaction Status." if said
        else "the line has no Transaction Status.",
        hint="M-Pesa writes Completed of money that moved; else Failed, Cancelled, Declined, "
             "Expired or Pending. Download the statement again and send it unopened. Does the "
             "portal itself write another word? Ask Safaricom what it means, and tell Hakika's "
             "makers.",
        line=place,
    )


def _quiet(head: StatementHead) -> tuple[datetime, datetime]:
    """Return the period of a statement without lines, whose sums say that there are none."""
    has_sums = None not in (head.paid_in, head.withdrawn) or None not in (
        head.opening, head.closing,
    )
    if not (head.shortcode and head.starts_at and head.ends_at and has_sums):
        raise StatementEmpty("The statement has no lines, and does not say that there are none.")
    return head.starts_at, head.ends_at


def _cell(cells: Sequence[Cell], at: int) -> Cell:
    return cells[at] if at < len(cells) else None
