"""The whole life of money that goes out: its states, the grid of states x facts, and `advance`.

A payout, a refund and a settlement are all one order to Daraja, sent at most once. Read it in this
order: `State`, `LIFECYCLE`, `advance`. docs/payouts.md says what to do in each state.

What nobody knows is never called failed, and never sent again under another id: a second order is a
second payment. Money that went always wins, as money that arrived does of a payment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from hakika.domain import payout_fact as facts
from hakika.domain.event import EventName
from hakika.domain.fact import Reason
from hakika.domain.ids import BatchId, MerchantId, PaymentId, PayoutId, SellerId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout_fact import FIRST_LINK, Kind, PayoutFact, Source, Strength
from hakika.domain.shortcode import Shortcode


class Way(StrEnum):
    """How the money goes."""

    PHONE = "phone"          # B2C, to a person
    PAYBILL = "paybill"      # B2B, to a pay bill and an account of it
    TILL = "till"            # B2B, to a till
    TOP_UP = "top_up"        # B2B, to the Utility account of a short code that pays out
    REVERSAL = "reversal"    # a collection, given back to its payer whole
    OUTSIDE = "outside"      # not by Daraja: a person sends it and records it


class Purpose(StrEnum):
    """What it is for."""

    PAYOUT = "payout"
    REFUND = "refund"
    SETTLEMENT = "settlement"


class State(StrEnum):
    """Where it is. The public status of each is in `STATUS`."""

    HELD = "held"            # a second person, or time, must let it go
    MANUAL = "manual"        # a person is to send it outside M-Pesa and to record it
    READY = "ready"          # reserved; sent in its turn
    SENDING = "sending"      # committed just before the order; only its mover may send
    PENDING = "pending"      # Daraja took it; the result comes later
    UNKNOWN = "unknown"      # it may have happened; only evidence can tell
    FAILED = "failed"        # it ended without money
    CANCELED = "canceled"    # a person refused it or took it back; it was never sent
    COMPLETED = "completed"  # the money went
    REVERSED = "reversed"    # it went, and came back


class Status(StrEnum):
    """What merchants are told."""

    NEEDS_APPROVAL = "needs_approval"
    PENDING_MANUAL = "pending_manual"
    PENDING = "pending"
    UNKNOWN = "unknown"
    FAILED = "failed"
    CANCELED = "canceled"
    COMPLETED = "completed"
    REVERSED = "reversed"


STATUS: Mapping[State, Status] = {
    State.HELD: Status.NEEDS_APPROVAL,
    State.MANUAL: Status.PENDING_MANUAL,
    State.READY: Status.PENDING,
    State.SENDING: Status.PENDING,
    State.PENDING: Status.PENDING,
    State.UNKNOWN: Status.UNKNOWN,
    State.FAILED: Status.FAILED,
    State.CANCELED: Status.CANCELED,
    State.COMPLETED: Status.COMPLETED,
    State.REVERSED: Status.REVERSED,
}

# Money is set aside for it, and may not be promised to anybody else.
RESERVING = frozenset({State.READY, State.SENDING, State.PENDING, State.UNKNOWN})
NEVER_SENT = frozenset({State.HELD, State.MANUAL, State.READY, State.CANCELED})
FINAL = frozenset({State.FAILED, State.CANCELED, State.COMPLETED, State.REVERSED})


class Cell(StrEnum):
    """What a grid cell says when it does not simply name the next state."""

    IGNORE = "ignore"  # true, and already known, weaker, or too late to matter
    ALARM = "alarm"    # cannot be true here: nothing moves, a person is shown both
    WEIGH = "weigh"    # two verdicts of the same sense: the stronger evidence stands


HELD, MANUAL, READY, SENDING, PENDING, UNKNOWN, FAILED, CANCELED, DONE, BACK = State
IGNORE, ALARM, WEIGH = Cell

COLUMNS = (
    Kind.RELEASED, Kind.WITHDRAWN, Kind.ASKED, Kind.UNREACHABLE, Kind.ACCEPTED, Kind.SILENT,
    Kind.DUPLICATED, Kind.QUEUED_OUT, Kind.DOUBTED, Kind.INQUIRED, Kind.LAPSED, Kind.REFUSED,
    Kind.DECLINED, Kind.DENIED, Kind.RECORDED, Kind.PAID, Kind.RETURNED, Kind.CONTRADICTED,
)

# Read the *silent*, *duplic.*, *queue* and *doubted* columns: none of them leads to failed. Read
# the *unknown* row: nothing leads back to ready but proof that nothing was sent. Read *withdrawn*:
# what may have been sent cannot be taken back. Read *paid*: money that went wins from every state,
# and where nobody knew of its going it is an alarm besides (`_is_alarming`).
# fmt: off
LIFECYCLE: Mapping[State, tuple[State | Cell, ...]] = {
    #          released withdrawn asked    unreach. accepted silent   duplic.  queue    doubted  inquired lapsed   refused declined denied  recorded paid    returned contradicted
    HELD:     (READY,   CANCELED, IGNORE,  IGNORE,  ALARM,   IGNORE,  ALARM,   ALARM,   ALARM,   IGNORE,  IGNORE,  ALARM,  ALARM,   IGNORE, IGNORE,  DONE,   BACK,    ALARM),
    MANUAL:   (IGNORE,  CANCELED, IGNORE,  IGNORE,  ALARM,   IGNORE,  ALARM,   ALARM,   ALARM,   IGNORE,  IGNORE,  ALARM,  ALARM,   IGNORE, DONE,    DONE,   BACK,    ALARM),
    READY:    (IGNORE,  CANCELED, SENDING, IGNORE,  PENDING, IGNORE,  UNKNOWN, UNKNOWN, UNKNOWN, IGNORE,  IGNORE,  ALARM,  FAILED,  IGNORE, IGNORE,  DONE,   BACK,    ALARM),
    SENDING:  (IGNORE,  IGNORE,   IGNORE,  READY,   PENDING, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, IGNORE,  UNKNOWN, FAILED, FAILED,  IGNORE, IGNORE,  DONE,   BACK,    ALARM),
    PENDING:  (IGNORE,  IGNORE,   IGNORE,  ALARM,   IGNORE,  UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, IGNORE,  UNKNOWN, ALARM,  FAILED,  IGNORE, IGNORE,  DONE,   BACK,    ALARM),
    UNKNOWN:  (IGNORE,  IGNORE,   IGNORE,  READY,   IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  UNKNOWN, FAILED, FAILED,  FAILED, IGNORE,  DONE,   BACK,    ALARM),
    FAILED:   (IGNORE,  IGNORE,   IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  WEIGH,  WEIGH,   WEIGH,  IGNORE,  DONE,   BACK,    ALARM),
    CANCELED: (IGNORE,  IGNORE,   IGNORE,  IGNORE,  ALARM,   IGNORE,  ALARM,   ALARM,   ALARM,   IGNORE,  IGNORE,  ALARM,  ALARM,   IGNORE, ALARM,   DONE,   BACK,    ALARM),
    DONE:     (IGNORE,  IGNORE,   IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  ALARM,  ALARM,   ALARM,  IGNORE,  IGNORE, BACK,    ALARM),
    BACK:     (IGNORE,  IGNORE,   IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  ALARM,  ALARM,   ALARM,  IGNORE,  IGNORE, IGNORE,  ALARM),
}
# fmt: on

_COLUMN = {kind: index for index, kind in enumerate(COLUMNS)}

EVENT_OF: Mapping[Status, EventName] = {
    Status.NEEDS_APPROVAL: EventName.PAYOUT_NEEDS_APPROVAL,
    Status.PENDING_MANUAL: EventName.PAYOUT_PENDING_MANUAL,
    Status.COMPLETED: EventName.PAYOUT_COMPLETED,
    Status.FAILED: EventName.PAYOUT_FAILED,
    Status.REVERSED: EventName.PAYOUT_REVERSED,
}

# What the same is called of a refund. One that came back is for a person to look at.
EVENT_OF_REFUND: Mapping[Status, EventName] = {
    Status.NEEDS_APPROVAL: EventName.REFUND_NEEDS_APPROVAL,
    Status.COMPLETED: EventName.REFUND_COMPLETED,
    Status.FAILED: EventName.REFUND_FAILED,
    Status.REVERSED: EventName.REFUND_NEEDS_REVIEW,
}


@dataclass(frozen=True, slots=True)
class Payee:
    """Who gets the money: a person's phone, a business's number, or an account outside M-Pesa."""

    phone: Msisdn | None = None
    number: str = ""             # of a pay bill, a till or a short code; of a bank: its account
    account: str = ""            # what a pay bill is told; of a bank: its name
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Payout:
    """Money for one payee, sent once. All times are UTC.

    Its id is also the OriginatorConversationID that Daraja is given: made before anything is sent,
    and the same whenever this order is sent again.
    """

    id: PayoutId
    merchant_id: MerchantId
    livemode: bool
    amount: Money
    way: Way
    payee: Payee
    shortcode: Shortcode                      # whose money it is
    idempotency_key: str
    created_at: datetime
    updated_at: datetime
    purpose: Purpose = Purpose.PAYOUT
    state: State = State.READY
    reference: str = ""                       # the merchant's own
    remarks: str = ""                         # what M-Pesa keeps beside it
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_by: str = ""                      # the key that asked for it
    held_for: tuple[str, ...] = ()            # why it was not let go at once
    released_by: str = ""
    payment_id: PaymentId | None = None       # what is given back, or settled
    seller_id: SellerId | None = None         # of a platform's: whose money it was
    batch_id: BatchId | None = None           # the file that it stands in
    fee_returned: Money | None = None         # of what a seller collected: what is of the fee
    original_receipt: str = ""                # of a reversal: the receipt that it undoes
    attempts: int = 0                         # our orders so far
    doubtful: int = 0                         # the first of them that may have got in; 0: none
    unprotected: bool = False                 # ordered by an API that knows no duplicates
    conversation_id: str = ""                 # Daraja's, by which its result is known
    originator_conversation_id: str = ""      # Daraja's, where it takes none of ours
    receipt: str = ""
    amount_sent: Money | None = None
    decided_by: Source | None = None
    strength: Strength = Strength.NONE
    failure: Reason | None = None
    disputed: bool = False                    # facts contradict each other: a person is shown both
    lapsed: bool = False                      # the last deadline passed while nobody knew
    facts_count: int = 0
    facts_link: bytes = FIRST_LINK            # hash of the newest fact
    salt: str = field(default="", repr=False)
    asked_at: datetime | None = None
    next_check_at: datetime | None = None     # when to look again; None: settled, or with a person
    checks: int = 0                           # status queries so far
    completed_at: datetime | None = None

    @property
    def status(self) -> Status:
        """What the merchant is told."""
        return STATUS[self.state]

    @property
    def is_final(self) -> bool:
        """Say whether the outcome is known. Only stronger evidence moves it from here."""
        return self.state in FINAL

    @property
    def may_be_repeated(self) -> bool:
        """Say whether Daraja itself refuses a second order of this id: B2C v3 alone does. (T3)"""
        return self.way is Way.PHONE and not self.unprotected

    @property
    def known_as(self) -> str:
        """The id by which M-Pesa can be asked about it; empty: it never told one."""
        return self.id if self.may_be_repeated else self.originator_conversation_id

    @property
    def needs_review(self) -> bool:
        """Say whether a person must look: facts contradict, or silence outlasted every deadline."""
        return self.disputed or (self.lapsed and self.state is State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Change:
    """What one fact did: the payout before and after, and what the merchant must be told."""

    before: Payout
    fact: PayoutFact
    after: Payout
    heard_at: datetime
    events: tuple[EventName, ...] = ()

    @property
    def moved(self) -> bool:
        """Say whether the state changed."""
        return self.before.state is not self.after.state


def born(payout: Payout) -> Payout:
    """Return a new payout with the first end of its chain: the hash of everything that was asked.

    So whoever changes an amount or a payee breaks the chain, as with an edit of a fact.
    """
    payee = payout.payee
    content = orjson.dumps([
        payout.id, payout.merchant_id, payout.livemode, payout.amount.cents, payout.way,
        payout.purpose, payee.phone.digits if payee.phone else "", payee.number, payee.account,
        payee.name, payout.shortcode.kind, payout.shortcode.number, payout.shortcode.store_number,
        payout.reference, payout.remarks, sorted(payout.metadata.items()), payout.idempotency_key,
        payout.created_at.isoformat(), payout.created_by, payout.state, payout.held_for,
        payout.payment_id, payout.seller_id, payout.batch_id, payout.original_receipt, payout.salt,
        payout.fee_returned and payout.fee_returned.cents,
    ])
    return replace(payout, facts_link=hashlib.sha256(content).digest())


def first_events(payout: Payout) -> tuple[EventName, ...]:
    """Return what the merchant must hear of a payout that was just made."""
    name = _event_of(payout)
    return () if name is None else (name,)


def advance(payout: Payout, fact: PayoutFact, *, now: datetime) -> Change:
    """Return what `fact`, learned at `now` (UTC), does to `payout`.

    Safe to call twice with the same fact, and with verdicts in any order. Never raises for what the
    world says: a fact that cannot be true is kept, changes no state and asks for a person.
    """
    cell = _cell(payout, fact)
    new = _learnt(payout, fact, now=now) | {
        "updated_at": now, "facts_count": payout.facts_count + 1,
    }
    if isinstance(cell, State):
        new |= _moved(payout, fact, cell, now=now)
    if cell is ALARM or _is_alarming(payout, fact):
        new["disputed"] = True
    new["facts_link"] = facts.link(
        fact, payout_id=payout.id, sequence=new["facts_count"], heard_at=now,
        state=new.get("state", payout.state), before=payout.facts_link, salt=payout.salt,
    )
    after = replace(payout, **new)
    return Change(payout, fact, after, now, events=_events(payout, after))


def _cell(payout: Payout, fact: PayoutFact) -> State | Cell:
    """Return the grid's word on this pair, with WEIGH weighed and stale answers put aside."""
    if _says_nothing_of_the_first(payout, fact):
        return IGNORE
    cell = LIFECYCLE[payout.state][_COLUMN[fact.kind]]
    if cell is READY and fact.kind is Kind.UNREACHABLE and payout.conversation_id:
        return ALARM  # Daraja has spoken of this order, so it was sent, whatever we thought
    if cell is IGNORE and _has_another_receipt(payout, fact):
        return ALARM  # paid twice
    if cell is WEIGH:
        return FAILED if fact.strength > payout.strength else IGNORE
    return cell


