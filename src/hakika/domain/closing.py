"""Closing a day: what the books say of it, held against everything that M-Pesa says of it.

Read `of_receipt` and `of_day`. A day is one of Nairobi's, from midnight to midnight; times are UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from hakika.domain.checkpoint import Signed
from hakika.domain.discrepancy import Difference, Kind
from hakika.domain.ids import PaymentId
from hakika.domain.money import Money
from hakika.domain.reconciliation import OVERLAP
from hakika.domain.reported import Reported, agrees
from hakika.domain.times import NAIROBI, written

# M-Pesa's own list may be behind for so long: at night, everything of the day before is in it.
CLOSES_AFTER = OVERLAP + timedelta(minutes=20)

# How many days back a day is closed anew: when it was red, or its books have changed since.
AGAIN_DAYS = 35


class Result(StrEnum):
    """How a day closed."""

    GREEN = "green"    # proven complete: nothing is open
    RED = "red"        # the differences are named


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, the end not included."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One receipt of the day, as each side has it. None: that side does not have it."""

    receipt: str
    happened_at: datetime
    ours: Money | None = None
    pulled: Money | None = None          # M-Pesa's own list
    told: Money | None = None            # its confirmation, or its answer to a question
    line: Money | None = None            # a statement
    lines: int = 0                       # how often
    payment_id: PaymentId | None = None
    is_paid: bool = False                # a payment has this receipt, whatever the books say


@dataclass(frozen=True, slots=True)
class Taken:
    """A line of a statement, or a payment, that a person has to look at."""

    kind: Kind
    subject: str
    receipt: str
    amount: Money
    words: str
    payment_id: PaymentId | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """What a statement says was charged for a collection. None: nothing."""

    receipt: str
    collected: Money
    charge: Money | None
    payment_id: PaymentId | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """A day as it was closed once. Times are UTC."""

    number: int                          # 1, 2, 3 … of a merchant and mode
    day: date
    result: Result
    sequence: int                        # of the newest posting of the books
    closed_at: datetime
    signed: Signed
    summary: Mapping[str, Any]           # as its report tells it


@dataclass(frozen=True, slots=True)
class Damage:
    """A posting that is not as it was chained."""

    sequence: int
    receipt: str                         # "": the row is gone
    shortcode: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """Everything about one short code on one day."""

    day: date
    shortcode: str
    taken: Sequence[Taken]
    reported: Sequence[Reported]
    listed_to: datetime | None           # up to when M-Pesa's list covers the day; None: not at all
    stated: bool                         # whether a statement covers the day
    charged: Sequence[Charged] = ()      # where a tariff says what to expect: `expected`
    expected: Callable[[Money], Money | None] = lambda _: None


def closing_data(made: Closing) -> dict[str, Any]:
    """Return a closed day as merchants read it."""
    summary = made.summary
    found = summary["differences"]
    return {
        "day": made.day.isoformat(), "livemode": summary["livemode"], "result": made.result.value,
        "number": made.number, "closed_at": written(made.closed_at),
        "open": sum(each["state"] == "open" for each in found), "found": len(found),
        "moved": summary["moved"], "shortcodes": summary["shortcodes"],
        "checkpoint": made.signed.checkpoint.sha256,
    }


def span_of(day: date) -> Span:
    """Return when a day of Nairobi begins and ends."""
    start = datetime.combine(day, time(), NAIROBI)
    return Span(start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC))


def day_of(when: datetime) -> date:
    """Return which day it is in Nairobi."""
    return when.astimezone(NAIROBI).date()


def covered_to(spans: Sequence[Span], day: Span) -> datetime | None:
    """Return up to when `spans` cover a day from its beginning without a hole; None: not at all."""
    reached = day.start
    for each in sorted(spans, key=lambda span: span.start):
        if each.start > reached:
            break
        reached = max(reached, each.end)
    return min(reached, day.end) if reached > day.start else None


def of_day(day: Day, found: Sequence[Difference]) -> Iterator[Difference]:
    """Yield what else is wrong with the day; `found` is what is wrong with its receipts."""
    for taken in day.taken:
        yield Difference(
            taken.kind, day.shortcode, taken.subject, taken.words, receipt=taken.receipt,
            payment_id=taken.payment_id, theirs=taken.amount,
        )
    yield from _of_charges(day)
    explained = _explained(found)
    off: dict[str, Difference] = {}
    for reported in day.reported:
        for each in _of_float(day, reported, explained):
            off.setdefault(reported.account, each)
    yield from off.values()
    if not _is_covered(day):
        yield _unproven(day)


def _explained(found: Sequence[Difference]) -> frozenset[int]:
    """Return by how many cents M-Pesa's balance may be off without anything more being wrong.

    A posting that was deleted after it was chained is still in the sums of its accounts.
    """
    named = sum(_off(each) for each in found)
    deleted = sum(_off(each) for each in found if each.kind is Kind.POSTING_DELETED)
    return frozenset({0, named, named - deleted})


def _off(each: Difference) -> int:
    theirs = each.theirs.cents if each.theirs else 0
    return theirs - (each.ours.cents if each.ours else 0)


def nothing_known(day: date) -> Difference:
    """Return why a day is not proven on which no short code was there."""
    return Difference(
        Kind.UNPROVEN, "", day.isoformat(),
        f"No short code had credentials here on {day}, so nothing of M-Pesa's was held against "
        "the books. Put them (PUT /v1/merchant/providers), or import a statement of the day.",
    )


