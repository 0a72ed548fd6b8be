"""The one door for facts about money that goes out: hold the payout, judge, commit what follows.

The fact, the new state, the postings and the events become durable together or not at all. The
payout is held meanwhile: what is sent at most once is not raced for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hakika.domain import payout_books
from hakika.domain.errors import NotFound
from hakika.domain.ids import EventId, PayoutId
from hakika.domain.payout import Change, Payout, advance
from hakika.domain.payout_data import payout_data
from hakika.domain.payout_fact import Kind, PayoutFact
from hakika.services import operators
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
    told = [
        Told(EventId(rt.new_id("evt")), name, payout_data(after)) for name in change.events
    ]
    if told:
        await events.tell(
            tx, after.merchant_id, livemode=after.livemode, subject_id=after.id, told=told,
            now=change.heard_at,
        )
    return change
