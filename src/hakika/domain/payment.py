"""The whole life of a payment: its states, the grid of states x facts, and `advance`.

Read it in this order: `State`, `LIFECYCLE`, `advance`. docs/lifecycle.md is generated from here.

The state is a function of the facts, whatever their order: every verdict has a strength, the
strongest one stands, and money that arrived always wins. What cannot be true moves nothing and is
put before a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from hakika.domain import fact as facts
from hakika.domain.event import EventName
from hakika.domain.fact import Fact, Kind, LateAction, Reason, Source, Strength
from hakika.domain.ids import CustomerId, MerchantId, PaymentId, SellerId
from hakika.domain.money import NOTHING, Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.shortcode import Shortcode


class State(StrEnum):
    """Where a payment is. The public status of each is in `STATUS`."""

    UNSENT = "unsent"                    # Daraja was never asked; the same key asks again
    SENDING = "sending"                  # committed just before the push; only its mover may push
    PENDING = "pending"                  # Daraja took it; the prompt is on its way or on the phone
    UNKNOWN = "unknown"                  # it may have happened; only evidence can tell
    FAILED = "failed"                    # it ended without money
    CANCELED = "canceled"                # the payer said no
    RECEIPT_AWAITED = "receipt_awaited"  # paid, by a query, which cannot say the receipt
    REVIEW = "review"                    # money came, but not the amount asked: a person decides
    COMPLETED = "completed"              # paid, with receipt and exact amount
    REVERSED = "reversed"                # paid, and all of it given back


class Status(StrEnum):
    """What merchants are told."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"
    REVERSED = "reversed"


STATUS: Mapping[State, Status] = {
    State.UNSENT: Status.PENDING,
    State.SENDING: Status.PENDING,
    State.PENDING: Status.PENDING,
    State.UNKNOWN: Status.UNKNOWN,
    State.FAILED: Status.FAILED,
    State.CANCELED: Status.CANCELED,
    State.RECEIPT_AWAITED: Status.COMPLETED,
    State.REVIEW: Status.UNKNOWN,  # never "completed" on another amount, never "failed" with money in
    State.COMPLETED: Status.COMPLETED,
    State.REVERSED: Status.REVERSED,
}

SETTLED = frozenset({State.COMPLETED, State.REVERSED})  # with a receipt, for good
FINAL = frozenset({State.FAILED, State.CANCELED, State.RECEIPT_AWAITED}) | SETTLED
WITH_MONEY = frozenset({State.RECEIPT_AWAITED, State.REVIEW}) | SETTLED


class Cell(StrEnum):
    """What a grid cell says when it does not simply name the next state."""

    IGNORE = "ignore"  # true, and already known, weaker, or too late to matter
    ALARM = "alarm"    # cannot be true here: nothing moves, a person is shown both
    WEIGH = "weigh"    # two verdicts of the same sense: the stronger evidence stands


UNSENT, SENDING, PENDING, UNKNOWN, FAILED, CANCELED, AWAITED, REVIEW, COMPLETED, BACK = State
IGNORE, ALARM, WEIGH = Cell

COLUMNS = (
    Kind.ASKED, Kind.UNREACHABLE, Kind.ACCEPTED, Kind.SILENT, Kind.DOUBTED, Kind.INQUIRED,
    Kind.LAPSED, Kind.REFUSED, Kind.DECLINED, Kind.CANCELED, Kind.CONFIRMED, Kind.MISPAID,
    Kind.PAID, Kind.CONTRADICTED, Kind.ASSIGNED, Kind.RETURNED,
)

