"""The test stand: everything that runs beside the contenders, and the two contenders.

    load ──create──▶ contender ──push──▶ Daraja (simulator or double)
      ▲                  ▲  │                │
      │                  └──│───callback─────┘
      └── told ── receiver ◀┘ webhook                     all over one PostgreSQL

Both contenders use one PostgreSQL, the embedded one with its production settings, and a database
each in it.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import Process
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psycopg
from psycopg.conninfo import make_conninfo

from bench import daraja, floor, processes
from bench.load import Order
from bench.processes import HAKIKA, BenchFailed

SHORTCODE = "174379"
# Public: Safaricom prints it in its own samples, for this short code of the sandbox.
PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"

ORDER_SECONDS_SPARE = 15.0


@dataclass(frozen=True, slots=True)
class Contender:
    """What is measured: where it answers, with which key, its processes and its database."""

    name: str
    url: str
    key: str
    database_url: str
    pids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Shop:
    """The merchant of the bench in Hakika's database."""

    key: str
    merchant_id: str
    environment: Mapping[str, str]     # the settings of every process of Hakika


@dataclass(frozen=True, slots=True)
class Stand:
    """The surroundings, running."""

    folder: Path
    database_url: str                  # of the server's own database
    postmaster: int
    webhook_url: str
    simulator_url: str
    double_url: str
    pids: Mapping[str, int]            # simulator, double, receiver, load
    load: Process

    def log(self, name: str) -> Path:
        """Return where a process's stderr goes."""
        return self.folder / f"{name}.log"

    def database(self, name: str) -> str:
        """Return the address of one of the server's databases."""
        return make_conninfo(self.database_url, dbname=name)

    async def order(self, order: Order) -> None:
        """Have the load generator begin an order; `heard` then tells how it goes."""
        assert self.load.stdin is not None
        self.load.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        await self.load.stdin.drain()

    async def heard(self, event: str, *, seconds_max: float) -> dict[str, Any]:
        """Return what the load generator says next, which must be `event`."""
        said = await processes.line(
            self.load, self.log("load"), seconds_max=seconds_max + ORDER_SECONDS_SPARE,
        )
        if said["event"] != event:
            raise BenchFailed(f"The load generator said {said['event']}, not {event}.")
        return said

    async def timings(self) -> dict[str, list[int]]:
        """Return the double's notes since the last time: see `daraja.py`."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.double_url}/timings") as said:
            found: dict[str, list[int]] = await said.json()
            return found


@asynccontextmanager
async def open_stand(folder: Path, database_url: str, *, postmaster: int) -> AsyncIterator[Stand]:
    """Start load, receiver, simulator and double, and end them on leaving."""
    socket_path = str(folder / "told.socket")
    python = (processes.PYTHON, "-m")
    async with AsyncExitStack() as running:

        async def start(name: str, *words: str) -> tuple[Process, dict[str, Any]]:
            log = folder / f"{name}.log"
            process = await running.enter_async_context(
                processes.started(*python, *words, log=log),
            )
            return process, await processes.ready(process, log)

        (load_process, _), (simulator, simulated), (double, doubled) = await asyncio.gather(
            start("load", "bench.load", socket_path),
            start("simulator", "hakika_simulator", "--json", "--port", "0"),
            start("double", "bench.daraja"),
        )
        receiver, received = await start("receiver", "bench.receiver", socket_path)
        await _let_payers_answer(simulated["simulator"])
        yield Stand(
            folder=folder, database_url=database_url, postmaster=postmaster,
            webhook_url=f"http://127.0.0.1:{received['port']}/webhooks",
            simulator_url=simulated["simulator"],
            double_url=f"http://127.0.0.1:{doubled['port']}",
            pids={
                "simulator": simulator.pid, "double": double.pid, "receiver": receiver.pid,
                "load": load_process.pid,
            },
            load=load_process,
        )


async def _let_payers_answer(simulator_url: str) -> None:
    """Have the simulator's payers pay by themselves, as soon as the double's do."""
    async with aiohttp.ClientSession() as http, http.put(
        f"{simulator_url}/_simulator/switches",
        json={"payers_answer_seconds": daraja.PAYER_SECONDS},
    ) as answer:
        answer.raise_for_status()


async def open_shop(folder: Path, database_url: str, settings: Mapping[str, str]) -> Shop:
    """Migrate Hakika's database and open a merchant in it, as a person would: by its commands."""
    environment = {
        "HAKIKA_DATABASE_URL": make_conninfo(database_url, dbname="hakika"),
        "HAKIKA_DATA": str(folder / "data"), "HAKIKA_SECRET": token_urlsafe(48),
        "HAKIKA_MASTER_KEY": b64encode(token_bytes(32)).decode(),
        "HAKIKA_SANDBOX_CONSUMER_KEY": "key", "HAKIKA_SANDBOX_CONSUMER_SECRET": "secret",
        "HAKIKA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8", **settings,
    }
    log = folder / "commands.log"
    await processes.hakika("migrate", "--json", environment=environment, log=log)
    merchant = await processes.hakika(
        "merchants", "create", "The bench", "--json", environment=environment, log=log,
    )
    key = await processes.hakika("keys", "create", "--json", environment=environment, log=log)
    return Shop(key["api_key"], merchant["id"], environment)


