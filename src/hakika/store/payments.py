"""Payments and their facts: born, moved, read.

A change is one statement: the moved payment, its new fact, its postings, the events it makes and a
delivery for each endpoint that wants them are written together or not at all, and only when nobody
else has moved the payment meanwhile. What must not be written raises inside of it (`refuse`).
What names a person, or was written by one, is sealed: `private` of a payment and of a fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow

from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.ledger import postings
from hakika.domain.payment import Change, Payment, State
from hakika.domain.prompt import NO_PROMPT, PromptGuard, rings_a_person
from hakika.store import ledger
from hakika.store.events import Told, sealed_data
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import (
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


COLUMNS: LiteralString = """
    id, merchant_id, livemode, state, amount_cents, customer_id, private, shortcode_kind, shortcode,
    store_number, callback_url, idempotency_key, attempts, merchant_request_id, receipt,
    amount_received_cents, confirmed_by, strength, failure_code,
    failure_daraja_code, failure_reason, payer_message, payer_message_sw,
    retryable, late, disputed, lapsed,
    facts_count, facts_link, asked_at, next_check_at, checks, created_at, updated_at, completed_at
"""

_BORN: LiteralString = """
    insert into payments (""" + COLUMNS + """, phone_hash, reference_hash)
    select %(id)s, %(merchant_id)s, %(livemode)s, %(state)s, %(amount_cents)s, %(customer_id)s,
        %(private)s, %(shortcode_kind)s, %(shortcode)s, %(store_number)s, %(callback_url)s,
        %(idempotency_key)s, %(attempts)s, %(merchant_request_id)s, %(receipt)s,
        %(amount_received_cents)s, %(confirmed_by)s,
        %(strength)s, %(failure_code)s, %(failure_daraja_code)s, %(failure_reason)s,
        %(payer_message)s, %(payer_message_sw)s, %(retryable)s, %(late)s,
        %(disputed)s, %(lapsed)s,
        %(facts_count)s, %(facts_link)s, %(asked_at)s::timestamptz, %(next_check_at)s::timestamptz,
        %(checks)s, %(created_at)s, %(updated_at)s, %(completed_at)s::timestamptz,
        %(phone_hash)s, %(reference_hash)s
"""

_FACT: LiteralString = """
    insert into facts (payment_id, sequence, heard_at, kind, source, state, private, link)
    select %(id)s, %(facts_count)s, %(heard_at)s, %(kind)s, %(source)s, %(state)s,
        %(fact_private)s, %(facts_link)s
"""

_CLAIMED: LiteralString = """
    with claimed as (
        insert into idempotency_keys
            (merchant_id, livemode, operation, key, fingerprint, payment_id, created_at)
        values (%(merchant_id)s, %(livemode)s, 'payments', %(idempotency_key)s, %(fingerprint)s,
            %(id)s, %(created_at)s)
        on conflict do nothing
        returning payment_id
    )
"""

_PROMPTED: LiteralString = """
    , prompted as (
        insert into open_prompts (merchant_id, livemode, phone_hash, payment_id, opened_at)
        select %(merchant_id)s, %(livemode)s, %(phone_hash)s, payment_id, %(created_at)s
          from claimed
        on conflict (merchant_id, livemode, phone_hash)
            do update set payment_id = excluded.payment_id, opened_at = excluded.opened_at
            where open_prompts.opened_at < %(forgotten)s
        returning payment_id
    )
"""

_NOT_TO_BE_PROMPTED: LiteralString = """
    , case when exists (select from claimed) then
        case when (select count(*) from (
                select from payments where phone_hash = %(phone_hash)s
                   and livemode = %(livemode)s and created_at > %(hour_ago)s
                 limit %(prompts_max)s) as lately) >= %(prompts_max)s
            then refuse('too_many_prompts')
            when not exists (select from prompted) then refuse('prompt_open') end end
"""

_OWN_ENDPOINT: LiteralString = """
    , extra as (
        insert into endpoints
            (id, merchant_id, livemode, url, dialect, events, signs_with, payment_id, created_at)
        select %(endpoint_id)s, %(merchant_id)s, %(livemode)s, %(callback_url)s,
            signer.dialect, '{}', signer.id, born.id, %(created_at)s
        from born join endpoints signer on signer.id = %(signs_with)s
    )
