"""How long to wait for what: when to ask Daraja about a silent payment, and when to stop.

Real numbers come from daraja.md 5.2 and section 8. `pace` shrinks all of them alike, so that tests
can live a day in seconds beside a simulator that runs as much faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hakika.domain.ids import PaymentId
from hakika.domain.money import Money
from hakika.domain.payment import Payment, State

# A prompt lives about 60 s; the handset may answer up to 90 s after the push. Until then a query's
# "failed" is no verdict: the payer may still be typing the PIN (daraja.md 5.2, handling 4).
PROMPT_LIFE_SECONDS = 90

# After three minutes without a verdict we say honestly that we do not know.
OVERDUE_SECONDS = 180

# Twice the longest that our own push request may take: who is still *sending* then has crashed.
SENDING_SECONDS_MAX = 60

# A payment that was never sent waits this long for the caller's next try with the same key.
UNSENT_SECONDS_MAX = 600

# Evidence has never been reported to come later than a day; after two, a person looks.
LAPSE_SECONDS = 48 * 3600

# When to ask, in seconds after the push: quick at first, then a slow sweep (daraja.md 5.2).
CHECK_SECONDS = (25, 45, 65, 95, 125, 155, 185, 300, 900, 3600, 6 * 3600, 24 * 3600)

# Hearsay brings the first of them forward, but not before Daraja can know the push: asked at once,
# it says that there is none, and the first question is wasted.
HURRIED_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Patience:
    """The waits of this file, divided by `pace` (1 outside tests)."""

    pace: float = 1.0

    def seconds(self, real: float) -> timedelta:
        """Return `real` seconds at this pace."""
        return timedelta(seconds=real / self.pace)

    def next_check_at(self, payment: Payment) -> datetime | None:
        """Return when to look at `payment` again (UTC), or None when nothing is left to find."""
        match payment.state:
            case State.UNSENT:
                return payment.updated_at + self.seconds(UNSENT_SECONDS_MAX)
            case State.SENDING:
                return _pushed_at(payment) + self.seconds(SENDING_SECONDS_MAX)
            case State.PENDING | State.UNKNOWN if not payment.lapsed:
                return self._next_query_at(payment)
            case _:
                return None

    def prompts_forgotten(self, *, now: datetime) -> datetime:
        """Return the time before which a prompt was opened that no phone shows any more."""
        return now - self.seconds(PROMPT_LIFE_SECONDS)

    def prompt_is_dead(self, payment: Payment, *, now: datetime) -> bool:
        """Say whether the payer can no longer answer the prompt."""
        return now >= _pushed_at(payment) + self.seconds(PROMPT_LIFE_SECONDS)

    def was_left_sending(self, payment: Payment, *, now: datetime) -> bool:
        """Say whether whoever was sending this payment must have died."""
        return now >= _pushed_at(payment) + self.seconds(SENDING_SECONDS_MAX)

    def is_overdue(self, payment: Payment, *, now: datetime) -> bool:
        """Say whether a pending payment has been silent for so long that it is unknown."""
        return now >= _pushed_at(payment) + self.seconds(OVERDUE_SECONDS)

    def has_lapsed(self, payment: Payment, *, now: datetime) -> bool:
        """Say whether the last deadline of an unsettled payment has passed."""
        if payment.state is State.UNSENT:
            return now >= payment.updated_at + self.seconds(UNSENT_SECONDS_MAX)
        return now >= _pushed_at(payment) + self.seconds(LAPSE_SECONDS)

    def _next_query_at(self, payment: Payment) -> datetime:
        pushed_at = _pushed_at(payment)
        lapse_at = pushed_at + self.seconds(LAPSE_SECONDS)
        if not payment.checkout_request_id:
            return lapse_at  # Daraja can only be asked by the id that we never got
        if payment.checks < len(CHECK_SECONDS):
            return pushed_at + self.seconds(CHECK_SECONDS[payment.checks])
        return lapse_at


@dataclass(frozen=True, slots=True)
class Waiting:
    """A payment that waits for its turn to be asked about."""

    id: PaymentId
    amount: Money
    pushed_at: datetime
    is_unknown: bool


def urgency(waiting: Waiting, *, now: datetime) -> float:
    """Return how much is lost, at worst, by asking about a payment later: the largest goes first.

    Age x amount x doubt. Doubt is doubled for a payment already told to be unknown, because
    somebody is waiting for exactly this answer.
    """
    age_seconds = max((now - waiting.pushed_at).total_seconds(), 1.0)
    doubt = 2.0 if waiting.is_unknown else 1.0
    return age_seconds * waiting.amount.cents * doubt


def _pushed_at(payment: Payment) -> datetime:
    return payment.asked_at or payment.created_at
