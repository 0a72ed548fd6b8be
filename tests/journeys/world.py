"""The world of a story: a simulator, processes of Hakika, a merchant with a key and a receiver."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from hakika.services import keys, merchants, webhooks
from hakika.services.keys import Wanted
from hakika.services.runtime import open_runtime
from hakika.services.verify import Report, verify
from hakika.settings import Settings, read_settings
from tests.journeys import process
from tests.journeys.process import Part, Process
from tests.vault import MASTER_KEY, SECRET

ROOT = Path(__file__).parents[2]

# Time runs this much faster for the simulator and for Hakika's patience alike.
SPEED = 10

PATIENCE_SECONDS = 40
LOOK_SECONDS = 0.05


@dataclass
class Receiver:
    """A merchant's server that takes webhooks; it remembers each one as it came."""

    url: str
    heard: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    status: int = 200

    def names(self, payment_id: str) -> list[str]:
        """Return the names of the events heard about a payment, each once, in their sequence.

        Two that are sent together may arrive the other way round; their numbers tell.
        """
        once = {body["id"]: body for body in map(json.loads, (raw for _, raw in self.heard))}
        about = [body for body in once.values() if body["data"]["id"] == payment_id]
        return [body["type"] for body in sorted(about, key=lambda body: body["sequence"])]