"""

_OPEN_PROMPT: LiteralString = """
    select payment_id from open_prompts
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and phone_hash = %(phone_hash)s and opened_at >= %(forgotten)s
"""

# `facts_count` is the version: it grows with every fact. Whoever was overtaken writes nothing.
_MOVED: LiteralString = """
    with moved as (
        update payments set
            state = %(state)s, attempts = %(attempts)s,
            merchant_request_id = %(merchant_request_id)s, private = %(private)s,
            checkout_hash = %(checkout_hash)s, receipt = %(receipt)s,
            amount_received_cents = %(amount_received_cents)s, confirmed_by = %(confirmed_by)s,
            strength = %(strength)s, failure_code = %(failure_code)s,
            failure_daraja_code = %(failure_daraja_code)s, failure_reason = %(failure_reason)s,
            payer_message = %(payer_message)s, payer_message_sw = %(payer_message_sw)s,
            retryable = %(retryable)s,
            late = %(late)s, disputed = %(disputed)s, lapsed = %(lapsed)s,
            facts_count = %(facts_count)s, facts_link = %(facts_link)s, asked_at = %(asked_at)s,
            next_check_at = %(next_check_at)s, checks = %(checks)s, updated_at = %(updated_at)s,
            completed_at = %(completed_at)s
        where id = %(id)s and state = %(state_before)s and facts_count = %(facts_count_before)s
        returning id, merchant_id, livemode
    )
"""

_TOLD: LiteralString = """
    , told as (
        insert into events (id, merchant_id, livemode, name, subject_id, data, created_at)
        select each.id, moved.merchant_id, moved.livemode, each.name, moved.id, each.data,
            %(heard_at)s
        from moved, unnest(%(event_ids)s::text[], %(event_names)s::text[], %(event_data)s::bytea[])
            with ordinality as each (id, name, data, place)
        order by each.place
        returning id, name, position
    ), due as (
        insert into deliveries
            (event_id, event_created_at, endpoint_id, follows, state, next_attempt_at, created_at)
        select told.id, %(heard_at)s, endpoints.id, %(follows)s, 'scheduled', %(heard_at)s,
            %(heard_at)s
        from told join (
            select id, events from endpoints
             where merchant_id = %(merchant_id)s and livemode = %(livemode)s
               and payment_id is null and deleted_at is null and disabled_at is null
            union all
            select id, events from endpoints
             where payment_id = %(id)s and deleted_at is null and disabled_at is null
        ) as endpoints on endpoints.events = '{}' or told.name = any(endpoints.events)
        order by told.position
        returning id
    )
"""

_ANSWERED: LiteralString = """
    , answered as (
        update idempotency_keys set answer = %(answer)s
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and operation = 'payments' and key = %(idempotency_key)s and answer is null
           and exists (select from moved)
    )
"""

_PROMPT_CLOSED: LiteralString = """
    , prompt_closed as (
        delete from open_prompts
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and phone_hash = %(phone_hash)s and payment_id = %(id)s
           and exists (select from moved)
    )
"""

_PROMPT_OPENED: LiteralString = """
    , prompt_opened as (
        insert into open_prompts (merchant_id, livemode, phone_hash, payment_id, opened_at)
        select merchant_id, livemode, %(phone_hash)s, id, %(heard_at)s from moved
        on conflict (merchant_id, livemode, phone_hash)
            do update set payment_id = excluded.payment_id, opened_at = excluded.opened_at
            where open_prompts.opened_at < %(forgotten)s
        returning payment_id
    )
"""

LOCK: LiteralString = "select " + COLUMNS + " from payments where id = %(id)s for update"

GET: LiteralString = "select " + COLUMNS + " from payments where id = %(id)s"

READ: LiteralString = (
    "select " + COLUMNS + " from payments where id = %(id)s and merchant_id = %(merchant_id)s"
    " and livemode = %(livemode)s"
)

FACTS: LiteralString = """
    select payment_id, sequence, heard_at, kind, source, state, private, link
      from facts where payment_id = %(id)s order by sequence
