"""Payments and their facts: born, moved, read.

A change is one statement: the moved payment, its new fact, its postings, the events it makes and a
delivery for each endpoint that wants them are written together or not at all, and only when nobody
else has moved the payment meanwhile. What must not be written raises inside of it (`refuse`).
What names a person, or was written by one, is sealed: `private` of a payment and of a fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow

from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.ledger import is_divided, postings
from hakika.domain.payment import Change, Payment, State
from hakika.domain.prompt import NO_PROMPT, PromptGuard, rings_a_person
from hakika.store import ledger
from hakika.store import payment_statements as statements
from hakika.store.events import Told, sealed_data
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import (
    CHECKOUT,
    PHONE,
    HeardFact,
    heard_of,
    payment_of,
    payment_values,
    sealed_fact,
)
from hakika.store.transaction import Transaction


class ReceiptTaken(Exception):
    """Another payment has this receipt already: one of the two cannot be true."""


class PromptOpen(Exception):
    """A prompt of another payment is on this phone already: `open_prompt` tells of which."""


class TooManyPrompts(Exception):
    """This phone was asked as often in the last hour as it may be."""


# What the database's function `refuse` raises: its code, and what each of its words means.
REFUSED = "HK001"
REFUSALS = {"prompt_open": PromptOpen, "too_many_prompts": TooManyPrompts}


@dataclass(frozen=True, slots=True)
class Intent:
    """What is written with a payment that is born: its claim, its own endpoint, its guard."""

    fingerprint: bytes
    endpoint_id: str        # of the payment's own address; empty, as the next: it has none
    signs_with: str         # the endpoint whose secret signs for it
    guard: PromptGuard


async def begin(tx: Transaction, change: Change, intent: Intent) -> bool:
    """Claim the idempotency key and bear the payment with its first fact, in one statement.

    Returns False, and writes nothing, when the key was claimed before.

    Raises:
        PromptOpen, TooManyPrompts: the payer is not to be asked now. Nothing was written.
    """
    payment, guard = change.after, intent.guard
    sealer = await tx.sealer(payment.merchant_id)
    values = _values(change, sealer) | {
        "fingerprint": intent.fingerprint, "endpoint_id": intent.endpoint_id,
        "signs_with": intent.signs_with,
        "forgotten": guard.forgotten, "hour_ago": guard.hour_ago, "prompts_max": guard.prompts_max,
    }
    statement = statements.begin(rings=rings_a_person(payment), has_own=bool(payment.callback_url))
    with _refusals():
        row = await tx.row(statement, values)
    assert row is not None, "it selects one row, whatever it did"
    return bool(row["is_born"])


async def open_prompt(
    tx: Transaction, payment: Payment, *, forgotten: datetime,
) -> PaymentId | None:
    """Return the payment whose prompt is on the payer's phone now, or None."""
    assert payment.payer is not None, "who is to be prompted has a phone"
    sealer = await tx.sealer(payment.merchant_id)
    row = await tx.row(statements.OPEN_PROMPT, {
        "merchant_id": payment.merchant_id, "livemode": payment.livemode,
        "phone_hash": sealer.blind(PHONE, payment.payer.digits), "forgotten": forgotten,
    })
    return PaymentId(row["payment_id"]) if row else None


async def apply(
    tx: Transaction, change: Change, told: Sequence[Told], *, forgotten: datetime,
    answer: bytes | None = None,
) -> bool:
    """Write a change whole; return False, with nothing written, when somebody was faster.

    A prompt that was opened before `forgotten` is off the phone by itself. `answer`, sealed, is
    kept for all repetitions of the payment's idempotency key; the first one stands. The workers are
    woken when all is committed, if need be.

    Raises:
        PromptOpen: it would be sent now, and another prompt is on the phone.
        ReceiptTaken: another payment has this receipt. Record a contradiction instead.
    """
    before, after = change.before, change.after
    rings = rings_a_person(after)
    posted = postings(change)
    statement = statements.change(
        posts=len(posted), tells=bool(told), answers=answer is not None,
        closes=rings and after.state in NO_PROMPT and before.state not in NO_PROMPT,
        opens=rings and after.state is State.SENDING and change.moved,
        settles=is_divided(after) and not is_divided(before),
    )
    more = {"forgotten": forgotten, "answer": answer}
    return await _is_written(tx, change, told, statement, ledger.posting_values(posted) | more)


