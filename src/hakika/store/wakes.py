"""Waking the workers: a hint that deliveries are due, sent after the commit that made them.

Nothing depends on it: a worker also looks by itself, twice a second. It is sent outside of the
transaction because PostgreSQL lets only one transaction that notifies commit at a time, disk write
included: every payment of every merchant would wait there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

# One hint wakes for all that was committed by then: 100 a second are as good as 2,000.
GAP_SECONDS = 0.01

_LISTEN: LiteralString = "listen hakika_deliveries"
_NOTIFY: LiteralString = "notify hakika_deliveries"

# A server that vanished without a word is noticed after about 11 s, unless the operator's address
# says otherwise.
_DEFAULTS = {
    "application_name": "hakika worker", "connect_timeout": 10, "keepalives_idle": 5,
    "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000,
}


class WakeLost(Exception):
    """The connection on which hints are heard is gone. Listen again."""


class Waker:
    """Sends the hints of one process, on connections of its pool."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """See that a hint goes out soon."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send())

    async def close(self) -> None:
        """Let the last hint go out."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=1)
            self._task.cancel()

    async def _send(self) -> None:
        while self._wanted:
            self._wanted = False
            with suppress(psycopg.Error, PoolTimeout):  # then the workers find out by themselves
                async with self._pool.connection(timeout=1) as connection:
                    await connection.execute(_NOTIFY)
            await asyncio.sleep(GAP_SECONDS)


async def hear(conninfo: str, heard: Callable[[], None]) -> None:
    """Call `heard` for each hint, and once at the beginning, until canceled.

    Raises:
        WakeLost: the connection could not be made, or is gone.
    """
    address: dict[str, Any] = _DEFAULTS | conninfo_to_dict(conninfo)
    try:
        async with await psycopg.AsyncConnection.connect(**address, autocommit=True) as connection:
            await connection.execute(_LISTEN)
            heard()
            async for _ in connection.notifies():
                heard()
    except psycopg.Error as error:
        raise WakeLost("The database does not tell of new deliveries.") from error
    raise WakeLost("The database does not tell of new deliveries any more.")
