"""What /metrics shows of the database. Each statement reads so many rows, however many there are.

Nothing is counted whole: a payment that is open, a delivery that is due and so on have an index of
their own, and of everything else only the newest rows are read. So a million payments cost what ten
thousand do; docs/metrics.md says where a number stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString, TypeVar

from psycopg.rows import class_row

from hakika.store.transaction import Transaction

# Measured with a million payments, 25,000 of them open, and 40,000 deliveries due: 1 to 11 ms a
# statement, 16 ms for the newest payments. Twice as many rows would take twice as long.
ROWS_MAX = 5_000
NEWEST_MAX = 10_000
COUNTED_MAX = 10_000

# How many short codes and endpoints are named, the worst first: each is a time series for ever.
NAMED_MAX = 20

# Ids sort by time, so the newest stand at the end of the primary key.
_NEWEST: LiteralString = """
    select livemode, state, coalesce(failure_code, '') as code,
           coalesce(failure_daraja_code, '') as daraja_code, count(*) as payments,
           extract(epoch from now() - min(created_at))::float8 as oldest_seconds
      from (select livemode, state, failure_code, failure_daraja_code, created_at
              from payments order by id desc limit %(newest)s) newest
     where created_at > now() - interval '1 day'
     group by 1, 2, 3, 4 order by payments desc limit 200
"""

# The condition is that of the index payments_open, word for word.
_OPEN: LiteralString = """
    select livemode, state, count(*) as payments,
           extract(epoch from now() - min(asked_at))::float8 as oldest_seconds
      from (select livemode, state, asked_at from payments
             where next_check_at is not null
               and state in ('unsent', 'sending', 'pending', 'unknown')
             order by asked_at limit %(rows)s) oldest
     group by 1, 2
"""

_CHECKS_DUE: LiteralString = """
    select shortcode, livemode, count(*) as payments,
           extract(epoch from now() - min(next_check_at))::float8 as oldest_seconds
      from (select shortcode, livemode, next_check_at, state, checkout_hash from payments
             where next_check_at <= now() order by next_check_at limit %(rows)s) due
     where state in ('pending', 'unknown') and checkout_hash is not null
     group by 1, 2 order by oldest_seconds desc limit %(named)s
"""

# One row a short code: a small table.
_BUDGETS: LiteralString = """
    select shortcode, livemode,
           greatest(extract(epoch from next_free_at - now()), 0)::float8 as wait_seconds
      from query_budgets order by next_free_at desc limit %(named)s
"""

# A delivery that failed has a reason and is still to be made. The address of a single payment would
# be a series of its own, so all of those are one.
_ENDPOINTS: LiteralString = """
    with due as (
        (select endpoint_id, created_at, next_attempt_at, reason from deliveries
          where next_attempt_at is not null order by next_attempt_at limit %(rows)s)
        union all
        (select endpoint_id, created_at, null, reason from deliveries
          where state = 'waiting' limit %(rows)s)
    ), troubled as (
        select case when endpoints.payment_id is null then endpoints.id else 'single_payments' end
                   as endpoint,
               count(*) as pending,
               coalesce(greatest(extract(epoch from now() - min(next_attempt_at)), 0), 0)::float8
                   as oldest_due_seconds,
               coalesce(extract(epoch from now() - min(due.created_at) filter (
                   where reason <> '')), 0)::float8 as failing_seconds
          from due join endpoints on endpoints.id = due.endpoint_id
         group by 1 order by failing_seconds desc, oldest_due_seconds desc limit %(named)s
    ), heard as (
        select endpoint_id, max(finished_at) as at
          from (select endpoint_id, state, finished_at from deliveries
                 order by id desc limit %(rows)s) newest
         where state = 'succeeded' group by 1
    )
    select troubled.*, extract(epoch from now() - heard.at)::float8 as success_seconds
      from troubled left join heard on heard.endpoint_id = troubled.endpoint
"""

_QUARANTINE: LiteralString = """
    select reason, next_try_at is not null as will_retry, count(*) as callbacks
      from (select reason, next_try_at, released_at from quarantine
             order by id desc limit %(rows)s) newest
     where released_at is null group by 1, 2
"""

# Each number comes from an index. A try whose worker died is due again when its lease is over.
_QUEUE: LiteralString = """
    select (select count(*) from (select from deliveries where next_attempt_at <= now()
              limit %(counted)s) counted) as due,
           count(*) filter (where state = 'scheduled') as parked,
           count(*) filter (where state = 'sending') as running,
           (select count(*) from (select from deliveries where state = 'waiting'
              limit %(counted)s) counted) as waiting,
           (select coalesce(greatest(extract(epoch from now() - min(next_attempt_at)), 0), 0)
              from deliveries where next_attempt_at is not null)::float8 as oldest_due_seconds
      from (select state from deliveries where next_attempt_at > now()
             limit %(counted)s) later
"""

# One row a short code. What was never read whole is as old as its credentials.
_PULLS: LiteralString = """
    select p.shortcode, p.livemode,
           extract(epoch from now() - coalesce(w.pulled_to, p.created_at))::float8 as age_seconds
      from watermarks w join providers p on p.id = w.provider_id
     where w.next_pull_at is not null
     order by age_seconds desc limit %(named)s
