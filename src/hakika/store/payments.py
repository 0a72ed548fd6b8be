"""Payments and their facts: born, locked, moved, listed.

A change is one statement: the moved payment, its new fact, the events it makes and a delivery for
each endpoint that wants them are written together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from hakika.domain import fact as facts
from hakika.domain.event import EventName
from hakika.domain.fact import Fact, Kind, Reason, Source, Strength
from hakika.domain.ids import EventId, MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Change, Payment, State
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode
from hakika.store.transaction import Transaction


class ReceiptTaken(Exception):
    """Another payment has this receipt already: one of the two cannot be true."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event to be written with a change: its id, name, and the payment as merchants see it."""

    id: EventId
    name: EventName
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HeardFact:
    """A fact as it stands in the chain."""

    sequence: int
    heard_at: datetime
    kind: Kind
    source: Source
    state: State
    details: dict[str, Any]
    raw: bytes
    link: bytes


COLUMNS: LiteralString = """
    id, merchant_id, livemode, state, amount_cents, phone, shortcode_kind, shortcode, store_number,
    reference, description, metadata, callback_url, idempotency_key, attempts, merchant_request_id,
    checkout_request_id, receipt, amount_received_cents, confirmed_by, strength, failure_code,
    failure_daraja_code, failure_reason, payer_message, payer_message_sw,
    daraja_message, retryable, late, disputed, lapsed,
    facts_count, facts_link, asked_at, next_check_at, checks, created_at, updated_at, completed_at
"""

_BORN: LiteralString = """
    insert into payments (""" + COLUMNS + """)
    select %(id)s, %(merchant_id)s, %(livemode)s, %(state)s, %(amount_cents)s, %(phone)s,
        %(shortcode_kind)s, %(shortcode)s, %(store_number)s, %(reference)s, %(description)s,
        %(metadata)s, %(callback_url)s, %(idempotency_key)s, %(attempts)s, %(merchant_request_id)s,
        %(checkout_request_id)s, %(receipt)s, %(amount_received_cents)s, %(confirmed_by)s,
        %(strength)s, %(failure_code)s, %(failure_daraja_code)s, %(failure_reason)s,
        %(payer_message)s, %(payer_message_sw)s, %(daraja_message)s, %(retryable)s, %(late)s,
        %(disputed)s, %(lapsed)s,
        %(facts_count)s, %(facts_link)s, %(asked_at)s::timestamptz, %(next_check_at)s::timestamptz,
        %(checks)s, %(created_at)s, %(updated_at)s, %(completed_at)s::timestamptz
"""

_FACT: LiteralString = """
    insert into facts (payment_id, sequence, heard_at, kind, source, state, details, raw, link)
    select %(id)s, %(facts_count)s, %(heard_at)s, %(kind)s, %(source)s, %(state)s, %(details)s,
        %(raw)s, %(facts_link)s
"""

BEGIN: LiteralString = (
    """
    with claimed as (
        insert into idempotency_keys
            (merchant_id, livemode, operation, key, fingerprint, payment_id, created_at)
        values (%(merchant_id)s, %(livemode)s, 'payments', %(idempotency_key)s, %(fingerprint)s,
            %(id)s, %(created_at)s)
        on conflict do nothing
        returning payment_id
    ), born as ("""
    + _BORN
    + """ from claimed returning id), heard as ("""
    + _FACT
    + """ from born), extra as (
        insert into endpoints
            (id, merchant_id, livemode, url, secret, events, payment_id, created_at)
        select %(endpoint_id)s, %(merchant_id)s, %(livemode)s, %(callback_url)s,
            %(endpoint_secret)s, '{}', %(id)s, %(created_at)s
        from born where %(callback_url)s <> ''
    )
    select id from born
    """
)

