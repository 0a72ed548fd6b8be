"""How fast Daraja is called for one short code: a rate that finds out what the gateway allows.

Safaricom publishes no limits; a gateway that is called too fast says 429 or 500.003.0x. Read
`Bucket.rate`: it doubles until it is first refused, and is halved then. Within five seconds it is
back just below what was refused, stays about there for half a minute, and tries a little more: the
more, the longer it goes well. (Networks avoid congestion so: RFC 9438, CUBIC.)

Turns are given out evenly spaced and a second ahead, so that any number of processes share one
row, and a batch of calls costs one look at it. What is not used is lost, but for one turn: gateways
count bursts too. Who does not need its turns learns nothing: only those that had to be waited for
make the rate climb.

Money that goes out never waits for a question: while the gateway refuses orders, none are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from hakika.domain.payout import Way


class Api(StrEnum):
    """What the gateway counts by itself: one bucket for each short code, mode and API."""

    B2C = "b2c"
    B2B = "b2b"
    REVERSAL = "reversal"
    STATUS = "status"


API_OF: Mapping[Way, Api] = {
    Way.PHONE: Api.B2C, Way.PAYBILL: Api.B2B, Way.TILL: Api.B2B, Way.TOP_UP: Api.B2B,
    Way.REVERSAL: Api.REVERSAL,
}

# Turns that may be made up for after a lull.
BURST = 1
AHEAD_SECONDS = 1.0

# Nobody was refused yet: twice the rate for so many seconds of waiting for turns.
DOUBLING_SECONDS = 5.0
RATE_MAX, RATE_MIN = 1_000.0, 0.2

# After a refusal: half of what was refused, then back to a little less than it, then more.
LOWERED_TO, KEPT_AT = 0.5, 0.95
BACK_SECONDS, KEPT_SECONDS = 5.0, 30.0

# Calls that were under way when the first was refused are refused too: that says nothing new.
SAME_REFUSAL_SECONDS = 2.0

# So long after an order was refused no question is put for the same short code.
YIELD_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """The calls of one short code, mode and API. `free_at` is when the next turn is (UTC)."""

    start: float                          # calls a second, before anything was learned
    free_at: datetime
    ceiling: float | None = None          # the rate that was refused last; None: none ever was
    climbed_seconds: float = 0.0          # of turns that were waited for, since then
    lowered_at: datetime | None = None

    @property
    def rate(self) -> float:
        """Calls a second that are allowed now."""
        climbed = self.climbed_seconds
        if self.ceiling is None:
            return float(min(self.start * 2 ** (climbed / DOUBLING_SECONDS), RATE_MAX))
        if climbed < BACK_SECONDS:
            share = KEPT_AT - (KEPT_AT - LOWERED_TO) * (1 - climbed / BACK_SECONDS) ** 3
        else:
            share = KEPT_AT + (1 - KEPT_AT) * ((climbed - BACK_SECONDS) / KEPT_SECONDS) ** 3
        return max(RATE_MIN, min(self.ceiling * share, RATE_MAX))


def turns(bucket: Bucket, *, now: datetime) -> int:
    """Return how many turns may be taken now: those of the next second, and a few unused ones."""
    ahead = (now - _first(bucket, now)).total_seconds() + AHEAD_SECONDS
    return int(ahead * bucket.rate) + 1 if ahead >= 0 else 0


def take(bucket: Bucket, count: int, *, now: datetime) -> tuple[Bucket, list[datetime]]:
    """Return the bucket without `count` turns, and when each of them is (UTC), in order."""
    rate, first = bucket.rate, _first(bucket, now)
    at = [first + timedelta(seconds=each / rate) for each in range(count + 1)]
    waited = max((at[-1] - max(bucket.free_at, now)).total_seconds(), 0.0)
    after = replace(
        bucket, free_at=at[-1] if count else bucket.free_at,
        climbed_seconds=bucket.climbed_seconds + waited,
    )
    return after, at[:-1]


def _first(bucket: Bucket, now: datetime) -> datetime:
    return max(bucket.free_at, now - timedelta(seconds=BURST / bucket.rate))


def throttled(bucket: Bucket, *, now: datetime, rest_seconds: float = 0) -> Bucket:
    """Return the bucket after the gateway said "too fast", and to be left alone for so long."""
    rested = replace(bucket, free_at=max(bucket.free_at, now + timedelta(seconds=rest_seconds)))
    lowered_at = bucket.lowered_at
    if lowered_at and now < lowered_at + timedelta(seconds=SAME_REFUSAL_SECONDS):
        return rested
    return replace(rested, ceiling=bucket.rate, climbed_seconds=0.0, lowered_at=now)
