"""The one door for facts: read the payment, let the domain judge, commit everything that follows.

The fact, the new state, the events and the deliveries that are due become durable together, or not
at all, and only if nobody moved the payment after it was read; else it is judged again, held this
time. Every service that hears something about a payment comes through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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


async def record_heard(rt: Runtime, payment_id: PaymentId, hear: Hear) -> Change:
    """Record the fact that `hear` finds when it sees the payment; it may be shown it twice.

    Raises:
        Unheard: `hear` returned None; nothing was written.
        NotFound, StoreUnavailable: as `record`.
    """
    return await _recorded(rt, _Hearing(payment_id, hear))


async def _recorded(rt: Runtime, hearing: _Hearing, seen: Payment | None = None) -> Change:
    try:
        change = await _commit(rt, hearing, seen)
    except ReceiptTaken as taken:
        note = f"The receipt {taken} belongs to another payment."
        hear = hearing.hear
        change = await _commit(
            rt, replace(hearing, hear=lambda payment: _contradiction(hear(payment), note)), None,
        )
    rt.telemetry.recorded(change)
    return change


async def _commit(rt: Runtime, hearing: _Hearing, seen: Payment | None) -> Change:
    async with rt.store.autocommit() as tx:
        seen = seen or await payments.get(tx, hearing.payment_id)
        if change := await _move(rt, tx, hearing, seen):
            return change
    async with rt.store.transaction() as tx:
        held = await payments.lock(tx, hearing.payment_id)
        change = await _move(rt, tx, hearing, held)
    assert change is not None, "the row was held, so nobody else can have moved it"
    return change


async def _move(
    rt: Runtime, tx: Transaction, hearing: _Hearing, payment: Payment | None,
) -> Change | None:
    """Judge and write, with the events and their deliveries; None when somebody was faster."""
    if payment is None:
        raise NotFound(f"There is no payment {hearing.payment_id}.")
    fact = hearing.hear(payment)
    if fact is None:
        raise Unheard(payment)
    now = rt.now()
    change = with_next_check(rt, advance(payment, fact, now=now))
    data, answer = payment_data(change.after), None
    if hearing.keep_answer:
        sealer = await tx.sealer(payment.merchant_id)
        answer = idempotency.sealed_answer(payment.id, data, sealer)
    written = await payments.apply(
        tx, change, [Told(EventId(rt.new_id("evt")), name, data) for name in change.events],
        forgotten=rt.patience.prompts_forgotten(now=now), answer=answer,
    )
    return change if written else None


def with_next_check(rt: Runtime, change: Change) -> Change:
    """Return the change with the time of the payment's next check set."""
    due_at = rt.patience.next_check_at(change.after)
    return replace(change, after=replace(change.after, next_check_at=due_at))


def _contradiction(fact: Fact | None, note: str) -> Fact | None:
    if fact is None:
        return None
    return replace(fact, kind=Kind.CONTRADICTED, receipt="", note=note)
