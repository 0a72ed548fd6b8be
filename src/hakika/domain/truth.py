"""What really happened, as a simulator knows it, held against our payments. For tests and trials.

Read `Truth.read`, then `money_breaches`. Sentences name a push by its merchant request id, because
its checkout request id ends in the payer's phone number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hakika.domain.fact import Source
from hakika.domain.ids import PaymentId
from hakika.domain.invariant import StoredFact
from hakika.domain.money import Money
from hakika.domain.payment import Payment, State

_HTTP_OK_MIN, _HTTP_OK_MAX = 200, 299

FindPayment = Callable[[str], PaymentId | None]


@dataclass(frozen=True, slots=True)
class Push:
    """One push that M-Pesa carried out, whatever we made of it."""

    merchant_request_id: str
    checkout_request_id: str = field(repr=False)
    receipt: str                        # empty unless paid
    amount: Money                       # what was paid, or asked when nothing was
    is_paid: bool
    payment_id: PaymentId | None        # whose callback address it has; None: not one of ours


@dataclass(frozen=True, slots=True)
class Truth:
    """Every push, to be found by each of the three names that we may know it by."""

    pushes: tuple[Push, ...]
    thanked: Mapping[PaymentId, int]    # callbacks that we answered 2xx, by payment
    unasked: Mapping[str, Money]        # what payers paid by themselves, by receipt
    _of_payment: Mapping[str, list[Push]]
    _with_checkout_id: Mapping[str, list[Push]]
    _with_receipt: Mapping[str, list[Push]]

    @classmethod
    def read(cls, told: Mapping[str, Any], called_about: FindPayment) -> Truth:
        """Return the truth in the simulator's words; `called_about` reads the token of an address.

        Raises:
            KeyError: not the answer of the simulator's `/_simulator/truth`.
        """
        of_payment, with_checkout_id, with_receipt = (defaultdict[str, list[Push]](list)
                                                      for _ in range(3))
        pushes: list[Push] = []
        thanked: Counter[PaymentId] = Counter()
        for row in told["payments"]:
            push = _push(row, called_about)
            pushes.append(push)
            with_checkout_id[push.checkout_request_id].append(push)
            if push.payment_id is not None:
                of_payment[push.payment_id].append(push)
            if push.receipt:
                with_receipt[push.receipt].append(push)
            thanked.update(_thanked(row, called_about))
        unasked = {
            row["receipt"]: Money(row["amount_cents"])
            for row in told["c2b"] if row["state"] == "completed"
        } | {  # of other days, which nobody was told of
            row["receipt"]: Money(row["cents"]) for row in told.get("receipts", ())
            if row["kind"] == "c2b"
        }
        return cls(tuple(pushes), thanked, unasked, of_payment, with_checkout_id, with_receipt)

    def payment_ids(self) -> set[PaymentId]:
        """Return every payment of ours that M-Pesa has carried out a push for."""
        return {PaymentId(each) for each in self._of_payment}

    def pushes_of(self, payment: Payment) -> list[Push]:
        """Return every push that has this payment's address, checkout request id or receipt."""
        found = [
            *self._of_payment.get(payment.id, ()),
            *self._with_checkout_id.get(payment.checkout_request_id, ()),
            *self._with_receipt.get(payment.receipt, ()),
        ]
        return list({push.checkout_request_id: push for push in found}.values())


def _push(row: Mapping[str, Any], called_about: FindPayment) -> Push:
    return Push(
        merchant_request_id=row["merchant_request_id"],
        checkout_request_id=row["checkout_request_id"],
        receipt=row["receipt"] or "", amount=Money(row["amount_cents"]),
        is_paid=row["state"] == "paid", payment_id=called_about(_token(row["callback_url"])),
    )


def _thanked(row: Mapping[str, Any], called_about: FindPayment) -> Iterator[PaymentId]:
    """Yield the payment of each callback that was answered 2xx at a payment's own address."""
    for sent in row["callbacks_sent"]:
        status = sent["status"]
        if status is None or not _HTTP_OK_MIN <= status <= _HTTP_OK_MAX:
            continue
        payment_id = called_about(_token(sent.get("url") or row["callback_url"]))
        if payment_id is not None:
            yield payment_id


