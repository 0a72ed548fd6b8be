"""Webhook endpoints: what each is now, what it was before, and how it is doing.

Every change of what an endpoint is leaves a version, so that `hakika verify` and a merchant who
looks at an old attempt know what was asked for at the time. A payment's own address has none: it
never changes, and is signed with the secret of the endpoint that `signs_with` names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.dialect import Dialect
from hakika.domain.event import EventName
from hakika.domain.health import Health
from hakika.domain.ids import EndpointId, MerchantId, PaymentId, SellerId
from hakika.domain.webhook import Endpoint
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

LIST_MAX = 100

# Deliveries that one statement gives up or brings forward; the rest is done by rounds.
AT_ONCE_MAX = 1000

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, url, dialect, events, description, headers, rate_per_second, secret,
    previous_secret, previous_until, payment_id, seller_id, failures, failing_since, last_failed_at,
    held_until, created_at, disabled_at, disabled_reason
"""

# What follows every change of what an endpoint is; `changed` returns its whole row.
_VERSION: LiteralString = """
    insert into endpoint_versions
        (endpoint_id, version, since, url, dialect, events, header_names, is_enabled)
    select id, version, %(now)s, url, dialect, events, header_names,
           disabled_at is null and deleted_at is null
      from changed
"""

# What waits goes with the endpoint. What is under way at this moment is told how it ended.
_DROPPED: LiteralString = """
    update deliveries set state = 'dropped', reason = %(reason)s, next_attempt_at = null,
           waits_since = null, finished_at = %(now)s
     where id in (
        select id from deliveries
         where endpoint_id in (select id from changed)
           and (state = 'waiting' or (state = 'scheduled' and attempts > 0))
         order by id limit %(limit)s for update skip locked)
"""

_ADD: LiteralString = (
    """
    with changed as (
        insert into endpoints (
            id, merchant_id, livemode, url, dialect, events, description, header_names, headers,
            rate_per_second, secret, seller_id, created_at)
        values (
            %(id)s, %(merchant_id)s, %(livemode)s, %(url)s, %(dialect)s, %(events)s,
            %(description)s, %(header_names)s, %(headers)s, %(rate_per_second)s, %(secret)s,
            %(seller_id)s, %(now)s)
        returning *
    )
    """
    + _VERSION
)

_OWN: LiteralString = """
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and deleted_at is null and payment_id is null
       and seller_id is not distinct from %(seller_id)s
"""

_LIST: LiteralString = (
    "select " + _COLUMNS + " from endpoints" + _OWN + " order by id limit %(limit)s"
)

_READ: LiteralString = "select " + _COLUMNS + " from endpoints" + _OWN + " and id = %(id)s"

_LOCK: LiteralString = _READ + " for update"

_CHANGE: LiteralString = (
    """
    with changed as (
        update endpoints set
            url = %(url)s, dialect = %(dialect)s, events = %(events)s,
            description = %(description)s, header_names = %(header_names)s, headers = %(headers)s,
            rate_per_second = %(rate_per_second)s, disabled_at = %(disabled_at)s,
            disabled_reason = %(disabled_reason)s, failures = %(failures)s,
            failing_since = %(failing_since)s, last_failed_at = %(last_failed_at)s,
            held_until = %(held_until)s, version = version + 1
         where id = %(id)s
        returning *
    )
    """
    + _VERSION
)

_SECRETS: LiteralString = """
    update endpoints set secret = %(secret)s, previous_secret = %(previous_secret)s,
           previous_until = %(previous_until)s
     where id = %(id)s
"""

_DELETE: LiteralString = (
    """
    with changed as (
        update endpoints set deleted_at = %(now)s, version = version + 1
    """
    + _OWN
    + """ and id = %(id)s
        returning *
    ), noted as ("""
    + _VERSION
    + "), dropped as ("
    + _DROPPED
    + ") select id from changed"
)

_DISABLE: LiteralString = (
    """
    with changed as (
        update endpoints set disabled_at = %(now)s, disabled_reason = %(reason)s,
               version = version + 1
         where id = %(id)s and disabled_at is null and deleted_at is null
        returning *
    ), noted as ("""
    + _VERSION
    + " where payment_id is null), dropped as ("
    + _DROPPED
    + ") select id from changed"
)

_HEALTH: LiteralString = """
    select """ + _COLUMNS + """ from endpoints where id = %(id)s for update
"""

_IS_ALIVE: LiteralString = """
    select deleted_at is null and disabled_at is null as is_alive from endpoints where id = %(id)s
"""