"""


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
    statement = _begin(rings=rings_a_person(payment), has_own=bool(payment.callback_url))
    with _refusals():
        row = await tx.row(statement, values)
    assert row is not None, "it selects one row, whatever it did"
    return bool(row["is_born"])


@cache
def _begin(*, rings: bool, has_own: bool) -> LiteralString:
    """Return the statement that bears a payment, with the parts that this one needs.

    PostgreSQL opens every table and index that a statement names, used or not: all parts together
    cost a third more.
    """
    return (
        _CLAIMED + (_PROMPTED if rings else "")
        + ", born as (" + _BORN + (" from prompted" if rings else " from claimed")
        + " returning id), heard as (" + _FACT + " from born)"
        + (_OWN_ENDPOINT if has_own else "")
        + " select exists (select from born) as is_born"
        + (_NOT_TO_BE_PROMPTED if rings else "")
    )


async def open_prompt(
    tx: Transaction, payment: Payment, *, forgotten: datetime,
) -> PaymentId | None:
    """Return the payment whose prompt is on the payer's phone now, or None."""
    sealer = await tx.sealer(payment.merchant_id)
    row = await tx.row(_OPEN_PROMPT, {
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
    sealer = await tx.sealer(after.merchant_id)
    rings = rings_a_person(after)
    posted = postings(change)
    statement = _change(
        posts=len(posted), tells=bool(told), answers=answer is not None,
        closes=rings and after.state in NO_PROMPT and before.state not in NO_PROMPT,
        opens=rings and after.state is State.SENDING and change.moved,
    )
    values = _values(change, sealer) | ledger.posting_values(posted) | {
        "event_ids": [each.id for each in told],
        "event_names": [each.name.value for each in told],
        "event_data": [sealed_data(each.id, each.data, sealer) for each in told],
        "forgotten": forgotten,
        "follows": change.may_follow or len(told) > 1, "answer": answer,
    }
    try:
        with _refusals():
            row = await tx.row(statement, values)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name in {"payments_receipt_key", ledger.RECEIPT_KEY}:
            raise ReceiptTaken(change.fact.receipt) from error
        raise
    if row is None:
        return False
    if row["deliveries"]:
        tx.wake_workers()
    return True


@cache
def _change(
    *, posts: int, tells: bool, answers: bool, closes: bool, opens: bool,
) -> LiteralString:
    """Return the statement that moves a payment, with the parts that this move needs: `_begin`."""
    return (
        _MOVED + ", heard as (" + _FACT + " from moved)"
        + (ledger.written(posts) if posts else "")
        + (_TOLD if tells else "") + (_ANSWERED if answers else "")
        + (_PROMPT_CLOSED if closes else "") + (_PROMPT_OPENED if opens else "")
        + (" select (select count(*) from due)" if tells else " select 0") + " as deliveries"
        + (", case when not exists (select from prompt_opened) then refuse('prompt_open') end"
           if opens else "")
        + " from moved"
    )


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
    return await opened(tx, await tx.row(GET, {"id": payment_id}))


async def lock(tx: Transaction, payment_id: PaymentId) -> Payment | None:
    """Return the payment, held until the transaction ends, or None."""
    return await opened(tx, await tx.row(LOCK, {"id": payment_id}))


async def read(
    tx: Transaction, payment_id: PaymentId, *, merchant_id: MerchantId, livemode: bool,
) -> Payment | None:
    """Return one payment of this merchant and mode, or None."""
    row = await tx.row(
        READ, {"id": payment_id, "merchant_id": merchant_id, "livemode": livemode},
    )
    return await opened(tx, row)


async def opened(tx: Transaction, row: DictRow | None) -> Payment | None:
    """Return the payment of a row, if there is one."""
    if row is None:
        return None
    return payment_of(row, await tx.sealer(row["merchant_id"]))


async def heard(tx: Transaction, payment: Payment) -> list[HeardFact]:
    """Return all facts of a payment, oldest first."""
    sealer = await tx.sealer(payment.merchant_id)
    return [heard_of(row, sealer) for row in await tx.rows(FACTS, {"id": payment.id})]


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
