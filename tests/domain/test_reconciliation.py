"""A run reads from where the last one ended, as far back as M-Pesa can be asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hakika.domain.reconciliation import HORIZON, OVERLAP, leaves_a_hole, span

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "since"),
    [
        (None, NOW - HORIZON),
        (timedelta(minutes=15), NOW - timedelta(minutes=15) - OVERLAP),
        (timedelta(hours=7), NOW - timedelta(hours=7) - OVERLAP),   # an outage: no hole
        (timedelta(hours=60), NOW - HORIZON),
    ],
)
def test_a_run_begins_before_the_end_of_the_last_good_one(ago, since):
    """A fixed window of two hours, as in seed 002, loses what an outage of three hid. (T54)"""
    assert span(None if ago is None else NOW - ago, now=NOW) == (since, NOW)


def test_what_is_out_of_reach_is_a_hole():
    assert leaves_a_hole(NOW - timedelta(hours=49), now=NOW)
    assert not leaves_a_hole(NOW - timedelta(hours=47), now=NOW)
    assert not leaves_a_hole(None, now=NOW)
