"""What of a payment may be given back, and how. Read `check`.

A refund is a payout with a purpose: the same grid, sent as carefully. M-Pesa reverses a collection
whole or not at all (T50), so a part goes to the payer by B2C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hakika.domain.errors import (
    Invalid,
    PayerUnknown,
    PaymentNotRefundable,
    RefundTooLarge,
    RefundUnderWay,
)
from hakika.domain.ids import RefundId, bits_of, write
from hakika.domain.money import Money
from hakika.domain.payment import Payment, State
from hakika.domain.payout import FINAL, Payout, Way
from hakika.domain.payout_order import check_amount


class Method(StrEnum):
    """How money goes back."""

    REVERSAL = "reversal"    # M-Pesa undoes the collection; only whole
    B2C = "b2c"              # sent to the payer's phone; any part


WAYS = {Method.REVERSAL: Way.REVERSAL, Method.B2C: Way.PHONE}
METHODS = {way: method for method, way in WAYS.items()}


@dataclass(frozen=True, slots=True)
class Allowed:
    """A refund that may be made."""

    amount: Money
    way: Way


def refund_id(payout: Payout) -> RefundId:
    """Return the id of a refund as merchants know it: its payout's, under a prefix of its own."""
    return RefundId(write("ref", bits_of(payout.id)))


def check(
    payment: Payment, others: Sequence[Payout], *, amount: Money | None = None,
    method: Method | None = None,
) -> Allowed:
    """Return what may be given back; `others` are the refunds that this payment has so far.

    Hold the payment meanwhile. Without an amount it is all that is left.

    Raises:
        PaymentNotRefundable: no money of it is here under a receipt.
        RefundUnderWay: another refund's outcome is not known yet. (T49)
        RefundTooLarge: so much is not left.
        PayerUnknown: a part goes to a phone, and M-Pesa masked this payer's.
        Invalid: the amount cannot be sent, or a reversal of a part was asked for.
    """
    came = payment.amount_received
    if payment.state not in {State.COMPLETED, State.REVIEW} or not payment.receipt or came is None:
        raise PaymentNotRefundable(
            f"Payment {payment.id} is {payment.status}: none of its money can be given back.",
        )
    under_way = [each for each in others if each.state not in FINAL]
    if under_way:
        raise RefundUnderWay(
            f"Refund {refund_id(under_way[0])} of this payment is {under_way[0].status}.",
        )
    left = Money(came.cents - payment.amount_returned.cents)
    wanted = amount or left
    if wanted > left:
        raise RefundTooLarge(f"Payment {payment.id} has {left} left; {wanted} was asked.")
    return Allowed(wanted, _way(payment, wanted, is_whole=wanted == came, method=method))


def _way(payment: Payment, amount: Money, *, is_whole: bool, method: Method | None) -> Way:
    way = WAYS[method or (Method.REVERSAL if is_whole else Method.B2C)]
    if way is Way.REVERSAL and not is_whole:
        raise Invalid(
            "M-Pesa reverses a payment whole. A part of it goes to the payer by b2c.",
            field="method", code="reversal_of_a_part",
        )
    if way is Way.PHONE and payment.payer is None:
        raise PayerUnknown(
            f"The payer of {payment.id} is masked by M-Pesa: money cannot be sent to that phone.",
        )
    check_amount(amount, way)
    return way
