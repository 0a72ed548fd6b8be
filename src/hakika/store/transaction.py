"""The store: a pool of connections, and the one way to open a transaction.

Transactions do not nest, and nothing that waits for a network may run inside one: `inside` knows,
and `Runtime` wraps each outgoing HTTP session with a check of it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from hakika.domain.errors import Unavailable
from hakika.store.keyring import Keyring, Sealer
from hakika.store.wakes import Waker

inside: ContextVar[bool] = ContextVar("inside_a_transaction", default=False)

# How long a request waits for a free connection before it is told to come back.
POOL_WAIT_SECONDS_MAX = 5.0

# A statement of ours takes milliseconds; one that takes this long is stuck behind something.
STATEMENT_SECONDS_MAX = 15

# A server that only reads is a former primary, after a failover.
_AWAY = (
    psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction,
)

_NAME = re.compile(r"%\((\w+)\)s")

Connection = psycopg.AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

WALKED_AT_ONCE = 2_000

# What is opened around every use of the database, by a name for it: a span, or nothing.
Around = Callable[[str], AbstractContextManager[object]]

_NOTHING: AbstractContextManager[None] = nullcontext()


def nothing_around(name: str) -> AbstractContextManager[object]:
    """Open nothing."""
    return _NOTHING


class StoreUnavailable(Unavailable):
    """The database cannot be reached, or did not answer in time. A write may be there or not."""

    code = "store_unavailable"


class StatementRefused(Exception):
    """The database took offence at a value or a row: our own mistake, and nothing was written."""


class Overtaken(StatementRefused):
    """Another transaction changed what this frozen one was about to change. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction; or, from `autocommit`, a connection of which each statement is one."""

    connection: Connection
    keyring: Keyring
    wakes: list[bool] = field(default_factory=list)    # filled once there is something to send

    def wake_workers(self) -> None:
        """Tell the workers of new deliveries, once everything is committed."""
        self.wakes.append(True)

    async def sealer(self, owner: str) -> Sealer:
        """Return what seals and opens what belongs to a merchant, or to INSTANCE."""
        return await self.keyring.of(self, owner)

    async def execute(
        self, statement: LiteralString, values: Mapping[str, Any] | None = None,
    ) -> psycopg.AsyncRawCursor[DictRow]:
        """Run one statement and return its cursor."""
        query, names = positional(statement)
        cursor = psycopg.AsyncRawCursor(self.connection, row_factory=dict_row)
        return await cursor.execute(query, [values[name] for name in names] if values else None)

    async def row(
        self, statement: LiteralString, values: Mapping[str, Any] | None = None,
    ) -> DictRow | None:
        """Return the first row, or None."""
        return await (await self.execute(statement, values)).fetchone()

    async def rows(
        self, statement: LiteralString, values: Mapping[str, Any] | None = None,
    ) -> list[DictRow]:
        """Return all rows."""
        return await (await self.execute(statement, values)).fetchall()

    async def walk(
        self, name: LiteralString, statement: LiteralString, values: Mapping[str, Any],
    ) -> AsyncGenerator[DictRow, None]:
        """Yield rows of which there may be too many to hold, some thousands at a time.

        It holds a cursor, `name`: close it before the transaction ends, whatever happens.
        """
        query, names = positional(statement)
        async with psycopg.AsyncRawServerCursor(
            self.connection, name, row_factory=dict_row,
        ) as cursor:
            await cursor.execute(query, [values[name] for name in names])
            while rows := await cursor.fetchmany(WALKED_AT_ONCE):
                for row in rows:
                    yield row

    async def rows_of_each(
        self, statement: LiteralString, several: Sequence[Mapping[str, Any]],
    ) -> list[DictRow]:
        """Run one statement for each of several values, in one exchange; return all their rows."""
        query, names = positional(statement)
        cursor = psycopg.AsyncRawCursor(self.connection, row_factory=dict_row)
        await cursor.executemany(
            query, [[values[name] for name in names] for values in several], returning=True,
        )
        return [row async for each in cursor.results() for row in await each.fetchall()]

    async def copy(self, statement: LiteralString, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows by a statement `copy … from stdin`: far faster than any other way."""
        async with self.connection.cursor() as cursor, cursor.copy(statement) as into:
            for row in rows:
                await into.write_row(row)


