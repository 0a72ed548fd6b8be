"""The world of a simulated month: a simulator, Hakika's API, a shop with a paybill, and one clock.

Hakika's rounds, which a worker makes in real time, are made in this process, when the month's time
says that they are due.
"""

from __future__ import annotations

import asyncio
import base64
import json
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bench import processes, wire
from bench.month.ahead import Ahead, clock_ahead
from bench.month.plan import PAYERS_SECONDS
from bench.processes import BenchFailed
from bench.stand import PASSKEY, address_of
from hakika.services import keys, merchants
from hakika.services.keys import Wanted
from hakika.services.runtime import Runtime, make_months_ahead, open_runtime
from hakika.settings import read_settings

PAYBILL = "600777"
OPERATOR, OPERATOR_PASSWORD = "testapi", "Simulated#1"    # the simulator's own

# The simulator's delays, a payer's minute among them, are so much shorter. Hakika's are not: its
# clock is moved.
SPEED = 20

# Of so many in a hundred payments no C2B confirmation comes, so that a lost callback stays lost.
CONFIRMATIONS_OFF = 75

SETTLED_SECONDS_MAX = 60.0
SETTLED_LOOK_SECONDS = 0.01
MOVE_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs."""

    rt: Runtime
    database_url: str
    url: str                           # of the API
    simulator: str
    key: str
    merchant_id: str
    pids: Mapping[str, int]
    _http: aiohttp.ClientSession
    _shop: wire.Connections
    _api: Process
    _api_log: Path
    _ahead: Ahead = field(repr=False)

    async def move(self, to: datetime) -> None:
        """Make it `to` for everybody."""
        told = await self.ask_simulator("PUT", "clock", {"now": to.isoformat()})
        seconds = told["ahead_seconds"]
        self._ahead.set(seconds)
        assert self._api.stdin is not None
        self._api.stdin.write(f"{seconds}\n".encode())
        await self._api.stdin.drain()
        await processes.line(self._api, self._api_log, seconds_max=MOVE_SECONDS_MAX)

    async def ask_simulator(
        self, method: str, path: str, body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return what the simulator's own API answers. Raises: BenchFailed."""
        url = f"{self.simulator}/_simulator/{path}"
        async with self._http.request(method, url, json=body) as answer:
            if answer.status != HTTPStatus.OK:
                raise BenchFailed(f"{method} {path}: {await answer.text()}")
            return await answer.json()

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the data in an answer of Hakika's API. Raises: BenchFailed."""
        async with self._http.request(
            method, self.url + path, json=body, headers={"Authorization": f"Bearer {self.key}"},
        ) as answer:
            said = await answer.json(content_type=None)
        if "data" not in said:
            raise BenchFailed(f"{method} {path}: {said}")
        return said["data"]

    async def order(self, body: Mapping[str, Any], *, idempotency_key: str) -> wire.Message:
        """Ask a payer for money, as a shop's program does, and return the whole answer."""
        answered: asyncio.Future[wire.Message | None] = asyncio.get_running_loop().create_future()
        request = wire.post(
            self.url.removeprefix("http://"), "/v1/payments", json.dumps(body).encode(),
            headers=f"Authorization: Bearer {self.key}\r\nIdempotency-Key: {idempotency_key}\r\n",
        )
        self._shop.ask(request, answered.set_result)
        message = await answered
        if message is None:
            raise BenchFailed("The API broke a connection off.")
        return message

    async def settled(self) -> None:
        """Return when every payer has answered and every callback was sent."""
        async with asyncio.timeout(SETTLED_SECONDS_MAX):
            while any(  # noqa: ASYNC110 - the simulator tells nobody
                (await self.ask_simulator("GET", "settled")).values()
            ):
                await asyncio.sleep(SETTLED_LOOK_SECONDS)


@asynccontextmanager
async def open_world(
    database_url: str, folder: Path, *, starts: datetime,
) -> AsyncIterator[World]:
    """Run a shop on a migrated database; it is `starts` there, until the end of the block.

    Raises: BenchFailed, with the end of the log of what did not work.
    """
    environment = {
        "HAKIKA_DATABASE_URL": database_url, "HAKIKA_DATA": str(folder / "data"),
        "HAKIKA_SECRET": token_urlsafe(48),
        "HAKIKA_MASTER_KEY": base64.b64encode(token_bytes(32)).decode(),
        # What is allowed in a real minute is not what a month of few minutes is about.
        "HAKIKA_KEY_REQUESTS_PER_MINUTE": "1000000",
        "HAKIKA_ADDRESS_REQUESTS_PER_MINUTE": "1000000", "HAKIKA_LOG_LEVEL": "error",
    }
    async with AsyncExitStack() as running:
        start = running.enter_async_context
        python, log = (processes.PYTHON, "-m"), folder / "api.log"
        simulator = await start(processes.started(
            *python, "hakika_simulator", "--json", "--port", "0", "--speed", str(SPEED),
            "--seed", "4", log=folder / "simulator.log",
        ))
        simulated = (await processes.ready(simulator, folder / "simulator.log"))["simulator"]
        environment["HAKIKA_DARAJA_SANDBOX_URL"] = simulated
        api = await start(processes.started(
            *python, "bench.month.ahead", log=log, environment=environment,
        ))
        url = (await processes.ready(api, log))["api"]
        rt = await start(open_runtime(read_settings(environment), public_url=url))
        ahead = running.enter_context(clock_ahead())
        http = await start(aiohttp.ClientSession())
        merchant = await merchants.create(rt, "A month")
        _, key = await keys.create(rt, merchant.id, Wanted(livemode=False))
        world = World(
            rt, database_url, url, simulated, key, merchant.id,
            {"simulator": simulator.pid, "hakika api": api.pid},
            http, wire.Connections(*address_of(url)), api, log, ahead,
        )
        await world.move(starts)
        await make_months_ahead(rt)
        await _open_paybill(world)
        yield world


async def _open_paybill(world: World) -> None:
    """Put the paybill and register all that M-Pesa can tell of it."""
    await world.ask_simulator("PUT", "switches", {
        "payers_answer_seconds": PAYERS_SECONDS, "confirmations_off": CONFIRMATIONS_OFF,
    })
    await world.ask("PUT", "/v1/merchant/providers", {"provider": "mpesa", "mpesa": {
        "env": "sandbox", "consumer_key": "key", "consumer_secret": "secret", "passkey": PASSKEY,
        "shortcode": PAYBILL, "nominated_number": "254722000000", "initiator": OPERATOR,
        "security_credential": await _credential(world),
    }})
    await world.ask("POST", "/v1/merchant/c2b", {})
    await world.ask("POST", "/v1/payments/mpesa/register-pull", {})


async def _credential(world: World) -> str:
    """Return the operator's password, encrypted as Safaricom wants it."""
    async with aiohttp.ClientSession() as http, http.get(
        f"{world.simulator}/_simulator/certificate",
    ) as answer:
        key = x509.load_pem_x509_certificate(await answer.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    encrypted = key.encrypt(OPERATOR_PASSWORD.encode(), padding.PKCS1v15())
    return base64.b64encode(encrypted).decode()
