"""Lanes in the database: which endpoint is in which, and in which of them deliveries wait."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from hakika.domain.ids import EndpointId
from hakika.store.transaction import Transaction

# Endpoints at which one look for waiting deliveries looks.
LOOKED_AT_MAX = 1000

# An endpoint is its own lane; payments' own addresses at one host of one merchant share one.
LANE: LiteralString = """
    case when w.payment_id is null then w.id
         else w.merchant_id || ' ' || split_part(w.url, '/', 3) end
"""

# Nearly always this looks at all of them. Payments' own addresses at a host that hangs can be very
# many more: then at some each time, and at every ordinary endpoint besides.
_WAITING: LiteralString = (
    """
    with recursive lane_of as (
        (select endpoint_id, 1 as place from deliveries
          where state = 'waiting' and endpoint_id > %(after)s order by endpoint_id limit 1)
        union all
        select (select endpoint_id from deliveries
                 where state = 'waiting' and endpoint_id > lane_of.endpoint_id
                 order by endpoint_id limit 1), place + 1
          from lane_of where endpoint_id is not null and place < %(limit)s
    ), last as (
        select max(endpoint_id) as id, count(endpoint_id) = %(limit)s as has_more from lane_of
    ), looked_at as (
        select endpoint_id from lane_of
        union
        select w.id from last join endpoints w on (last.has_more or %(after)s <> '')
         where w.payment_id is null and w.deleted_at is null
           and exists (select from deliveries d
                        where d.endpoint_id = w.id and d.state = 'waiting')
    )
    select case when has_more then last.id else '' end as next, array(
        select array[w.id, """ + LANE + """]
          from looked_at join endpoints w on w.id = looked_at.endpoint_id
         where w.held_until is null or w.held_until <= %(now)s
         order by w.payment_id is not null, w.id
    ) as waiting
      from last
    """
)


async def waiting(
    tx: Transaction, *, after: str, now: datetime, limit: int = LOOKED_AT_MAX,
) -> tuple[dict[EndpointId, str], str]:
    """Return endpoints for which deliveries wait and may go when there is room, and their lanes.

    Looks at `limit` of them after the one named, and at all that are no payment's own; returns
    besides after which to look the next time. An empty text is the beginning.
    """
    row = await tx.row(_WAITING, {"after": after, "now": now, "limit": limit})
    assert row is not None, "an aggregate without groups has one row"
    return {EndpointId(endpoint_id): lane for endpoint_id, lane in row["waiting"]}, row["next"]