# `facts_count` is the version: it grows with every fact, so nobody else has moved the payment.
CHANGE: LiteralString = (
    """
    with moved as (
        update payments set
            state = %(state)s, attempts = %(attempts)s,
            merchant_request_id = %(merchant_request_id)s,
            checkout_request_id = %(checkout_request_id)s, receipt = %(receipt)s,
            amount_received_cents = %(amount_received_cents)s, confirmed_by = %(confirmed_by)s,
            strength = %(strength)s, failure_code = %(failure_code)s,
            failure_daraja_code = %(failure_daraja_code)s, failure_reason = %(failure_reason)s,
            payer_message = %(payer_message)s, payer_message_sw = %(payer_message_sw)s,
            daraja_message = %(daraja_message)s, retryable = %(retryable)s,
            late = %(late)s, disputed = %(disputed)s, lapsed = %(lapsed)s,
            facts_count = %(facts_count)s, facts_link = %(facts_link)s, asked_at = %(asked_at)s,
            next_check_at = %(next_check_at)s, checks = %(checks)s, updated_at = %(updated_at)s,
            completed_at = %(completed_at)s
        where id = %(id)s and state = %(state_before)s and facts_count = %(facts_count_before)s
        returning id, merchant_id, livemode
    ), heard as ("""
    + _FACT
    + """ from moved), told as (
        insert into events (id, merchant_id, livemode, name, payment_id, data, created_at)
        select each.id, moved.merchant_id, moved.livemode, each.name, moved.id, each.data,
            %(heard_at)s
        from moved, unnest(%(event_ids)s::text[], %(event_names)s::text[], %(event_data)s::jsonb[])
            with ordinality as each (id, name, data, place)
        order by each.place
        returning id, name, merchant_id, livemode
    ), due as (
        insert into deliveries
            (event_id, event_created_at, endpoint_id, state, next_attempt_at, created_at)
        select told.id, %(heard_at)s, endpoints.id, 'scheduled', %(heard_at)s, %(heard_at)s
        from told join (
            select id, events from endpoints
             where payment_id is null
               and (merchant_id, livemode) in (select merchant_id, livemode from moved)
               and deleted_at is null and disabled_at is null
            union all
            select id, events from endpoints
             where payment_id = %(id)s and deleted_at is null and disabled_at is null
        ) as endpoints on endpoints.events = '{}' or told.name = any(endpoints.events)
        returning id
    )
    select array(select id from due order by id) as deliveries from moved
    """
)

LOCK: LiteralString = "select " + COLUMNS + " from payments where id = %(id)s for update"

READ: LiteralString = (
    "select " + COLUMNS + " from payments where id = %(id)s and merchant_id = %(merchant_id)s"
    " and livemode = %(livemode)s"
)

FACTS: LiteralString = """
    select sequence, heard_at, kind, source, state, details, raw, link
      from facts where payment_id = %(id)s order by sequence
"""


async def begin(
    tx: Transaction, change: Change, *, fingerprint: bytes, endpoint_id: str, endpoint_secret: str,
) -> bool:
    """Claim the idempotency key and bear the payment with its first fact, in one statement.

    Returns False, and writes nothing, when the key was claimed before.
    """
    values = _values(change) | {
        "fingerprint": fingerprint, "endpoint_id": endpoint_id, "endpoint_secret": endpoint_secret,
    }
    return await tx.row(BEGIN, values) is not None


async def apply(tx: Transaction, change: Change, told: Sequence[Told]) -> list[int]:
    """Write a change whole and return the deliveries that are due.

    Raises:
        ReceiptTaken: another payment has this receipt. Record a contradiction instead.
    """
    values = _values(change) | {
        "event_ids": [each.id for each in told],
        "event_names": [each.name.value for each in told],
        "event_data": [Jsonb(each.data) for each in told],
    }
    try:
        row = await tx.row(CHANGE, values)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "payments_receipt_key":
            raise ReceiptTaken(change.fact.receipt) from error
        raise
    assert row is not None, "the row was locked, so nobody else can have moved it"
    deliveries: list[int] = row["deliveries"]
    return deliveries


async def lock(tx: Transaction, payment_id: PaymentId) -> Payment | None:
    """Return the payment, held until the transaction ends, or None."""
    row = await tx.row(LOCK, {"id": payment_id})
    return payment_of(row) if row else None


async def read(
    tx: Transaction, payment_id: PaymentId, *, merchant_id: MerchantId, livemode: bool,
) -> Payment | None:
    """Return one payment of this merchant and mode, or None."""
    row = await tx.row(
        READ, {"id": payment_id, "merchant_id": merchant_id, "livemode": livemode},
    )
    return payment_of(row) if row else None


async def heard(tx: Transaction, payment_id: PaymentId) -> list[HeardFact]:
    """Return all facts of a payment, oldest first."""
    return [heard_of(row) for row in await tx.rows(FACTS, {"id": payment_id})]


def heard_of(row: dict[str, Any]) -> HeardFact:
    """Return the fact of one row."""
    return HeardFact(
        sequence=row["sequence"], heard_at=row["heard_at"], kind=Kind(row["kind"]),
        source=Source(row["source"]), state=State(row["state"]), details=row["details"],
        raw=row["raw"], link=row["link"],
    )


