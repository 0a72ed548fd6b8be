"""Closing a day, judged from what each side says: the rules alone, without a database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from hakika.domain.closing import (
    Damage,
    Day,
    Row,
    Span,
    covered_to,
    damages,
    day_of,
    of_day,
    of_receipt,
    span_of,
)
from hakika.domain.discrepancy import Difference, Kind
from hakika.domain.ids import PaymentId
from hakika.domain.money import Money
from hakika.domain.reported import Reported

DAY = date(2026, 11, 3)
SPAN = span_of(DAY)
NOON = datetime(2026, 11, 3, 9, tzinfo=UTC)
HUNDRED = Money(10_000)
PAID = Row(
    "UKL0000001", NOON, ours=HUNDRED, pulled=HUNDRED, line=HUNDRED, lines=1,
    payment_id=PaymentId("pay_1"),
)


@dataclass(frozen=True)
class Told:
    """A day, and its receipts."""

    day: Day
    rows: tuple[Row, ...]


def day(
    *rows: Row, stated: bool = True, listed_to: datetime | None = SPAN.end,
    reported: tuple[Reported, ...] = (),
) -> Told:
    return Told(Day(DAY, "600966", (), reported, listed_to, stated), rows)


def differences(told: Told, *damage: Damage) -> list[Difference]:
    edited = {each.receipt for each in damage}
    found = [
        each for row in told.rows if row.receipt not in edited
        for each in of_receipt(told.day, row)
    ]
    return [*found, *of_day(told.day, found)]


def kinds(told: Told, *damage: Damage) -> list[Kind]:
    found = differences(told, *damage)
    return [each.kind for each in [*found, *damages(damage, found)]]


def test_a_day_begins_at_midnight_in_nairobi():
    """Read as UTC, payments of the night fall between two days. (T32)"""
    assert span_of(DAY) == Span(
        datetime(2026, 11, 2, 21, tzinfo=UTC), datetime(2026, 11, 3, 21, tzinfo=UTC),
    )
    assert day_of(SPAN.start) == DAY
    assert day_of(SPAN.end - timedelta(microseconds=1)) == DAY
    assert day_of(SPAN.end) == DAY + timedelta(days=1)


@pytest.mark.parametrize(("hours", "reached"), [
    ([], None),
    ([(-1, 25)], 24),
    ([(0, 24)], 24),
    ([(12, 24), (0, 12)], 24),         # whatever the order
    ([(0, 13), (12, 24)], 24),         # overlapping is welcome
    ([(0, 11), (12, 24)], 11),         # a hole
    ([(1, 24)], None),
    ([(-5, 0)], None),
])
def test_a_hole_is_not_covered(hours, reached):
    spans = [
        Span(SPAN.start + timedelta(hours=start), SPAN.start + timedelta(hours=end))
        for start, end in hours
    ]

    found = covered_to(spans, SPAN)

    assert found == (None if reached is None else SPAN.start + timedelta(hours=reached))


@pytest.mark.parametrize(("row", "expected"), [
    (PAID, []),
    (replace(PAID, ours=None), [Kind.MISSING]),
    (replace(PAID, ours=None, line=None, lines=0), [Kind.MISSING]),
    (replace(PAID, ours=None, is_paid=True), [Kind.POSTING_DELETED]),
    (replace(PAID, ours=None, line=None, lines=0, pulled=None, told=HUNDRED), [Kind.MISSING]),
    (replace(PAID, ours=Money(9_900)), [Kind.AMOUNT_DIFFERS]),
    (replace(PAID, pulled=Money(9_900)), [Kind.AMOUNT_DIFFERS]),
    (replace(PAID, told=Money(9_900)), [Kind.AMOUNT_DIFFERS]),
    (replace(PAID, line=None, lines=0), [Kind.FOREIGN]),
    (replace(PAID, pulled=None), [Kind.FOREIGN]),
    (replace(PAID, lines=2), [Kind.DOUBLED]),
])
def test_each_side_that_says_otherwise_is_named_once(row, expected):
    assert kinds(day(row)) == expected


def test_a_record_that_does_not_cover_the_time_says_nothing_by_its_silence():
    """Before M-Pesa's list is whole, what is not in it is not missing."""
    morning = replace(PAID, pulled=None, line=None, lines=0)
    listed_to = NOON - timedelta(minutes=1)

    assert kinds(day(morning, stated=False, listed_to=listed_to)) == [Kind.UNPROVEN]
    assert kinds(day(morning, stated=False, listed_to=None)) == [Kind.UNPROVEN]
    assert kinds(day(morning, stated=False)) == [Kind.FOREIGN]


def test_a_day_without_payments_is_proven_by_a_record_that_covers_it():
    assert kinds(day()) == []
    assert kinds(day(stated=False, listed_to=None)) == [Kind.UNPROVEN]


def reported(theirs: int, ours: int) -> Reported:
    return Reported("float:600966:utility", SPAN.end, Money(theirs), Money(ours))


def test_a_balance_that_the_books_never_had_is_named():
    """I15."""
    assert kinds(day(PAID, reported=(reported(500, 500),))) == []
    assert kinds(day(PAID, reported=(reported(400, 500),))) == [Kind.FLOAT_DIFFERS]


def test_what_named_differences_explain_is_not_said_twice():
    missing = replace(PAID, ours=None)

    assert kinds(day(missing, reported=(reported(10_000, 0),))) == [Kind.MISSING]
    assert kinds(day(missing, reported=(reported(10_001, 0),))) == [
        Kind.MISSING, Kind.FLOAT_DIFFERS,
    ]


def test_a_deleted_posting_is_named_by_its_payment_and_else_by_its_number():
    deleted = replace(PAID, ours=None, is_paid=True)

    assert kinds(day(deleted), Damage(7, "")) == [Kind.POSTING_DELETED]
    assert kinds(day(), Damage(7, "")) == [Kind.POSTING_DELETED]
    assert kinds(day(deleted), Damage(7, ""), Damage(8, "")) == [Kind.POSTING_DELETED] * 3


def test_an_edited_posting_is_not_told_of_as_another_amount_too():
    edited = replace(PAID, ours=Money(1))

    assert kinds(day(edited), Damage(7, PAID.receipt, "600966")) == [Kind.POSTING_EDITED]
