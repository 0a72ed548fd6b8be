"""When to try a delivery again: a pure function of how often it was tried, the time, and chance.

The shape is that of the Standard Webhooks example (faults.md B4), stretched over four days, so that
an endpoint that dies on a Friday evening hears everything on Monday.
"""

from __future__ import annotations

from datetime import datetime, timedelta

_MINUTE, _HOUR = 60, 3600

# Seconds to wait after the 1st, 2nd, … failed try: 12 tries in all, over about 99 hours.
DELAYS_SECONDS = (
    5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 14 * _HOUR,
    16 * _HOUR, 18 * _HOUR, 19 * _HOUR,
)
ATTEMPTS_MAX = len(DELAYS_SECONDS) + 1

# An endpoint may ask for more time, within reason; it may not park us for a month.
RETRY_AFTER_SECONDS_MAX = 24 * _HOUR

# Added, never subtracted, so that a thousand deliveries that failed together return apart.
JITTER = 0.2


def next_attempt_at(
    attempts: int, *, now: datetime, chance: float, retry_after_seconds: int | None = None,
) -> datetime | None:
    """Return when to try again after `attempts` failed tries (1 or more), or None: no more.

    `chance` is a random number in [0, 1). The endpoint's own Retry-After lengthens the wait.
    """
    assert attempts >= 1
    if attempts >= ATTEMPTS_MAX:
        return None
    wait = DELAYS_SECONDS[attempts - 1] * (1 + JITTER * chance)
    if retry_after_seconds is not None:
        wait = max(wait, min(retry_after_seconds, RETRY_AFTER_SECONDS_MAX))
    return now + timedelta(seconds=wait)
