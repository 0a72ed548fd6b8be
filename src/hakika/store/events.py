"""Events: numbered after the commit that made them, and listed in that order.

An event is born without a number, so that a busy merchant's payments never wait for each other at
a counter. Whoever first needs the numbers (a delivery, or a reader) gives them, one process at a
time per merchant, to everything that is committed by then: no gaps, and in commit order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.event import Event, EventName
from hakika.domain.ids import EventId, MerchantId, SellerId
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

_OF_SUBJECT: LiteralString = "select id from events where subject_id = %(subject_id)s"

_RETELL: LiteralString = """
    update events set data = each.data from unnest(%(ids)s::text[], %(data)s::bytea[])
        as each (id, data)
     where events.id = each.id and events.subject_id = %(subject_id)s
"""

_NUMBER: LiteralString = "select number_events(%(merchant_id)s, %(livemode)s)"

_UNNUMBERED: LiteralString = """
    select exists (select 1 from events where merchant_id = %(merchant_id)s
        and livemode = %(livemode)s and sequence is null) as waiting
"""

# Earlier events of the same subject may be on their way, so each delivery looks for them.
_TELL: LiteralString = """
    with told as (
        insert into events
            (id, merchant_id, livemode, seller_id, name, subject_id, data, created_at)
        select each.id, %(merchant_id)s, %(livemode)s, %(seller_id)s::text, each.name,
               %(subject_id)s, each.data, %(now)s
          from unnest(%(ids)s::text[], %(names)s::text[], %(data)s::bytea[])
               with ordinality as each (id, name, data, place)
         order by each.place
        returning id, name, position
    )
    insert into deliveries
        (event_id, event_created_at, endpoint_id, follows, state, next_attempt_at, created_at)
    select told.id, %(now)s, w.id, true, 'scheduled', %(now)s, %(now)s
      from told join endpoints w on w.events = '{}' or told.name = any(w.events)
     where w.merchant_id = %(merchant_id)s and w.livemode = %(livemode)s and w.payment_id is null
       and w.deleted_at is null and w.disabled_at is null
       and (w.seller_id is null or w.seller_id = %(seller_id)s)
     order by told.position
    returning id
"""

_AFTER: LiteralString = """
    select id, merchant_id, livemode, name, sequence, subject_id, data, created_at
      from events
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and sequence > %(after)s
     order by sequence limit %(limit)s
"""

@dataclass(frozen=True, slots=True)
class Told:
    """An event to be written: its id, its name, and its subject as merchants see it."""

    id: EventId
    name: EventName
    data: Mapping[str, Any]


async def tell(
    tx: Transaction, merchant_id: MerchantId, *, livemode: bool, subject_id: str,
    told: Sequence[Told], now: datetime, seller_id: SellerId | None = None,
) -> None:
    """Write events of one subject, and a delivery to each endpoint that wants them.

    For what is not a payment: a payment's events are written with its change. The workers are woken
    when the transaction commits. Endpoints of a seller hear of what is `seller_id`'s alone.
    """
    sealer = await tx.sealer(merchant_id)
    rows = await tx.rows(_TELL, {
        "merchant_id": merchant_id, "livemode": livemode, "subject_id": subject_id, "now": now,
        "seller_id": seller_id, "ids": [each.id for each in told],
        "names": [each.name.value for each in told],
        "data": [sealed_data(each.id, each.data, sealer) for each in told],
    })
    if rows:
        tx.wake_workers()


async def retell(
    tx: Transaction, merchant_id: MerchantId, subject_id: str, data: Mapping[str, Any],
) -> None:
    """Let every event of a subject say `data` and nothing else: what it said is to be forgotten."""
    sealer = await tx.sealer(merchant_id)
    ids = [row["id"] for row in await tx.rows(_OF_SUBJECT, {"subject_id": subject_id})]
    await tx.execute(_RETELL, {
        "subject_id": subject_id, "ids": ids,
        "data": [sealed_data(each, data, sealer) for each in ids],
    })


async def are_unnumbered(tx: Transaction, merchant_id: MerchantId, *, livemode: bool) -> bool:
    """Say whether events of this merchant and mode wait for their numbers."""
    row = await tx.row(_UNNUMBERED, {"merchant_id": merchant_id, "livemode": livemode})
    return bool(row and row["waiting"])


async def number(tx: Transaction, merchant_id: MerchantId, *, livemode: bool) -> None:
    """Give every committed event of this merchant and mode its number. Safe to call at any time."""
    await tx.execute(_NUMBER, {"merchant_id": merchant_id, "livemode": livemode})


async def after(
    tx: Transaction, sequence: int, *, merchant_id: MerchantId, livemode: bool, limit: int,
) -> list[Event]:
    """Return up to `limit` numbered events that come after `sequence`, in order."""
    rows = await tx.rows(
        _AFTER,
        {"merchant_id": merchant_id, "livemode": livemode, "after": sequence, "limit": limit},
    )
    sealer = await tx.sealer(merchant_id)
    return [event_of(row, sealer) for row in rows]


def sealed_data(event_id: str, data: Mapping[str, Any], sealer: Sealer) -> bytes:
    """Return the data of an event as it is kept."""
    return sealer.seal(f"events.data {event_id}", orjson.dumps(data))


def opened_data(event_id: str, sealed: bytes, sealer: Sealer) -> dict[str, Any]:
    """Return the data of an event. Raises: SealBroken."""
    data: dict[str, Any] = orjson.loads(sealer.open(f"events.data {event_id}", sealed))
    return data


def event_of(row: dict[str, Any], sealer: Sealer) -> Event:
    """Return the event of one row. Raises: SealBroken."""
    return Event(
        id=EventId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], name=EventName(row["name"]), sequence=row["sequence"],
        subject_id=row["subject_id"], data=opened_data(row["id"], row["data"], sealer),
        created_at=row["created_at"],
    )
