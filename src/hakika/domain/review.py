"""Questions about a payment that a person must answer: both sides, side by side, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hakika.domain.discrepancy import Difference
from hakika.domain.discrepancy import Kind as DiscrepancyKind
from hakika.domain.fact import Kind, LateAction, Source
from hakika.domain.money import Money
from hakika.domain.payment import Payment, State
from hakika.domain.times import NAIROBI

# Those that say whether there was money, and how much.
_VERDICTS = frozenset({
    Kind.REFUSED, Kind.DECLINED, Kind.CANCELED, Kind.CONFIRMED, Kind.MISPAID, Kind.PAID,
    Kind.CONTRADICTED,
})

_SHOWN_MAX = 6


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said of a payment. The time is UTC."""

    heard_at: datetime
    kind: Kind
    source: Source
    details: dict[str, Any]


def questions(payment: Payment, heard: Sequence[Said]) -> Iterator[Difference]:
    """Yield what a person has to decide about a payment; nothing for most."""
    if payment.disputed or payment.state is State.REVIEW:
        yield _question(
            payment, DiscrepancyKind.REVIEW,
            f"What was heard about payment {payment.id} cannot all be true. {_side_by_side(heard)}",
        )
    if payment.late_action in {LateAction.HOLD, LateAction.REFUND}:
        what = (
            "decide whether to deliver" if payment.late_action is LateAction.HOLD
            else "it is owed back to the payer"
        )
        yield _question(
            payment, DiscrepancyKind.LATE_MONEY,
            f"Payment {payment.id} was paid after you were told that it would not be: {what}. "
            f"{_side_by_side(heard)}",
        )


def _question(payment: Payment, kind: DiscrepancyKind, words: str) -> Difference:
    return Difference(
        kind, payment.shortcode.number, payment.id, words, receipt=payment.receipt,
        payment_id=payment.id, ours=payment.amount, theirs=payment.amount_received,
    )


def _side_by_side(heard: Sequence[Said]) -> str:
    said = [each for each in heard if each.kind in _VERDICTS][-_SHOWN_MAX:]
    return " ".join(_sentence(each) for each in said)


def _sentence(said: Said) -> str:
    details = said.details
    told = [
        *([f"KES {Money(details['amount_cents'])}"] if details.get("amount_cents") else []),
        *([f"receipt {details['receipt']}"] if details.get("receipt") else []),
        *([details["code"]] if details.get("code") else []),
        *([details["note"]] if details.get("note") else []),
    ]
    when = f"{said.heard_at.astimezone(NAIROBI):%Y-%m-%d %H:%M:%S}"
    return f"[{when}, {said.source}] {said.kind}{': ' if told else ''}{', '.join(told)}."
