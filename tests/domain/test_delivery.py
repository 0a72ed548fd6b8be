"""What an answer means for a delivery, and what its failures mean for the endpoint."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hakika.domain.delivery import Answer, DeliveryState, judge
from hakika.domain.health import (
    BROKEN_AFTER_FAILURES,
    DEAD_AFTER,
    FINE,
    HOLD_ASKED_SECONDS_MAX,
    HOLD_SECONDS,
    HOLD_SECONDS_MAX,
    Health,
    after,
)
from hakika.domain.retry import ATTEMPTS_MAX

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OK, FAILED, GONE, SILENCE = Answer(200), Answer(500), Answer(410), Answer(None)
HOUR = timedelta(hours=1)


def failing(count: int, answer: Answer = FAILED) -> Health:
    return after(FINE, [answer] * count, now=NOON)


def held_seconds(health: Health) -> float:
    return (health.held_until - NOON).total_seconds() if health.held_until else 0


class TestADelivery:
    def test_only_2xx_is_received_and_only_410_is_gone(self):
        statuses = range(100, 1000)

        assert [s for s in statuses if Answer(s).accepted] == list(range(200, 300))
        assert [s for s in statuses if Answer(s).gone] == [410]
        assert not Answer(None).accepted
        assert not Answer(None).gone

    def test_ends_as_told(self):
        assert judge(OK, tries=1, now=NOON, chance=0).state is DeliveryState.SUCCEEDED
        assert judge(GONE, tries=1, now=NOON, chance=0).state is DeliveryState.DROPPED
        assert judge(
            FAILED, tries=ATTEMPTS_MAX, now=NOON, chance=0,
        ).state is DeliveryState.EXHAUSTED

    def test_is_tried_again_until_then(self):
        for tries in range(1, ATTEMPTS_MAX):
            verdict = judge(SILENCE, tries=tries, now=NOON, chance=0)

            assert verdict.state is DeliveryState.SCHEDULED
            assert verdict.next_attempt_at is not None
            assert verdict.next_attempt_at > NOON


class TestHealth:
    def test_an_accepted_one_makes_it_fine(self):
        assert after(failing(20), [OK], now=NOON) == FINE

    def test_failures_in_a_row_hold_it_longer_and_longer(self):
        holds = [held_seconds(failing(count)) for count in range(1, 30)]

        assert holds[:BROKEN_AFTER_FAILURES - 1] == [0] * (BROKEN_AFTER_FAILURES - 1)
        assert holds[BROKEN_AFTER_FAILURES - 1] == HOLD_SECONDS
        assert holds == sorted(holds)
        assert holds[-1] == HOLD_SECONDS_MAX

    @pytest.mark.parametrize("status", [429, 502, 504])
    def test_an_overloaded_one_is_held_from_the_first_time_on(self, status):
        assert held_seconds(failing(1, Answer(status))) == HOLD_SECONDS
        assert held_seconds(failing(2, Answer(status))) == 2 * HOLD_SECONDS

    def test_it_is_held_for_as_long_as_it_asks_within_reason(self):
        asked = Answer(503, retry_after_seconds=120)
        too_long = Answer(429, retry_after_seconds=10**9)

        assert held_seconds(failing(1, asked)) == 120
        assert held_seconds(failing(1, too_long)) == HOLD_ASKED_SECONDS_MAX

    def test_a_hold_is_never_made_shorter_by_a_failure(self):
        held = after(failing(1, Answer(429, retry_after_seconds=600)), [FAILED], now=NOON)

        assert held_seconds(held) == 600

    def test_five_days_without_a_success_are_the_end(self):
        """A failure every hour, and not a minute earlier."""
        health, now = failing(1), NOON
        while now - NOON < DEAD_AFTER - HOUR:
            now += HOUR
            health = after(health, [FAILED], now=now)
        almost = health.is_dead
        health = after(health, [FAILED], now=now + HOUR)

        assert (almost, health.is_dead) == (False, True)
        assert not after(health, [OK], now=now).is_dead

    def test_one_delivery_alone_cannot_end_it(self):
        """All of its tries together are over before the five days are."""
        health, now = FINE, NOON
        for tries in range(1, ATTEMPTS_MAX + 1):
            health = after(health, [FAILED], now=now)
            verdict = judge(FAILED, tries=tries, now=now, chance=0.999)
            now = verdict.next_attempt_at or now

        assert not health.is_dead

    def test_a_day_without_a_failure_breaks_the_row(self):
        """Nobody knows how it was doing: it is not given up for one failure a week."""
        health = FINE
        for day in range(0, 30, 2):
            health = after(health, [FAILED], now=NOON + timedelta(days=day))

        assert not health.is_dead
