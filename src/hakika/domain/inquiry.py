"""Inquiries: what M-Pesa is asked about a receipt or a short code, and how its answer is read.

Daraja answers twice: at once, that it took the question, and later, at an address made for this
inquiry alone, with what it found. The second answer may come before the first, twice, late or
never. Read `outcome_of`, then `collection`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

from hakika.domain import msisdn
from hakika.domain.errors import Invalid
from hakika.domain.fact import Source
from hakika.domain.ids import InquiryId, MerchantId, PaymentId, PayoutId, ProviderId
from hakika.domain.ledger import CLOCKS_DIFFER_MAX
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.shortcode import Shortcode
from hakika.domain.times import written
from hakika.domain.witness import Witness

# One question has one answer, perhaps a notice before it. More than these are somebody's game.
RAWS_MAX = 10

_NAIROBI = timezone(timedelta(hours=3))
_RECEIPT = re.compile(r"[A-Z0-9]{10}", re.ASCII)
_MASK_SIGNS = re.compile(r"[*•xX]")
_MASKED_PERSON = re.compile(r"\+?(?:254|0)?[17*•xX][0-9*•xX. ]{5,16}")


class Kind(StrEnum):
    """What is asked."""

    STATUS = "status"      # what became of a receipt, or of an order
    BALANCE = "balance"    # what lies on the accounts of a short code


class State(StrEnum):
    """How far an inquiry has come. Each says more than the one before."""

    ASKED = "asked"            # M-Pesa took the question, or is being asked; nothing was heard yet
    SILENT = "silent"          # nobody knows whether M-Pesa took it: it may still answer
    TIMED_OUT = "timed_out"    # it waited too long in M-Pesa's queue: it may still be answered
    REFUSED = "refused"        # M-Pesa did not answer the question
    ANSWERED = "answered"


class Outcome(StrEnum):
    """What M-Pesa says became of a receipt."""

    COMPLETED = "completed"
    FAILED = "failed"
    UNDECIDED = "undecided"    # under way, or in words that nobody has documented


_OUTCOMES = {
    "completed": Outcome.COMPLETED, "cancelled": Outcome.FAILED, "declined": Outcome.FAILED,
    "expired": Outcome.FAILED,
}


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One question to M-Pesa. All times are UTC."""

    id: InquiryId
    kind: Kind
    merchant_id: MerchantId
    livemode: bool
    provider_id: ProviderId
    shortcode: Shortcode
    asked_at: datetime
    receipt: str = ""                        # asked about; or told, when an order was asked about
    asked_conversation_id: str = ""          # the OriginatorConversationID of the order asked about
    payout_id: PayoutId | None = None        # the order of ours that is asked about
    conversation_id: str = ""                # of the question itself, by which the answer is known
    originator_conversation_id: str = ""
    state: State = State.ASKED
    outcome: Outcome | None = None           # of a status that was answered
    answer: str = ""                         # in words
    told: dict[str, Any] = field(default_factory=dict)
    answered_at: datetime | None = None
    payment_id: PaymentId | None = None      # the payment with this receipt, if there is one


@dataclass(frozen=True, slots=True)
class StatusSaid:
    """What a status answer says. Empty or None: it does not say, or in no way to be read."""

    status: str
    receipt: str
    amount: Money | None
    happened_at: datetime | None                        # UTC
    reason_type: str
    debit_party: str = field(default="", repr=False)    # "254708374149 - John Doe"
    credit_party: str = field(default="", repr=False)   # "600966 - Duka Ltd"
    originator_conversation_id: str = ""                # of the order itself
    conversation_id: str = ""


def outcome_of(status: str) -> Outcome:
    """Return what a TransactionStatus decides. The ResultCode beside it decides nothing. (T25)"""
    return _OUTCOMES.get(status.strip().lower(), Outcome.UNDECIDED)


def read_receipt(value: object) -> str:
    """Return a receipt as M-Pesa writes it. Raises: Invalid."""
    receipt = value.strip().upper() if isinstance(value, str) else ""
    if not _RECEIPT.fullmatch(receipt):
        raise Invalid(
            "An M-Pesa receipt has ten letters and digits, such as UKL7RT61SV.",
            field="receipt", code="receipt_invalid",
        )
    return receipt


def is_about(inquiry: Inquiry, conversation_id: str) -> bool:
    """Say whether an answer is to this question; before the first answer only the address says."""
    return inquiry.conversation_id in {"", conversation_id}


