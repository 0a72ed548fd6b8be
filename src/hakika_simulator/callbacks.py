"""Sending callbacks: each one kept before it is due, sent once, and kept with what came back.

A callback that was under way when the simulator died is sent again after the restart, as it
cannot know whether the first one arrived; Daraja's own callbacks come twice at times, too.
No redirect is followed and no answer is tried again, unless a switch says so.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from hakika_simulator.callback_plans import PlannedCallback
from hakika_simulator.clock import Clock
from hakika_simulator.outages import Outages
from hakika_simulator.settings import Settings
from hakika_simulator.storage import Storage

ANSWER_SECONDS_MAX = 5.0  # real seconds: the receiver's network does not run faster
RETRY_AFTER_SECONDS = 5.0
STOP_SECONDS_MAX = 0.5  # a callback cut short by our end is sent again after the restart
# Enough for a receiver that takes 0.2 s for each of a thousand callbacks in a second, and within
# the usual limit of 1024 open files.
CONNECTIONS_PER_HOST_MAX = 250
ANSWER_BYTES_READ_MAX = 64 * 1024
SENT_NAMES = (
    "number",
    "checkout_request_id",
    "url",
    "kind",
    "at",
    "status",
    "problem",
    "body",
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an HTTP status, or the problem that kept one from coming."""

    status: int | None
    problem: str | None = None
    body: bytes = b""

    @property
    def is_acceptance(self) -> bool:
        """Whether the receiver took the callback."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004


LOST = Reply(None, "lost in an outage")


class Callbacks:
    """Keeps, times and sends callbacks. Must be started inside the running event loop."""

    def __init__(
        self, storage: Storage, clock: Clock, settings: Settings, outages: Outages
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._outages = outages
        outages.on_end = self._arm_pending
        self._hosts = settings.callback_hosts
        self._session: aiohttp.ClientSession | None = None
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._under_way: dict[int, asyncio.Task[Reply]] = {}

    async def start(self) -> None:
        """Open the connections and take up the callbacks that an earlier run left."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_HOST_MAX),
            # Waiting for a free connection is our own affair: only the receiver is timed.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=ANSWER_SECONDS_MAX, sock_read=ANSWER_SECONDS_MAX
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._arm_pending()

    async def stop(self) -> None:
        """Send nothing more; what is pending stays kept."""
        self._disarm()
        if self._under_way:
            _, unfinished = await asyncio.wait(self._under_way.values(), timeout=STOP_SECONDS_MAX)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def keep(self, planned: Iterable[PlannedCallback]) -> list[tuple[int, PlannedCallback]]:
        """Write callbacks down, inside the caller's transaction; `arm` them after it."""
        return [(self._insert(callback), callback) for callback in planned]

    def arm(self, kept: Iterable[tuple[int, PlannedCallback]]) -> None:
        """Have each kept callback sent when it is due."""
        for number, callback in kept:
            self._arm(number, callback)

    async def send_now(self, planned: Iterable[PlannedCallback]) -> list[Reply]:
        """Send callbacks at once, all in parallel, and return what came back."""
        with self._storage.transaction():
            kept = self.keep(planned)
        return await self.wait_for(kept)

    async def wait_for(self, kept: Iterable[tuple[int, PlannedCallback]]) -> list[Reply]:
        """Send kept callbacks now, whenever they are due, and return what came back."""
        return await asyncio.gather(*(self._begin(number, callback) for number, callback in kept))

    async def ask(self, planned: PlannedCallback, *, seconds: float) -> Reply:
        """Send a question now and return what came back within `seconds`."""
        with self._storage.transaction():
            kept = self.keep([planned])
        return await self._begin(kept[0][0], planned, seconds)

    def count_pending(self) -> int:
        """Return how many callbacks are not sent and answered yet."""
        return self._storage.number("select count(*) from callbacks where sent_at is null")

    def was_told(self, checkout_request_id: str) -> bool:
        """Tell whether a callback for this push was sent."""
        sql = "select 1 from callbacks where checkout_request_id = ? and sent_at is not null"
        return self._storage.row(sql, checkout_request_id) is not None

    def last_about(self, told_id: str) -> PlannedCallback | None:
        """Return the last callback about a push, receipt or conversation, or None."""
        row = self._storage.row(
            "select checkout_request_id, url, body, kind, due_at, 0 from callbacks"
            " where checkout_request_id = ? order by number desc limit 1",
            told_id,
        )
        return None if row is None else PlannedCallback(*row)

    def sent_for(self, checkout_request_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Return for each push the callbacks sent, oldest first."""
        found: dict[str, list[dict[str, Any]]] = {}
        for checkout_request_id in checkout_request_ids:
            rows = self._storage.rows(
                "select sent_at, status, problem, kind, url from callbacks"
                " where checkout_request_id = ? and sent_at is not null order by sent_at, number",
                checkout_request_id,
            )
            found[checkout_request_id] = [
                dict(zip(("at", "status", "problem", "kind", "url"), row, strict=True))
                for row in rows
            ]
        return found

    def sent(self, *, since: float, limit: int) -> list[dict[str, Any]]:
        """Return the callbacks sent after `since`, newest first, with their bodies."""
        rows = self._storage.rows(
            "select number, checkout_request_id, url, kind, sent_at, status, problem, body"
            " from callbacks where sent_at >= ? order by number desc limit ?",
            since,
            limit,
        )
        return [dict(zip(SENT_NAMES, row, strict=True)) for row in rows]

    def reset(self) -> None:
        """Forget every callback, sent or not; one that is under way can no longer be stopped."""
        self._disarm()
        self._storage.write("delete from callbacks")

    def _pending(self) -> list[tuple[int, PlannedCallback]]:
        rows = self._storage.rows(
            "select number, checkout_request_id, url, body, kind, due_at, retries_left"
            " from callbacks where sent_at is null order by due_at"
        )
        return [(row[0], PlannedCallback(*row[1:])) for row in rows]

    def _insert(self, callback: PlannedCallback) -> int:
        return self._storage.insert(
            "insert into callbacks (checkout_request_id, url, body, kind, due_at, retries_left)"
            " values (?, ?, ?, ?, ?, ?)",
            callback.checkout_request_id,
            callback.url,
            callback.body,
            callback.kind,
            callback.due_at,
            callback.retries_left,
        )

    def _arm_pending(self) -> None:
        for number, planned in self._pending():
            task = self._under_way.get(number)
            if number not in self._timers and (task is None or task.done()):
                self._arm(number, planned)

    def _arm(self, number: int, callback: PlannedCallback) -> None:
        delay = callback.due_at - self._clock.now()
        if delay <= 0:
            self._begin(number, callback)
            return
        loop = asyncio.get_running_loop()
        self._timers[number] = loop.call_later(delay, self._begin, number, callback)

    def _disarm(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _begin(
        self, number: int, callback: PlannedCallback, seconds: float | None = None
    ) -> asyncio.Task[Reply]:
        timer = self._timers.pop(number, None)
        if timer is not None:
            timer.cancel()
        task = asyncio.get_running_loop().create_task(self._send(number, callback, seconds))
        self._under_way[number] = task
        task.add_done_callback(lambda _: self._under_way.pop(number, None))
        return task

    async def _send(self, number: int, callback: PlannedCallback, seconds: float | None) -> Reply:
        outage = self._outages.now
        if outage is not None and outage.callbacks == "flush" and seconds is None:
            return Reply(None, "held back by an outage")  # it stays pending until the end
        at = self._clock.now()
        try:
            async with asyncio.timeout(seconds):
                reply = await self._post(callback) if outage is None else LOST
        except TimeoutError:
            reply = Reply(None, "timeout")
        if not reply.is_acceptance:
            log.warning("callback to %s: %s", callback.url, reply.problem or reply.status)
        with self._storage.transaction():
            self._storage.write(
                "update callbacks set sent_at = ?, status = ?, problem = ? where number = ?",
                at,
                reply.status,
                reply.problem,
                number,
            )
            again = self.keep(self._retries(callback, reply)) if outage is None else []
        self.arm(again)
        return reply

    def _retries(self, callback: PlannedCallback, reply: Reply) -> list[PlannedCallback]:
        if reply.is_acceptance or callback.retries_left == 0:
            return []
        due_at = self._clock.now() + self._clock.seconds(RETRY_AFTER_SECONDS)
        left = callback.retries_left - 1
        return [replace(callback, kind="retry", due_at=due_at, retries_left=left)]

    async def _post(self, callback: PlannedCallback) -> Reply:
        assert self._session is not None, "start() opens it"
        try:
            async with self._session.post(
                self._where(callback.url),
                data=callback.body.encode(),
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                body = await response.content.read(ANSWER_BYTES_READ_MAX)
                return Reply(response.status, body=body)
        except TimeoutError:
            return Reply(None, "timeout")
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            return Reply(None, f"{type(problem).__name__}: {problem}")

    def _where(self, url: str) -> str:
        """Return the URL to call for `url`: a local one if its host was mapped at the start."""
        parts = urlsplit(url)
        base = self._hosts.get(parts.hostname or "")
        if base is None:
            return url
        local = urlsplit(base)
        return parts._replace(scheme=local.scheme, netloc=local.netloc).geturl()