def _says_nothing_of_the_first(payout: Payout, fact: PayoutFact) -> bool:
    """Say whether the fact is about one try alone, while another may have got in, or was later."""
    match fact.kind, fact.attempt:
        case Kind.ASKED, int(attempt):
            return attempt <= payout.attempts
        case (Kind.UNREACHABLE | Kind.SILENT), int(attempt) if attempt < payout.attempts:
            return True
        case (Kind.UNREACHABLE | Kind.REFUSED), int(attempt):
            return 0 < payout.doubtful < attempt
        case _:
            return False


def _has_another_receipt(payout: Payout, fact: PayoutFact) -> bool:
    return fact.kind is Kind.PAID and bool(payout.receipt) and fact.receipt != payout.receipt


def _is_alarming(payout: Payout, fact: PayoutFact) -> bool:
    """Say whether money went, or came back, that by all we knew had not, or was another amount."""
    if fact.kind not in {Kind.PAID, Kind.RETURNED}:
        return False
    if payout.state in {*NEVER_SENT, FAILED}:
        return True
    return fact.amount is not None and fact.amount != payout.amount


def _learnt(payout: Payout, fact: PayoutFact, *, now: datetime) -> dict[str, Any]:
    """Return the ids and counts that a fact brings, whatever it does to the state."""
    learnt: dict[str, Any] = {
        "conversation_id": payout.conversation_id or fact.conversation_id,
        "originator_conversation_id":
            payout.originator_conversation_id or fact.originator_conversation_id,
        "checks": payout.checks + _is_a_look(payout, fact),
        "lapsed": payout.lapsed or fact.kind is Kind.LAPSED,
    }
    if fact.kind is Kind.ASKED and not _says_nothing_of_the_first(payout, fact):
        if payout.state in {READY, UNKNOWN}:
            learnt |= {
                "attempts": payout.attempts + 1, "asked_at": now,
                "unprotected": payout.unprotected or fact.is_unprotected,
            }
        if payout.state is UNKNOWN and not payout.doubtful:
            learnt["doubtful"] = payout.attempts
    by_hand = fact.kind is Kind.RECORDED and payout.state is MANUAL
    if (fact.kind is Kind.PAID or by_hand) and not payout.receipt:
        learnt |= {"receipt": fact.receipt, "amount_sent": fact.amount or payout.amount}
    return learnt


