"""What lies on a float, what of it is promised, and how long it lasts. Read `Funds`.

M-Pesa tells a balance now and then; what the books moved since is added to it. What is held for
payouts that are under way still lies there, and may not be promised twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hakika.domain.money import Money
from hakika.domain.times import written

# Every short code is asked each midnight. Two hours more, so that one slow answer is no ignorance.
STALE = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Funds:
    """What lies on one account of a short code at M-Pesa. Times are UTC."""

    account: str                # of the books: `float:600966:utility`
    told: Money                 # by M-Pesa
    told_at: datetime
    moved: Money                # by the books since then; may be negative
    reserved: Money             # promised to payouts that are let go and did not leave yet

    @property
    def known(self) -> Money:
        """What lies there, by all we know."""
        return Money(self.told.cents + self.moved.cents)

    @property
    def available(self) -> Money:
        """What may be promised; negative when more is promised than lies there."""
        return Money(self.known.cents - self.reserved.cents)

    def is_fresh(self, *, now: datetime) -> bool:
        """Say whether M-Pesa's word is of the last day: else nobody knows what lies there."""
        return now - self.told_at <= STALE


@dataclass(frozen=True, slots=True)
class Queue:
    """What is still to leave one account, and how fast money left it in the last 24 hours."""

    ready: Money                # let go, reserved
    held: Money                 # waits for a person or for time
    left_in_a_day: Money        # out less in, over 24 hours; negative: more came than left


def short_by(funds: Funds, queue: Queue) -> Money:
    """Return what must be topped up before everything that is held could leave, too; 0: it fits."""
    return Money(max(0, queue.held.cents - funds.available.cents))


def runs_out_at(funds: Funds, queue: Queue, *, now: datetime) -> datetime | None:
    """Return when nothing is available at the pace of the last 24 hours; None: it does not end."""
    if funds.available.cents <= 0:
        return now
    if queue.left_in_a_day.cents <= 0:
        return None
    return now + timedelta(days=funds.available.cents / queue.left_in_a_day.cents)


def funds_data(
    account: str, funds: Funds | None, queue: Queue, *, reserved: Money, low: Money | None,
    now: datetime,
) -> dict[str, Any]:
    """Return one account as merchants read it. `funds` None: M-Pesa never told of it."""
    fresh = funds is not None and funds.is_fresh(now=now)
    data: dict[str, Any] = {
        "account": account, "shortcode": account.split(":")[1], "place": account.split(":")[2],
        "state": "never_told" if funds is None else ("known" if fresh else "stale"),
        "reserved": str(reserved), "ready": str(queue.ready), "held": str(queue.held),
        "low_below": str(low) if low is not None else None,
        "told": None, "told_at": None, "known": None, "available": None, "is_low": None,
        "short_by": None, "runs_out_at": None,
    }
    if funds is None:
        return data
    ends = runs_out_at(funds, queue, now=now) if fresh else None
    return data | {
        "told": str(funds.told), "told_at": written(funds.told_at), "known": str(funds.known),
        "available": str(funds.available),
        "is_low": is_low(funds, low) if fresh else None,
        "short_by": str(short_by(funds, queue)), "runs_out_at": written(ends) if ends else None,
    }


def is_low(funds: Funds, low: Money | None) -> bool:
    """Say whether less is available than a merchant wants to have there."""
    return low is not None and funds.available < low
