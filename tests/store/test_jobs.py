"""Jobs: kept exactly when the transaction was, done by somebody, never lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from hakika.store import embedded
from hakika.store.job_runner import HEARTBEAT_SECONDS_MAX, POLL_SECONDS, JobRunner, QueueLost
from hakika.store.jobs import (
    SETTINGS,
    Handler,
    JobKind,
    Later,
    QueueDepth,
    depth,
    enqueue,
    install_sql,
    prune,
)

Connection = psycopg.AsyncConnection[Any]

NOON = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NOTHING = QueueDepth(due=0, parked=0, running=0, held=0, oldest_due_seconds=0)
HEARTBEAT_SECONDS = 1.0

# A worker in a process of its own: says each payload when it starts it, and takes its time over it.
PROGRAM = """
import asyncio, sys
from hakika.store.job_runner import JobRunner
from hakika.store.jobs import JobKind

async def say(payload):
    print(payload.decode(), flush=True)
    await asyncio.sleep(float(sys.argv[2]))

runner = JobRunner(sys.argv[1], {JobKind.DELIVER: say}, concurrency=4, stop_seconds_max=1,
                   heartbeat_seconds_max=float(sys.argv[3]))
asyncio.run(runner.run(asyncio.Event()))
"""

@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("jobs")
    server = embedded.start(home, durable=False)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(install_sql())
    yield server.url
    server.stop()


@pytest.fixture
def database_url(server_url: str) -> str:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("truncate pgqueuer, pgqueuer_log")
        connection.execute("drop table if exists payments, still_alive")
    return server_url


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as opened:
        yield opened


@asynccontextmanager
async def runner(
    connection: Connection,
    handler: Handler,
    *,
    stop_seconds_max: float = 5.0,
    concurrency: int = 10,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run jobs while the block runs, then stop gracefully."""
    stop = asyncio.Event()
    conninfo = make_conninfo(connection.info.dsn, password=connection.info.password)
    runs = JobRunner(
        conninfo,
        {JobKind.DELIVER: handler},
        concurrency=concurrency,
        stop_seconds_max=stop_seconds_max,
        heartbeat_seconds_max=HEARTBEAT_SECONDS,
    )
    running = asyncio.create_task(runs.run(stop))
    try:
        await workers_listen(connection, 1)
        yield running
    finally:
        stop.set()
        await asyncio.wait({running})
    if not running.cancelled() and not isinstance(running.exception(), QueueLost):
        running.result()


async def workers_listen(connection: Connection, workers: int) -> None:
    """Return when `workers` runners have made their connections."""
    listening = """
        select count(*) from pg_stat_activity
         where datname = current_database() and query like 'listen%' and state = 'idle'
    """
    async with asyncio.timeout(20):
        while True:
            if await (await connection.execute(listening)).fetchone() == (workers,):
                return
            await asyncio.sleep(0.02)