_SET_HEALTH: LiteralString = """
    update endpoints set failures = %(failures)s, failing_since = %(failing_since)s,
           last_failed_at = %(last_failed_at)s, held_until = %(held_until)s
     where id = %(id)s
"""

# An endpoint came back: whatever waits for its own schedule may go now, as fast as it is taken.
_BRING_FORWARD: LiteralString = """
    update deliveries set state = 'waiting', next_attempt_at = null, waits_since = %(now)s
     where id in (
        select id from deliveries
         where endpoint_id = %(id)s and state = 'scheduled' and attempts > 0
         order by id limit %(limit)s for update skip locked)
"""

_DROP_UNWANTED: LiteralString = """
    with recursive lane_of as (
        (select endpoint_id from deliveries where state = 'waiting' order by endpoint_id limit 1)
        union all
        select (select endpoint_id from deliveries
                 where state = 'waiting' and endpoint_id > lane_of.endpoint_id
                 order by endpoint_id limit 1)
          from lane_of where lane_of.endpoint_id is not null
    ), changed as (
        select id from endpoints
         where id in (select endpoint_id from lane_of)
           and (deleted_at is not null or disabled_at is not null)
    )
    """ + _DROPPED


async def add(tx: Transaction, endpoint: Endpoint) -> None:
    """Write a new endpoint of a merchant."""
    sealer = await tx.sealer(endpoint.merchant_id)
    await tx.execute(_ADD, _values(endpoint, sealer) | {
        "merchant_id": endpoint.merchant_id, "livemode": endpoint.livemode,
        "seller_id": endpoint.seller_id, "now": endpoint.created_at,
        "secret": sealer.seal(secret_place(endpoint.id), endpoint.secret.encode()),
    })


async def endpoints(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool, seller_id: SellerId | None = None,
) -> list[Endpoint]:
    """Return the merchant's own endpoints, or a seller's, oldest first; no single payment's."""
    rows = await tx.rows(_LIST, {
        "merchant_id": merchant_id, "livemode": livemode, "seller_id": seller_id,
        "limit": LIST_MAX,
    })
    sealer = await tx.sealer(merchant_id)
    return [_endpoint_of(row, sealer) for row in rows]


async def read(
    tx: Transaction, endpoint_id: EndpointId, *, merchant_id: MerchantId, livemode: bool,
    seller_id: SellerId | None = None, lock: bool = False,
) -> Endpoint | None:
    """Return one of these endpoints or None; with `lock`, held to the end."""
    row = await tx.row(_LOCK if lock else _READ, {
        "id": endpoint_id, "merchant_id": merchant_id, "livemode": livemode,
        "seller_id": seller_id,
    })
    return _endpoint_of(row, await tx.sealer(merchant_id)) if row else None


async def change(tx: Transaction, endpoint: Endpoint, *, now: datetime) -> None:
    """Write what an endpoint, which must be locked, is from `now` on; secrets are not touched."""
    sealer = await tx.sealer(endpoint.merchant_id)
    await tx.execute(_CHANGE, _values(endpoint, sealer) | _health_values(endpoint.health) | {
        "disabled_at": endpoint.disabled_at, "disabled_reason": endpoint.disabled_reason,
        "now": now,
    })


async def set_secrets(tx: Transaction, endpoint: Endpoint) -> None:
    """Write the secrets of an endpoint, which must be locked."""
    sealer = await tx.sealer(endpoint.merchant_id)
    previous = endpoint.previous_secret.encode()
    await tx.execute(_SECRETS, {
        "id": endpoint.id,
        "secret": sealer.seal(secret_place(endpoint.id), endpoint.secret.encode()),
        "previous_secret": (
            sealer.seal(previous_secret_place(endpoint.id), previous) if previous else b""
        ),
        "previous_until": endpoint.previous_until,
    })


async def delete(
    tx: Transaction, endpoint_id: EndpointId, *, merchant_id: MerchantId, livemode: bool,
    now: datetime, seller_id: SellerId | None = None,
) -> bool:
    """Delete an endpoint and drop what waits for it; False when there is no such one of theirs."""
    row = await tx.row(_DELETE, {
        "id": endpoint_id, "merchant_id": merchant_id, "livemode": livemode, "now": now,
        "seller_id": seller_id,
        "reason": "The endpoint was deleted.", "limit": AT_ONCE_MAX,
    })
    return row is not None