@cache
def positional(statement: LiteralString) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with PostgreSQL's own $1, $2, … and the names that they stand for.

    psycopg would find the names anew at each call of a statement as long as our longest ones, which
    took a third of a payment's time in this process.
    """
    names = tuple(dict.fromkeys(_NAME.findall(statement)))
    query = _NAME.sub(lambda match: f"${names.index(match[1]) + 1}", statement)
    return query.encode(), names


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """How the connections are used just now."""

    in_use: int
    idle: int
    most: int              # how many there may be
    waiting: int           # tasks that wait for one
    wait_seconds: float    # all waits so far, added up


@dataclass(frozen=True, slots=True)
class Store:
    """One process's connections to PostgreSQL."""

    pool: Pool
    conninfo: str
    keyring: Keyring
    waker: Waker
    around: Around = nothing_around

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction: committed at the end of the block, rolled back when it raises.

        Raises:
            StoreUnavailable: no connection, or it was lost. Lost at the very commit, the outcome is
                open: read the row again by its id before doing anything twice.
        """
        assert not inside.get(), "transactions do not nest"
        token = inside.set(True)
        try:
            with self.around("database.transaction"):
                async with self._connection() as connection, connection.transaction():
                    tx = Transaction(connection, self.keyring)
                    yield tx
        finally:
            inside.reset(token)
        if tx.wakes:
            self.waker.wake()

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Transaction]:
        """Lend a connection of which each statement is a transaction: one exchange, not three.

        Raises:
            StoreUnavailable: no connection, or it was lost. Reading again is always safe; what a
                statement wrote is an open question, as at a commit.
        """
        with self.around("database.autocommit"):
            async with self._connection() as connection:
                tx = Transaction(connection, self.keyring)
                yield tx
        if tx.wakes:
            self.waker.wake()

    def load(self) -> PoolLoad:
        """Return how the connections are used just now."""
        said = self.pool.get_stats()
        idle = said["pool_available"]
        return PoolLoad(
            in_use=said["pool_size"] - idle, idle=idle, most=said["pool_max"],
            waiting=said["requests_waiting"],
            wait_seconds=said.get("requests_wait_ms", 0) / 1000,  # not there until somebody waited
        )

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            # Not by `pool.connection`, which asks for a commit that autocommit has no use for.
            connection = await self.pool.getconn(timeout=POOL_WAIT_SECONDS_MAX)
            try:
                yield connection
            finally:
                await self.pool.putconn(connection)
        except PoolTimeout as error:
            raise StoreUnavailable("The database has no free connection just now.") from error
        except psycopg.errors.SerializationFailure as error:
            raise Overtaken("Another was faster.") from error
        except _AWAY as error:
            await self.pool.check()  # the others that were open are probably as dead: replace them
            raise StoreUnavailable("The database cannot be reached just now.") from error
        except psycopg.DatabaseError as error:  # all others: a value, a row, a damaged page
            raise StatementRefused(f"The database refused a statement: {error}") from error

    async def close(self) -> None:
        """Close every connection."""
        await self.waker.close()
        await self.pool.close()


async def open_store(
    conninfo: str, *, connections_max: int, keyring: Keyring, around: Around = nothing_around,
) -> Store:
    """Return a store on the database at `conninfo`; its connections open as they are needed.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    pool: Pool = AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=connections_max,
        open=False,
        kwargs={
            "autocommit": True, "row_factory": dict_row, "application_name": "hakika",
            "options": f"-c statement_timeout={STATEMENT_SECONDS_MAX}s -c timezone=UTC",
        },
        connection_class=psycopg.AsyncConnection[DictRow],
    )
    try:
        await pool.open(wait=True, timeout=POOL_WAIT_SECONDS_MAX)
    except PoolTimeout as error:
        await pool.close()
        raise StoreUnavailable(
            "The database does not answer.",
            hint="Check HAKIKA_DATABASE_URL and that the server runs.",
        ) from error
    return Store(pool, conninfo, keyring, Waker(pool), around)
