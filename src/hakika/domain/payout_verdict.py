"""What M-Pesa's words about an order come to, as facts. Read `from_result`.

A code says one of four things: done, ended without money, had before, or nothing that decides.
Which code says what is a table of `hakika.daraja`; what follows from it is here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hakika.domain.fact import Reason
from hakika.domain.inquiry import Outcome, StatusSaid, outcome_of
from hakika.domain.money import Money
from hakika.domain.payout import Payout, Way
from hakika.domain.payout_fact import Kind, PayoutFact, Source


class Sense(StrEnum):
    """What a result's code says."""

    DONE = "done"
    ENDED = "ended"              # without money, for good
    DUPLICATE = "duplicate"      # the first order of this id stands
    UNDECIDED = "undecided"      # money may have moved


@dataclass(frozen=True, slots=True)
class ResultSaid:
    """What a result says of an order. Empty or None: it does not say."""

    sense: Sense
    conversation_id: str
    reason: Reason | None = None
    is_final: bool = True                     # False: M-Pesa will say more (T29)
    receipt: str = ""
    amount: Money | None = None
    happened_at: datetime | None = None       # UTC
    original_receipt: str = ""                # of a reversal
    raw: bytes = field(default=b"", repr=False)


def is_about(payout: Payout, said: ResultSaid) -> bool:
    """Say whether a result is about this order; before Daraja answered only the address says."""
    return payout.conversation_id in {"", said.conversation_id}


def from_result(payout: Payout, said: ResultSaid) -> PayoutFact:
    """Return the fact in a result that came to this order's own address."""
    kind, note = _kind(payout, said)
    return PayoutFact(
        kind, Source.RESULT, conversation_id=said.conversation_id, note=note, raw=said.raw,
        reason=None if kind is Kind.PAID else said.reason,
        receipt=said.receipt if kind is Kind.PAID else "", amount=said.amount,
        happened_at=said.happened_at,
    )


def _kind(payout: Payout, said: ResultSaid) -> tuple[Kind, str]:
    if not said.is_final:
        return Kind.ACCEPTED, "M-Pesa has it, and will say more."
    match said.sense:
        case Sense.ENDED:
            return Kind.DECLINED, ""
        case Sense.DUPLICATE:
            return Kind.DUPLICATED, "M-Pesa has had this order before: the first one stands."
        case Sense.UNDECIDED:
            return Kind.DOUBTED, ""
    if not said.receipt:
        return Kind.DOUBTED, "M-Pesa calls it done and tells no receipt."
    is_other = said.original_receipt not in {"", payout.original_receipt}
    if payout.way is Way.REVERSAL and is_other:
        return Kind.CONTRADICTED, f"It says that it undid {said.original_receipt}."
    return Kind.PAID, ""


def from_status(payout: Payout, said: StatusSaid, *, raw: bytes) -> PayoutFact | None:
    """Return the fact in a status answer about this order; None: it decides nothing.

    Only *Completed* with a receipt is paid, and only *Cancelled*, *Declined* and *Expired* are
    not (T25). An answer that names another order is about that one (T26).
    """
    if said.originator_conversation_id not in {"", payout.known_as}:
        return None
    if payout.conversation_id and said.conversation_id not in {"", payout.conversation_id}:
        return None
    match outcome_of(said.status):
        case Outcome.COMPLETED if said.receipt and said.receipt != payout.original_receipt:
            return PayoutFact(
                Kind.PAID, Source.STATUS, receipt=said.receipt, amount=said.amount,
                happened_at=said.happened_at, raw=raw,
            )
        case Outcome.FAILED:
            return PayoutFact(
                Kind.DECLINED, Source.STATUS, note=f"M-Pesa says {said.status}.", raw=raw,
            )
        case _:
            return None
