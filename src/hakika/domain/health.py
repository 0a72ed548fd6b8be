"""How an endpoint is doing: when all that waits for it is held back, and when it is given up.

Each delivery has its own schedule (`retry.py`). This is about the endpoint: one that fails again
and again is left alone for a while, then asked with a single delivery; when that one is accepted,
everything that waited goes out, and after a longer absence also what would be tried hours later. So
an endpoint that comes back is noticed within minutes, and a dead one costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hakika.domain.delivery import Answer

# Five in a row are no accident of one event: a single bad one fails alone, between good ones.
BROKEN_AFTER_FAILURES = 5

# The first hold is as long as the first wait of a delivery; none is longer than a person would wait
# for news after a repair.
HOLD_SECONDS = 5
HOLD_SECONDS_MAX = 300

# An endpoint may ask for more, within reason: after an hour we look whether it meant it.
HOLD_ASKED_SECONDS_MAX = 3600

# Who accepted something less than this ago was not away: what failed in between has trouble of its
# own, and would use up in minutes the tries that are to last for days.
AWAY_AFTER = timedelta(seconds=HOLD_SECONDS_MAX)

# Svix's rule (faults.md B4): everything failed for five days. A day without a failure breaks the
# row: nobody knows how the endpoint was doing in between.
DEAD_AFTER = timedelta(days=5)
ROW_BREAKS_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Health:
    """What an endpoint's answers came to, since the last one that it accepted."""

    failures: int = 0                          # in a row
    failing_since: datetime | None = None      # the first failure of a row without a day's gap
    last_failed_at: datetime | None = None
    held_until: datetime | None = None         # nothing is sent before

    @property
    def is_broken(self) -> bool:
        """Say whether it is asked with one delivery at a time."""
        return self.failures >= BROKEN_AFTER_FAILURES

    def was_away(self, *, now: datetime) -> bool:
        """Say whether an endpoint that accepts something `now` was away: all of it is tried again.

        Its deliveries that failed within a shorter time stay on their own schedule.
        """
        since = self.failing_since
        return self.is_broken and since is not None and now - since >= AWAY_AFTER

    @property
    def is_dead(self) -> bool:
        """Say whether it is to be disabled: it failed for days, and is failing still."""
        return (
            self.failing_since is not None and self.last_failed_at is not None
            and self.last_failed_at - self.failing_since >= DEAD_AFTER
        )


FINE = Health()


def after(health: Health, answers: Iterable[Answer], *, now: datetime) -> Health:
    """Return how an endpoint is doing after `answers`, which came in this order, the last `now`."""
    for answer in answers:
        health = FINE if answer.accepted else _failed(health, answer, now)
    return health


def _failed(health: Health, answer: Answer, now: datetime) -> Health:
    failures = health.failures + 1
    since, last = health.failing_since, health.last_failed_at
    if since is None or last is None or now - last > ROW_BREAKS_AFTER:
        since = now
    held_until = now + timedelta(seconds=_hold_seconds(failures, answer))
    if health.held_until is not None and not health.is_broken:
        # What it asked for by an earlier answer; while it is broken there is one at a time, and
        # whoever sends that one holds it too.
        held_until = max(held_until, health.held_until)
    return Health(failures, since, now, held_until if held_until > now else None)


def _hold_seconds(failures: int, answer: Answer) -> int:
    """Return for how long to leave an endpoint alone after its latest failure; 0: not at all."""
    steps = failures if answer.overloaded else failures - BROKEN_AFTER_FAILURES + 1
    if answer.retry_after_seconds:
        asked = min(answer.retry_after_seconds, HOLD_ASKED_SECONDS_MAX)
    else:
        asked = 0
    if steps < 1:
        return asked
    return max(asked, min(HOLD_SECONDS * (1 << min(steps - 1, 10)), HOLD_SECONDS_MAX))
