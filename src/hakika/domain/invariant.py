"""What must hold of one payment, judged from its rows alone; the numbers are those of I1 to I15.

`Story` is everything that is stored about a payment, `replay` what its facts come to. Each function
after that yields a sentence for each breach. Sentences name rows by their ids and never by a phone
number, a reference or a checkout request id, which ends in the payer's number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from hakika.domain import fact as facts
from hakika.domain.fact import Fact, Kind
from hakika.domain.ids import PaymentId
from hakika.domain.ledger_invariant import StoredPosting
from hakika.domain.payment import FINAL, SETTLED, Change, Payment, State, advance, born
from hakika.domain.payment_data import payment_data
from hakika.domain.refund_invariant import StoredRefund

# How late a check or a delivery may be before it counts as forgotten: far more than a worker takes
# to come back after a crash, and no longer than a person should wait to be told.
GRACE = timedelta(minutes=15)

# M-Pesa's mark for "no receipt" (daraja.md 1.1): in the form of a receipt, and none.
PLACEHOLDER_TAIL = "0000000"

# A check's time moves without a fact; the count of facts and the last hash belong to the chain.
_NOT_REPLAYED = frozenset({"next_check_at", "facts_count", "facts_link"})
_REPLAYED = tuple(each.name for each in fields(Payment) if each.name not in _NOT_REPLAYED)
_replayed_part = attrgetter(*_REPLAYED)

# What an event was made of: a change, or a subject as it was then.
Told = TypeVar("Told")


class Linked(Protocol):
    """What stands in a chain of facts, whatever the facts are about."""

    @property
    def sequence(self) -> int:
        """Its place, from 1."""

    @property
    def link(self) -> bytes:
        """The hash of it and of all before it."""


AnyLinked = TypeVar("AnyLinked", bound=Linked)


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact as it stands in its row, with what its row says about its place in the chain."""

    fact: Fact
    sequence: int
    heard_at: datetime
    state: State                    # of the payment after this fact
    details: Mapping[str, Any]      # as stored; `fact` was read from them
    link: bytes


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it stands in its row."""

    id: str
    merchant_id: str
    livemode: bool
    name: str
    sequence: int | None
    data: Mapping[str, Any] | None = field(repr=False)   # None: it cannot be opened


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is stored about one payment: facts by sequence, events as they came."""

    id: PaymentId
    payment: Payment | None                 # None: its row cannot be read
    facts: tuple[StoredFact, ...] = ()
    unreadable: tuple[int, ...] = ()        # the sequences of facts that cannot be read
    events: tuple[StoredEvent, ...] = ()
    postings: tuple[StoredPosting, ...] = ()
    refunds: tuple[StoredRefund, ...] = ()


def replay(payment: Payment, stored: Sequence[StoredFact]) -> list[Change]:
    """Return what each fact does today, told in order to the payment as it was born."""
    changes: list[Change] = []
    before = born(Payment(
        id=payment.id, merchant_id=payment.merchant_id, livemode=payment.livemode,
        amount=payment.amount, payer=payment.payer, shortcode=payment.shortcode,
        reference=payment.reference, description=payment.description,
        idempotency_key=payment.idempotency_key, metadata=payment.metadata,
        callback_url=payment.callback_url, salt=payment.salt, customer_id=payment.customer_id,
        origin=payment.origin, payer_masked=payment.payer_masked,
        seller_id=payment.seller_id, platform_fee=payment.platform_fee,
        created_at=payment.created_at, updated_at=payment.created_at,
    ))
    for each in stored:
        changes.append(advance(before, each.fact, now=each.heard_at))
        before = changes[-1].after
    return changes


def state_breaches(
    payment: Payment, stored: Sequence[StoredFact], changes: Sequence[Change],
) -> Iterator[str]:
    """I4: the row says what the facts come to, and each fact led to the state that it notes."""
    if not changes:
        return  # without facts the chain is broken, and says so
    for each, change in zip(stored, changes, strict=True):
        if each.state is not change.after.state:
            yield (
                f"Fact {each.sequence} of payment {payment.id} notes that it led to {each.state}, "
                f"and it leads to {change.after.state}."
            )
            break
    told = changes[-1].after
    if _replayed_part(told) != _replayed_part(payment):
        yield from row_breaches(f"payment {payment.id}", payment, told, _REPLAYED)


