"""The runner of jobs: takes what `jobs.enqueue` left and gives it to handlers, until told to stop.

Read `JobRunner.run` first. What PgQueuer 1.6 does that we must not let through:

- It deletes a job whose task is canceled, and it cancels all of them when it is canceled itself.
  So we cancel handlers, not PgQueuer, and `_entrypoint` makes of it that the job is handed back.
- Its psycopg driver waits for notifications on the connection that runs its statements, under one
  lock: each of them waited up to a second. So `_Driver` has a connection for each.
- Its health check cannot end while a statement hangs, and ends the run 20 s late at best. So we
  watch both connections ourselves; its check stays, for a LISTEN that a proxy has swallowed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
from pgqueuer.db import PsycopgDriver
from pgqueuer.domain.types import Channel
from pgqueuer.errors import FailingListenerError, RetryRequested
from pgqueuer.models import Job
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.qm import QueueManager
from psycopg.conninfo import conninfo_to_dict

from hakika.store.jobs import SETTINGS, Handler, JobKind, queries_on

# A worker that said nothing for this long is dead, and its jobs are another's. Shorter would take
# jobs from workers that only stood still, under swap or a long garbage collection.
HEARTBEAT_SECONDS_MAX = 15.0

# How often an idle worker looks without being woken. It bounds what a lost notification costs, and
# how late a `Later` or a handed back job starts, since neither wakes anybody.
POLL_SECONDS = 2.0

CONCURRENCY_MIN = 2

# Jobs taken by one statement at most. 25 drain a backlog half as fast again as 10 (3,350 jobs/s
# against 2,160, measured); more would be shared less evenly.
BATCH_MAX = 25

# A wake-up costs about four statements. With this gap between two, a storm of single enqueues
# makes 200 a second at most; the first after a silence is not delayed. At 400 commits/s it saved a
# fifth of the CPU time, and jobs started sooner (p50 2.4 ms instead of 6.5).
WAKE_GAP_SECONDS = 0.005

# When the database is gone, nothing that the running handlers do can be noted, and in 15 s others
# may start the same jobs: the handlers get this long to end what they do, or less.
LOST_SECONDS_MAX = 5.0

# What a canceled handler may still take to clean up, and PgQueuer to hand its jobs back.
CANCEL_SECONDS_MAX = 2.0

# A statement that takes this long will never be answered: the server itself gives up after 15 s.
ANSWER_SECONDS_MAX = 20.0

# Unless the operator's address says otherwise. A server that vanished without a word is noticed
# after about 11 s; one that hangs on a lock is given up after 15 s, as in `transaction.py`.
_CONNECTION_DEFAULTS = {
    "application_name": "hakika worker",
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": "-c statement_timeout=15s -c timezone=UTC",
}

_LISTEN = "listen ch_pgqueuer"


class QueueLost(Exception):
    """The database is gone, or does not tell us of new jobs any more."""


class HandlerCanceled(Exception):
    """A handler let a cancel out that nobody had asked for: what it did is not known."""


class JobRunner:
    """Takes due jobs of the kinds it has handlers for, and runs up to `concurrency` at a time.

    Any number of runners share the work; none runs a job that another one runs, as long as its
    event loop is not blocked for `heartbeat_seconds_max`.
    """

    def __init__(
        self,
        conninfo: str,
        handlers: Mapping[JobKind, Handler],
        *,
        concurrency: int,
        stop_seconds_max: float,
        heartbeat_seconds_max: float = HEARTBEAT_SECONDS_MAX,
    ) -> None:
        assert concurrency >= CONCURRENCY_MIN, "PgQueuer takes a batch while another one runs"
        self._address: dict[str, Any] = _CONNECTION_DEFAULTS | conninfo_to_dict(conninfo)
        self._handlers = dict(handlers)
        self._concurrency = concurrency
        self._stop_seconds_max = stop_seconds_max
        self._heartbeat_seconds_max = heartbeat_seconds_max

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until `stop` is set; then let what runs end, or hand it back to the queue.

        Returns `stop_seconds_max` and 4 s later at the latest. A handler that ignores its cancel
        keeps its job until the process ends, so end it. Canceling `run` is a stop without patience.

        Raises:
            QueueLost: end the process, hard if need be (`os._exit`), and let its supervisor start
                another. What was running is run again by whoever is there.
            RuntimeError: the tables are missing or old. Run the migrations first.
        """
        async with AsyncExitStack() as connections:
            work = await self._connect(connections)
            # Listens before PgQueuer starts, whose first check of its listener begins at once.
            listening = await self._connect(connections, _LISTEN)
            driver = _Driver(work)
            manager, running = self._manager(driver)
            hearing = asyncio.create_task(driver.hear(listening))
            working = asyncio.create_task(self._work(manager))
            told = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({working, hearing, told}, return_when=asyncio.FIRST_COMPLETED)
                manager.shutdown.set()
                lost = working.done() or hearing.done()
                patience = min(self._stop_seconds_max, LOST_SECONDS_MAX if lost else math.inf)
                await asyncio.wait({working}, timeout=patience)
            finally:
                manager.shutdown.set()
                await _cancel(running, and_wait_for=working)
                await _cancel({working, hearing, told})
            _raise_if_lost(working, hearing, stop)

    async def _connect(
        self, connections: AsyncExitStack, first: LiteralString = "select 1"
    ) -> psycopg.AsyncConnection[Any]:
        """Return a connection of our own, which said `first` and ends with `connections`."""
        try:
            connection = await psycopg.AsyncConnection.connect(**self._address, autocommit=True)
            connections.push_async_callback(connection.close)
            await connection.execute(first)
        except psycopg.Error as error:
            raise QueueLost(f"The queue's database does not answer: {error}") from error
        return connection

    def _manager(self, driver: _Driver) -> tuple[QueueManager, set[asyncio.Task[Any]]]:
        """Return PgQueuer's manager of `driver`, and the tasks in which handlers run now."""
        manager = QueueManager(queries_on(driver), Channel(SETTINGS.channel))
        running: set[asyncio.Task[Any]] = set()
        for kind, handler in self._handlers.items():
            register = manager.entrypoint(kind.value, on_failure="hold", accepts_context=False)
            register(_entrypoint(handler, running, manager.shutdown))
        return manager, running

    async def _work(self, manager: QueueManager) -> None:
        """Take jobs and run them until the manager is shut down and the last one ended."""
        await manager.run(
            dequeue_timeout=timedelta(seconds=POLL_SECONDS),
            batch_size=min(self._concurrency // 2, BATCH_MAX),
            max_concurrent_tasks=self._concurrency,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=timedelta(seconds=self._heartbeat_seconds_max),
            log_aggregation_interval=timedelta(0),  # statistics that nobody here reads
        )


def _entrypoint(
    handler: Handler, running: set[asyncio.Task[Any]], stopping: asyncio.Event
) -> Callable[[Job], Coroutine[Any, Any, None]]:
    """Return `handler` as PgQueuer calls it: it says "later" by raising, and is in `running`."""

    async def run_job(job: Job) -> None:
        assert job.payload is not None, "enqueue gives every job a payload"
        task = asyncio.current_task()
        assert task is not None
        if stopping.is_set():
            raise RetryRequested(reason="taken while the worker was stopping")
        running.add(task)
        try:
            outcome = await handler(job.payload)
        except asyncio.CancelledError as canceled:
            if stopping.is_set():
                raise RetryRequested(reason="handed back by a worker that stops") from None
            raise HandlerCanceled("The handler was canceled by something it awaited.") from canceled
        finally:
            running.discard(task)
        if outcome is not None:
            raise RetryRequested(outcome.delay)

    return run_job


async def _cancel(
    tasks: Iterable[asyncio.Task[Any]], *, and_wait_for: asyncio.Task[Any] | None = None
) -> None:
    """Cancel `tasks` and wait for them or for another, but not for ever."""
    canceled = set(tasks)
    for task in canceled:
        task.cancel()
    await asyncio.wait(
        canceled if and_wait_for is None else {and_wait_for}, timeout=CANCEL_SECONDS_MAX
    )


def _raise_if_lost(
    working: asyncio.Task[None], hearing: asyncio.Task[None], stop: asyncio.Event
) -> None:
    """Raise what ended one of our tasks, if something did."""
    for task in (working, hearing):
        error = task.exception() if task.done() and not task.cancelled() else None
        if isinstance(error, psycopg.Error | FailingListenerError | TimeoutError):
            said = str(error).strip() or "it does not answer any more"
            raise QueueLost(f"The queue's database is gone: {said}.") from error
        if error is not None:
            raise error
    if not stop.is_set():
        raise QueueLost("The queue's database does not answer any more.")


class _Driver(PsycopgDriver):
    """PgQueuer's driver for psycopg, which hears on another connection than it speaks on."""

    def __init__(self, work: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(work)
        self._callbacks: list[NotifyCallback] = []
        self._gap: asyncio.TimerHandle | None = None  # runs out when we may wake PgQueuer again
        self._missed: str | None = None  # the last wake-up that came inside the gap

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Run one of PgQueuer's questions. Raises TimeoutError when there is no answer."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await super().fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        """Run one of PgQueuer's commands. Raises TimeoutError when there is no answer."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await super().execute(query, *args)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Call `callback` for what `hear` hears."""
        assert channel in _LISTEN
        self._callbacks.append(callback)

    async def hear(self, listening: psycopg.AsyncConnection[Any]) -> None:
        """Pass notifications on. Ends only by an error, at once when `listening` is lost."""
        async for notification in listening.notifies():
            if "table_changed_event" in notification.payload:
                self._wake(notification.payload)
            else:
                self._pass_on(notification.payload)

    def _wake(self, payload: str) -> None:
        """Pass `payload` on now, or when the gap since the last one is over."""
        if self._gap is not None:
            self._missed = payload
            return
        self._pass_on(payload)
        self._gap = asyncio.get_running_loop().call_later(WAKE_GAP_SECONDS, self._end_gap)

    def _end_gap(self) -> None:
        self._gap = None
        if (missed := self._missed) is not None:
            self._missed = None
            self._wake(missed)

    def _pass_on(self, payload: str) -> None:
        for callback in self._callbacks:
            callback(payload)
