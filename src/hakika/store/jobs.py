"""Work for later: `enqueue` it inside a transaction, and a runner (`job_runner.py`) does it after.

This is our narrow port around PgQueuer, whose tables are in the same database as ours: a job is
there if and only if the transaction that asked for it committed. Nothing else in Hakika knows
PgQueuer. Read `JobKind`, `Later`, `enqueue`; the rest is for operators.

**A handler may be called more than once for one job**, even after it ended well: a worker can die
before it noted the end, and one that stood still longer than its heartbeat is taken for dead. So
every handler must be idempotent, and must first look at the rows that it is about to change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import psycopg
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.db import PsycopgDriver
from pgqueuer.domain.settings import DBSettings
from pgqueuer.queries import Queries
from psycopg.rows import class_row
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource


class JobKind(StrEnum):
    """What is to be done. The values are stored: a kind may be added, never renamed."""

    DELIVER = "deliver"  # send one webhook delivery to its endpoint


@dataclass(frozen=True, slots=True)
class Later:
    """A handler's answer: not done yet, call me again with the same payload after `delay`.

    The wait is in the database and costs nothing. The call comes at most about 2 s after it.
    """

    delay: timedelta


# Called with the payload. None: done, the job is deleted. An exception: the job is held, which
# means kept as it is and shown by `depth` until a person decides.
Handler = Callable[[bytes], Awaitable[Later | None]]


async def enqueue(
    connection: psycopg.AsyncConnection[Any],
    kind: JobKind,
    payloads: Sequence[bytes],
    *,
    now: datetime,
    run_at: Sequence[datetime] | None = None,
    dedupe_keys: Sequence[str] | None = None,
) -> None:
    """Ask for one job a payload, in the transaction that `connection` is in, in one statement.

    Many jobs belong in one call: every statement, or transaction of them, wakes every worker. A
    `run_at` (one a payload) is measured from `now`, so the distance counts; the past is at once.

    A job whose dedupe key (one a payload) is that of a job that waits **or runs now** is left out
    without an error. The one that runs may have read its rows before this transaction commits, so
    a key fits work that is the same work ("reconcile 14:15"), never "look at this row again". A
    transaction that has not ended yet and used the same key is waited for. A held job's key is
    free again.
    """
    if not payloads:
        return
    count = len(payloads)
    at_once = timedelta(0)
    await queries_on(_CallersTransaction(connection)).enqueue(
        [kind.value] * count,
        list(payloads),
        [0] * count,
        None if run_at is None else [max(due - now, at_once) for due in run_at],
        None if dedupe_keys is None else list(dedupe_keys),
        on_conflict="skip",
    )


# Where counting stops: more than this is too much, whatever the number. Without an end, a queue of
# a million would cost a second each time that somebody looks.
DEPTH_MAX = 10_000


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much work there is, of all kinds and workers. `DEPTH_MAX` means: so much, or more."""

    due: int  # could start now
    parked: int  # waits for its time
    running: int  # taken by a worker, or by one that died less than a heartbeat ago
    held: int  # the handler raised: a person must look
    oldest_due_seconds: float  # how long the oldest due job has been due; 0 when there is none


# Each number comes from an index of PgQueuer's. There is none of held jobs, but one of the log's
# last words, and those of a held job are kept as long as the job (`prune`).
_DEPTH = """
    select (select count(*) from (select from pgqueuer
              where status = 'queued' and entrypoint = any(%(kinds)s) and execute_after <= now()
              limit %(limit)s) counted) as due,
           (select count(*) from (select from pgqueuer
              where status = 'queued' and entrypoint = any(%(kinds)s) and execute_after > now()
              limit %(limit)s) counted) as parked,
           (select count(*) from (select from pgqueuer
              where status = 'picked' limit %(limit)s) counted) as running,
           (select count(*) from (select distinct job_id from pgqueuer_log
              where status = 'failed' limit %(limit)s) said
             where exists (select from pgqueuer job
                            where job.id = said.job_id and job.status = 'failed')) as held,
           (select coalesce(greatest(extract(epoch from now() - min(first.execute_after)), 0), 0)
              from unnest(%(kinds)s) as kinds (kind) cross join lateral (
                   select execute_after from pgqueuer
                    where status = 'queued' and entrypoint = kind
                    order by execute_after limit 1) first)::float8 as oldest_due_seconds
"""


async def depth(connection: psycopg.AsyncConnection[Any]) -> QueueDepth:
    """Return how much work there is now. Takes a few milliseconds, however long the queue is."""
    values = {"kinds": [kind.value for kind in JobKind], "limit": DEPTH_MAX}
    async with connection.cursor(row_factory=class_row(QueueDepth)) as cursor:
        found = await (await cursor.execute(_DEPTH, values)).fetchone()
    assert found is not None, "a select without a table has one row"
    return found


# A day at 400 jobs/s is 100 million rows of history: deleted in one go, they would be a transaction
# of minutes. This many take a fraction of a second.
PRUNE_ROWS_MAX = 10_000

# The last word of a job that is still held says why it is: that row stays as long as the job.
_PRUNE = """
    delete from pgqueuer_log where id in (
        select log.id from pgqueuer_log log
         where log.created < %(before)s
           and not (log.status = 'failed' and exists (
               select from pgqueuer job where job.id = log.job_id and job.status = 'failed'))
         order by log.created
         limit %(limit)s)
"""


async def prune(connection: psycopg.AsyncConnection[Any], *, before: datetime) -> int:
    """Delete the oldest rows of the jobs' history from before `before`; return how many.

    Deletes `PRUNE_ROWS_MAX` rows at most: commit and call again until it returns less.
    """
    found = await connection.execute(_PRUNE, {"before": before, "limit": PRUNE_ROWS_MAX})
    return found.rowcount


def install_sql() -> str:
    """Return the SQL that makes PgQueuer's tables, all of them durable, as its installer would."""
    build = QueryBuilderEnvironment(SETTINGS)
    return f"{build.build_install_query()}\n\n{build.build_optimize_autovacuum_query()}\n"


class _FixedNames(DBSettings):
    """PgQueuer's names of tables and so on, whatever the environment says.

    PgQueuer would read them from variables as common as CHANNEL, FUNCTION, TRIGGER and DURABILITY;
    one that a host happens to set would have us listen where nobody speaks.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing but the defaults."""
        return (init_settings,)


SETTINGS = _FixedNames()
_BUILDERS = (
    QueryBuilderEnvironment(SETTINGS),
    QueryQueueBuilder(SETTINGS),
    QuerySchedulerBuilder(SETTINGS),
)


def queries_on(driver: PsycopgDriver) -> Queries:
    """Return PgQueuer's statements on `driver`, with our names in them. For `job_runner.py`."""
    return Queries(driver, *_BUILDERS)


class _CallersTransaction(PsycopgDriver):
    """PgQueuer's driver for one insert, in a transaction that belongs to our caller."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        # Not PsycopgDriver's own __init__: it insists on autocommit, for the sake of LISTEN.
        self._connection = connection

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Run the insert. Nobody wants the ids, and in a pipeline asking is a round trip."""
        async with psycopg.AsyncRawCursor(self._connection) as cursor:
            await cursor.execute(query, args)
        return []
