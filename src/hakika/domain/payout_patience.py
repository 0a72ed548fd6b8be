"""How long to wait for money that goes out: when to send, when to ask about it, when to stop.

`pace` shrinks all of it alike, as with payments (patience.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hakika.domain.payout import Payout, State

# Twice the longest that an order may take: who is still *sending* then has crashed.
SENDING_SECONDS_MAX = 60

# M-Pesa was not reached: again so much later, and twice as much each time.
AGAIN_SECONDS, AGAIN_SECONDS_MAX = 5, 600

# When to ask what became of an order, in seconds after it was sent. A result takes seconds; what
# waits in a queue, or for M-Pesa to send it again by itself, takes hours.
CHECK_SECONDS = (60, 180, 600, 1800, 3600, 3 * 3600, 8 * 3600, 24 * 3600)

# After so many questions that decided nothing, an order that Daraja never said it took is sent
# again under its own id, where that is safe; and after so many more, again. (T3)
AGAIN_AFTER_CHECKS = frozenset({2, 4, 6})

# Who could not be asked about, or has no credentials, is looked at so much later.
POSTPONED_SECONDS = 60

# After two days a person looks: only the statement can tell.
LAPSE_SECONDS = 48 * 3600


@dataclass(frozen=True, slots=True)
class PayoutPatience:
    """The waits of this file, divided by `pace` (1 outside tests)."""

    pace: float = 1.0

    def seconds(self, real: float) -> timedelta:
        """Return `real` seconds at this pace."""
        return timedelta(seconds=real / self.pace)

    def next_check_at(self, payout: Payout) -> datetime | None:
        """Return when to look at `payout` again (UTC), or None when nothing is left to do."""
        match payout.state:
            case State.READY:
                return payout.updated_at + self._pause(payout.attempts)
            case State.SENDING:
                return _asked_at(payout) + self.seconds(SENDING_SECONDS_MAX)
            case State.PENDING | State.UNKNOWN if not payout.lapsed:
                return self._next_question_at(payout)
            case _:
                return None

    def was_left_sending(self, payout: Payout, *, now: datetime) -> bool:
        """Say whether whoever was sending this payout must have died."""
        return now >= _asked_at(payout) + self.seconds(SENDING_SECONDS_MAX)

    def has_lapsed(self, payout: Payout, *, now: datetime) -> bool:
        """Say whether the last deadline of an unsettled payout has passed."""
        return now >= _asked_at(payout) + self.seconds(LAPSE_SECONDS)

    def may_be_sent_again(self, payout: Payout) -> bool:
        """Say whether an order is to be sent again, under the same id.

        Only where Daraja would refuse a second one, and nobody ever told that it has the first.
        """
        return (
            payout.state is State.UNKNOWN and payout.may_be_repeated
            and not payout.conversation_id and payout.checks in AGAIN_AFTER_CHECKS
        )

    def _pause(self, attempts: int) -> timedelta:
        if not attempts:
            return timedelta(0)
        return self.seconds(min(AGAIN_SECONDS * 2 ** (attempts - 1), AGAIN_SECONDS_MAX))

    def _next_question_at(self, payout: Payout) -> datetime:
        asked_at = _asked_at(payout)
        if payout.checks < len(CHECK_SECONDS):
            return asked_at + self.seconds(CHECK_SECONDS[payout.checks])
        return asked_at + self.seconds(LAPSE_SECONDS)


def _asked_at(payout: Payout) -> datetime:
    assert payout.asked_at is not None, "who is sent was asked for"
    return payout.asked_at