# Read the *paid* column: money that arrived wins from every state. Read the *asked* column: only
# the worker that moves unsent -> sending may push. Read the *unreachable* column: proof that
# nothing was sent undoes even a silence that a sweep had presumed. The *returned* column holds once
# all of the money is back; a part of it moves nothing, and is counted (`_given_back`).
# fmt: off
LIFECYCLE: Mapping[State, tuple[State | Cell, ...]] = {
    #           asked    unreach. accepted silent   doubted  inquired lapsed   refused declined canceled  confirmed mispaid paid       contradicted assigned returned
    UNSENT:    (SENDING, IGNORE,  ALARM,   IGNORE,  UNKNOWN, IGNORE,  FAILED,  ALARM,  FAILED,  CANCELED, AWAITED,  REVIEW, COMPLETED, ALARM,       IGNORE,     IGNORE),
    SENDING:   (IGNORE,  UNSENT,  PENDING, UNKNOWN, UNKNOWN, IGNORE,  UNKNOWN, FAILED, FAILED,  CANCELED, AWAITED,  REVIEW, COMPLETED, ALARM,       IGNORE,     IGNORE),
    PENDING:   (IGNORE,  ALARM,   IGNORE,  UNKNOWN, UNKNOWN, IGNORE,  UNKNOWN, ALARM,  FAILED,  CANCELED, AWAITED,  REVIEW, COMPLETED, ALARM,       IGNORE,     IGNORE),
    UNKNOWN:   (IGNORE,  UNSENT,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  UNKNOWN, FAILED, FAILED,  CANCELED, AWAITED,  REVIEW, COMPLETED, ALARM,       IGNORE,     IGNORE),
    FAILED:    (IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  WEIGH,  WEIGH,   WEIGH,    AWAITED,  REVIEW, COMPLETED, ALARM,       IGNORE,     IGNORE),
    CANCELED:  (IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  WEIGH,  WEIGH,   WEIGH,    AWAITED,  REVIEW, COMPLETED, ALARM,       IGNORE,     IGNORE),
    AWAITED:   (IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE, IGNORE,  IGNORE,   IGNORE,   REVIEW, COMPLETED, ALARM,       IGNORE,     IGNORE),
    REVIEW:    (IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE, IGNORE,  IGNORE,   IGNORE,   IGNORE, COMPLETED, ALARM,       IGNORE,    IGNORE),
    COMPLETED: (IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE, IGNORE,  IGNORE,   IGNORE,   ALARM,  IGNORE,    ALARM,       IGNORE,     BACK),
    BACK:      (IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE,  IGNORE, IGNORE,  IGNORE,   IGNORE,   ALARM,  IGNORE,    ALARM,       IGNORE,     IGNORE),
}
# fmt: on

_COLUMN = {kind: index for index, kind in enumerate(COLUMNS)}

EVENT_OF: Mapping[Status, EventName] = {
    Status.COMPLETED: EventName.PAYMENT_COMPLETED,
    Status.FAILED: EventName.PAYMENT_FAILED,
    Status.CANCELED: EventName.PAYMENT_CANCELED,
    Status.UNKNOWN: EventName.PAYMENT_UNKNOWN,
    Status.REVERSED: EventName.PAYMENT_REVERSED,
}

NOT_SENT = Reason(
    code="not_sent",
    daraja_code="",
    developer_message="Daraja could not be reached, and nobody asked again. No prompt was sent.",
    payer_message="We could not start the payment. Please try again.",
    payer_message_sw="Hatukuweza kuanzisha malipo. Tafadhali jaribu tena.",
)


class Origin(StrEnum):
    """How a payment began."""

    STK = "stk"    # we asked the payer
    C2B = "c2b"    # the payer paid unasked, from M-Pesa's own menu


