"""When a delivery is tried again: long enough, spread out, and at the endpoint's own pace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hakika.domain.retry import (
    ATTEMPTS_MAX,
    DELAYS_SECONDS,
    JITTER,
    RETRY_AFTER_SECONDS_MAX,
    next_attempt_at,
)

FRIDAY_EVENING = datetime(2026, 3, 6, 18, tzinfo=UTC)
EVERY_FAILURE = range(1, ATTEMPTS_MAX)
CHANCES = (0.0, 0.25, 0.5, 0.999)


def wait(attempts: int, *, chance: float = 0.0, retry_after_seconds: int | None = None) -> float:
    at = next_attempt_at(
        attempts, now=FRIDAY_EVENING, chance=chance, retry_after_seconds=retry_after_seconds,
    )
    assert at is not None
    return (at - FRIDAY_EVENING).total_seconds()


def test_an_endpoint_that_dies_on_friday_evening_hears_everything_on_monday():
    """Merchants are repaired in office hours; the last try must come after them."""
    at = FRIDAY_EVENING
    for attempts in EVERY_FAILURE:
        after = next_attempt_at(attempts, now=at, chance=0.0)
        assert after is not None
        at = after

    assert at - FRIDAY_EVENING >= timedelta(days=3)
    assert at >= datetime(2026, 3, 10, tzinfo=UTC)


def test_the_first_second_try_comes_within_seconds():
    """A restart of the merchant's server should cost their customer no more than that."""
    assert wait(1) == 5


def test_after_the_last_try_there_is_none():
    for attempts in range(ATTEMPTS_MAX, ATTEMPTS_MAX + 5):
        assert next_attempt_at(attempts, now=FRIDAY_EVENING, chance=0.5) is None


def test_nothing_that_an_endpoint_says_adds_a_try():
    assert next_attempt_at(
        ATTEMPTS_MAX, now=FRIDAY_EVENING, chance=0.5, retry_after_seconds=60,
    ) is None


def test_there_are_as_many_tries_as_delays_and_one():
    assert len(DELAYS_SECONDS) + 1 == ATTEMPTS_MAX == 12


def test_waits_never_get_shorter():
    assert list(DELAYS_SECONDS) == sorted(DELAYS_SECONDS)


@pytest.mark.parametrize("attempts", EVERY_FAILURE)
def test_chance_only_adds(attempts):
    """An endpoint was promised its rest; chance is there to part those that failed together."""
    delay = DELAYS_SECONDS[attempts - 1]
    waits = [wait(attempts, chance=chance) for chance in CHANCES]

    assert waits[0] == delay
    assert waits == sorted(waits)
    assert len(set(waits)) == len(CHANCES)
    assert all(delay <= each < delay * (1 + JITTER) for each in waits)


@pytest.mark.parametrize("attempts", EVERY_FAILURE)
def test_retry_after_lengthens_and_never_shortens(attempts):
    for chance in CHANCES:
        ours = wait(attempts, chance=chance)
        for asked in (0, 1, 60, 3600, RETRY_AFTER_SECONDS_MAX):
            assert wait(attempts, chance=chance, retry_after_seconds=asked) == max(ours, asked)


@pytest.mark.parametrize("attempts", EVERY_FAILURE)
def test_nobody_can_park_a_delivery_for_a_month(attempts):
    longest = wait(attempts, chance=0.0, retry_after_seconds=30 * 86400)

    assert longest == max(RETRY_AFTER_SECONDS_MAX, DELAYS_SECONDS[attempts - 1])
    assert longest == 86400


def test_a_try_that_was_never_made_has_no_next():
    with pytest.raises(AssertionError):
        next_attempt_at(0, now=FRIDAY_EVENING, chance=0.0)