async def until(holds: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Return when `holds` does."""
    async with asyncio.timeout(seconds):
        while True:
            if holds():
                return
            await asyncio.sleep(0.005)


async def until_depth(connection: Connection, **expected: int) -> QueueDepth:
    async with asyncio.timeout(20):
        while True:
            found = await depth(connection)
            if all(getattr(found, name) == value for name, value in expected.items()):
                return found
            await asyncio.sleep(0.02)


async def deliver(connection: Connection, *payloads: bytes, **options: Any) -> None:
    await enqueue(connection, JobKind.DELIVER, payloads, now=NOON, **options)


class Heard:
    """A handler that remembers what it was called with, and when."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.times: list[float] = []

    async def __call__(self, payload: bytes) -> Later | None:
        self.payloads.append(payload)
        self.times.append(time.monotonic())
        return None


class TestEnqueue:
    """A job is there if and only if its transaction committed."""

    async def test_a_rollback_leaves_no_job_when_it_was_the_first_statement(self, connection):
        async with connection.transaction(force_rollback=True):
            await deliver(connection, b"a")

        assert await depth(connection) == NOTHING

    async def test_a_rollback_leaves_no_job_when_it_was_a_later_statement(self, connection):
        async with connection.transaction(force_rollback=True):
            await connection.execute("create table payments ()")
            await deliver(connection, b"a")

        assert await depth(connection) == NOTHING

    async def test_nobody_sees_a_job_before_the_commit_and_everybody_after(
        self, connection, database_url
    ):
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
            async with connection.transaction():
                await deliver(connection, b"a")
                before = await depth(other)
            after = await depth(other)

        assert before == NOTHING
        assert after.due == 1

    async def test_any_number_of_jobs_is_one_statement(self, connection, database_url):
        """Each statement sends one notification, and each notification wakes every worker."""
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
            await other.execute(f"listen {SETTINGS.channel}")
            await deliver(connection, *[b"%d" % number for number in range(50)])
            heard = [note async for note in other.notifies(timeout=0.3)]

        assert (await depth(connection)).due == 50
        assert len(heard) == 1

    async def test_no_jobs_are_no_statement(self, connection):
        await connection.close()

        await deliver(connection)

    async def test_it_can_be_part_of_a_pipeline(self, connection):
        async with connection.pipeline(), connection.transaction():
            await connection.execute("create table payments ()")
            await deliver(connection, b"a", b"b")

        assert (await depth(connection)).due == 2


class TestDedupe:
    """The same work is queued once, and the transaction that asked again lives on."""

    async def test_a_key_that_waits_is_left_out_and_the_rest_is_kept(self, connection):
        await deliver(connection, b"a", dedupe_keys=["a"])

        async with connection.transaction():
            await deliver(connection, b"a again", b"b", b"b again", dedupe_keys=["a", "b", "b"])
            await connection.execute("create table still_alive ()")

        found = await connection.execute("select payload from pgqueuer order by id")
        assert [row[0] for row in await found.fetchall()] == [b"a", b"b"]
        assert await connection.execute("select from still_alive")

    async def test_a_key_that_runs_is_left_out_too(self, connection):
        """The trap in dedupe keys: the one that runs may not see what we changed."""
        may_end = asyncio.Event()
        heard = Heard()

        async def wait(payload: bytes) -> None:
            await heard(payload)
            await may_end.wait()

        async with runner(connection, wait):
            await deliver(connection, b"first", dedupe_keys=["a"])
            await until(lambda: heard.payloads == [b"first"])
            await deliver(connection, b"while it runs", dedupe_keys=["a"])
            may_end.set()
            await until_depth(connection, due=0, running=0)
            await deliver(connection, b"after it ended", dedupe_keys=["a"])
            await until(lambda: len(heard.payloads) == 2)

        assert heard.payloads == [b"first", b"after it ended"]


class TestRunning:
    """What a handler is told, and what becomes of its answer."""

    async def test_a_job_starts_at_once_even_when_the_worker_was_idle(self, connection):
        """PgQueuer's own driver would make some of these wait for a second."""
        heard = Heard()
        waited = []
        async with runner(connection, heard):
            for _ in range(15):
                asked_at = time.monotonic()
                heard.times.clear()
                await deliver(connection, b"a")
                await until(lambda: bool(heard.times))
                waited.append(heard.times[0] - asked_at)
                await asyncio.sleep(0.06)

        assert max(waited) < 0.4

    async def test_a_job_that_ended_is_gone(self, connection):
        heard = Heard()
        async with runner(connection, heard):
            await deliver(connection, b"a", b"b")
            await until_depth(connection, due=0, running=0)

        assert heard.payloads == [b"a", b"b"]
        assert await depth(connection) == NOTHING

    async def test_a_job_for_later_does_not_run_before(self, connection):
        heard = Heard()
        async with runner(connection, heard):
            started_at = time.monotonic()
            await deliver(
                connection, b"later", b"now", run_at=[NOON + timedelta(seconds=0.6), NOON]
            )
            await until(lambda: len(heard.payloads) == 2)

        assert heard.payloads == [b"now", b"later"]
        assert 0.5 < heard.times[1] - started_at < 1.5

    async def test_later_runs_it_again_after_the_delay(self, connection):
        heard = Heard()

        async def once_more(payload: bytes) -> Later | None:
            await heard(payload)
            return Later(timedelta(seconds=0.5)) if len(heard.payloads) == 1 else None

        async with runner(connection, once_more):
            await deliver(connection, b"a")
            await until_depth(connection, parked=1)
            await until_depth(connection, parked=0, due=0, running=0)

        assert heard.payloads == [b"a", b"a"]
        assert 0.5 <= heard.times[1] - heard.times[0] < 0.5 + POLL_SECONDS + 0.5

    async def test_a_handler_that_raises_keeps_the_job(self, connection):
        async def refuse(payload: bytes) -> None:
            raise LookupError(payload)

        async with runner(connection, refuse):
            await deliver(connection, b"a")
            found = await until_depth(connection, held=1)

        assert found == QueueDepth(due=0, parked=0, running=0, held=1, oldest_due_seconds=0)

    async def test_a_handler_whose_task_was_canceled_keeps_the_job(self, connection):
        """PgQueuer takes a cancel for a wish to delete the job."""

        async def cancel_itself(payload: bytes) -> None:
            raise asyncio.CancelledError(payload)

        async with runner(connection, cancel_itself):
            await deliver(connection, b"a")
            await until_depth(connection, held=1)

    async def test_no_more_jobs_run_at_a_time_than_was_said(self, connection):
        now, most = 0, 0

        async def take_time(payload: bytes) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.02)
            now -= 1

        async with runner(connection, take_time, concurrency=4):
            await deliver(connection, *[b"a"] * 40)
            await until_depth(connection, due=0, running=0)

        assert most == 4