async def add_endpoint(contender: Contender, url: str) -> None:
    """Register the receiver as Hakika's webhook endpoint."""
    async with aiohttp.ClientSession() as http, http.post(
        f"{contender.url}/v1/webhook-endpoints", json={"url": url},
        headers={"Authorization": f"Bearer {contender.key}"},
    ) as answer:
        if answer.status != HTTPStatus.CREATED:
            raise BenchFailed(f"The webhook endpoint was refused: {await answer.text()}")


@asynccontextmanager
async def hakika(
    stand: Stand, shop: Shop, *, daraja_url: str, apart: bool,
) -> AsyncIterator[Contender]:
    """Run Hakika as one deploys it: `hakika serve`, or with `apart` its API and worker apart.

    Apart is the default of the bench, for it was faster on two cores each time that both took
    turns: 31 lifecycles a second against 21, 40 against 25, 41 against 38. One process of Python
    fills one core, and the other core is not full yet. The CPU time of each is the same to 5 %.
    """
    environment = {**shop.environment, "HAKIKA_DARAJA_SANDBOX_URL": daraja_url}
    async with AsyncExitStack() as running:
        pids, url = {}, ""
        for role in ("api", "worker") if apart else ("serve",):
            log = stand.log(role)
            listens = () if role == "worker" else ("--port", "0")
            process = await running.enter_async_context(processes.started(
                HAKIKA, role, "--json", *listens, log=log, environment=environment,
            ))
            said = await processes.ready(process, log)
            pids[f"hakika {role}"] = process.pid
            url = said["api"] or url
        yield Contender("hakika", url, shop.key, stand.database("hakika"), pids)


@asynccontextmanager
async def bare_floor(stand: Stand, *, daraja_url: str) -> AsyncIterator[Contender]:
    """Run the floor program; its database must be there (`create_floor_database`)."""
    log = stand.log("floor")
    settings = {
        "database_url": stand.database("floor"), "daraja_url": daraja_url,
        "webhook_url": stand.webhook_url, "shortcode": SHORTCODE, "passkey": PASSKEY,
    }
    async with processes.started(
        processes.PYTHON, "-m", "bench.floor", log=log,
        environment={"BENCH_FLOOR": json.dumps(settings)},
    ) as process:
        said = await processes.ready(process, log)
        yield Contender(
            "floor", said["api"], "none", settings["database_url"], {"floor": process.pid},
        )


async def create_floor_database(database_url: str) -> None:
    """Make the floor's database, with its tables."""
    connect = psycopg.AsyncConnection.connect
    async with await connect(database_url, autocommit=True) as connection:
        await connection.execute("create database floor")
    async with await connect(make_conninfo(database_url, dbname="floor")) as connection:
        await connection.execute(floor.SCHEMA)


def address_of(url: str) -> tuple[str, int]:
    """Return the host and port of an address."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return parts.hostname, parts.port
