"""The one door for facts about money that goes out: hold the payout, judge, commit what follows.

The fact, the new state, the postings and the events become durable together or not at all. The
payout is held meanwhile: what is sent at most once is not raced for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hakika.domain import fact as payment_fact
from hakika.domain import payout_books
from hakika.domain.errors import NotFound
from hakika.domain.event import EventName
from hakika.domain.ids import EventId, PayoutId
from hakika.domain.payout import Change, Payout, Purpose, advance
from hakika.domain.payout_data import told_of
from hakika.domain.payout_fact import Kind, PayoutFact
from hakika.domain.refund import refund_id
from hakika.services import facts, operators
from hakika.services.runtime import Runtime
from hakika.store import events, ledger, payouts
from hakika.store.events import Told
from hakika.store.payouts import ReceiptTaken
from hakika.store.transaction import Transaction

Hear = Callable[[Payout], PayoutFact | None]


async def record(rt: Runtime, payout_id: PayoutId, hear: Hear) -> Change | None:
    """Record the fact that `hear` finds when it sees the payout, and all that follows from it.

    Returns None, with nothing written, when `hear` returns None. A receipt that belongs to another
    payout contradicts this one.

    Raises:
        NotFound: no such payout.
        StoreUnavailable: nothing was committed, or the connection broke at the commit: recording
            the same fact again is safe.
    """
    try:
        return await _recorded(rt, payout_id, hear)
    except ReceiptTaken as taken:
        note = f"The receipt {taken} belongs to another payout."

        def contradicted(payout: Payout) -> PayoutFact | None:
            fact = hear(payout)
            return fact and replace(fact, kind=Kind.CONTRADICTED, receipt="", note=note)

        return await _recorded(rt, payout_id, contradicted)


async def _recorded(rt: Runtime, payout_id: PayoutId, hear: Hear) -> Change | None:
    async with rt.store.transaction() as tx:
        payout = await payouts.lock(tx, payout_id)
        if payout is None:
            raise NotFound(f"There is no payout {payout_id}.")
        fact = hear(payout)
        return None if fact is None else await written(rt, tx, payout, fact)


async def written(rt: Runtime, tx: Transaction, payout: Payout, fact: PayoutFact) -> Change:
    """Write a fact of a payout that `tx` holds, and all that follows from it.

    Raises: ReceiptTaken.
    """
    change = advance(payout, fact, now=rt.now())
    after = replace(change.after, next_check_at=rt.payout_patience.next_check_at(change.after))
    change = replace(change, after=after)
    is_stated = bool(after.receipt) and await ledger.is_posted(
        tx, receipt=after.receipt, shortcode=after.shortcode.number, livemode=after.livemode,
        move=payout_books.move_of(after),
    )
    await payouts.apply(tx, change, payout_books.postings(change, is_stated=is_stated))
    await operators.heard_of_order(rt, tx, change)
    await tell(rt, tx, after, change.events)
    if after.purpose is Purpose.REFUND and after.amount_sent and not change.before.amount_sent:
        await _note_return(rt, tx, change)
    return change


async def tell(
    rt: Runtime, tx: Transaction, payout: Payout, names: Sequence[EventName],
) -> None:
    """Write events of a payout as it is now."""
    if not names:
        return
    subject_id, data = told_of(payout)
    told = [Told(EventId(rt.new_id("evt")), name, data) for name in names]
    await events.tell(
        tx, payout.merchant_id, livemode=payout.livemode, subject_id=subject_id, told=told,
        now=payout.updated_at,
        seller_id=payout.seller_id,
    )


async def _note_return(rt: Runtime, tx: Transaction, change: Change) -> None:
    """Let the payment know that money of it went back."""
    after, fact = change.after, change.fact
    assert after.payment_id is not None, "a refund is of a payment"
    await facts.record_in(rt, tx, after.payment_id, payment_fact.Fact(
        payment_fact.Kind.RETURNED, payment_fact.Source.REFUND, receipt=after.receipt or after.id,
        amount=after.amount_sent, paid_at=fact.happened_at, note=f"Refund {refund_id(after)}.",
    ))
