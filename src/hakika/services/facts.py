"""The one door for facts: read the payment, let the domain judge, commit everything that follows.

The fact, the new state, the postings, the events and the deliveries that are due become durable
together, or not at all, and only if nobody moved the payment after it was read; else it is judged
again, held this time. Every service that hears something about a payment comes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hakika.domain.errors import NotFound
from hakika.domain.fact import Fact, Kind
from hakika.domain.ids import EventId, PaymentId
from hakika.domain.payment import Change, Payment, advance, completes_late
from hakika.domain.payment_data import payment_data
from hakika.services.runtime import Runtime
from hakika.store import idempotency, merchants, payments
from hakika.store.events import Told
from hakika.store.payments import ReceiptTaken
from hakika.store.transaction import Transaction

Hear = Callable[[Payment], Fact | None]


class Unheard(Exception):
    """The hearing found, with the payment before it, that there is nothing to record."""

    def __init__(self, payment: Payment) -> None:
        self.payment = payment
        super().__init__(payment.id)


@dataclass(frozen=True, slots=True)
class _Hearing:
    """Something that is to be heard about a payment, whoever moves it meanwhile."""

    payment_id: PaymentId
    hear: Hear
    keep_answer: bool = False
    may_contradict: bool = True


async def record(
    rt: Runtime, payment: Payment, fact: Fact, *, keep_answer: bool = False,
) -> Change:
    """Record one fact of a payment, which its caller has just read, and all that follows from it.

    With `keep_answer`, the payment as it then stands becomes the answer to its idempotency key.

    Raises:
        NotFound: no such payment.
        StoreUnavailable: nothing was committed, or the connection broke at the commit: recording
            the same fact again is safe.
    """
    return await _recorded(rt, _Hearing(payment.id, lambda _: fact, keep_answer), payment)


async def record_heard(
    rt: Runtime, payment_id: PaymentId, hear: Hear, *, seen: Payment | None = None,
    may_contradict: bool = True,
) -> Change:
    """Record the fact that `hear` finds when it sees the payment; it may see it more than once.

    `seen` is the payment as it was some time ago, if its caller knows that. A receipt that belongs
    to another payment contradicts this one: M-Pesa itself said both. It is no contradiction when it
    was our own judgement that it may be this one's, hence `may_contradict`.

    Raises:
        Unheard: `hear` returned None; nothing was written.
        ReceiptTaken: the receipt is another payment's, and may not contradict. Judge again.
        NotFound, StoreUnavailable: as `record`.
    """
    hearing = _Hearing(payment_id, hear, may_contradict=may_contradict)
    return await _recorded(rt, hearing, seen)


async def record_in(rt: Runtime, tx: Transaction, payment_id: PaymentId, fact: Fact) -> Change:
    """Record a fact of a payment in the caller's own transaction. Raises: NotFound."""
    held = await payments.lock(tx, payment_id)
    if held is None:
        raise NotFound(f"There is no payment {payment_id}.")
    hearing = _Hearing(payment_id, lambda _: fact)
    change = await _judged(rt, tx, hearing, held)
    assert change is not None, "there is a fact"
    is_written = await _is_written(rt, tx, hearing, change)
    assert is_written, "the row is held, so nobody else can have moved it"
    return change


async def _recorded(rt: Runtime, hearing: _Hearing, seen: Payment | None) -> Change:
    try:
        change = await _commit(rt, hearing, seen)
    except ReceiptTaken as taken:
        if not hearing.may_contradict:
            raise
        note = f"The receipt {taken} belongs to another payment."
        hear = hearing.hear
        change = await _commit(
            rt, replace(hearing, hear=lambda payment: _contradiction(hear(payment), note)), None,
        )
    rt.telemetry.recorded(change)
    return change


async def _commit(rt: Runtime, hearing: _Hearing, seen: Payment | None) -> Change:
    """Judge and write by a first look, which may be old; and if that will not do, by a held one."""
    async with rt.store.autocommit() as tx:
        seen = seen or await payments.get(tx, hearing.payment_id)
        change = await _judged(rt, tx, hearing, seen) if seen else None
        if change is not None and await _is_written(rt, tx, hearing, change):
            return change
    async with rt.store.transaction() as tx:
        held = await payments.lock(tx, hearing.payment_id)
        if held is None:
            raise NotFound(f"There is no payment {hearing.payment_id}.")
        change = await _judged(rt, tx, hearing, held)
        if change is None:
            raise Unheard(held)
        is_written = await _is_written(rt, tx, hearing, change)
        assert is_written, "the row is held, so nobody else can have moved it"
    return change


async def _judged(
    rt: Runtime, tx: Transaction, hearing: _Hearing, payment: Payment,
) -> Change | None:
    """Return what comes of the hearing; None when there is nothing to record."""
    fact = hearing.hear(payment)
    if fact is None:
        return None
    if completes_late(payment, fact):  # the policy goes with the fact: a later one changes nothing
        policy = await merchants.late_money(tx, payment.merchant_id, livemode=payment.livemode)
        fact = replace(fact, late_action=policy)
    return with_next_check(rt, advance(payment, fact, now=rt.now()))


async def _is_written(rt: Runtime, tx: Transaction, hearing: _Hearing, change: Change) -> bool:
    """Write a change, its events and their deliveries; return False when somebody was faster."""
    payment = change.after
    data, answer = payment_data(payment), None
    if hearing.keep_answer:
        sealer = await tx.sealer(payment.merchant_id)
        answer = idempotency.sealed_answer(payment.id, data, sealer)
    return await payments.apply(
        tx, change, told(rt, change, data),
        forgotten=rt.patience.prompts_forgotten(now=change.heard_at), answer=answer,
    )


def told(rt: Runtime, change: Change, data: Mapping[str, Any]) -> list[Told]:
    """Return the events of a change, which say `data` of the payment."""
    return [Told(EventId(rt.new_id("evt")), name, data) for name in change.events]


def with_next_check(rt: Runtime, change: Change) -> Change:
    """Return the change with the time of the payment's next check set."""
    due_at = rt.patience.next_check_at(change.after)
    return replace(change, after=replace(change.after, next_check_at=due_at))


def _contradiction(fact: Fact | None, note: str) -> Fact | None:
    if fact is None:
        return None
    return replace(fact, kind=Kind.CONTRADICTED, receipt="", note=note)