@dataclass(frozen=True, slots=True)
class Payment:
    """Money asked of one payer, once; or that a payer sent unasked. All times are UTC."""

    id: PaymentId
    merchant_id: MerchantId
    livemode: bool
    amount: Money
    payer: Msisdn | None                      # None: it came unasked, from a masked number
    shortcode: Shortcode
    reference: str
    description: str
    idempotency_key: str
    created_at: datetime
    updated_at: datetime
    state: State = State.UNSENT
    metadata: Mapping[str, str] = field(default_factory=dict)
    customer_id: CustomerId | None = None
    seller_id: SellerId | None = None         # of a platform's: who collects
    platform_fee: Money = NOTHING             # what of the amount the platform keeps then
    origin: Origin = Origin.STK
    payer_masked: str = ""                    # of unasked money: the payer as M-Pesa lets us see
    assigned_to: str = ""                     # of unasked money: what it is for, once that is known
    callback_url: str = ""                    # the merchant's extra webhook address for this payment
    attempts: int = 0                         # our pushes so far; more than 1 only after UNREACHABLE
    merchant_request_id: str = ""
    checkout_request_id: str = ""
    receipt: str = ""
    amount_received: Money | None = None
    confirmed_by: Source | None = None        # which kind of fact decided
    strength: Strength = Strength.NONE        # and how strong it was
    suspended: tuple[tuple[str, int], ...] = ()   # receipts of money that settles nothing, and cents
    returned: tuple[tuple[str, int], ...] = ()    # receipts of what went back to the payer, and cents
    failure: Reason | None = None
    late: bool = False                        # the money came after we had said failed or canceled
    late_action: LateAction | None = None     # the merchant's policy at the moment it completed late
    disputed: bool = False                    # facts contradict each other: a person is shown both
    lapsed: bool = False                      # the last deadline passed while nobody knew
    facts_count: int = 0
    facts_link: bytes = facts.FIRST_LINK      # hash of the newest fact
    salt: str = field(default="", repr=False)  # kept sealed; without it a hash would tell the payer
    asked_at: datetime | None = None          # when the last push was committed to
    next_check_at: datetime | None = None     # when to look again; None: settled, or with a person
    checks: int = 0                           # status queries so far
    completed_at: datetime | None = None

    @property
    def status(self) -> Status:
        """What the merchant is told."""
        return STATUS[self.state]

    @property
    def net_amount(self) -> Money:
        """What the seller is owed when it is paid; all of it where there is none."""
        return Money(self.amount.cents - self.platform_fee.cents)

    @property
    def is_final(self) -> bool:
        """Say whether the outcome is known. Only stronger evidence moves it from here."""
        return self.state in FINAL

    @property
    def is_explained(self) -> bool:
        """Say whether it is known what the money is for: what was asked for is."""
        return self.origin is Origin.STK or bool(self.assigned_to)

    @property
    def amount_returned(self) -> Money:
        """Return how much of it went back to its payer."""
        return Money(sum(cents for _, cents in self.returned))

    @property
    def needs_review(self) -> bool:
        """Say whether a person must look: facts contradict, or silence outlasted every deadline."""
        return self.disputed or (self.lapsed and self.state is State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Change:
    """What one fact did: the payment before and after, and what the merchant must be told."""

    before: Payment
    fact: Fact
    after: Payment
    heard_at: datetime
    events: tuple[EventName, ...] = ()

    @property
    def moved(self) -> bool:
        """Say whether the state changed."""
        return self.before.state is not self.after.state

    @property
    def may_follow(self) -> bool:
        """Say whether earlier events of this payment may be on their way still.

        Not while its only push was never judged: then nothing has been told of it.
        """
        first = self.before.state in {State.SENDING, State.PENDING} and self.before.attempts == 1
        return not first or self.before.needs_review


def completes_late(payment: Payment, fact: Fact) -> bool:
    """Say whether a fact brings money that the merchant's policy for late money is for."""
    return (
        fact.kind in {Kind.PAID, Kind.CONFIRMED} and payment.late_action is None
        and (payment.late or payment.state in {FAILED, CANCELED})
    )


def folded(reference: str) -> str:
    """Return an account reference as it is compared: payers mind neither case nor spaces."""
    return "".join(reference.split()).upper()


def advance(payment: Payment, fact: Fact, *, now: datetime) -> Change:
    """Return what `fact`, learned at `now` (UTC), does to `payment`.

    Safe to call twice with the same fact, and with facts in any order. Never raises for what the
    world says: a fact that cannot be true is kept, changes no state and asks for a person.
    """
    cell = _cell(payment, fact)
    new = _learnt(payment, fact) | {"updated_at": now, "facts_count": payment.facts_count + 1}
    if isinstance(cell, State):
        new |= _moved(payment, fact, cell, now=now)
    if cell is ALARM or cell is REVIEW or _is_too_much_back(payment, new):
        new["disputed"] = True
    new["suspended"] = _suspended(payment, fact, settles=cell in SETTLED)
    new["facts_link"] = facts.link(
        fact, payment_id=payment.id, sequence=new["facts_count"], heard_at=now,
        state=new.get("state", payment.state), before=payment.facts_link, salt=payment.salt,
    )
    after = replace(payment, **new)
    return Change(payment, fact, after, now, events=_events(payment, after))


def born(payment: Payment) -> Payment:
    """Return a new payment with the first end of its chain: the hash of everything that was asked.

    So an edit of what was asked (its amount, its payer) breaks the chain as an edit of a fact does.
    The salt is in it, because there are few phone numbers: whoever has the hash could try them all.
    The customer's id is in it: it names nobody by itself and outlives the customer's erasure, and
    whoever moves a payment to another customer moves somebody's purchases. Of a platform's payment
    the seller and the fee are in it: of others nothing more, and their old hashes stay true.
    """
    shared = [payment.seller_id, payment.platform_fee.cents] if payment.seller_id else []
    content = orjson.dumps([
        payment.id, payment.merchant_id, payment.livemode, payment.amount.cents,
        payment.payer.digits if payment.payer else "", payment.shortcode.kind, payment.shortcode.number,
        payment.shortcode.store_number, payment.reference, payment.description,
        sorted(payment.metadata.items()), payment.callback_url, payment.idempotency_key,
        payment.created_at.isoformat(), payment.salt, payment.customer_id, payment.origin,
        payment.payer_masked, *shared,
    ])
    return replace(payment, facts_link=hashlib.sha256(content).digest())


def _cell(payment: Payment, fact: Fact) -> State | Cell:
    """Return the grid's word on this pair, with WEIGH weighed and stale attempts put aside."""
    if _is_about_an_earlier_push(payment, fact):
        return IGNORE
    cell = LIFECYCLE[payment.state][_COLUMN[fact.kind]]
    if cell is UNSENT and payment.checkout_request_id:
        return ALARM  # Daraja has spoken of this push, so it was sent, whatever we thought
    if payment.state in SETTLED and fact.kind is Kind.PAID and fact.receipt != payment.receipt:
        return ALARM  # two receipts for one push
    if cell in SETTLED:
        return _given_back(payment, fact, cell)
    if cell is WEIGH:
        return _weighed(payment, fact)
    return cell


def _given_back(payment: Payment, fact: Fact, cell: State | Cell) -> State | Cell:
    """Return where money leads that came or went back: reversed is what went back whole."""
    if _sum(_returned(payment, fact)) >= payment.amount.cents:
        return BACK
    return IGNORE if cell is BACK else COMPLETED


def _returned(payment: Payment, fact: Fact) -> tuple[tuple[str, int], ...]:
    """Return the receipts of what went back, each once, with those of this fact."""
    if fact.kind is not Kind.RETURNED or fact.amount is None:
        return payment.returned
    return tuple(sorted((dict(payment.returned) | {fact.receipt: fact.amount.cents}).items()))


def _sum(receipts: tuple[tuple[str, int], ...]) -> int:
    return sum(cents for _, cents in receipts)


def _is_too_much_back(payment: Payment, new: Mapping[str, Any]) -> bool:
    """Say whether more went back than ever came."""
    came = new.get("amount_received", payment.amount_received)
    return came is not None and _sum(new["returned"]) > came.cents


def _is_about_an_earlier_push(payment: Payment, fact: Fact) -> bool:
    """Say whether the fact must not undo, doubt or repeat the push that is running now."""
    match fact.kind, fact.attempt:
        case Kind.ASKED, int(attempt):
            return attempt <= payment.attempts
        case (Kind.UNREACHABLE | Kind.SILENT), int(attempt):
            return attempt < payment.attempts
        case _:
            return False


def _weighed(payment: Payment, fact: Fact) -> State | Cell:
    """Return where a second verdict of "no money" leads: the stronger one stands.

    At equal strength a cancel stands over a failure, because it is the more definite: somebody saw
    the prompt. Any fixed rule would do; it must only not depend on which came first.
    """
    said = CANCELED if fact.kind is Kind.CANCELED else FAILED
    if fact.strength > payment.strength:
        return said
    if fact.strength == payment.strength and (payment.state, said) == (FAILED, CANCELED):
        return said
    return IGNORE


def _learnt(payment: Payment, fact: Fact) -> dict[str, Any]:
    """Return the ids and counts that a fact brings, whatever it does to the state."""
    learnt: dict[str, Any] = {
        "merchant_request_id": payment.merchant_request_id or fact.merchant_request_id,
        "checkout_request_id": payment.checkout_request_id or fact.checkout_request_id,
        "checks": payment.checks + (fact.source is Source.STK_QUERY),
        "lapsed": payment.lapsed or fact.kind is Kind.LAPSED,
        "assigned_to": fact.assigned_to or payment.assigned_to,
        "returned": _returned(payment, fact),
    }
    paid = fact.kind is Kind.PAID and payment.state not in SETTLED
    if paid or (fact.kind is Kind.MISPAID and not payment.receipt):
        learnt |= {"receipt": fact.receipt, "amount_received": fact.amount}
    return learnt


def _suspended(payment: Payment, fact: Fact, *, settles: bool) -> tuple[tuple[str, int], ...]:
    """Return the receipts of money that arrived and settles nothing, each as it was first told."""
    if fact.kind not in {Kind.PAID, Kind.MISPAID} or not fact.receipt or fact.amount is None:
        return payment.suspended
    held = dict(payment.suspended)
    if settles:
        held.pop(fact.receipt, None)
    elif payment.state not in SETTLED or payment.receipt != fact.receipt:
        held.setdefault(fact.receipt, fact.amount.cents)
    return tuple(sorted(held.items()))


def _moved(payment: Payment, fact: Fact, to: State, *, now: datetime) -> dict[str, Any]:
    """Return what is new on a payment that moves to state `to`."""
    money_came = to in {AWAITED, COMPLETED, BACK}
    ended_unpaid = to in {FAILED, CANCELED}
    moved: dict[str, Any] = {
        "state": to,
        "failure": fact.reason if ended_unpaid else None,
        "late": payment.late or (to in WITH_MONEY and payment.state in {FAILED, CANCELED}),
        "completed_at": (payment.completed_at or now) if money_came else None,
    }
    if completes_late(payment, fact):
        moved["late_action"] = fact.late_action or LateAction.FULFIL
    if to is SENDING:  # a new push, with deadlines of its own
        moved |= {"attempts": payment.attempts + 1, "asked_at": now, "lapsed": False}
    if to is AWAITED:
        # A prompt can only be paid as it stands, so a query's bare "paid" means the amount asked.
        moved["amount_received"] = payment.amount_received or payment.amount
    if fact.kind is not Kind.RETURNED and (money_came or ended_unpaid or to is REVIEW):
        moved |= {"confirmed_by": fact.source, "strength": fact.strength}
    return moved


def _events(before: Payment, after: Payment) -> tuple[EventName, ...]:
    """Return what the merchant must hear: one event a change of status, one when review begins."""
    told: list[EventName] = []
    if after.status is not before.status and after.status in EVENT_OF and after.state is not REVIEW:
        told.append(EVENT_OF[after.status])
    if after.needs_review and not before.needs_review:
        told.append(EventName.PAYMENT_NEEDS_REVIEW)
    return tuple(told)