@dataclass
class World:
    """Everything a story needs. Times are shortened by `SPEED`."""

    settings: Settings
    environment: Mapping[str, str]
    simulator: str
    http: aiohttp.ClientSession
    key: str
    merchant_id: str
    receiver: Receiver
    processes: list[Process] = field(default_factory=list)

    async def start(
        self, role: str, *, die_at: str = "", called_back_at: str = "",
    ) -> Process:
        """Start an API or a worker and wait until it works.

        With `called_back_at`, Safaricom calls back another address than the API's own: as behind a
        load balancer, where whoever lives answers.
        """
        environment = {**self.environment, "HAKIKA_PUBLIC_URL": called_back_at}
        started = await process.start(Part(role, free_port(), environment, die_at))
        self.processes.append(started)
        return started

    async def ask(
        self, api: Process, phone: str, *, key: str, amount: int = 100,
    ) -> tuple[int, dict[str, Any]]:
        """Ask a payer for money; return the status and the body of the answer."""
        async with self.http.post(
            f"{api.url}/v1/payments",
            json={"amount": amount, "currency": "KES", "provider": "mpesa", "phone": phone},
            headers=self.authorization | {"Idempotency-Key": key},
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    @property
    def authorization(self) -> dict[str, str]:
        """The header that every request of the merchant has."""
        return {"Authorization": f"Bearer {self.key}"}

    async def get(self, api: Process, path: str) -> Any:
        """Return the data at a path of the API."""
        async with self.http.get(f"{api.url}{path}", headers=self.authorization) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["data"]

    async def payments_with(self, api: Process, key: str) -> list[dict[str, Any]]:
        """Return the payments that were asked for with an idempotency key."""
        listed = await self.get(api, "/v1/payments?limit=100")
        return [payment for payment in listed if payment["idempotency_key"] == key]

    async def settled(
        self, api: Process, payment_id: str,
        until: Callable[[dict[str, Any]], bool] = lambda payment: payment["status"] != "pending",
    ) -> dict[str, Any]:
        """Wait for a payment to be as `until` says, and return it."""
        payment: dict[str, Any] = {}

        async def arrived() -> bool:
            nonlocal payment
            payment = await self.get(api, f"/v1/payments/{payment_id}")
            return until(payment)

        await eventually(arrived, lambda: f"the payment stays {payment}")
        return payment

    async def told(self, payment_id: str, *names: str) -> None:
        """Wait until the merchant has heard exactly these events of a payment."""
        expected = list(names)

        async def arrived() -> bool:
            return self.receiver.names(payment_id) == expected

        await eventually(
            arrived, lambda: f"heard {self.receiver.names(payment_id)}, not {expected}",
        )

    async def all_told(self, api: Process) -> None:
        """Wait until the merchant's server has heard every event there is."""

        async def arrived() -> bool:
            events = await self.get(api, "/v1/events?limit=100")
            heard = {json.loads(raw)["id"] for _, raw in self.receiver.heard}
            return {event["id"] for event in events} <= heard

        await eventually(arrived, lambda: "an event was never told")

    async def truth(self, **query: str) -> dict[str, Any]:
        """Return what really happened, as only the simulator knows."""
        async with self.http.get(f"{self.simulator}/_simulator/truth", params=query) as answer:
            truth: dict[str, Any] = await answer.json()
            return truth

    async def verified(self) -> Report:
        """Run `hakika verify` against the truth."""
        async with open_runtime(self.settings, public_url="http://127.0.0.1:1") as rt:
            return await verify(rt, truth=await self.truth())


@asynccontextmanager
async def open_world(database_url: str, *, data: Path) -> AsyncIterator[World]:
    """Open a world on a fresh database, with no API and no worker in it yet."""
    simulator = await spawn(
        "-m", "hakika_simulator", "--port", "0", "--json", "--speed", str(SPEED),
        "--data", str(data), "--die-with-parent", environment={},
    )
    simulator_url = json.loads(await first_line(simulator))["simulator"]
    environment = {
        "HAKIKA_DATABASE_URL": database_url, "HAKIKA_SECRET": SECRET,
        "HAKIKA_MASTER_KEY": MASTER_KEY,
        "HAKIKA_DARAJA_SANDBOX_URL": simulator_url, "HAKIKA_DARAJA_LIVE_URL": simulator_url,
        "HAKIKA_SANDBOX_CONSUMER_KEY": "key",
        "HAKIKA_SANDBOX_CONSUMER_SECRET": "secret", "HAKIKA_PACE": str(SPEED),
        "HAKIKA_SANDBOX_QUERIES_PER_MINUTE": "600", "HAKIKA_PAYOUTS_PER_SECOND": "1000",
        "HAKIKA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8", "HAKIKA_LOG_LEVEL": "warning",
    }
    settings = read_settings(environment)
    # No kept connections: one that a server closes as we write looks like a server that died.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http, _receiver() as receiver:
        key, merchant_id = await _merchant(settings, receiver.url)
        world = World(settings, environment, simulator_url, http, key, merchant_id, receiver)
        try:
            yield world
        finally:
            for each in world.processes:
                await each.kill()
            simulator.terminate()
            await simulator.wait()


async def _merchant(settings: Settings, url: str) -> tuple[str, str]:
    async with open_runtime(settings, public_url="http://127.0.0.1:1") as rt:
        merchant = await merchants.create(rt, "A shop")
        key, text = await keys.create(rt, merchant.id, Wanted(livemode=False))
        await webhooks.add_endpoint(rt, key, webhooks.Wanted(url))
    return text, merchant.id


@asynccontextmanager
async def _receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver(url="")

    async def hear(request: web.Request) -> web.Response:
        receiver.heard.append((dict(request.headers), await request.read()))
        return web.Response(status=receiver.status)

    app = web.Application()
    app.router.add_post("/webhooks", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/webhooks"
    yield receiver
    await runner.cleanup()


async def spawn(*arguments: str, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start a Python process of ours."""
    inherited = {name: text for name, text in os.environ.items() if "HAKIKA" not in name}
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env=inherited | dict(environment),
    )


async def first_line(started: asyncio.subprocess.Process) -> str:
    """Return what a process says first; fail when it ends instead."""
    assert started.stdout is not None
    line = await asyncio.wait_for(started.stdout.readline(), 30)
    assert line, "the process ended before it was ready"
    return line.decode()


async def eventually(
    arrived: Callable[[], Awaitable[bool]], otherwise: Callable[[], str] = lambda: "it never came",
) -> None:
    """Wait until something is so; fail with `otherwise` when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await arrived():
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(LOOK_SECONDS)


def free_port() -> int:
    """Return a port that is free just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
