"""Facts about money that goes out: what was heard, from whom, and how far it may be believed.

Like the facts of a payment, each is a row that is never changed and that carries the hash of the
row before it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

import orjson

from hakika.domain.fact import FIRST_LINK, Reason
from hakika.domain.money import Money

__all__ = ["FIRST_LINK", "Kind", "PayoutFact", "Source", "Strength", "details", "link"]


class Kind(StrEnum):
    """What was heard. Past tense: a fact has happened, whatever we make of it."""

    RELEASED = "released"          # whoever may, or time, let it go
    WITHDRAWN = "withdrawn"        # a person refused it or took it back
    ASKED = "asked"                # we are about to ask Daraja; durable before the call
    UNREACHABLE = "unreachable"    # Daraja was never asked: no connection, throttled at the gate
    ACCEPTED = "accepted"          # Daraja took the order and gave its ids; no money moved yet
    SILENT = "silent"              # no answer that can be read, or nothing heard for long
    DUPLICATED = "duplicated"      # Daraja has had this order before: the first one stands
    QUEUED_OUT = "queued_out"      # it waited too long in M-Pesa's queue; it may still be done
    DOUBTED = "doubted"            # a result whose code decides nothing
    INQUIRED = "inquired"          # a status query brought no verdict
    LAPSED = "lapsed"              # the last deadline passed
    REFUSED = "refused"            # Daraja's own answer: the order was not made
    DECLINED = "declined"          # M-Pesa says that it ended without money
    DENIED = "denied"              # a person looked at the portal, and no money went
    RECORDED = "recorded"          # a person looked, or sent it outside M-Pesa: the money went
    PAID = "paid"                  # M-Pesa says that the money went, with its receipt
    RETURNED = "returned"          # the money came back: reversed on the portal
    CONTRADICTED = "contradicted"  # cannot be true of this order: another's receipt


class Source(StrEnum):
    """Who said it."""

    CALLER = "caller"          # the merchant's request
    OPERATOR = "operator"      # a person, by name
    DARAJA = "daraja"          # the answer to our own request
    RESULT = "result"          # Safaricom's call to this order's own address
    STATUS = "status"          # the result of a transaction status query
    STATEMENT = "statement"    # a line of the organisation's statement
    CLOCK = "clock"            # time passed


class Strength(IntEnum):
    """How far a verdict is believed; the stronger wins."""

    NONE = 0
    PERSON = 1       # somebody looked, and may have looked at the wrong line
    REFUSAL = 2      # Daraja's own answer
    RESULT = 3       # M-Pesa's result or status, at an address of this order alone
    MONEY = 4        # M-Pesa says that it went, and under which receipt


@dataclass(frozen=True, slots=True)
class PayoutFact:
    """One thing heard. `raw` is the body as it came; `attempt` numbers our own orders from 1."""

    kind: Kind
    source: Source
    attempt: int | None = None
    reason: Reason | None = None
    conversation_id: str = ""
    originator_conversation_id: str = ""   # Daraja's; ours is made before it is asked
    receipt: str = ""
    amount: Money | None = None
    happened_at: datetime | None = None    # UTC, as Safaricom says it
    is_unprotected: bool = False           # ASKED by an API that knows no duplicates
    who: str = ""                          # the key or person, where one decided
    note: str = ""
    raw: bytes = field(default=b"", repr=False)

    @property
    def strength(self) -> Strength:
        """How far this fact is believed as a verdict; NONE when it is no verdict."""
        match self.kind:
            case Kind.PAID | Kind.RETURNED:
                return Strength.MONEY
            case Kind.DECLINED:
                return Strength.RESULT
            case Kind.REFUSED:
                return Strength.REFUSAL
            case Kind.DENIED | Kind.RECORDED:
                return Strength.PERSON
            case _:
                return Strength.NONE


def link(
    fact: PayoutFact, *, payout_id: str, sequence: int, heard_at: datetime, state: str,
    before: bytes, salt: str,
) -> bytes:
    """Return the hash of this fact's row: 32 bytes over its content and the hash of the row before.

    `state` is the payout's state after the fact. `salt` is the payout's own: amounts and numbers
    are few, and whoever has the hash could try them all.
    """
    content = orjson.dumps(
        {
            "payout": payout_id, "sequence": sequence, "heard_at": heard_at.isoformat(),
            "state": state, "kind": fact.kind, "source": fact.source, **details(fact),
            "raw": hashlib.sha256(fact.raw).hexdigest(), "before": before.hex(), "salt": salt,
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return hashlib.sha256(content).digest()


def details(fact: PayoutFact) -> dict[str, str | int]:
    """Return everything of a fact but kind, source and raw body, as plain values for storing."""
    reason = fact.reason
    values = {
        "attempt": fact.attempt,
        "conversation_id": fact.conversation_id or None,
        "originator_conversation_id": fact.originator_conversation_id or None,
        "receipt": fact.receipt or None,
        "amount_cents": fact.amount.cents if fact.amount else None,
        "happened_at": fact.happened_at.isoformat() if fact.happened_at else None,
        "who": fact.who or None, "note": fact.note or None,
        "is_unprotected": fact.is_unprotected or None,
    }
    if reason is not None:
        values |= {
            "code": reason.code, "daraja_code": reason.daraja_code,
            "daraja_message": reason.daraja_message, "retryable": reason.retryable,
            "developer_message": reason.developer_message,
            "payer_message": reason.payer_message, "payer_message_sw": reason.payer_message_sw,
        }
    return {name: value for name, value in values.items() if value is not None}
