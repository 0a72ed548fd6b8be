"""Facts: what was heard about a payment, from whom, and how far it may be believed.

A fact is never changed and never deleted; the rows of facts are the audit log. Each row carries the
hash of the row before it for the same payment, so that an edit, a deletion or an insertion shows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

import orjson

from hakika.domain.money import Money


class Kind(StrEnum):
    """What was heard. Past tense: a fact has happened, whatever we make of it."""

    ASKED = "asked"                # we are about to ask Daraja; durable before the call
    UNREACHABLE = "unreachable"    # Daraja was never asked: no connection, throttled at the gate
    ACCEPTED = "accepted"          # Daraja took the request and gave its ids; nobody has paid yet
    SILENT = "silent"              # no answer that can be read, or nothing heard for long
    DOUBTED = "doubted"            # a callback whose code decides nothing
    INQUIRED = "inquired"          # a status query brought no verdict
    LAPSED = "lapsed"              # the last deadline passed
    REFUSED = "refused"            # Daraja's own answer: the prompt was not made
    DECLINED = "declined"          # it ended without money: no funds, wrong PIN, no answer, …
    CANCELED = "canceled"          # the payer pressed cancel
    CONFIRMED = "confirmed"        # a status query says paid, and cannot say the receipt or amount
    PAID = "paid"                  # who knows the receipt says paid, and the amount we asked for
    MISPAID = "mispaid"            # the same, with another amount
    CONTRADICTED = "contradicted"  # cannot be true of this payment: another's receipt
    ASSIGNED = "assigned"          # somebody said what unasked money is for
    RETURNED = "returned"          # money of it went back to its payer, under a receipt of its own


class Source(StrEnum):
    """Who said it."""

    CALLER = "caller"                    # the merchant's request
    DARAJA = "daraja"                    # the answer to our own request
    STK_CALLBACK = "stk_callback"        # Safaricom's callback to this payment's own address
    STK_QUERY = "stk_query"              # the answer to a status query
    CLOCK = "clock"                      # time passed
    C2B = "c2b"                          # Safaricom's confirmation to the short code's own address
    PULL = "pull"                        # a row of the Pull Transactions API
    STATEMENT = "statement"              # a line of the organisation's statement
    STATUS = "status"                    # the result of a transaction status query
    REFUND = "refund"                    # M-Pesa's word on a refund of ours


class Strength(IntEnum):
    """How far a verdict is believed; the stronger wins (daraja.md section 12)."""

    NONE = 0
    TIMEOUT = 1
    QUERY_FAILURE = 2
    FAILURE = 3            # a callback, or Daraja's own refusal
    QUERY_SUCCESS = 4
    SUCCESS_CALLBACK = 5
    RECORD = 6             # M-Pesa's own list of what happened: pull, statement, status


RECORDS = frozenset({Source.PULL, Source.STATEMENT, Source.STATUS})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a payment ended without money, for each of the three who ask."""

    code: str                   # ours, stable: insufficient_funds, payer_canceled, …
    daraja_code: str            # Safaricom's, as text: "1032", "SFC_IC0003", "400.002.02"
    developer_message: str      # what it means and what to do about it
    payer_message: str          # English, fit to be shown to the payer
    payer_message_sw: str       # the same in Swahili
    daraja_message: str = ""    # Safaricom's own words
    retryable: bool = False     # the same request may work later, with nothing mended


class LateAction(StrEnum):
    """What a merchant wants done with money that came after we had said that it would not."""

    FULFIL = "fulfil"    # it is paid: deliver
    HOLD = "hold"        # a person decides
    REFUND = "refund"    # it is owed back to the payer


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing heard. `raw` is the body as it came; `attempt` numbers our own pushes from 1."""

    kind: Kind
    source: Source
    attempt: int | None = None
    reason: Reason | None = None
    merchant_request_id: str = ""
    checkout_request_id: str = ""
    receipt: str = ""
    amount: Money | None = None
    paid_at: datetime | None = None    # UTC, as Safaricom says it
    assigned_to: str = ""              # what unasked money is for: an order, a customer, a payment
    note: str = ""
    late_action: LateAction | None = None   # the merchant's policy, when the money came late
    raw: bytes = field(default=b"", repr=False)

    @property
    def strength(self) -> Strength:
        """How far this fact is believed as a verdict; NONE when it is no verdict."""
        match self.kind:
            case Kind.PAID | Kind.MISPAID:
                return Strength.RECORD if self.source in RECORDS else Strength.SUCCESS_CALLBACK
            case Kind.CONFIRMED:
                return Strength.QUERY_SUCCESS
            case Kind.REFUSED:
                return Strength.FAILURE
            case Kind.DECLINED | Kind.CANCELED:
                queried = self.source is Source.STK_QUERY
                return Strength.QUERY_FAILURE if queried else Strength.FAILURE
            case Kind.LAPSED:
                return Strength.TIMEOUT
            case _:
                return Strength.NONE


FIRST_LINK = bytes(32)  # what a payment is chained to that was not born yet (`payment.born`)


def link(
    fact: Fact, *, payment_id: str, sequence: int, heard_at: datetime, state: str, before: bytes,
    salt: str = "",
) -> bytes:
    """Return the hash of this fact's row: 32 bytes over its content and the hash of the row before.

    `state` is the payment's state after the fact, so that the decision is chained with its ground.
    `salt` is the payment's own.
    """
    content = orjson.dumps(
        {
            "payment": payment_id, "sequence": sequence, "heard_at": heard_at.isoformat(),
            "state": state, "kind": fact.kind, "source": fact.source, **details(fact),
            "raw": hashlib.sha256(fact.raw).hexdigest(), "before": before.hex(), "salt": salt,
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return hashlib.sha256(content).digest()


def details(fact: Fact) -> dict[str, str | int]:
    """Return everything of a fact but kind, source and raw body, as plain values for storing.

    What a fact does not have is left out, so that a field added later changes no older hash.
    """
    reason = fact.reason
    values = {
        "attempt": fact.attempt,
        "merchant_request_id": fact.merchant_request_id or None,
        "checkout_request_id": fact.checkout_request_id or None,
        "receipt": fact.receipt or None,
        "amount_cents": fact.amount.cents if fact.amount else None,
        "paid_at": fact.paid_at.isoformat() if fact.paid_at else None,
        "assigned_to": fact.assigned_to or None,
        "note": fact.note or None,
        "late_action": fact.late_action.value if fact.late_action else None,
    }
    if reason is not None:
        values |= {
            "code": reason.code, "daraja_code": reason.daraja_code,
            "daraja_message": reason.daraja_message, "retryable": reason.retryable,
            "developer_message": reason.developer_message,
            "payer_message": reason.payer_message, "payer_message_sw": reason.payer_message_sw,
        }
    return {name: value for name, value in values.items() if value is not None}