"""

_DISCREPANCIES: LiteralString = """
    select kind, livemode, count(*) as discrepancies
      from (select kind, livemode from discrepancies where resolved_at is null
             limit %(counted)s) open
     group by 1, 2
"""

# What stops everybody stops live money, too. A paused file is nobody's trouble.
_STOPS: LiteralString = """
    select reason as why, key = 'all' or key like '%%:live%%' as livemode, count(*) as stops
      from (select key, reason from payout_stops where reason <> 'pause'
             order by key limit %(rows)s) standing
     group by 1, 2
"""

# The condition is that of the index payout_rules_low, word for word.
_LOW_FLOATS: LiteralString = """
    select shortcode, livemode
      from (select unnest(told_low) as shortcode, livemode from payout_rules
             where told_low <> '{}' order by merchant_id limit %(named)s) low
     limit %(named)s
"""

_UNNUMBERED: LiteralString = """
    select count(*) as events
      from (select from events where sequence is null limit %(rows)s) waiting
"""


@dataclass(frozen=True, slots=True)
class Newest:
    """How many of the newest payments, of the last day at most, are alike, and since when."""

    livemode: bool
    state: str
    code: str            # ours; empty when it did not fail
    daraja_code: str     # Safaricom's; empty when they gave none
    payments: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Open:
    """How many payments of a mode are in one state whose outcome is open."""

    livemode: bool
    state: str
    payments: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class ChecksDue:
    """How many payments of a short code should have been asked about by now."""

    shortcode: str
    livemode: bool
    payments: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Budget:
    """In how many seconds a short code may be asked about again; 0: now."""

    shortcode: str
    livemode: bool
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """What waits for one endpoint. `success_seconds` is None when no recent success is known."""

    endpoint: str
    pending: int
    oldest_due_seconds: float
    failing_seconds: float              # age of the oldest event that it has refused so far
    success_seconds: float | None


@dataclass(frozen=True, slots=True)
class Pulled:
    """How long ago the time is up to which M-Pesa's list of a short code was read whole."""

    shortcode: str
    livemode: bool
    age_seconds: float


@dataclass(frozen=True, slots=True)
class OpenDiscrepancies:
    """How many discrepancies of one kind nobody has settled."""

    kind: str
    livemode: bool
    discrepancies: int


@dataclass(frozen=True, slots=True)
class StandingStops:
    """How many stops of one kind stand before money out."""

    why: str
    livemode: bool
    stops: int


@dataclass(frozen=True, slots=True)
class LowFloat:
    """A short code on which less is left than its merchant wants."""

    shortcode: str
    livemode: bool


@dataclass(frozen=True, slots=True)
class Quarantined:
    """How many of the newest callbacks in quarantine are there for one reason."""

    reason: str
    will_retry: bool
    callbacks: int


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many deliveries are to be made. `COUNTED_MAX` means: so many, or more."""

    due: int                 # could start now
    parked: int              # wait for their time
    waiting: int             # wait for their turn at an endpoint that is held, busy or paced
    running: int             # are under way
    oldest_due_seconds: float  # for how long the oldest has been due; 0 when none is


@dataclass(frozen=True, slots=True)
class Gauges:
    """One reading of everything."""

    newest: list[Newest]
    open: list[Open]
    checks_due: list[ChecksDue]
    budgets: list[Budget]
    endpoints: list[EndpointHealth]
    quarantine: list[Quarantined]
    events_unnumbered: int
    queue: QueueDepth
    pulls: list[Pulled]
    discrepancies: list[OpenDiscrepancies]
    stops: list[StandingStops]
    low_floats: list[LowFloat]


Row = TypeVar("Row")

_LIMITS = {"counted": COUNTED_MAX, "rows": ROWS_MAX, "newest": NEWEST_MAX, "named": NAMED_MAX}


async def read(tx: Transaction) -> Gauges:
    """Return what the database says now. Its own clock measures the ages."""
    unnumbered = await tx.row(_UNNUMBERED, _LIMITS)
    return Gauges(
        newest=await _rows(tx, Newest, _NEWEST),
        open=await _rows(tx, Open, _OPEN),
        checks_due=await _rows(tx, ChecksDue, _CHECKS_DUE),
        budgets=await _rows(tx, Budget, _BUDGETS),
        endpoints=await _rows(tx, EndpointHealth, _ENDPOINTS),
        quarantine=await _rows(tx, Quarantined, _QUARANTINE),
        events_unnumbered=unnumbered["events"] if unnumbered else 0,
        queue=await queue(tx),
        pulls=await _rows(tx, Pulled, _PULLS),
        discrepancies=await _rows(tx, OpenDiscrepancies, _DISCREPANCIES),
        stops=await _rows(tx, StandingStops, _STOPS),
        low_floats=await _rows(tx, LowFloat, _LOW_FLOATS),
    )


async def queue(tx: Transaction) -> QueueDepth:
    """Return how many deliveries are to be made. Takes milliseconds, however many there are."""
    (found,) = await _rows(tx, QueueDepth, _QUEUE)
    return found


async def _rows(tx: Transaction, kind: type[Row], statement: LiteralString) -> list[Row]:
    async with tx.connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(statement, _LIMITS)
        return await cursor.fetchall()