def fact_of(heard: HeardFact) -> Fact:
    """Return the fact behind a row, as it was when it was chained."""
    details = heard.details
    amount_cents = details.get("amount_cents")
    reason = None
    if "code" in details:
        reason = Reason(
            details["code"], details["daraja_code"], details["developer_message"],
            details["payer_message"], details["payer_message_sw"], details["daraja_message"],
            details["retryable"],
        )
    return Fact(
        kind=heard.kind, source=heard.source, attempt=details.get("attempt"), reason=reason,
        merchant_request_id=details.get("merchant_request_id", ""),
        checkout_request_id=details.get("checkout_request_id", ""),
        receipt=details.get("receipt", ""),
        amount=None if amount_cents is None else Money(amount_cents),
        note=details.get("note", ""), raw=heard.raw,
    )


def _values(change: Change) -> dict[str, Any]:
    """Return every column of a change: the payment after it, and the fact behind it."""
    after, fact = change.after, change.fact
    return _payment_values(after) | {
        "state_before": change.before.state.value,
        "facts_count_before": change.before.facts_count,
        "heard_at": change.heard_at,
        "kind": fact.kind.value,
        "source": fact.source.value,
        "details": Jsonb(facts.details(fact)),
        "raw": fact.raw,
    }


def _payment_values(payment: Payment) -> dict[str, Any]:
    received, failure = payment.amount_received, payment.failure
    return {
        "id": payment.id, "merchant_id": payment.merchant_id, "livemode": payment.livemode,
        "state": payment.state.value, "amount_cents": payment.amount.cents,
        "phone": payment.payer.digits, "shortcode_kind": payment.shortcode.kind.value,
        "shortcode": payment.shortcode.number, "store_number": payment.shortcode.store_number,
        "reference": payment.reference, "description": payment.description,
        "metadata": Jsonb(dict(payment.metadata)), "callback_url": payment.callback_url,
        "idempotency_key": payment.idempotency_key, "attempts": payment.attempts,
        "merchant_request_id": payment.merchant_request_id,
        "checkout_request_id": payment.checkout_request_id,
        "receipt": payment.receipt or None,
        "amount_received_cents": received.cents if received else None,
        "confirmed_by": payment.confirmed_by.value if payment.confirmed_by else None,
        "strength": int(payment.strength),
        "failure_code": failure.code if failure else None,
        "failure_daraja_code": failure.daraja_code if failure else None,
        "failure_reason": failure.developer_message if failure else None,
        "payer_message": failure.payer_message if failure else None,
        "payer_message_sw": failure.payer_message_sw if failure else None,
        "daraja_message": failure.daraja_message if failure else None,
        "retryable": failure.retryable if failure else None,
        "late": payment.late, "disputed": payment.disputed, "lapsed": payment.lapsed,
        "facts_count": payment.facts_count, "facts_link": payment.facts_link,
        "asked_at": payment.asked_at, "next_check_at": payment.next_check_at,
        "checks": payment.checks, "created_at": payment.created_at,
        "updated_at": payment.updated_at, "completed_at": payment.completed_at,
    }


def payment_of(row: dict[str, Any]) -> Payment:
    """Return the payment of one row."""
    received = row["amount_received_cents"]
    failure = None
    if row["failure_code"] is not None:
        failure = Reason(
            row["failure_code"], row["failure_daraja_code"], row["failure_reason"],
            row["payer_message"], row["payer_message_sw"], row["daraja_message"], row["retryable"],
        )
    return Payment(
        id=PaymentId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], state=State(row["state"]), amount=Money(row["amount_cents"]),
        payer=Msisdn(row["phone"]),
        shortcode=Shortcode(
            ShortcodeKind(row["shortcode_kind"]), row["shortcode"], row["store_number"],
        ),
        reference=row["reference"], description=row["description"], metadata=row["metadata"],
        callback_url=row["callback_url"], idempotency_key=row["idempotency_key"],
        attempts=row["attempts"], merchant_request_id=row["merchant_request_id"],
        checkout_request_id=row["checkout_request_id"], receipt=row["receipt"] or "",
        amount_received=None if received is None else Money(received),
        confirmed_by=Source(row["confirmed_by"]) if row["confirmed_by"] else None,
        strength=Strength(row["strength"]), failure=failure, late=row["late"],
        disputed=row["disputed"], lapsed=row["lapsed"], facts_count=row["facts_count"],
        facts_link=row["facts_link"], asked_at=row["asked_at"],
        next_check_at=row["next_check_at"], checks=row["checks"], created_at=row["created_at"],
        updated_at=row["updated_at"], completed_at=row["completed_at"],
    )