def unlike_signed(day: date, *, number: int, signed: int, count: int) -> Difference:
    """Return what is wrong with movements that are not those that closing `number` signed."""
    kind = Kind.POSTING_DELETED if count < signed else Kind.POSTING_EDITED
    return Difference(
        kind, "", f"closing {number}",
        f"Closing {number} of {day} signed {signed} postings; of these the books have {count} now, "
        "or other ones. Somebody deleted or changed postings behind Hakika's back.",
    )


def damages(damage: Sequence[Damage], found: Sequence[Difference]) -> Iterator[Difference]:
    """Yield what happened to postings, unless a receipt that the books lack tells it already."""
    told = sum(each.kind is Kind.POSTING_DELETED for each in found)
    gone = [each for each in damage if not each.receipt]
    for each in gone if len(gone) != told else ():
        yield Difference(
            Kind.POSTING_DELETED, each.shortcode, f"posting {each.sequence}",
            f"Posting {each.sequence} of the books was deleted.",
        )
    for each in damage:
        if each.receipt:
            yield Difference(
                Kind.POSTING_EDITED, each.shortcode, f"posting {each.sequence}",
                f"Posting {each.sequence} of the books, receipt {each.receipt}, was changed after "
                "it was written.", receipt=each.receipt,
            )


def of_receipt(day: Day, row: Row) -> Iterator[Difference]:
    """Yield what is wrong with one receipt of a short code's day."""
    said = row.line or row.pulled or row.told
    if row.ours is None and said is not None:
        yield _lacking(day, row, said)
    elif row.ours is not None:
        yield from _otherwise(day, row, row.ours)
    if row.lines > 1:
        yield Difference(
            Kind.DOUBLED, day.shortcode, row.receipt,
            f"The statement has receipt {row.receipt} {row.lines} times. It was booked once.",
            receipt=row.receipt, payment_id=row.payment_id, ours=row.line,
            theirs=Money(row.lines * row.line.cents) if row.line else None,
        )


def _lacking(day: Day, row: Row, said: Money) -> Difference:
    if row.is_paid:
        return Difference(
            Kind.POSTING_DELETED, day.shortcode, row.receipt,
            f"Payment {row.payment_id} was paid with receipt {row.receipt}, and its posting in the "
            "books was deleted.", receipt=row.receipt, payment_id=row.payment_id, theirs=said,
        )
    return Difference(
        Kind.MISSING, day.shortcode, row.receipt,
        f"{_who(row)} has {said} with receipt {row.receipt}; the books do not.",
        receipt=row.receipt, payment_id=row.payment_id, theirs=said,
    )


def _otherwise(day: Day, row: Row, ours: Money) -> Iterator[Difference]:
    for who, said in (
        ("A statement", row.line), ("M-Pesa's list", row.pulled), ("M-Pesa", row.told),
    ):
        if said is not None and said != ours:
            yield Difference(
                Kind.AMOUNT_DIFFERS, day.shortcode, row.receipt,
                f"{who} says {said} for receipt {row.receipt}; the books have {ours}.",
                receipt=row.receipt, payment_id=row.payment_id, ours=ours, theirs=said,
            )
            return
    lacks = [
        *(["the statement"] if day.stated and row.line is None else []),
        *(["M-Pesa's list"] if row.pulled is None and _is_listed(day, row) else []),
    ]
    if lacks:
        yield Difference(
            Kind.FOREIGN, day.shortcode, row.receipt,
            f"The books have {ours} with receipt {row.receipt}; {' and '.join(lacks)} of the day "
            f"{'do' if len(lacks) > 1 else 'does'} not.",
            receipt=row.receipt, payment_id=row.payment_id, ours=ours,
        )


def _of_charges(day: Day) -> Iterator[Difference]:
    for each in day.charged:
        due = day.expected(each.collected)
        charge = each.charge or Money(0)
        if due is not None and due != charge:
            yield Difference(
                Kind.CHARGE_DIFFERS, day.shortcode, each.receipt,
                f"Safaricom charged {charge} for the {each.collected} of receipt {each.receipt}; "
                f"by your tariff it is {due}.",
                receipt=each.receipt, payment_id=each.payment_id, ours=due, theirs=charge,
            )


def _is_listed(day: Day, row: Row) -> bool:
    """Say whether M-Pesa's list would have this receipt if M-Pesa did."""
    return day.listed_to is not None and row.happened_at < day.listed_to


def _is_covered(day: Day) -> bool:
    return day.stated or day.listed_to == span_of(day.day).end


def _unproven(day: Day) -> Difference:
    upto = "" if day.listed_to is None else (
        f" M-Pesa's list covers it up to {day.listed_to.astimezone(NAIROBI):%H:%M}."
    )
    return Difference(
        Kind.UNPROVEN, day.shortcode, day.day.isoformat(),
        f"No statement and no whole list of M-Pesa's covers {day.day} of {day.shortcode}.{upto} "
        "Import its statement, or close the day again when the list was read.",
    )


def _of_float(
    day: Day, reported: Reported, explained: frozenset[int],
) -> Iterator[Difference]:
    off = reported.theirs.cents - reported.ours.cents
    settled = replace(
        reported, theirs=Money(reported.theirs.cents - reported.settled), settled=0,
    )
    if {off, off - reported.settled} & explained or agrees(reported) or agrees(settled):
        return
    yield Difference(
        Kind.FLOAT_DIFFERS, day.shortcode, f"{reported.account} {day.day}",
        f"At {reported.at.astimezone(NAIROBI):%Y-%m-%d %H:%M} M-Pesa reports {reported.theirs} on "
        f"{reported.account}; the books have {reported.ours}: {Money(off)} is not explained.",
        ours=reported.ours, theirs=reported.theirs,
    )


def _who(row: Row) -> str:
    if row.line is not None:
        return "A statement"
    return "M-Pesa's list" if row.pulled is not None else "M-Pesa"
