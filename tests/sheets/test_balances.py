"""A statement whose balances do not meet lacks a line, whatever its head says or leaves out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hakika.domain.errors import StatementIncomplete
from hakika.domain.money import Money
from hakika.domain.statement import StatementLine
from hakika.sheets.balances import Balances
from tests.sheets.samples import CHARGE, COLUMNS, PAID, as_csv, changed, read, several

# Small amounts, so that accounts come back to balances where they have been.
AMOUNTS = st.lists(st.integers(-3, 3).filter(bool), min_size=3, max_size=12)
BROKEN = "The balances of the lines do not lead from one to the next."


def line(at: int, cents: int, balance: int | None, *, status: str = "Completed") -> StatementLine:
    """Return a line of minute `at`."""
    return StatementLine(
        place=1, receipt="TKL4PAID01", status=status,
        completed_at=datetime(2026, 11, 21, tzinfo=UTC) + timedelta(minutes=at),
        paid_in=Money(cents) if cents > 0 else None,
        withdrawn=Money(-cents) if cents < 0 else None,
        balance=None if balance is None else Money(balance),
    )


def walk(amounts: list[int], *, minutes: int = 1) -> list[StatementLine]:
    """Return lines from nothing on, each `minutes` after the one before."""
    return [
        line(at * minutes, cents, sum(amounts[:at + 1])) for at, cents in enumerate(amounts)
    ]


def wrong(
    lines: list[StatementLine], opening: int | None = None, closing: int | None = None,
) -> str:
    """Return what is wrong with the balances of some lines."""
    balances = Balances()
    for each in lines:
        balances.add(each)
    return balances.wrong(
        None if opening is None else Money(opening), None if closing is None else Money(closing),
    )


@settings(max_examples=60, deadline=None)
@given(AMOUNTS, st.randoms(use_true_random=False), st.sampled_from((0, 1)))
def test_whole_statements_fit_in_whatever_order(amounts, chance, minutes):
    """Newest first, sorted by a person, or all within one second: nothing is missing."""
    lines = walk(amounts, minutes=minutes)
    chance.shuffle(lines)

    assert wrong(lines, 0, sum(amounts)) == wrong(lines) == ""


@settings(max_examples=120, deadline=None)
@given(AMOUNTS, st.data())
def test_a_hole_in_the_middle_is_found_without_totals(amounts, data):
    """Also when the day ends as it began, as an account does that is emptied every evening."""
    start = data.draw(st.integers(1, len(amounts) - 2))
    end = data.draw(st.integers(start + 1, len(amounts) - 1))
    assume(sum(amounts[start:end]))
    lines = walk(amounts)

    assert wrong(lines[:start] + lines[end:]) == BROKEN


def test_a_hole_between_two_round_trips_is_found():
    """There and back, a line lost, and there and back from where that one led."""
    lines = walk([1, 1, -1, -1, 1, 1, -1])

    assert wrong(lines[:4] + lines[5:]) == BROKEN


@pytest.mark.parametrize(
    ("opening", "closing", "words"), [(5, None, "opens with 0.05"), (0, 9, "closes with 0.09")],
)
def test_ends_that_are_not_the_heads_are_named(opening, closing, words):
    assert words in wrong(walk([1, 2, -1]), opening, closing)


def test_a_line_that_moved_nothing_leads_nowhere():
    lines = walk([100, 200])

    assert wrong([lines[0], line(0, 50, 7_000, status="Failed"), lines[1]]) == ""


def test_balances_are_asked_only_where_every_line_has_one():
    """A hole cannot be told from a balance that is not there."""
    assert wrong([line(0, 5, 5), line(1, 5, None), line(2, 5, 500)]) == ""


def test_a_file_with_a_hole_is_refused():
    first, _, last = several(3)

    with pytest.raises(StatementIncomplete, match="do not lead from one to the next"):
        read(as_csv((COLUMNS, first, last)))


def test_a_charge_is_a_step_of_its_own():
    """It has the receipt and the second of its payment, and the portal writes it above."""
    assert read(as_csv((COLUMNS, CHARGE, changed(PAID)))).lines == 2