def _is_a_look(payout: Payout, fact: PayoutFact) -> bool:
    """Say whether its turn to be looked at was used: by a question, or by the order once more."""
    return fact.kind is Kind.INQUIRED or (fact.kind is Kind.ASKED and payout.state is UNKNOWN)


def _moved(payout: Payout, fact: PayoutFact, to: State, *, now: datetime) -> dict[str, Any]:
    """Return what is new on a payout that moves to state `to`."""
    moved: dict[str, Any] = {
        "state": to,
        "failure": fact.reason if to is FAILED else None,
        "completed_at": payout.completed_at or (now if to in {DONE, BACK} else None),
    }
    if to is SENDING:
        moved["lapsed"] = False
    if fact.kind is Kind.RELEASED:
        moved["released_by"] = fact.who
    if to in FINAL:
        moved |= {"decided_by": fact.source, "strength": fact.strength}
    return moved


def _events(before: Payout, after: Payout) -> tuple[EventName, ...]:
    """Return what the merchant must hear: one event a change of status, one when review begins."""
    told: list[EventName] = []
    name = _event_of(after)
    if after.status is not before.status and name is not None:
        told.append(name)
    if after.needs_review and not before.needs_review:
        is_refund = after.purpose is Purpose.REFUND
        told.append(EventName.REFUND_NEEDS_REVIEW if is_refund else EventName.PAYOUT_NEEDS_REVIEW)
    return tuple(dict.fromkeys(told))


def _event_of(payout: Payout) -> EventName | None:
    names = EVENT_OF_REFUND if payout.purpose is Purpose.REFUND else EVENT_OF
    return names.get(payout.status)