def _token(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def money_breaches(payment: Payment, truth: Truth) -> Iterator[str]:
    """I1: M-Pesa's money is on this payment once, with its receipt and amount, and no other."""
    own = []
    for push in truth.pushes_of(payment):
        if push.payment_id in {None, payment.id}:
            own.append(push)
        else:
            yield (
                f"Payment {payment.id} cites the receipt or ids of a push that was made for "
                f"payment {push.payment_id}."
            )
    if len(own) > 1:
        names = ", ".join(push.merchant_request_id for push in own)
        yield f"Payment {payment.id} was pushed {len(own)} times: {names}."
    if own and payment.state is State.UNSENT:
        yield f"Payment {payment.id} says that it was never sent, and M-Pesa carried out a push."
    unasked = truth.unasked.get(payment.receipt)
    if payment.receipt and unasked is None and payment.receipt not in {
        push.receipt for push in own
    }:
        yield (
            f"Payment {payment.id} cites the receipt {payment.receipt}, "
            "which M-Pesa never gave for it."
        )
    paid = [push for push in own if push.is_paid]
    if unasked is not None:
        if payment.amount_received != unasked:
            yield (
                f"Payment {payment.id} says that {payment.amount_received} came, and M-Pesa "
                f"moved {unasked} with {payment.receipt}."
            )
    elif paid:
        yield from _breaches_of_paid(payment, paid)
    elif payment.state in {State.COMPLETED, State.REVERSED, State.RECEIPT_AWAITED}:
        yield f"Payment {payment.id} is {payment.state}, and M-Pesa has moved no money for it."


def _breaches_of_paid(payment: Payment, paid: Sequence[Push]) -> Iterator[str]:
    receipts = ", ".join(push.receipt for push in paid)
    match payment.state:
        case State.COMPLETED | State.REVERSED | State.RECEIPT_AWAITED | State.REVIEW:
            amounts = {push.amount for push in paid}
            if payment.amount_received not in amounts:
                yield (
                    f"Payment {payment.id} says that {payment.amount_received} came, and M-Pesa "
                    f"moved {', '.join(str(each) for each in sorted(amounts))} with {receipts}."
                )
        case State.FAILED | State.CANCELED:
            yield f"Payment {payment.id} is {payment.state}, and M-Pesa moved money: {receipts}."
        case _ if not is_watched(payment):
            yield (
                f"Payment {payment.id} is {payment.state}, M-Pesa moved money ({receipts}), "
                "and neither a check nor a person will look."
            )


def is_watched(payment: Payment) -> bool:
    """Say whether a check or a person will still look at this payment."""
    return payment.next_check_at is not None or payment.needs_review


def in_flight(payment: Payment, truth: Truth) -> Iterator[str]:
    """Yield a sentence when M-Pesa has money that we still have to learn of, and will."""
    if payment.state in {State.SENDING, State.PENDING, State.UNKNOWN} and is_watched(payment):
        for push in truth.pushes_of(payment):
            if push.is_paid:
                yield (
                    f"Payment {payment.id} is {payment.state}, and will learn of {push.receipt}."
                )


def lost_pushes(truth: Truth, absent: Collection[PaymentId]) -> Iterator[str]:
    """I1: each push with an address of ours has a payment; yield a sentence for the `absent`."""
    for push in truth.pushes:
        if push.payment_id in absent:
            money = f"moved money with {push.receipt}" if push.is_paid else "carried out a push"
            yield f"M-Pesa {money} for payment {push.payment_id}, which is not here."


def thanks_breaches(
    payment_id: PaymentId, stored: Sequence[StoredFact], truth: Truth, *, set_aside: int,
) -> Iterator[str]:
    """I12: each callback that we thanked for has left a fact or is in quarantine."""
    kept = set_aside + sum(each.fact.source is Source.STK_CALLBACK for each in stored)
    thanked = truth.thanked.get(payment_id, 0)
    if kept < thanked:
        yield (
            f"Payment {payment_id} has kept {kept} callbacks, and {thanked} were answered "
            "with thanks."
        )