class TestStopping:
    """A worker that ends loses nothing, whether it was asked to or not."""

    async def test_a_job_that_runs_may_end(self, connection):
        ended = []

        async def take_time(payload: bytes) -> None:
            await asyncio.sleep(0.3)
            ended.append(payload)

        async with runner(connection, take_time):
            await deliver(connection, b"a")
            await until_depth(connection, running=1)

        assert ended == [b"a"]
        assert await depth(connection) == NOTHING

    async def test_a_job_that_takes_too_long_is_handed_back(self, connection):
        async def hang(payload: bytes) -> None:
            await asyncio.sleep(60)

        async with runner(connection, hang, stop_seconds_max=0.2):
            await deliver(connection, b"a", b"b")
            await until_depth(connection, running=2)
            asked_at = time.monotonic()
        took = time.monotonic() - asked_at

        assert (await depth(connection)).due == 2
        assert took < 1.0

    async def test_a_canceled_runner_hands_its_jobs_back(self, connection):
        """PgQueuer would delete what was running."""

        async def hang(payload: bytes) -> None:
            await asyncio.sleep(60)

        async with runner(connection, hang) as running:
            await deliver(connection, b"a", b"b")
            await until_depth(connection, running=2)
            asked_at = time.monotonic()
            running.cancel()
            await asyncio.wait({running})
        took = time.monotonic() - asked_at

        assert (await depth(connection)).due == 2
        assert took < 1.0

    @pytest.mark.parametrize("listening", [True, False])
    async def test_a_lost_connection_ends_the_runner_soon(self, connection, listening):
        """The process must end, so that its supervisor can start one that works."""
        async with runner(connection, Heard()) as running:
            await asyncio.sleep(0.1)
            found = await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name = 'hakika worker'"
                " and (query like 'listen%%') = %s",
                [listening],
            )
            await asyncio.wait({running}, timeout=POLL_SECONDS + 1)

            assert found.rowcount == 1
            assert isinstance(running.exception(), QueueLost)

    async def test_a_database_that_is_not_there_is_lost(self, tmp_path):
        nobody = JobRunner(f"host={tmp_path}", {}, concurrency=2, stop_seconds_max=1)

        with pytest.raises(QueueLost):
            await nobody.run(asyncio.Event())


async def start_process(database_url: str, *, seconds: float, heartbeat_seconds: float) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, database_url, str(seconds), str(heartbeat_seconds),
        stdout=PIPE,
    )  # fmt: skip


async def kill(process: Process) -> bytes:
    """Kill `process` without a warning, and return what it had said and nobody read."""
    os.kill(process.pid, signal.SIGKILL)
    return (await process.communicate())[0]


class TestManyWorkers:
    """Work is shared by processes that do not know of each other."""

    async def test_two_processes_run_each_job_once(self, connection, database_url):
        # With the real heartbeat: on a busy machine, a process may well stand still for a second.
        workers = [
            await start_process(database_url, seconds=0.01, heartbeat_seconds=HEARTBEAT_SECONDS_MAX)
            for _ in range(2)
        ]
        await workers_listen(connection, 2)
        await deliver(connection, *[b"%d" % number for number in range(200)])
        await until_depth(connection, due=0, running=0)
        said = [(await kill(worker)).split() for worker in workers]

        assert sorted(said[0] + said[1], key=int) == [b"%d" % number for number in range(200)]
        assert all(said)

    async def test_the_job_of_a_killed_worker_is_run_by_another(self, connection, database_url):
        """And not before it was killed, however long it takes: its heartbeat protects it."""
        worker = await start_process(
            database_url, seconds=600, heartbeat_seconds=HEARTBEAT_SECONDS
        )
        await workers_listen(connection, 1)
        await deliver(connection, b"a")
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"a\n"
        heard = Heard()
        stop = asyncio.Event()
        other = JobRunner(
            database_url, {JobKind.DELIVER: heard}, concurrency=2, stop_seconds_max=1,
            heartbeat_seconds_max=HEARTBEAT_SECONDS,
        )  # fmt: skip
        running = asyncio.create_task(other.run(stop))
        await asyncio.sleep(HEARTBEAT_SECONDS + POLL_SECONDS)
        while_it_lived = list(heard.payloads)
        await kill(worker)
        await until(lambda: bool(heard.payloads), seconds=HEARTBEAT_SECONDS + POLL_SECONDS + 1)
        stop.set()
        await running

        assert while_it_lived == []
        assert heard.payloads == [b"a"]


class TestOperators:
    """What tells an operator how the queue is, and keeps it small."""

    async def test_depth_says_how_long_the_oldest_has_been_due(self, connection):
        await deliver(connection, b"a", b"b", run_at=[NOON, NOON + timedelta(hours=1)])
        await connection.execute(
            "update pgqueuer set execute_after = execute_after - interval '10 s'"
        )

        found = await depth(connection)

        assert (found.due, found.parked) == (1, 1)
        assert 10 <= found.oldest_due_seconds < 15

    async def test_prune_keeps_the_reason_why_a_job_is_held(self, connection):
        async def refuse(payload: bytes) -> None:
            raise LookupError("no such endpoint")

        async with runner(connection, refuse):
            await deliver(connection, b"a")
            await until_depth(connection, held=1)
        pruned = await prune(connection, before=NOON + timedelta(days=36_500))

        found = await connection.execute("select traceback->>'exception_message' from pgqueuer_log")
        assert await found.fetchall() == [("no such endpoint",)]
        assert pruned == 2

    async def test_prune_leaves_what_is_younger(self, connection):
        await deliver(connection, b"a")

        assert await prune(connection, before=NOON - timedelta(days=3_650)) == 0
