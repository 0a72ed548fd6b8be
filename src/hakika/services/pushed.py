"""The payments that this process pushed last, so that their callbacks need not read them first."""

from __future__ import annotations

from hakika.domain.ids import PaymentId
from hakika.domain.payment import Payment

# About 3 KB each. A callback comes within a minute or so: these are 30 pushes a second.
PAYMENTS_MAX = 2_000


class Pushed:
    """Payments as they stood after their push: guesses, which nobody keeps up to date.

    Whoever writes a change of one is refused when it has moved since (`store.payments.apply`), and
    reads it then.
    """

    def __init__(self) -> None:
        self._payments: dict[PaymentId, Payment] = {}

    def remember(self, payment: Payment) -> None:
        """Keep `payment` in place of the oldest one, if there is no room."""
        self._payments[payment.id] = payment
        if len(self._payments) > PAYMENTS_MAX:
            del self._payments[next(iter(self._payments))]

    def recall(self, payment_id: PaymentId) -> Payment | None:
        """Return the payment if it is here, and forget it."""
        return self._payments.pop(payment_id, None)