def answered(
    inquiry: Inquiry, state: State, *, answer: str, now: datetime, outcome: Outcome | None = None,
    told: dict[str, Any] | None = None, receipt: str = "",
) -> Inquiry:
    """Return `inquiry` after it was heard of; unchanged when as much was known before."""
    if _weight(state, outcome) <= _weight(inquiry.state, inquiry.outcome):
        return inquiry
    return replace(
        inquiry, state=state, outcome=outcome, answer=answer, told=told or {},
        receipt=inquiry.receipt or receipt, answered_at=now,
    )


def _weight(state: State, outcome: Outcome | None) -> int:
    return list(State).index(state) + (outcome in {Outcome.COMPLETED, Outcome.FAILED})


def collection(
    inquiry: Inquiry, said: StatusSaid, *, heard_at: datetime, raw: bytes,
) -> Witness | None:
    """Return the witness in an answer: money that a person paid to the short code, completed.

    None for everything else that has a receipt: payouts, reversals, charges, moves of the float.
    """
    person = _person(said.debit_party)
    ours = {inquiry.shortcode.number, inquiry.shortcode.store_number} - {""}
    if (
        outcome_of(said.status) is not Outcome.COMPLETED or not said.receipt
        or said.amount is None or person is None or _parts(said.credit_party)[0] not in ours
    ):
        return None
    payer, masked = person
    return Witness(
        Source.STATUS, inquiry.merchant_id, inquiry.livemode, inquiry.shortcode, said.receipt,
        said.amount, said.happened_at or heard_at, payer=payer, payer_masked=masked,
        payer_name=_parts(said.debit_party)[1], raw=raw,
    )


def _person(party: str) -> tuple[Msisdn | None, str] | None:
    """Return the number of a party, whole or masked; None when it is no person's."""
    number = _parts(party)[0]
    try:
        return msisdn.parse(number), ""
    except Invalid:
        is_masked = _MASK_SIGNS.search(number) and _MASKED_PERSON.fullmatch(number)
        return (None, number) if is_masked else None


def _parts(party: str) -> tuple[str, str]:
    """Return the number and the name in "600966 - Duka Ltd"."""
    number, _, name = party.partition("-")
    return number.strip(), name.strip()


def status_words(inquiry: Inquiry, said: StatusSaid, *, is_collection: bool) -> str:
    """Return a status answer in one or two sentences, without a name or a number of a person."""
    amount = f" {said.amount}" if said.amount is not None else ""
    says = f"M-Pesa says {said.status or 'nothing that can be read'} of {said.receipt}:{amount}"
    match outcome_of(said.status):
        case Outcome.FAILED:
            return f"{says}. No money moved."
        case Outcome.UNDECIDED:
            return f"{says}. Nothing is decided; ask again later."
        case Outcome.COMPLETED if is_collection:
            return f"{says} paid to {inquiry.shortcode.number}."
        case _:
            return (
                f"{says}. It is no payment of a person to {inquiry.shortcode.number}, so nothing "
                "was recorded."
            )


def observed_at(told_at: datetime | None, *, asked_at: datetime, now: datetime) -> datetime:
    """Return when a balance held: M-Pesa's own time of it, unless that cannot be true."""
    if told_at is None:
        return now
    is_true = asked_at - CLOCKS_DIFFER_MAX <= told_at <= now + CLOCKS_DIFFER_MAX
    return told_at if is_true else now


def next_turn(now: datetime) -> datetime:
    """Return when a short code is asked for its balance by itself: the next midnight of Nairobi."""
    tomorrow = now.astimezone(_NAIROBI) + timedelta(days=1)
    return tomorrow.replace(hour=0, minute=0, second=0, microsecond=0)


def inquiry_data(inquiry: Inquiry) -> dict[str, Any]:
    """Return an inquiry as merchants read it."""
    told = inquiry.told
    return {
        "id": inquiry.id, "kind": inquiry.kind.value, "livemode": inquiry.livemode,
        "shortcode": inquiry.shortcode.number, "state": inquiry.state.value,
        "receipt": inquiry.receipt or None, "payment_id": inquiry.payment_id,
        "asked_conversation_id": inquiry.asked_conversation_id or None,
        "conversation_id": inquiry.conversation_id or None,
        "answer": inquiry.answer or None,
        "outcome": inquiry.outcome.value if inquiry.outcome else None,
        "transaction_status": told.get("transaction_status"), "amount": told.get("amount"),
        "reason_type": told.get("reason_type"), "result_code": told.get("result_code"),
        "accounts": told.get("accounts"),
        "asked_at": written(inquiry.asked_at),
        "answered_at": written(inquiry.answered_at) if inquiry.answered_at else None,
    }
