"""Deliveries as a queue: taken when they are due, in turn, many at once; ended many at once.

Read `turn`. `_TAKE` is one statement. It looks at the deliveries that are due, in the order of
their times, and at those that wait in the lanes that its caller draws from, and settles each:
begun, left as it is, made to wait for its turn, or dropped with its endpoint. In a lane the least
tried goes first: events that always fail are not to be all that a broken endpoint is asked with. It
also gives events their numbers, in one order of merchants, so that two workers never wait for each
other in a ring.

A try is counted durably before anything is posted; a worker that dies leaves its deliveries due
again when their lease is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import DictRow

from hakika.domain.delivery import Answer, Verdict
from hakika.domain.dialect import Dialect
from hakika.domain.event import Event
from hakika.domain.health import BROKEN_AFTER_FAILURES
from hakika.domain.ids import DeliveryId, EndpointId
from hakika.domain.lane import ROOM_AT_FIRST
from hakika.domain.sealing import SealBroken
from hakika.domain.webhook import secrets_at
from hakika.store.events import event_of
from hakika.store.keyring import MasterKeyMissing, Sealer
from hakika.store.lanes import LANE
from hakika.store.transaction import Transaction
from hakika.store.webhooks import opened_headers, previous_secret_place, secret_place

# A few that cannot begin now stay due, and are looked at, and locked, by each exchange. When there
# are more, they wait in their lanes instead.
LEFT_MAX = 4

# Of what is due, so many more are looked at than could begin: some of them cannot.
BEYOND = 32

# Of those that wait, a few may wait for one that is under way: they are passed over.
BEHIND_MAX = 4

LOST = "The worker that made this try never said what came of it."

_LOOKED_AT: LiteralString = """
    select d.id, d.event_id, d.event_created_at, d.endpoint_id, d.follows, d.state, d.attempts,
           d.attempts_before, d.begun_at
      from deliveries d
"""

# What an endpoint's rate still allows now: at most one second's worth at once, and at least one.
_PACED: LiteralString = """
    case when coalesce(w.rate_per_second, %(rate)s) is null then null
         else floor(extract(epoch from %(now)s - greatest(
             coalesce(w.paced_until, '-infinity'),
             %(now)s - make_interval(secs =>
                 greatest(1, 1 / coalesce(w.rate_per_second, %(rate)s)))))::float8
             * coalesce(w.rate_per_second, %(rate)s) + 0.000001)::integer end
