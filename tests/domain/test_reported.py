"""M-Pesa's balances beside the books: which of them may be true at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hakika.domain.money import Money
from hakika.domain.reported import SOME_MAX, Movement, Reported, agrees

MIDNIGHT = datetime(2026, 11, 2, 21, tzinfo=UTC)


def told(theirs: int, ours: int, *moved: tuple[int, int]) -> Reported:
    """Return a balance of midnight. `moved`: at which second, and how many cents."""
    return Reported(
        "float:600966:utility", MIDNIGHT, Money(theirs), Money(ours),
        tuple(Movement(MIDNIGHT + timedelta(seconds=second), cents) for second, cents in moved),
    )


@pytest.mark.parametrize(("reported", "expected"), [
    (told(500, 500), True),
    (told(400, 500), False),
    (told(400, 500, (-60, 100), (5, 100)), True),      # a minute ago
    (told(600, 500, (-60, 100), (5, 100)), True),      # in a moment
    (told(401, 500, (-60, 100), (5, 100)), False),
    (told(450, 500, (-60, 100), (-60, 50)), True),     # a part of one second, whichever
    (told(500, 500, (-1, 70)), True),
])
def test_a_balance_is_of_some_moment_nearby(reported, expected):
    """M-Pesa's clock is not ours, and it tells whole seconds. (I15)"""
    assert agrees(reported) is expected


@pytest.mark.parametrize(("amounts", "part", "expected"), [
    ([100, 30, 7], 37, True), ([100, 30, 7], 40, False), ([100, -30], 70, True),
    ([100, -30], -30, True), ([2] * (SOME_MAX + 1), 5, True), ([2] * (SOME_MAX + 1), 50, False),
])
def test_of_a_busy_second_any_part_may_be_in_a_balance(amounts, part, expected):
    """Callbacks tell in another order than M-Pesa's, so the order in the books proves nothing."""
    reported = told(1_000 + part, 1_000, *((0, each) for each in amounts))

    assert agrees(reported) is expected
