"""How fast orders go out: evenly, shared, and nearly as fast as an unknown gateway allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hakika.domain.bucket import (
    AHEAD_SECONDS,
    API_OF,
    BURST,
    RATE_MIN,
    SAME_REFUSAL_SECONDS,
    Bucket,
    take,
    throttled,
    turns,
)
from hakika.domain.payout import Way

NOON = datetime(2026, 11, 22, 9, tzinfo=UTC)
START = 2.0
FRESH = Bucket(START, NOON - timedelta(hours=1))


def after(seconds: float) -> datetime:
    """Return so much after noon."""
    return NOON + timedelta(seconds=seconds)


class Gateway:
    """Admits `rate` calls a second, and `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.left, self.since = float(burst), 0.0

    def admits(self, at: float) -> bool:
        """Say whether a call at this second is taken, and count it if so."""
        self.left = min(self.burst, self.left + max(at - self.since, 0) * self.rate)
        self.since = max(at, self.since)
        admitted = self.left >= 1
        self.left -= admitted
        return admitted


def worked(
    bucket: Bucket, gateway: Gateway, *, since: int, until: int,
) -> tuple[Bucket, int, int]:
    """Send as fast as the bucket lets; return it, and how many were taken and refused.

    A refusal is known a tenth of a second later, as by a real answer.
    """
    taken, refused, now = 0, 0, after(since)
    unheard: list[datetime] = []
    while now < after(until):
        if not turns(bucket, now=now):
            now += timedelta(seconds=0.5)
            continue
        bucket, (now,) = take(bucket, 1, now=now)
        if gateway.admits((now - NOON).total_seconds()):
            taken += 1
        else:
            refused += 1
            unheard.append(now + timedelta(seconds=0.1))
        while unheard and unheard[0] <= now:
            bucket = throttled(bucket, now=unheard.pop(0))
    return bucket, taken, refused


@pytest.mark.parametrize(("rate", "burst"), [(5, 2), (5, 5), (5, 10), (20, 5)])
def test_nine_tenths_of_what_a_gateway_allows_is_used(rate: int, burst: int):
    """Ten thousand salaries are out in little more time than Safaricom allows them."""
    gateway = Gateway(rate, burst)
    found, _, _ = worked(FRESH, gateway, since=0, until=60)

    _, taken, refused = worked(found, gateway, since=60, until=360)

    assert taken >= 0.9 * rate * 300
    assert refused < 0.05 * taken


def test_a_gateway_that_becomes_faster_is_found_out():
    found, _, _ = worked(FRESH, Gateway(2, 2), since=0, until=60)

    found, _, _ = worked(found, Gateway(20, 5), since=60, until=360)

    assert found.rate > 10


def test_turns_are_evenly_spaced():
    """A gateway that counts by the spacing of calls (burst 1) refuses whoever comes in gusts."""
    _, at = take(FRESH, BURST + 3, now=NOON)

    gaps = {later - earlier for earlier, later in pairwise(at)}
    assert gaps == {timedelta(seconds=1 / START)}
    assert at[BURST] == NOON


def test_what_one_takes_another_cannot():
    """Two workers share one row: what both send in a second is what one may."""
    bucket, first = take(FRESH, turns(FRESH, now=NOON), now=NOON)

    assert len(first) == BURST + AHEAD_SECONDS * START + 1
    assert turns(bucket, now=NOON) == 0


def test_who_takes_none_changes_nothing():
    assert take(FRESH, 0, now=NOON) == (FRESH, [])


def test_a_rate_that_nobody_tried_is_not_learned():
    """A payout now and then must not end in a thousand a second when a file begins."""
    bucket = FRESH
    for minute in range(1000):
        bucket, _ = take(bucket, 1, now=after(60 * minute))

    assert bucket.rate == START


def test_the_rate_is_halved_once_for_calls_that_were_refused_together():
    once = throttled(FRESH, now=NOON)

    assert once.rate == START / 2
    assert throttled(once, now=after(SAME_REFUSAL_SECONDS / 2)).rate == once.rate
    assert throttled(once, now=after(SAME_REFUSAL_SECONDS)).rate == START / 4


def test_a_gateway_that_refuses_for_long_is_asked_now_and_then():
    bucket = FRESH
    for minute in range(100):
        bucket = throttled(bucket, now=after(60 * minute))

    assert bucket.rate == RATE_MIN


def test_retry_after_is_kept():
    """Who goes on calling when told to wait may be locked out for longer."""
    bucket = throttled(FRESH, now=NOON, rest_seconds=30)

    assert turns(bucket, now=after(28.9)) == 0
    assert turns(bucket, now=after(30)) > 0


def test_every_way_that_hakika_sends_has_a_bucket():
    assert set(Way) - set(API_OF) == {Way.OUTSIDE}