"""

_TAKE: LiteralString = (
    """
    with free as (
        select * from unnest(%(lanes)s::text[], %(rooms)s::integer[]) as free (lane, room)
    ), due as (
    """ + _LOOKED_AT + """
         where d.next_attempt_at <= %(now)s
         order by d.next_attempt_at limit %(limit)s + %(beyond)s for update skip locked
    ), drawn as (
        select turn.* from unnest(%(draw)s::text[], %(draw_most)s::integer[])
               as from_endpoint (id, most)
         cross join lateral (
    """ + _LOOKED_AT + """
             where d.endpoint_id = from_endpoint.id and d.state = 'waiting'
             order by d.attempts, d.id limit from_endpoint.most for update skip locked
         ) as turn
    ), judged as (
        select seen.*, lane, coalesce(w.rate_per_second, %(rate)s) as rate,
               w.failures, w.version, w.deleted_at,
               case when w.deleted_at is not null or w.disabled_at is not null then 'unwanted'
                    when w.held_until > %(now)s then 'held'
                    when seen.follows and seen.attempts = 0 and is_behind(
                        seen.event_id, seen.event_created_at, seen.endpoint_id, seen.id)
                        then 'behind'
                    else 'ready' end as verdict,
               least(
                   coalesce(free.room, %(room)s),
                   case when w.failures >= %(broken)s then 1 end,
    """ + _PACED + """
               ) as room
          from (select * from due union all select * from drawn) as seen
          join endpoints w on w.id = seen.endpoint_id
         cross join lateral (select """ + LANE + """ as lane) as named
          left join free using (lane)
    ), placed as (
        select *, verdict = 'ready' and row_number() over (
                   partition by lane, verdict order by attempts, id) <= room as fits
          from judged
    ), chosen as (
        select *, count(*) filter (
                   where not fits and verdict = 'ready' and state <> 'waiting') over () as over
          from placed
    ), beginning as (
        select * from chosen where fits order by id limit %(limit)s
    ), begun as (
        update deliveries d set state = 'sending', attempts = d.attempts + 1,
               begun_at = %(now)s, next_attempt_at = %(lease)s, waits_since = null
          from beginning where d.id = beginning.id
        returning d.id, d.event_id, d.event_created_at, d.endpoint_id, d.attempts,
                  d.attempts_before, beginning.lane
    ), made_to_wait as (
        update deliveries d set state = 'waiting', next_attempt_at = null,
               waits_since = %(now)s
          from chosen
         where d.id = chosen.id and chosen.state <> 'waiting' and (
               chosen.verdict in ('held', 'behind')
               or (chosen.verdict = 'ready' and not chosen.fits and chosen.over > %(left_max)s))
        returning d.id
    ), dropped as (
        update deliveries d set state = 'dropped', next_attempt_at = null,
               waits_since = null, finished_at = %(now)s,
               reason = case when chosen.deleted_at is null
                   then 'The endpoint was disabled.' else 'The endpoint was deleted.' end
          from chosen where d.id = chosen.id and chosen.verdict = 'unwanted'
    ), lost as (
        insert into attempts (delivery_id, attempt, started_at, error, version)
        select id, attempts, begun_at, %(lost)s, version from chosen where state = 'sending'
        on conflict do nothing
    ), marked as (
        update endpoints w set
               held_until = case when w.failures >= %(broken)s then %(lease)s
                                 else w.held_until end,
               paced_until = case when used.rate is null then w.paced_until else greatest(
                   coalesce(w.paced_until, '-infinity'),
                   %(now)s - make_interval(secs => greatest(1, 1 / used.rate)))
                   + make_interval(secs => used.count / used.rate) end
          from (
            select endpoint_id, rate, count(*) from beginning
             where rate is not null or failures >= %(broken)s group by endpoint_id, rate
          ) as used
         where w.id = used.endpoint_id
    )
    select begun.*, w.url, w.dialect, w.headers, w.version, signer.id as signer_id, signer.secret,
           signer.previous_secret, signer.previous_until,
           events.merchant_id, events.livemode, events.name, events.subject_id, events.data,
           events.created_at, waits.waiting, waits.full_lanes,
           case when begun.id is null then null else coalesce(events.sequence, number_of(
               events.id, events.created_at, events.merchant_id, events.livemode)) end as sequence
      from (
        select array(
                   select distinct array[lane, endpoint_id] from chosen
                    where verdict in ('ready', 'behind') and id not in (select id from beginning)
                      and (state = 'waiting' or id in (select id from made_to_wait))
               ) as waiting,
               array(select distinct lane from chosen where verdict = 'ready'
                        and id not in (select id from beginning)) as full_lanes
      ) as waits
      left join begun on true
      left join endpoints w on w.id = begun.endpoint_id
      left join endpoints signer on signer.id = coalesce(w.signs_with, w.id)
      left join events on events.id = begun.event_id
           and events.created_at = begun.event_created_at
     order by events.merchant_id, events.livemode, begun.id
    """
)

_FINISH: LiteralString = """
    with ended as (
        select * from unnest(
            %(ids)s::bigint[], %(numbers)s::integer[], %(begun)s::timestamptz[],
            %(durations)s::integer[], %(statuses)s::smallint[], %(errors)s::text[],
            %(answers)s::bytea[], %(versions)s::integer[], %(states)s::text[],
            %(due)s::timestamptz[]
        ) as ended (id, attempt, begun_at, duration_ms, status, error, answer, version, state, due)
    ), noted as (
        insert into attempts
            (delivery_id, attempt, started_at, duration_ms, status, error, answer, version)
        select id, attempt, begun_at, duration_ms, status, error, answer, version from ended
         where state <> 'waiting'
        on conflict (delivery_id, attempt, started_at) do update
           set duration_ms = excluded.duration_ms, status = excluded.status,
               error = excluded.error, answer = excluded.answer
    ), moved as (
        update deliveries d set state = ended.state, next_attempt_at = ended.due,
               waits_since = case when ended.state = 'waiting' then %(now)s::timestamptz end,
               attempts = d.attempts - (ended.state = 'waiting')::integer,
               reason = case when ended.state = 'waiting' then d.reason else ended.error end,
               finished_at = case when ended.state in ('scheduled', 'waiting') then null
                                  else %(now)s end
          from ended
         where d.id = ended.id and d.attempts = ended.attempt and d.state = 'sending'
    )
    select id from endpoints where id = any(%(accepted)s) and failures > 0
"""

@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery whose try is counted, as it lies in the database: nothing is unsealed yet."""

    id: DeliveryId
    attempt: int
    tries: int                         # the same, counted from when it was last asked for
    endpoint_id: EndpointId
    lane: str
    begun_at: datetime
    row: DictRow
    sealer: Sealer | None              # None: the data key of its merchant does not open

    def __repr__(self) -> str:
        return f"Taken(delivery {self.id}, attempt {self.attempt})"


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one `turn`."""

    begun: Sequence[Taken]
    waiting: Mapping[EndpointId, str]          # endpoints and lanes in which some wait for room
    full: Set[str]                             # lanes in which more could begin with more room
    recovered: Set[EndpointId]                 # they accepted one, and had failed before


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything that is needed to make a try."""

    url: str
    dialect: Dialect
    event: Event
    own_headers: Mapping[str, str]
    newest_secret: str
    previous_secret: str
    previous_until: datetime | None

    def secrets(self, *, now: datetime) -> list[str]:
        """Return the secrets that sign at `now`, the newest first."""
        return secrets_at(
            self.newest_secret, self.previous_secret, self.previous_until, now=now,
        )

    def __repr__(self) -> str:
        return f"Letter({self.event.id})"