async def disable(
    tx: Transaction, endpoint_id: EndpointId, *, reason: str, now: datetime,
) -> bool:
    """Send nothing more to an endpoint; False when it was disabled or deleted already."""
    row = await tx.row(_DISABLE, {
        "id": endpoint_id, "reason": reason, "now": now, "limit": AT_ONCE_MAX,
    })
    return row is not None


async def lock(tx: Transaction, endpoint_id: EndpointId) -> Endpoint:
    """Return any endpoint, also a deleted one, held until the transaction ends."""
    row = await tx.row(_HEALTH, {"id": endpoint_id})
    assert row is not None, "endpoints are never really deleted"
    return _endpoint_of(row, await tx.sealer(row["merchant_id"]))


async def is_alive(tx: Transaction, endpoint_id: EndpointId) -> bool:
    """Say whether an endpoint is neither deleted nor disabled."""
    row = await tx.row(_IS_ALIVE, {"id": endpoint_id})
    return bool(row and row["is_alive"])


async def set_health(tx: Transaction, endpoint_id: EndpointId, health: Health) -> None:
    """Write how an endpoint, which must be locked, is doing."""
    await tx.execute(_SET_HEALTH, {"id": endpoint_id} | _health_values(health))


async def bring_forward(tx: Transaction, endpoint_id: EndpointId, *, now: datetime) -> int:
    """Let up to 1,000 deliveries that wait for a later try go in their turn; return how many."""
    done = await tx.execute(_BRING_FORWARD, {
        "id": endpoint_id, "limit": AT_ONCE_MAX, "now": now,
    })
    return done.rowcount


async def drop_unwanted(tx: Transaction, *, now: datetime) -> int:
    """Drop some of what waits for endpoints that were deleted or disabled; return how many."""
    done = await tx.execute(_DROP_UNWANTED, {
        "reason": "The endpoint was deleted or disabled.", "now": now, "limit": AT_ONCE_MAX,
    })
    return done.rowcount


def secret_place(endpoint_id: str) -> str:
    """Return where an endpoint's secret is sealed for."""
    return f"endpoints.secret {endpoint_id}"


def previous_secret_place(endpoint_id: str) -> str:
    """Return where the secret before an endpoint's present one is sealed for."""
    return f"endpoints.previous_secret {endpoint_id}"


def opened_headers(endpoint_id: str, sealed: bytes, sealer: Sealer) -> dict[str, str]:
    """Return a merchant's own headers. Raises: SealBroken."""
    if not sealed:
        return {}
    headers: dict[str, str] = orjson.loads(sealer.open(f"endpoints.headers {endpoint_id}", sealed))
    return headers


def _values(endpoint: Endpoint, sealer: Sealer) -> dict[str, Any]:
    headers = orjson.dumps(dict(endpoint.headers))
    return {
        "id": endpoint.id, "url": endpoint.url, "dialect": endpoint.dialect.value,
        "events": sorted(name.value for name in endpoint.events),
        "description": endpoint.description, "header_names": sorted(endpoint.headers),
        "headers": (
            sealer.seal(f"endpoints.headers {endpoint.id}", headers) if endpoint.headers else b""
        ),
        "rate_per_second": endpoint.rate_per_second,
    }


def _health_values(health: Health) -> dict[str, Any]:
    return {
        "failures": health.failures, "failing_since": health.failing_since,
        "last_failed_at": health.last_failed_at, "held_until": health.held_until,
    }


def _endpoint_of(row: dict[str, Any], sealer: Sealer) -> Endpoint:
    return Endpoint(
        id=EndpointId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], url=row["url"], dialect=Dialect(row["dialect"]),
        events=frozenset(EventName(name) for name in row["events"]),
        description=row["description"], rate_per_second=row["rate_per_second"],
        headers=opened_headers(row["id"], row["headers"], sealer),
        secret=_opened(sealer, secret_place(row["id"]), row["secret"]),
        previous_secret=_opened(
            sealer, previous_secret_place(row["id"]), row["previous_secret"],
        ),
        previous_until=row["previous_until"],
        payment_id=PaymentId(row["payment_id"]) if row["payment_id"] else None,
        seller_id=SellerId(row["seller_id"]) if row["seller_id"] else None,
        health=Health(
            row["failures"], row["failing_since"], row["last_failed_at"], row["held_until"],
        ),
        created_at=row["created_at"], disabled_at=row["disabled_at"],
        disabled_reason=row["disabled_reason"],
    )


def _opened(sealer: Sealer, place: str, sealed: bytes) -> str:
    return sealer.open(place, sealed).decode() if sealed else ""


