"""What must hold of a payment's refunds, judged from their rows alone: I7 of `invariant.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.ids import PayoutId
from hakika.domain.money import Money
from hakika.domain.payment import Payment
from hakika.domain.payout import FINAL, State

_WITHOUT_MONEY = frozenset({State.FAILED, State.CANCELED})


@dataclass(frozen=True, slots=True)
class StoredRefund:
    """What the row of a refund says."""

    id: PayoutId
    state: State
    amount: Money
    amount_sent: Money | None       # None: no money went
    receipt: str

    @property
    def counted(self) -> Money:
        """What it takes of the payment: what went, or will go unless it ends without money."""
        if self.amount_sent is not None:
            return self.amount_sent
        return Money(0) if self.state in _WITHOUT_MONEY else self.amount


def refund_breaches(
    payment: Payment, refunds: Sequence[StoredRefund], heard: Sequence[Fact],
) -> Iterator[str]:
    """I7: refunds take no more than came, one at a time, and the payment knows what went.

    Money that went after all, of a refund that counted as failed, may come to more: then the
    payment is disputed, and a person knows. `heard` is every fact of the payment.
    """
    came = payment.amount_received or Money(0)
    counted = Money(sum(each.counted.cents for each in refunds))
    if counted > came and not payment.disputed:
        yield f"Refunds of payment {payment.id} come to {counted}, and {came} came."
    under_way = [each.id for each in refunds if each.state not in FINAL]
    if len(under_way) > 1:
        yield f"Payment {payment.id} has several refunds under way: {', '.join(under_way)}."
    noted = {
        fact.receipt: fact.amount for fact in heard
        if fact.kind is Kind.RETURNED and fact.source is Source.REFUND
    }
    for each in refunds:
        if each.amount_sent is None:
            continue
        seen = noted.pop(each.receipt or each.id, None)
        if seen != each.amount_sent:
            yield (
                f"Refund {each.id} gave back {each.amount_sent}, and payment {payment.id} says "
                f"{seen or 'nothing'} of it."
            )
    for receipt, amount in noted.items():
        yield (
            f"Payment {payment.id} says that {amount} went back with {receipt}, and no refund "
            "did that."
        )
