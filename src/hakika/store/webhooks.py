"""Webhook endpoints, deliveries and attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from hakika.domain.event import Event, EventName
from hakika.domain.ids import EndpointId, MerchantId, PaymentId
from hakika.domain.webhook import Answer, DeliveryState, Endpoint
from hakika.store.events import event_of
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

LIST_MAX = 100

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, url, secret, events, payment_id, created_at, disabled_at,
    disabled_reason
"""

_ADD: LiteralString = """
    insert into endpoints (id, merchant_id, livemode, url, secret, events, payment_id, created_at)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(url)s, %(secret)s, %(events)s,
        %(payment_id)s, %(created_at)s)
"""

_LIST: LiteralString = (
    "select " + _COLUMNS + """ from endpoints
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and deleted_at is null and payment_id is null
     order by id limit %(limit)s
"""
)

# The deliveries that wait go with the endpoint, so that nothing is sent to an address given up.
_DELETE: LiteralString = """
    with gone as (
        update endpoints set deleted_at = %(now)s
         where id = %(id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and deleted_at is null and payment_id is null
        returning id
    ), dropped as (
        update deliveries set state = 'dropped', reason = 'The endpoint was deleted.',
               next_attempt_at = null, finished_at = %(now)s
         where endpoint_id in (select id from gone) and state = 'scheduled'
    )
    select id from gone
"""

_DISABLE: LiteralString = """
    update endpoints set disabled_at = %(now)s, disabled_reason = %(reason)s
     where id = %(id)s and disabled_at is null
"""

# The try is committed before the POST: a body that kills the worker is not tried for ever.
_BEGIN: LiteralString = (
    """
    with begun as (
        update deliveries set attempts = attempts + 1, next_attempt_at = %(lease)s
         where id = %(id)s and state = 'scheduled' and next_attempt_at <= %(now)s
        returning id, event_id, event_created_at, endpoint_id, attempts
    ), noted as (
        insert into attempts (delivery_id, attempt, started_at)
        select id, attempts, %(now)s from begun
    )
    select begun.attempts as attempt, endpoints.url, endpoints.secret,
           endpoints.id as endpoint_id, endpoints.disabled_at, endpoints.deleted_at,
           events.id, events.merchant_id, events.livemode, events.name, events.sequence,
           events.subject_id, events.data, events.created_at
      from begun
      join endpoints on endpoints.id = begun.endpoint_id
      join events on events.id = begun.event_id and events.created_at = begun.event_created_at
"""
)

_FINISH: LiteralString = """
    with noted as (
        update attempts set duration_ms = %(duration_ms)s, status = %(status)s, error = %(error)s,
               answer = %(answer)s
         where delivery_id = %(id)s and attempt = %(attempt)s and started_at = %(started_at)s
    )
    update deliveries set state = %(state)s, next_attempt_at = %(next_attempt_at)s,
           reason = %(error)s,
           finished_at = case when %(state)s = 'scheduled' then null else %(now)s end
     where id = %(id)s and attempts = %(attempt)s and state = 'scheduled'
"""

_OVERDUE: LiteralString = """
    select id from deliveries where state = 'scheduled' and next_attempt_at < %(before)s
     order by next_attempt_at limit 500
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """A try that was counted, and everything needed to make it."""

    delivery_id: int
    attempt: int
    endpoint_id: EndpointId
    url: str
    secret: str
    is_wanted: bool             # the endpoint is neither deleted nor disabled
    event: Event

    def __repr__(self) -> str:
        return f"Begun(delivery {self.delivery_id}, attempt {self.attempt})"


async def add(tx: Transaction, endpoint: Endpoint) -> None:
    """Write a new endpoint."""
    sealer = await tx.sealer(endpoint.merchant_id)
    await tx.execute(
        _ADD,
        {
            "id": endpoint.id, "merchant_id": endpoint.merchant_id,
            "livemode": endpoint.livemode, "url": endpoint.url,
            "secret": sealer.seal(_secret_of(endpoint.id), endpoint.secret.encode()),
            "events": sorted(name.value for name in endpoint.events),
            "payment_id": endpoint.payment_id, "created_at": endpoint.created_at,
        },
    )


async def endpoints(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool,
) -> list[Endpoint]:
    """Return the merchant's endpoints, oldest first; not those of single payments."""
    rows = await tx.rows(
        _LIST, {"merchant_id": merchant_id, "livemode": livemode, "limit": LIST_MAX},
    )
    sealer = await tx.sealer(merchant_id)
    return [_endpoint_of(row, sealer) for row in rows]


async def delete(
    tx: Transaction, endpoint_id: EndpointId, *, merchant_id: MerchantId, livemode: bool,
    now: datetime,
) -> bool:
    """Delete an endpoint and drop what waits for it; False when the merchant has no such one."""
    row = await tx.row(
        _DELETE,
        {"id": endpoint_id, "merchant_id": merchant_id, "livemode": livemode, "now": now},
    )
    return row is not None


async def disable(
    tx: Transaction, endpoint_id: EndpointId, *, reason: str, now: datetime,
) -> None:
    """Send nothing more to an endpoint."""
    await tx.execute(_DISABLE, {"id": endpoint_id, "reason": reason, "now": now})


async def begin_attempt(
    tx: Transaction, delivery_id: int, *, now: datetime, lease: datetime,
) -> Begun | None:
    """Count a try and return what to send, or None: sent already, not due, or begun elsewhere."""
    row = await tx.row(_BEGIN, {"id": delivery_id, "now": now, "lease": lease})
    if row is None:
        return None
    sealer = await tx.sealer(row["merchant_id"])
    return Begun(
        delivery_id=delivery_id, attempt=row["attempt"],
        endpoint_id=EndpointId(row["endpoint_id"]), url=row["url"],
        secret=sealer.open(_secret_of(row["endpoint_id"]), row["secret"]).decode(),
        is_wanted=row["disabled_at"] is None and row["deleted_at"] is None,
        event=event_of(row, sealer),
    )


async def finish_attempt(
    tx: Transaction, begun: Begun, answer: Answer, *, state: DeliveryState,
    next_attempt_at: datetime | None, started_at: datetime, now: datetime,
) -> None:
    """Write what came of a try. A try that was overtaken by a later one changes nothing."""
    sealer = await tx.sealer(begun.event.merchant_id)
    await tx.execute(
        _FINISH,
        {
            "id": begun.delivery_id, "attempt": begun.attempt, "state": state.value,
            "duration_ms": answer.duration_ms, "status": answer.status, "error": answer.error,
            "answer": sealer.seal(
                f"attempts.answer {begun.delivery_id} {begun.attempt}", answer.body,
            ) if answer.body else b"",
            "next_attempt_at": next_attempt_at,
            "started_at": started_at, "now": now,
        },
    )


async def overdue(tx: Transaction, *, before: datetime) -> Sequence[int]:
    """Return deliveries that should have been tried before `before`: their job was lost."""
    return [row["id"] for row in await tx.rows(_OVERDUE, {"before": before})]


def _secret_of(endpoint_id: str) -> str:
    return f"endpoints.secret {endpoint_id}"


def _endpoint_of(row: dict[str, Any], sealer: Sealer) -> Endpoint:
    return Endpoint(
        id=EndpointId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], url=row["url"],
        secret=sealer.open(_secret_of(row["id"]), row["secret"]).decode(),
        events=frozenset(EventName(name) for name in row["events"]),
        payment_id=PaymentId(row["payment_id"]) if row["payment_id"] else None,
        created_at=row["created_at"], disabled_at=row["disabled_at"],
        disabled_reason=row["disabled_reason"],
    )
