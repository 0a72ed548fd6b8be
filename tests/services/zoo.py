"""A zoo of webhook endpoints, good and bad ones, and how long the good ones wait for each event.

`python -m tests.services.zoo` compares, by hand and on a quiet machine, a worker with the good ones
alone with one that has a fifth of bad ones besides; `test_zoo.py` looks at what must always be so.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import uvloop

from hakika.domain.event import EventName
from hakika.domain.ids import EventId
from hakika.domain.merchant import ApiKey
from hakika.services import delivering, keys, merchants, webhooks
from hakika.services.runtime import Runtime, open_runtime
from hakika.services.webhooks import Wanted
from hakika.settings import Settings, read_settings
from hakika.store import embedded, events
from hakika.store.events import Told
from hakika.store.migrate import migrate
from tests.vault import MASTER_KEY, SECRET

BAD = ("hangs", "drips", "redirects", "endless", "resets", "alternates", "gone", "busy")
GOOD_TO_BAD = 4

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_ANSWERS = {
    "redirects": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    "gone": b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "busy": b"HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
}
_FAILED = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
_BEGINNING = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Zoo:
    """A server whose paths begin with the name of what it does there; `good` answers at once."""

    port: int = 0
    waited_ms: list[float] = field(default_factory=list)    # each event of a good one, from commit
    heard: dict[str, set[str]] = field(default_factory=dict)  # ids of events by path
    posts: dict[str, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    open_most: dict[str, int] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """The address of one endpoint."""
        return f"http://127.0.0.1:{self.port}/{path}"

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    path = head.split(b" ", 2)[1].decode()[1:]
                    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                    await self._answer(path, await reader.readexactly(length), writer)
        finally:
            writer.transport.abort()

    async def _answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.posts[path] = self.posts.get(path, 0) + 1
        self.open[path] = self.open.get(path, 0) + 1
        self.open_most[path] = max(self.open_most.get(path, 0), self.open[path])
        try:
            kind = path.partition("/")[0]
            if kind == "good":
                self._hear(path, json.loads(body))
                writer.write(_OK)
            else:
                await _misbehave(kind, self.posts[path], writer)
        finally:
            self.open[path] -= 1

    def _hear(self, path: str, event: dict[str, Any]) -> None:
        told = self.heard.setdefault(path, set())
        if event["id"] not in told:
            told.add(event["id"])
            since = datetime.now(UTC) - datetime.fromisoformat(event["timestamp"])
            self.waited_ms.append(since.total_seconds() * 1000)


async def _misbehave(kind: str, count: int, writer: asyncio.StreamWriter) -> None:
    match kind:
        case "hangs":
            await asyncio.sleep(3600)
        case "drips":
            writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.2)
        case "endless":
            writer.write(_BEGINNING)
            while True:
                writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await writer.drain()
        case "resets":
            writer.transport.abort()
            raise ConnectionResetError
        case "alternates":
            writer.write(_OK if count % 2 else _FAILED)
        case _:
            writer.write(_ANSWERS[kind])


@asynccontextmanager
async def open_zoo() -> AsyncIterator[Zoo]:
    """Serve a zoo in this loop."""
    zoo = Zoo()
    meetings: set[asyncio.Task[None]] = set()

    def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(zoo.meet(reader, writer))
        meetings.add(task)
        task.add_done_callback(meetings.discard)

    server = await asyncio.start_server(come, "127.0.0.1", 0)
    zoo.port = server.sockets[0].getsockname()[1]
    try:
        yield zoo
    finally:
        server.close()
        for task in set(meetings):
            task.cancel()
        await asyncio.gather(*meetings, return_exceptions=True)
        await asyncio.sleep(0.01)  # the loop closes what was aborted


async def settle(
    rt: Runtime, url: str, *, shops: int, bad: Sequence[str],
) -> list[ApiKey]:
    """Make shops with `GOOD_TO_BAD` good endpoints for each of the bad ones dealt out to them.

    `url` is the zoo's. With no bad ones, each has as many good ones as it would have otherwise.
    """
    owners = []
    for shop in range(shops):
        merchant = await merchants.create(rt, f"Duka {shop}")
        key, _ = await keys.create(rt, merchant.id, keys.Wanted(livemode=False))
        dealt = [kind for place, kind in enumerate(BAD) if place % shops == shop]
        for number in range(GOOD_TO_BAD * len(dealt)):
            await webhooks.add_endpoint(rt, key, Wanted(f"{url}good/{shop}-{number}"))
        for kind in dealt:
            if kind in bad:
                await webhooks.add_endpoint(rt, key, Wanted(f"{url}{kind}/{shop}"))
        owners.append(key)
    return owners


async def tell(rt: Runtime, key: ApiKey) -> None:
    """Let something happen that every endpoint of a shop is told of."""
    async with rt.store.transaction() as tx:
        await events.tell(
            tx, key.merchant_id, livemode=False, subject_id=rt.new_id("cus"), now=rt.now(),
            told=[Told(EventId(rt.new_id("evt")), EventName.CUSTOMER_UPDATED, {
                "id": "cus_1", "note": "x" * 800,
            })],
        )


# What follows is for the comparison by hand: a zoo, a worker and a teller, each in a process. The
# bad ones are there and not there by turns, so that both halves see the same machine.

SHOPS, EVENTS_A_SECOND, SECONDS, ROUNDS = 4, 10, 5.0, 10

_BAD_ONES = "url !~ '/good/' and (disabled_at is null or disabled_reason = 'away')"
_AWAY = f"update endpoints set disabled_at = now(), disabled_reason = 'away' where {_BAD_ONES}"
_BACK = f"update endpoints set disabled_at = null, disabled_reason = '' where {_BAD_ONES}"


def main() -> None:
    """Compare, and write what each half came to."""
    with TemporaryDirectory(prefix="zoo") as home:
        server = embedded.start(Path(home))
        try:
            migrate(server.url)
            found = asyncio.run(_measured(_settings(server.url)))
        finally:
            server.stop()
    for with_bad, waited in found.items():
        cuts = statistics.quantiles(waited, n=100)
        sys.stdout.write(
            f"{'with bad ones' if with_bad else 'without':<14} {len(waited)} deliveries, ms: "
            f"p50 {cuts[49]:.1f} p95 {cuts[94]:.1f} p99 {cuts[98]:.1f}\n",
        )


async def _measured(settings: Settings) -> dict[bool, list[float]]:
    found: dict[bool, list[float]] = {False: [], True: []}
    address = settings.database_url.get_secret_value()
    with _process(_zoo_process) as zoo, psycopg.connect(address, autocommit=True) as database:
        port = zoo.recv()
        async with open_runtime(settings) as rt:
            owners = await settle(rt, f"http://127.0.0.1:{port}/", shops=SHOPS, bad=BAD)
            with _process(_worker_process, settings) as worker:
                worker.recv()
                await _tell_for_a_while(rt, owners, seconds=5)  # caches fill, bad ones are known
                for number in range(2 * ROUNDS):
                    with_bad = number % 4 in {0, 3}
                    database.execute((_BACK if with_bad else _AWAY).encode())
                    await _tell_for_a_while(rt, owners, seconds=1)
                    zoo.send("forget")
                    await _tell_for_a_while(rt, owners, seconds=SECONDS)
                    await asyncio.sleep(0.5)
                    zoo.send("show")
                    found[with_bad] += zoo.recv()
    return found


def _settings(url: str) -> Settings:
    return read_settings(
        {}, database_url=url, secret=SECRET, master_key=MASTER_KEY,
        webhook_allowed_networks="127.0.0.0/8",
    )


async def _tell_for_a_while(rt: Runtime, owners: list[ApiKey], *, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number in range(int(seconds * EVENTS_A_SECOND)):
        await asyncio.sleep(max(0.0, started + number / EVENTS_A_SECOND - loop.time()))
        await tell(rt, owners[number % len(owners)])


@contextmanager
def _process(target: Any, *arguments: object) -> Iterator[Connection]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=target, args=(theirs, *arguments), daemon=True,
    )
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def _zoo_process(asked: Connection) -> None:
    async def serve() -> None:
        async with open_zoo() as zoo:
            asked.send(zoo.port)
            while True:
                if not asked.poll():
                    await asyncio.sleep(0.05)
                elif asked.recv() == "forget":
                    zoo.waited_ms.clear()
                else:
                    asked.send(zoo.waited_ms)

    uvloop.run(serve())


def _worker_process(asked: Connection, settings: Settings) -> None:
    async def work() -> None:
        async with open_runtime(settings) as rt:
            asked.send("ready")
            await delivering.deliver_until(rt, asyncio.Event())

    uvloop.run(work())


if __name__ == "__main__":
    main()
