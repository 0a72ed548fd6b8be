"""Payments that go on and on, behind a load balancer, while something of Hakika is changed.

Read `going_on` first: callers ask for money again and again, each from another phone, and see each
payment through to its webhook. Every request is written down with its answer, so that a test can
say afterwards which had to be let in, and which refused.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import web

from tests.journeys.process import Process
from tests.journeys.world import World, eventually

CALLERS = 3
GAP_SECONDS = 0.1

_people = itertools.count(1)


def new_person() -> str:
    """Return the number of somebody who was never asked."""
    return f"25472{next(_people):07}"


@dataclass
class Front:
    """A load balancer: its address is the only one that Safaricom and callers know."""

    url: str
    http: aiohttp.ClientSession
    serving: list[Process] = field(default_factory=list)
    callbacks: Counter[int] = field(default_factory=Counter)     # how many got which status
    _under_way: Counter[str] = field(default_factory=Counter)
    _turns: Any = field(default_factory=itertools.count)

    async def pass_on(self, request: web.Request) -> web.Response:
        """Answer what the next process in turn answers."""
        process = self.serving[next(self._turns) % len(self.serving)]
        self._under_way[process.url] += 1
        try:
            async with self.http.request(
                request.method, process.url + request.path_qs, data=await request.read(),
                headers={
                    name: text for name, text in request.headers.items()
                    if name in {"Authorization", "Idempotency-Key", "Content-Type"}
                },
            ) as answer:
                if request.path.startswith("/c/"):
                    self.callbacks[answer.status] += 1
                return web.Response(
                    status=answer.status, body=await answer.read(),
                    content_type=answer.content_type,
                )
        finally:
            self._under_way[process.url] -= 1

    async def take_out(self, process: Process) -> None:
        """Send nothing more to a process, and return when it has answered what it was sent."""
        self.serving.remove(process)

        async def quiet() -> bool:
            return not self._under_way[process.url]

        await eventually(quiet, lambda: "a request is never answered")


@asynccontextmanager
async def open_front(http: aiohttp.ClientSession) -> AsyncIterator[Front]:
    """Open a load balancer with nothing behind it yet."""
    front = Front("", http)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", front.pass_on)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    front.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield front
    await runner.cleanup()


@dataclass(frozen=True)
class Asked:
    """One request of a caller, and its answer. The times are of the clock on the wall."""

    what: str
    key: str
    sent_at: float
    answered_at: float
    status: int                 # 0: no answer
    body: dict[str, Any] = field(repr=False)

    @property
    def was_served(self) -> bool:
        """Say whether it got what it asked for."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass
class Traffic:
    """The callers, what they asked, and what was paid and told. Their keys may be changed."""

    world: World
    url: str
    keys: list[str]                     # of each caller
    newest_key: str                     # what a caller takes whose own is refused
    asked: list[Asked] = field(default_factory=list)
    paid: dict[str, float] = field(default_factory=dict)   # payments, and when they were asked
    is_over: bool = False
    _told: set[str] = field(default_factory=set)
    _read: int = 0

    @property
    def refused(self) -> list[Asked]:
        """Return what was not served."""
        return [each for each in self.asked if not each.was_served]

    async def goes_on(self, payments: int = CALLERS) -> float:
        """Wait until so many payments that begin from now on are paid and told; return how long."""
        since = time.time()

        async def enough() -> bool:
            return sum(asked_at >= since for asked_at in self.paid.values()) >= payments

        await eventually(enough, lambda: f"the payments stand still; refused: {self.refused}")
        return time.time() - since

    async def ask(
        self, method: str, path: str, *, key: str, url: str = "", json: object = None,
        idempotency_key: str = "",
    ) -> Asked:
        """Make one request, and write it down."""
        headers = {"Authorization": f"Bearer {key}"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        sent_at, status, body = time.time(), 0, {}
        try:
            async with self.world.http.request(
                method, (url or self.url) + path, headers=headers, json=json,
            ) as answer:
                status, body = answer.status, await answer.json(content_type=None)
        except aiohttp.ClientError as error:
            body = {"error": repr(error)}
        asked = Asked(f"{method} {path}", key, sent_at, time.time(), status, body)
        self.asked.append(asked)
        return asked

    async def call(self, caller: int) -> None:
        """Be a caller until it is over."""
        while not self.is_over:
            phone = new_person()
            asked = await self._insist(caller, "POST", "/v1/payments", phone)
            payment_id = asked.body["data"]["id"]
            await eventually(self._is_through(caller, payment_id))
            self.paid[payment_id] = asked.sent_at

    def _is_through(self, caller: int, payment_id: str) -> Callable[[], Any]:
        async def is_through() -> bool:
            await asyncio.sleep(GAP_SECONDS)
            seen = await self._insist(caller, "GET", f"/v1/payments/{payment_id}")
            status = seen.body["data"]["status"]
            assert status in {"pending", "completed"}, seen.body
            return status == "completed" and self._was_told(payment_id)

        return is_through

    async def _insist(self, caller: int, method: str, path: str, phone: str = "") -> Asked:
        """Ask until it is served; a caller whose key is refused takes the newest."""
        order = {"amount": 5, "currency": "KES", "provider": "mpesa", "phone": phone}
        for _ in range(100):
            asked = await self.ask(
                method, path, key=self.keys[caller], json=order if phone else None,
                idempotency_key=phone,
            )
            if asked.was_served:
                return asked
            if asked.status == HTTPStatus.UNAUTHORIZED:
                self.keys[caller] = self.newest_key
            await asyncio.sleep(GAP_SECONDS)
        raise AssertionError(f"{asked} was never served")

    def _was_told(self, payment_id: str) -> bool:
        heard = self.world.receiver.heard
        for _, raw in heard[self._read:]:
            event = json.loads(raw)
            if event["type"] == "payment.completed":
                self._told.add(event["data"]["id"])
        self._read = len(heard)
        return payment_id in self._told


@asynccontextmanager
async def going_on(world: World, front: Front) -> AsyncIterator[Traffic]:
    """Let payments go on meanwhile; in the end, every one that was begun has been paid and told."""
    traffic = Traffic(world, front.url, [world.key] * CALLERS, world.key)
    async with asyncio.TaskGroup() as callers:
        for caller in range(CALLERS):
            callers.create_task(traffic.call(caller))
        try:
            yield traffic
        finally:
            traffic.is_over = True