def row_breaches(whose: str, row: Any, told: Any, names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each kind of difference between a row and what its facts come to."""
    if told.state is not row.state:
        yield f"{_begun(whose)} is {row.state} in its row, and its facts come to {told.state}."
    others = [
        name for name in names if name != "state" and getattr(told, name) != getattr(row, name)
    ]
    if others:
        yield (
            f"{_begun(whose)} has something else in its row than its facts come to: "
            f"{', '.join(others)}."
        )


def _begun(whose: str) -> str:
    """Return the words as they begin a sentence; ids keep their letters."""
    return whose[:1].upper() + whose[1:]


def is_intact(
    payment: Payment, stored: Sequence[StoredFact], changes: Sequence[Change],
) -> bool:
    """Say whether the replay gave every hash of the chain, so that no link needs a second look."""
    return (
        payment.facts_count == len(stored) > 0
        and payment.facts_link == stored[-1].link
        and all(
            each.link == change.after.facts_link and each.sequence == change.after.facts_count
            and each.state is change.after.state and each.details == facts.details(each.fact)
            for each, change in zip(stored, changes, strict=True)
        )
    )


def chain_breaches(payment: Payment, stored: Sequence[StoredFact]) -> Iterator[str]:
    """I11: no fact was changed, removed, added or moved since it was heard."""
    def is_as_heard(each: StoredFact, before: bytes) -> bool:
        return each.details == facts.details(each.fact) and each.link == facts.link(
            each.fact, payment_id=payment.id, sequence=each.sequence, heard_at=each.heard_at,
            state=each.state, before=before, salt=payment.salt,
        )

    return link_breaches(
        f"payment {payment.id}", stored, is_as_heard, first=born(payment).facts_link,
        count=payment.facts_count, newest=payment.facts_link,
    )


def link_breaches(
    whose: str, stored: Sequence[AnyLinked], is_as_heard: Callable[[AnyLinked, bytes], bool], *,
    first: bytes, count: int, newest: bytes,
) -> Iterator[str]:
    """Yield a sentence for each flaw of a chain that begins at `first`.

    Its subject's row says that there are `count` facts, and that the last has the hash `newest`.
    `is_as_heard` looks at one fact and the hash of the one before it.
    """
    before, last = first, 0
    for each in stored:
        if each.sequence == last:
            yield f"Fact {last} of {whose} is there twice."
            continue
        if each.sequence != last + 1:
            yield f"{_begun(whose)} has lost {_facts_between(last, each.sequence)}."
        elif not is_as_heard(each, before):
            yield (
                f"Fact {each.sequence} of {whose} does not agree with its hash: "
                "it, or its place in the chain, was changed."
            )
        before, last = each.link, each.sequence
    if count > last:
        yield f"{_begun(whose)} has lost {_facts_between(last, count + 1)}."
    elif count < last:
        yield f"{_begun(whose)} has a fact {last}, and its row counts {count}."
    elif newest != before:
        yield f"{_begun(whose)} has another hash in its row than its newest fact has."


def _facts_between(before: int, after: int) -> str:
    first, last = before + 1, after - 1
    return f"its fact {first}" if first == last else f"its facts {first} to {last}"


def evidence_breaches(payment: Payment, stored: Sequence[StoredFact]) -> Iterator[str]:
    """I11: the fact that decided is there; if completed, with this receipt and amount."""
    if payment.state not in FINAL and payment.state is not State.REVIEW:
        return
    deciding = [
        each.fact for each in stored
        if each.fact.source is payment.confirmed_by and each.fact.strength is payment.strength
        and (each.state is payment.state or payment.state is State.REVERSED)
    ]
    if payment.state in SETTLED:
        deciding = [
            fact for fact in deciding
            if fact.kind is Kind.PAID and fact.receipt == payment.receipt
            and fact.amount == payment.amount == payment.amount_received
        ]
    if payment.state is State.REVERSED and payment.amount_returned < payment.amount:
        deciding = []
    if not deciding:
        yield f"Payment {payment.id} is {payment.state}, and no fact of it proves that."


def limbo_breaches(payment: Payment, *, now: datetime) -> Iterator[str]:
    """I5: while the outcome is open, a check is due in time or a person was asked."""
    if payment.is_final or payment.needs_review:
        return
    if payment.next_check_at is None:
        yield (
            f"Payment {payment.id} is {payment.state}, and neither a check nor a person will look."
        )
    elif payment.next_check_at < now - GRACE:
        minutes = (now - payment.next_check_at) // timedelta(minutes=1)
        yield f"Payment {payment.id} is {payment.state}, and its check is {minutes} minutes late."


def event_breaches(
    payment: Payment, events: Sequence[StoredEvent], changes: Sequence[Change],
) -> Iterator[str]:
    """I8: the merchant was told of each change once, in order, and in the words of its moment."""
    due = [(name.value, change.after) for change in changes for name in change.events]
    return telling_breaches(f"payment {payment.id}", events, due, payment_data)


def telling_breaches(
    whose: str, events: Sequence[StoredEvent], due: Sequence[tuple[str, Told]],
    data_of: Callable[[Told], Mapping[str, Any]],
) -> Iterator[str]:
    """Yield a sentence for each way in which events are not the `due` ones, in order.

    Each of those is a name, and what it tells of as it was then, in the words of `data_of`.
    """
    if [name for name, _ in due] != [event.name for event in events]:
        yield (
            f"{_begun(whose)} has the events {_listed([event.name for event in events])}, "
            f"and its facts make {_listed([name for name, _ in due])}."
        )
        return
    for event, (_, subject) in zip(events, due, strict=True):
        if event.data is None:
            yield f"Event {event.id} of {whose} cannot be read."
            continue
        then = data_of(subject)
        wrong = [name for name, value in event.data.items() if then.get(name, value) != value]
        if wrong:
            yield (
                f"Event {event.id} of {whose} does not say what was true then: "
                f"{', '.join(wrong)}."
            )
    yield from disorder(whose, events)


def disorder(whose: str, events: Sequence[StoredEvent]) -> Iterator[str]:
    """Yield a sentence when a subject's events were not numbered in the order of their commits."""
    for first, second in pairwise(events):
        if second.sequence is not None and (
            first.sequence is None or first.sequence >= second.sequence
        ):
            yield (
                f"Event {second.id} of {whose} came after {first.id}, "
                "and has the lower number."
            )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def owner_breaches(payment: Payment, events: Sequence[StoredEvent]) -> Iterator[str]:
    """I13: an event belongs to its payment's merchant and mode."""
    for event in events:
        if (event.merchant_id, event.livemode) != (payment.merchant_id, payment.livemode):
            yield (
                f"Event {event.id} belongs to another merchant or mode than its payment "
                f"{payment.id}."
            )


def receipt_breaches(payment: Payment) -> Iterator[str]:
    """I1: a placeholder is no receipt."""
    if payment.receipt.endswith(PLACEHOLDER_TAIL):
        yield f"Payment {payment.id} has M-Pesa's placeholder {payment.receipt} for a receipt."
