"""Deliveries as their merchant looks at them: listed, read with their tries, asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg.rows import DictRow

from hakika.domain.delivery import MISSED, Answer, Attempt, Delivery, DeliveryState
from hakika.domain.dialect import Dialect, masked
from hakika.domain.event import Event, EventName
from hakika.domain.ids import DeliveryId, EndpointId, EventId, MerchantId
from hakika.store.deliveries import answer_place
from hakika.store.events import event_of
from hakika.store.transaction import Transaction

# Who redelivers again and again makes more, of 20,000 bytes and more each.
ATTEMPTS_SHOWN_MAX = 100

# Deliveries that one statement asks for again.
RECOVERED_AT_ONCE = 1000

# For so long before and after an endpoint was disabled, what it wanted is looked for too.
MOMENT = timedelta(minutes=1)

_COLUMNS: LiteralString = """
    d.id, d.event_id, d.event_created_at, d.endpoint_id, d.state, d.attempts, d.reason,
    d.next_attempt_at, d.created_at, d.finished_at
"""

# The newest events first. Each endpoint has its own list, so that a busy one hides no other; those
# of payments' own addresses, of which there may be millions, are found by event or endpoint.
_LIST_BEGINS: LiteralString = (
    "select " + _COLUMNS + """, e.name
      from (
        select id from endpoints
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s and payment_id is null
           and (%(endpoint_id)s::text is null or id = %(endpoint_id)s)
        union
        select id from endpoints
         where id = %(endpoint_id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s
        union
        select id from endpoints
         where payment_id in (select subject_id from events where id = %(event_id)s)
           and merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and (%(endpoint_id)s::text is null or id = %(endpoint_id)s)
     ) as w
     cross join lateral (
        select * from deliveries each
         where each.endpoint_id = w.id
           and (%(event_id)s::text is null or each.event_id = %(event_id)s)
           and (%(before_event)s::text is null
                or (each.event_id, each.endpoint_id) < (%(before_event)s, %(before_endpoint)s))
    """
)
_LIST_ENDS: LiteralString = """
         order by each.event_id desc limit %(limit)s
     ) as d
      join events e on e.id = d.event_id and e.created_at = d.event_created_at
     order by d.event_id desc, d.endpoint_id desc limit %(limit)s
"""

_LIST: LiteralString = (
    _LIST_BEGINS + " and (%(state)s::text is null or each.state = %(state)s)" + _LIST_ENDS
)

# Few among very many, so they have an index of their own, which the second condition fits.
_LIST_MISSED: LiteralString = (
    _LIST_BEGINS
    + " and each.state = %(state)s and each.state in ('exhausted', 'dropped')"
    + _LIST_ENDS
)

# So are those that are due or under way, of everybody together: by their own index they are found
# first, else all that is finished would be read for them.
_LIST_OPEN: LiteralString = (
    "with open as materialized (select * from deliveries where next_attempt_at is not null) "
    + _LIST.replace("from deliveries each", "from open each")
)
_OPEN = frozenset({DeliveryState.SCHEDULED, DeliveryState.SENDING})

_OWN: LiteralString = """
      from deliveries d join endpoints w on w.id = d.endpoint_id
      join events e on e.id = d.event_id and e.created_at = d.event_created_at
     where d.id = %(id)s and w.merchant_id = %(merchant_id)s and w.livemode = %(livemode)s
"""

_READ: LiteralString = "select " + _COLUMNS + ", e.name" + _OWN

# Each try with what its endpoint was at that time; a payment's own address never changes.
_ATTEMPTS: LiteralString = (
    """
    select a.attempt, a.started_at, a.duration_ms, a.status, a.error, a.answer,
           coalesce(v.url, w.url) as url, coalesce(v.dialect, w.dialect) as dialect,
           coalesce(v.header_names, w.header_names) as header_names,
           e.id, e.merchant_id, e.livemode, e.name, e.sequence, e.subject_id, e.data, e.created_at
    """
    + _OWN.replace(
        "where",
        """join attempts a on a.delivery_id = d.id
      left join endpoint_versions v on v.endpoint_id = w.id and v.version = a.version
     where""",
    )
    + " order by a.attempt desc, a.started_at desc limit %(limit)s"
)

# From now on its tries are counted anew. One that is under way stays so.
_AGAIN: LiteralString = """
    update deliveries set state = 'scheduled', next_attempt_at = %(now)s, finished_at = null,
           waits_since = null, attempts_before = attempts
     where id = %(id)s and state <> 'sending'
"""

_RECOVER: LiteralString = """
    with missed as (
        select id from deliveries
         where endpoint_id = %(endpoint_id)s and state in ('exhausted', 'dropped')
           and event_created_at >= %(since)s and finished_at <= %(now)s
         order by event_id limit %(limit)s for update skip locked
    ), again as (
        update deliveries d set state = 'waiting', next_attempt_at = null, finished_at = null,
               waits_since = %(now)s, attempts_before = attempts
          from missed where d.id = missed.id
        returning 1
    )
    select count(*) from again
"""

# What nobody wrote a delivery for, because the endpoint was disabled when it happened. The times of
# an event and of a change are taken before their commits, so either may be seen in the other's.
_RECOVER_UNTOLD: LiteralString = """
    with away as (
        select since, lead(since, 1, 'infinity') over (order by version) as until, is_enabled
          from endpoint_versions where endpoint_id = %(endpoint_id)s
    ), untold as (
        select e.id, e.created_at, e.position
          from endpoints w
          join away on not away.is_enabled
          join events e on e.merchant_id = w.merchant_id and e.livemode = w.livemode
               and e.created_at >= away.since - %(moment)s
               and e.created_at < away.until + %(moment)s
               and e.created_at >= greatest(w.created_at, %(since)s)
         where w.id = %(endpoint_id)s and (w.events = '{}' or e.name = any(w.events))
           and e.subject_id <> w.id
           and not exists (select from deliveries d
                            where d.endpoint_id = w.id and d.event_id = e.id)
         order by e.position limit %(limit)s
    ), told as (
        insert into deliveries
            (event_id, event_created_at, endpoint_id, follows, state, waits_since, created_at)
        select id, created_at, %(endpoint_id)s, true, 'waiting', %(now)s, %(now)s
          from untold order by position
        on conflict do nothing
        returning 1
    )
    select count(*) from told
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries are wanted; what is left out narrows nothing."""

    endpoint_id: EndpointId | None = None
    event_id: EventId | None = None
    state: DeliveryState | None = None
    after: Delivery | None = None              # the last one of the page before


async def find(
    tx: Transaction, wanted: Filter, *, merchant_id: MerchantId, livemode: bool, limit: int,
) -> list[Delivery]:
    """Return up to `limit` deliveries of the merchant and mode, those of the newest events first.

    Deliveries to payments' own addresses are among them when their event or endpoint is asked for.
    """
    rows = await tx.rows(_list_of(wanted.state), {
        "merchant_id": merchant_id, "livemode": livemode, "limit": limit,
        "endpoint_id": wanted.endpoint_id, "event_id": wanted.event_id,
        "state": wanted.state.value if wanted.state else None,
        "before_event": wanted.after.event_id if wanted.after else None,
        "before_endpoint": wanted.after.endpoint_id if wanted.after else None,
    })
    return [_delivery_of(row) for row in rows]


def _list_of(state: DeliveryState | None) -> LiteralString:
    if state in MISSED:
        return _LIST_MISSED
    return _LIST_OPEN if state in _OPEN else _LIST


async def read(
    tx: Transaction, delivery_id: DeliveryId, *, merchant_id: MerchantId, livemode: bool,
) -> Delivery | None:
    """Return one delivery of this merchant and mode, or None."""
    row = await tx.row(
        _READ, {"id": delivery_id, "merchant_id": merchant_id, "livemode": livemode},
    )
    return _delivery_of(row) if row else None


async def attempts(
    tx: Transaction, delivery_id: DeliveryId, *, merchant_id: MerchantId, livemode: bool,
) -> list[Attempt]:
    """Return the newest tries at a delivery, oldest first: what was sent, and what came back."""
    rows = await tx.rows(_ATTEMPTS, {
        "id": delivery_id, "merchant_id": merchant_id, "livemode": livemode,
        "limit": ATTEMPTS_SHOWN_MAX,
    })
    sealer = await tx.sealer(merchant_id)
    return [_attempt_of(row, event_of(row, sealer), sealer.open(
        answer_place(delivery_id, row["attempt"]), row["answer"],
    ) if row["answer"] else b"") for row in reversed(rows)]


async def again(tx: Transaction, delivery_id: DeliveryId, *, now: datetime) -> None:
    """Make a delivery due now, whatever became of it; its tries are counted anew."""
    await tx.execute(_AGAIN, {"id": delivery_id, "now": now})
    tx.wake_workers()


async def recover(
    tx: Transaction, endpoint_id: EndpointId, *, since: datetime, now: datetime,
) -> int:
    """Ask again for some of what an endpoint missed of the events since `since`; return how many.

    0: there is nothing more that was missed by `now`. What was delivered, or is on its way, is left
    alone.
    """
    values = {
        "endpoint_id": endpoint_id, "since": since, "now": now, "limit": RECOVERED_AT_ONCE,
        "moment": MOMENT,
    }
    count = 0
    statements: Sequence[LiteralString] = (_RECOVER, _RECOVER_UNTOLD)
    for statement in statements:
        row = await tx.row(statement, values)
        assert row is not None, "an aggregate without groups has one row"
        count += row["count"]
    if count:
        tx.wake_workers()
    return count


def _delivery_of(row: DictRow) -> Delivery:
    return Delivery(
        id=DeliveryId(row["id"]), event_id=EventId(row["event_id"]),
        event_name=EventName(row["name"]), endpoint_id=EndpointId(row["endpoint_id"]),
        state=DeliveryState(row["state"]), attempts=row["attempts"], reason=row["reason"],
        next_attempt_at=row["next_attempt_at"], created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


def _attempt_of(row: dict[str, Any], event: Event, body: bytes) -> Attempt:
    message = masked(
        Dialect(row["dialect"]), event, now=row["started_at"], own=row["header_names"],
    )
    return Attempt(
        number=row["attempt"], started_at=row["started_at"], duration_ms=row["duration_ms"],
        url=row["url"], headers=message.headers, body=message.body,
        answer=Answer(row["status"], row["error"], body),
    )
