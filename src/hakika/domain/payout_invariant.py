"""What must hold of one payout, refund or settlement, judged from its rows alone. Read `replay`.

As of a payment (`invariant.py`), with the same numbers. Sentences name rows by their ids and never
say who is paid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from hakika.domain import payout_fact as facts
from hakika.domain.event import EventName
from hakika.domain.guard import NEW_BENEFICIARY
from hakika.domain.ids import PayoutId
from hakika.domain.invariant import (
    GRACE,
    StoredEvent,
    link_breaches,
    row_breaches,
    telling_breaches,
)
from hakika.domain.payout import Change, Payout, State, Way, advance, born, first_events
from hakika.domain.payout_data import told_of
from hakika.domain.payout_fact import Kind, PayoutFact
from hakika.domain.payout_posting_invariant import StoredPayoutPosting

# As of a payment: what moves without a fact, and what belongs to the chain.
_NOT_REPLAYED = frozenset({"next_check_at", "facts_count", "facts_link"})
_REPLAYED = tuple(each.name for each in fields(Payout) if each.name not in _NOT_REPLAYED)
_replayed_part = attrgetter(*_REPLAYED)

# What M-Pesa may have, and what nobody knows yet.
WATCHED = frozenset({State.SENDING, State.PENDING, State.UNKNOWN})

_PROOF: Mapping[State, frozenset[Kind]] = {
    State.COMPLETED: frozenset({Kind.PAID, Kind.RECORDED}),
    State.REVERSED: frozenset({Kind.RETURNED}),
    State.FAILED: frozenset({Kind.REFUSED, Kind.DECLINED, Kind.DENIED}),
    State.CANCELED: frozenset({Kind.WITHDRAWN}),
}


@dataclass(frozen=True, slots=True)
class StoredPayoutFact:
    """A fact as it stands in its row, with what its row says about its place in the chain."""

    fact: PayoutFact
    sequence: int
    heard_at: datetime
    state: State                    # of the payout after this fact
    details: Mapping[str, Any]      # as stored; `fact` was read from them
    link: bytes


@dataclass(frozen=True, slots=True)
class PayoutStory:
    """Everything that is stored about one payout: facts by sequence, the rest as it came."""

    id: PayoutId
    payout: Payout | None                   # None: its row cannot be read
    facts: tuple[StoredPayoutFact, ...] = ()
    unreadable: tuple[int, ...] = ()        # the sequences of facts that cannot be read
    events: tuple[StoredEvent, ...] = ()
    postings: tuple[StoredPayoutPosting, ...] = ()   # under its id, and under its receipt


def newborn(payout: Payout) -> Payout:
    """Return a payout as it was made: what goes by hand waits for a person, all else is held."""
    return born(Payout(
        id=payout.id, merchant_id=payout.merchant_id, livemode=payout.livemode,
        amount=payout.amount, way=payout.way, payee=payout.payee, shortcode=payout.shortcode,
        idempotency_key=payout.idempotency_key, created_at=payout.created_at,
        updated_at=payout.created_at, purpose=payout.purpose,
        state=State.MANUAL if payout.way is Way.OUTSIDE else State.HELD,
        reference=payout.reference, remarks=payout.remarks, metadata=payout.metadata,
        created_by=payout.created_by, held_for=payout.held_for, payment_id=payout.payment_id,
        seller_id=payout.seller_id, batch_id=payout.batch_id, fee_returned=payout.fee_returned,
        original_receipt=payout.original_receipt, salt=payout.salt,
    ))


def replay(payout: Payout, stored: Sequence[StoredPayoutFact]) -> list[Change]:
    """Return what each fact does today, told in order to the payout as it was born."""
    changes: list[Change] = []
    before = newborn(payout)
    for each in stored:
        changes.append(advance(before, each.fact, now=each.heard_at))
        before = changes[-1].after
    return changes


def state_breaches(
    payout: Payout, stored: Sequence[StoredPayoutFact], changes: Sequence[Change],
) -> Iterator[str]:
    """I4: the row says what the facts come to, and each fact led to the state that it notes."""
    for each, change in zip(stored, changes, strict=True):
        if each.state is not change.after.state:
            yield (
                f"Fact {each.sequence} of payout {payout.id} notes that it led to {each.state}, "
                f"and it leads to {change.after.state}."
            )
            break
    told = changes[-1].after if changes else newborn(payout)
    if _replayed_part(told) != _replayed_part(payout):
        yield from row_breaches(f"payout {payout.id}", payout, told, _REPLAYED)


def is_intact(
    payout: Payout, stored: Sequence[StoredPayoutFact], changes: Sequence[Change],
) -> bool:
    """Say whether the replay gave every hash of the chain, so that no link needs a second look."""
    return (
        payout.facts_count == len(stored) > 0
        and payout.facts_link == stored[-1].link
        and all(
            each.link == change.after.facts_link and each.sequence == change.after.facts_count
            and each.state is change.after.state and each.details == facts.details(each.fact)
            for each, change in zip(stored, changes, strict=True)
        )
    )


def chain_breaches(payout: Payout, stored: Sequence[StoredPayoutFact]) -> Iterator[str]:
    """I11: no fact was changed, removed, added or moved since it was heard."""
    def is_as_heard(each: StoredPayoutFact, before: bytes) -> bool:
        return each.details == facts.details(each.fact) and each.link == facts.link(
            each.fact, payout_id=payout.id, sequence=each.sequence, heard_at=each.heard_at,
            state=each.state, before=before, salt=payout.salt,
        )

    return link_breaches(
        f"payout {payout.id}", stored, is_as_heard, first=newborn(payout).facts_link,
        count=payout.facts_count, newest=payout.facts_link,
    )


def evidence_breaches(payout: Payout, stored: Sequence[StoredPayoutFact]) -> Iterator[str]:
    """I11: the fact that decided is there; of money that went, with this receipt and amount."""
    if not payout.is_final:
        return
    deciding = [
        each.fact for each in stored
        if each.fact.kind in _PROOF[payout.state] and each.fact.source is payout.decided_by
        and each.fact.strength is payout.strength
    ]
    if payout.state is State.COMPLETED:
        deciding = [
            fact for fact in deciding if fact.receipt == payout.receipt
            and (fact.amount or payout.amount) == payout.amount_sent
        ]
    if not deciding:
        yield f"Payout {payout.id} is {payout.state}, and no fact of it proves that."


def limbo_breaches(payout: Payout, *, now: datetime) -> Iterator[str]:
    """I5: while the outcome is open, a look is due in time or a person was asked.

    How late what is ready may be depends on the others of its queue: that is a rule of many rows.
    """
    if payout.state is State.HELD and not payout.held_for:
        yield f"Payout {payout.id} is held, and does not say for what."
    is_for_time = payout.state is State.HELD and payout.held_for == (NEW_BENEFICIARY,)
    is_watched = payout.state in WATCHED and not payout.needs_review
    if not (is_for_time or is_watched or payout.state is State.READY):
        return
    if payout.next_check_at is None:
        yield f"Payout {payout.id} is {payout.state}, and neither a check nor a person will look."
    elif payout.state is not State.READY and payout.next_check_at < now - GRACE:
        minutes = (now - payout.next_check_at) // timedelta(minutes=1)
        yield f"Payout {payout.id} is {payout.state}, and its check is {minutes} minutes late."


def order_breaches(payout: Payout, stored: Sequence[StoredPayoutFact]) -> Iterator[str]:
    """I6: a second order only under the same id of B2C v3, or where none was sent before."""
    open_order: PayoutFact | None = None      # sent, and not proven not to have been
    for fact in (each.fact for each in stored):
        if fact.kind is Kind.ASKED:
            is_repeatable = payout.way is Way.PHONE and not fact.is_unprotected
            if open_order is not None and not (is_repeatable and not open_order.is_unprotected):
                yield (
                    f"Payout {payout.id} was ordered again (order {fact.attempt}), and nothing "
                    f"proves that order {open_order.attempt} moved no money."
                )
            open_order = open_order or fact
        elif fact.kind is Kind.UNREACHABLE and open_order is not None:
            open_order = None if fact.attempt in {None, open_order.attempt} else open_order


def event_breaches(
    payout: Payout, events: Sequence[StoredEvent], changes: Sequence[Change],
) -> Iterator[str]:
    """I8: the merchant was told of each change once, in order, and in the words of its moment."""
    due: list[tuple[str, Payout]] = []
    new = newborn(payout)
    if new.held_for or new.state is State.MANUAL:     # else it is let go with its birth
        due += _due(first_events(new), new)
    for change in changes:
        due += _due(change.events, change.after)
    return telling_breaches(f"payout {payout.id}", events, due, lambda then: told_of(then)[1])


def _due(names: Sequence[EventName], then: Payout) -> list[tuple[str, Payout]]:
    return [(name.value, then) for name in names]