@dataclass(frozen=True, slots=True)
class Ended:
    """A try that has come to an end; one that was never made has the state *waiting* again."""

    taken: Taken
    answer: Answer
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Place:
    """Where there is place for more: how many in all, how many in each lane with something under
    way, and how many of those that wait for an endpoint.
    """

    free: int
    rooms: Mapping[str, int]
    draw: Mapping[EndpointId, int] = field(default_factory=dict)
    rate_per_second: float | None = None       # of endpoints without one of their own


async def turn(
    tx: Transaction, ended: Sequence[Ended], place: Place | None, *,
    now: datetime, lease: datetime,
) -> Turn:
    """Write what came of tries, and begin as many as there is place for: one exchange, one commit.

    A try that was overtaken by a later one is noted, and changes nothing. What is begun is counted
    durably, and due again when its lease is over.
    """
    async with tx.connection.pipeline():
        finishing = await tx.execute(_FINISH, _ended_values(ended, now=now)) if ended else None
        taking = (
            await tx.execute(_TAKE, _place_values(place, now=now, lease=lease)) if place else None
        )
    recovered = await finishing.fetchall() if finishing else []
    rows = await taking.fetchall() if taking else []
    return Turn(
        begun=[await _taken(tx, row, now) for row in rows if row["id"] is not None],
        waiting={
            EndpointId(endpoint_id): lane
            for lane, endpoint_id in (rows[0]["waiting"] if rows else [])
        },
        full=set(rows[0]["full_lanes"] if rows else ()),
        recovered={EndpointId(row["id"]) for row in recovered},
    )


async def _taken(tx: Transaction, row: DictRow, now: datetime) -> Taken:
    sealer = None
    with suppress(MasterKeyMissing, SealBroken):  # its own trouble, and not that of all others
        sealer = await tx.sealer(row["merchant_id"])
    return Taken(
        id=DeliveryId(row["id"]), attempt=row["attempts"],
        tries=row["attempts"] - row["attempts_before"],
        endpoint_id=EndpointId(row["endpoint_id"]), lane=row["lane"], begun_at=now, row=row,
        sealer=sealer,
    )


def _place_values(place: Place, *, now: datetime, lease: datetime) -> dict[str, Any]:
    return {
        "lanes": list(place.rooms), "rooms": list(place.rooms.values()),
        "draw": list(place.draw), "draw_most": [
            min(room, place.free) + BEHIND_MAX for room in place.draw.values()
        ],
        "rate": place.rate_per_second, "limit": place.free, "left_max": LEFT_MAX, "beyond": BEYOND,
        "room": ROOM_AT_FIRST,
        "broken": BROKEN_AFTER_FAILURES, "lost": LOST, "now": now, "lease": lease,
    }


def opened(taken: Taken) -> Letter:
    """Return what is to be sent. Raises: SealBroken."""
    row, sealer = taken.row, taken.sealer
    if sealer is None:
        raise SealBroken(f"the data key of {row['merchant_id']} does not open")
    signer, previous = row["signer_id"], row["previous_secret"]
    return Letter(
        url=row["url"], dialect=Dialect(row["dialect"]),
        event=event_of(row | {"id": row["event_id"]}, sealer),
        own_headers=opened_headers(taken.endpoint_id, row["headers"], sealer),
        newest_secret=sealer.open(secret_place(signer), row["secret"]).decode(),
        previous_secret=(
            sealer.open(previous_secret_place(signer), previous).decode() if previous else ""
        ),
        previous_until=row["previous_until"],
    )


def _ended_values(ended: Sequence[Ended], *, now: datetime) -> dict[str, Any]:
    return {
        "ids": [each.taken.id for each in ended],
        "numbers": [each.taken.attempt for each in ended],
        "begun": [each.taken.begun_at for each in ended],
        "durations": [each.answer.duration_ms for each in ended],
        "statuses": [each.answer.status for each in ended],
        "errors": [each.answer.error for each in ended],
        "answers": [_sealed_answer(each) for each in ended],
        "versions": [each.taken.row["version"] for each in ended],
        "states": [each.verdict.state.value for each in ended],
        "due": [each.verdict.next_attempt_at for each in ended],
        "accepted": list({each.taken.endpoint_id for each in ended if each.answer.accepted}),
        "now": now,
    }


def answer_place(delivery_id: int, attempt: int) -> str:
    """Return where the answer to a try is sealed for."""
    return f"attempts.answer {delivery_id} {attempt}"


def _sealed_answer(ended: Ended) -> bytes:
    taken, body = ended.taken, ended.answer.body
    if not body or taken.sealer is None:
        return b""
    return taken.sealer.seal(answer_place(taken.id, taken.attempt), body)