async def collect(tx: Transaction, several: Sequence[tuple[Change, Sequence[Told]]]) -> None:
    """Bear payments that came unasked, each with the fact that tells of it and all that follows.

    Raises:
        ReceiptTaken: a payment has one of the receipts already. Nothing was written.
    """
    by_statement: dict[LiteralString, list[dict[str, Any]]] = {}
    for change, told in several:
        posted = postings(change)
        statement = statements.collect(posts=len(posted), tells=bool(told))
        sealer = await tx.sealer(change.after.merchant_id)
        by_statement.setdefault(statement, []).append(
            _values(change, sealer) | _told_values(change, told, sealer)
            | ledger.posting_values(posted),
        )
    for statement, values in by_statement.items():
        with _taken("of one of them"):
            rows = await tx.rows_of_each(statement, values)
        assert len(rows) == len(values), "nothing could keep one from being born but an error"
        if any(row["deliveries"] for row in rows):
            tx.wake_workers()


async def _is_written(
    tx: Transaction, change: Change, told: Sequence[Told], statement: LiteralString,
    more: Mapping[str, Any],
) -> bool:
    """Run the statement of a change, and see that its deliveries go out. Returns whether it wrote.

    Raises: PromptOpen, ReceiptTaken.
    """
    sealer = await tx.sealer(change.after.merchant_id)
    values = {**_values(change, sealer), **_told_values(change, told, sealer), **more}
    with _taken(change.fact.receipt), _refusals():
        row = await tx.row(statement, values)
    if row is not None and row["deliveries"]:
        tx.wake_workers()
    return row is not None


def _told_values(change: Change, told: Sequence[Told], sealer: Sealer) -> dict[str, Any]:
    return {
        "event_ids": [each.id for each in told],
        "event_names": [each.name.value for each in told],
        "event_data": [sealed_data(each.id, each.data, sealer) for each in told],
        "follows": change.may_follow or len(told) > 1,
    }


@contextmanager
def _taken(receipt: str) -> Iterator[None]:
    """Raise ReceiptTaken when a statement would give `receipt` to a second payment."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name in {"payments_receipt_key", ledger.RECEIPT_KEY}:
            raise ReceiptTaken(receipt) from error
        raise


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise what a statement refused by our own function `refuse`."""
    try:
        yield
    except psycopg.DatabaseError as error:
        if error.sqlstate != REFUSED:
            raise
        raise REFUSALS[error.diag.message_primary or ""] from None


async def get(tx: Transaction, payment_id: PaymentId) -> Payment | None:
    """Return the payment as it stands, or None."""
    return await opened(tx, await tx.row(statements.GET, {"id": payment_id}))


async def lock(tx: Transaction, payment_id: PaymentId) -> Payment | None:
    """Return the payment, held until the transaction ends, or None."""
    return await opened(tx, await tx.row(statements.LOCK, {"id": payment_id}))


async def read(
    tx: Transaction, payment_id: PaymentId, *, merchant_id: MerchantId, livemode: bool,
) -> Payment | None:
    """Return one payment of this merchant and mode, or None."""
    row = await tx.row(
        statements.READ, {"id": payment_id, "merchant_id": merchant_id, "livemode": livemode},
    )
    return await opened(tx, row)


async def read_by_checkout_id(
    tx: Transaction, checkout_request_id: str, *, merchant_id: MerchantId, livemode: bool,
) -> Payment | None:
    """Return the one payment of this merchant and mode that Daraja calls so, or None."""
    sealer = await tx.sealer(merchant_id)
    row = await tx.row(statements.READ_BY_CHECKOUT_ID, {
        "checkout_hash": sealer.blind(CHECKOUT, checkout_request_id),
        "merchant_id": merchant_id, "livemode": livemode,
    })
    return await opened(tx, row)


async def opened(tx: Transaction, row: DictRow | None) -> Payment | None:
    """Return the payment of a row, if there is one."""
    if row is None:
        return None
    return payment_of(row, await tx.sealer(row["merchant_id"]))


async def heard(tx: Transaction, payment: Payment) -> list[HeardFact]:
    """Return all facts of a payment, oldest first."""
    sealer = await tx.sealer(payment.merchant_id)
    return [heard_of(row, sealer) for row in await tx.rows(statements.FACTS, {"id": payment.id})]


def _values(change: Change, sealer: Sealer) -> dict[str, Any]:
    """Return every column of a change: the payment after it, and the fact behind it."""
    after, fact = change.after, change.fact
    return payment_values(after, sealer) | {
        "state_before": change.before.state.value,
        "facts_count_before": change.before.facts_count,
        "heard_at": change.heard_at,
        "kind": fact.kind.value,
        "source": fact.source.value,
        "fact_private": sealed_fact(after, fact, sealer),
    }
