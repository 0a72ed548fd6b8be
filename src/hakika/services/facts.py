"""The one door for facts: lock the payment, let the domain judge, commit everything that follows.

The fact, the new state, the events and the deliveries that are due become durable together, or not
at all. Every service that hears something about a payment comes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hakika.domain.errors import NotFound
from hakika.domain.fact import Fact, Kind
from hakika.domain.ids import EventId, PaymentId
from hakika.domain.payment import Change, Payment, advance
from hakika.domain.payment_data import payment_data
from hakika.services.runtime import Runtime
from hakika.store import idempotency, payments
from hakika.store.events import Told
from hakika.store.payments import ReceiptTaken
from hakika.store.transaction import Transaction

Hearing = Callable[[Payment], Fact | None]


class Unheard(Exception):
    """The hearing found, with the payment before it, that there is nothing to record."""

    def __init__(self, payment: Payment) -> None:
        self.payment = payment
        super().__init__(payment.id)


async def record(
    rt: Runtime, payment_id: PaymentId, fact: Fact, *, keep_answer: bool = False,
) -> Change:
    """Record one fact of a payment and all that follows from it.

    With `keep_answer`, the payment as it then stands becomes the answer to its idempotency key.

    Raises:
        NotFound: no such payment.
        StoreUnavailable: nothing was committed, or the connection broke at the commit: recording
            the same fact again is safe.
    """
    return await record_heard(rt, payment_id, lambda _: fact, keep_answer=keep_answer)


async def record_heard(
    rt: Runtime, payment_id: PaymentId, hear: Hearing, *, keep_answer: bool = False,
) -> Change:
    """Record the fact that `hear` finds once it sees the payment, which is locked by then.

    Raises:
        Unheard: `hear` returned None; nothing was written.
        NotFound, StoreUnavailable: as `record`.
    """
    try:
        change = await _commit(rt, payment_id, hear, keep_answer=keep_answer)
    except ReceiptTaken as taken:
        note = f"The receipt {taken} belongs to another payment."
        change = await _commit(
            rt, payment_id, lambda payment: _contradiction(hear(payment), note),
            keep_answer=keep_answer,
        )
    rt.telemetry.recorded(change)
    return change


async def _commit(
    rt: Runtime, payment_id: PaymentId, hear: Hearing, *, keep_answer: bool,
) -> Change:
    async with rt.store.transaction() as tx:
        payment = await payments.lock(tx, payment_id)
        if payment is None:
            raise NotFound(f"There is no payment {payment_id}.")
        fact = hear(payment)
        if fact is None:
            raise Unheard(payment)
        change = with_next_check(rt, advance(payment, fact, now=rt.now()))
        await write(rt, tx, change)
        if keep_answer:
            await _keep(tx, change.after, payment_data(change.after))
    return change


async def write(rt: Runtime, tx: Transaction, change: Change) -> None:
    """Write a change with its events and their deliveries."""
    data = payment_data(change.after)
    told = [Told(EventId(rt.new_id("evt")), name, data) for name in change.events]
    await payments.apply(
        tx, change, told, forgotten=rt.patience.prompts_forgotten(now=rt.now()),
    )


def with_next_check(rt: Runtime, change: Change) -> Change:
    """Return the change with the time of the payment's next check set."""
    due_at = rt.patience.next_check_at(change.after)
    return replace(change, after=replace(change.after, next_check_at=due_at))


def _contradiction(fact: Fact | None, note: str) -> Fact | None:
    if fact is None:
        return None
    return replace(fact, kind=Kind.CONTRADICTED, receipt="", note=note)


async def _keep(tx: Transaction, payment: Payment, answer: Mapping[str, Any]) -> None:
    await idempotency.keep_answer(
        tx, payment.idempotency_key, payment_id=payment.id, merchant_id=payment.merchant_id,
        livemode=payment.livemode, answer=answer,
    )
