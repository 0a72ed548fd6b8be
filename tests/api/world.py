"""The world of the API's tests: a simulator beside it, the API in a thread, and shops that call it.

Every answer that a shop gets is held against what /openapi.json promises for that very request.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.request import urlopen

import aiohttp
import psycopg
import uvicorn
from psycopg.rows import dict_row
from pydantic import BaseModel

from hakika.api import schemas
from hakika.api.app import create_app
from hakika.api.connections import connection_class
from hakika.domain.merchant import Scope
from hakika.services import keys, merchants
from hakika.services.keys import Wanted
from hakika.services.killpoints import Watcher, nobody_watches
from hakika.services.runtime import Runtime
from hakika.services.telemetry import Telemetry
from hakika.settings import SANDBOX_PASSKEY, Settings, read_settings
from tests.vault import MASTER_KEY, SECRET

PAYS = "254708374149"
WAIT_SECONDS_MAX = 10.0
SPEED = 5

Result = TypeVar("Result")

_orders = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object."""
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def data(self) -> Any:
        """What the answer is about."""
        return self.body["data"]

    @property
    def code(self) -> str:
        """The code of a problem, also where an older door has it in its `detail`."""
        body = self.body
        told: str = body.get("code") or body["detail"].rpartition("; ")[2].partition(",")[0]
        return told

    @property
    def problem(self) -> tuple[int, str, list[tuple[str, str]]]:
        """Status and code of a problem, and the field and code of each of its errors."""
        errors = self.body.get("errors", [])
        return self.status, self.code, [(each["field"], each["code"]) for each in errors]


class Documented:
    """What /openapi.json says; `check` holds an answer against it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._paths = {
            re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): operations
            for path, operations in document["paths"].items()
        }

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Fail when the answer, or its shape, is not what is documented."""
        operation = self._operation(method, path)
        model: type[BaseModel] | None = schemas.Problem
        if operation is not None:
            documented = operation["responses"].get(str(answer.status))
            assert documented is not None, f"{method} {path} does not say that it answers {answer}"
            model = _model(documented, answer.headers["Content-Type"].partition(";")[0])
        if model is None:
            return
        body = answer.body
        assert model.model_validate(body).model_dump(mode="json") == body

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for form, operations in self._paths.items():
            if form.fullmatch(path):
                found: dict[str, Any] | None = operations.get(method.lower())
                return found
        return None


def _model(documented: dict[str, Any], media_type: str) -> type[BaseModel] | None:
    """Return the class whose schema a documented answer of this type refers to; a file has none."""
    types = {each.partition(";")[0]: content for each, content in documented["content"].items()}
    name = types[media_type]["schema"].get("$ref", "").rpartition("/")[2]
    return next(each for each in _models(BaseModel) if each.__name__ == name) if name else None


def _models(parent: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield every class of the API's bodies, wherever it is written."""
    for each in parent.__subclasses__():
        if each.__module__.startswith("hakika.api."):
            yield each
        yield from _models(each)


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant's program: it knows its key and the API's address."""

    world: World
    session: aiohttp.ClientSession
    merchant_id: str
    key: str

    async def send(
        self, method: str, path: str, *, key: str | None = None, idempotency_key: str | None = None,
        headers: dict[str, str] | None = None, **more: Any,
    ) -> Answer:
        """Send one request, with this shop's key unless told otherwise ("" for none)."""
        sent = dict(headers or {})
        if key is None or key:
            sent["Authorization"] = f"Bearer {self.key if key is None else key}"
        if idempotency_key:
            sent["Idempotency-Key"] = idempotency_key
        async with self.session.request(
            method, self.world.url + path, headers=sent, **more,
        ) as response:
            raw = await response.read()
        answer = Answer(response.status, response.headers, raw)
        if raw:
            self.world.documented.check(method, path.partition("?")[0], answer)
        return answer

    async def get(self, path: str, **more: Any) -> Answer:
        """GET."""
        return await self.send("GET", path, **more)

    async def order(self, *, idempotency_key: str = "", **fields: Any) -> Answer:
        """Ask a payer for money; each order has a key of its own unless one is given."""
        body = {"amount": 500, "currency": "KES", "provider": "mpesa", "phone": PAYS} | fields
        return await self.send(
            "POST", "/v1/payments", idempotency_key=idempotency_key or new_key(), json=body,
        )

    async def put_paybill(self, number: str, **more: str) -> None:
        """Put credentials of a paybill of the shop's own, which the simulator takes."""
        put = await self.send("PUT", "/v1/merchant/providers", json={
            "provider": "mpesa", "mpesa": {
                "env": "sandbox", "consumer_key": f"key-{number}", "consumer_secret": "secret",
                "passkey": SANDBOX_PASSKEY, "shortcode": number, **more,
            },
        })
        assert put.status == 200, put.raw

    @asynccontextmanager
    async def switched(self, **switches: Any) -> AsyncIterator[None]:
        """Let the simulator behave otherwise for a while."""
        address = f"{self.world.simulator}/_simulator/switches"
        async with self.session.get(address) as answer:
            before = await answer.json()
        async with self.session.put(address, json=switches) as answer:
            answer.raise_for_status()
        try:
            yield
        finally:
            told = {name: before[name] for name in switches}
            async with self.session.put(address, json=told) as answer:
                answer.raise_for_status()

    async def settled(self, payment_id: str) -> dict[str, Any]:
        """Return a payment once its outcome is known."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                data: dict[str, Any] = (await self.get(f"/v1/payments/{payment_id}")).data
                if data["status"] not in {"pending", "unknown"}:
                    return data
                await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs."""

    url: str
    simulator: str
    database_url: str
    documented: Documented
    rt: Runtime
    in_api: Callable[[Coroutine[Any, Any, Any]], Any] = field(repr=False)

    def open_shop(
        self, session: aiohttp.ClientSession, *, scopes: Collection[Scope] = (),
    ) -> Shop:
        """Return a new merchant with a key."""
        merchant_id, key = self.open_merchant(scopes=scopes)
        return Shop(self, session, merchant_id, key)

    def open_merchant(self, *, scopes: Collection[Scope] = ()) -> tuple[str, str]:
        """Return the id of a new merchant, and a key."""
        merchant = self.in_api(merchants.create(self.rt, "Duka"))
        _, key = self.in_api(
            keys.create(self.rt, merchant.id, Wanted(livemode=False, scopes=scopes)),
        )
        return merchant.id, key

    def at(self, url: str) -> World:
        """Return the same world, seen through another of its processes."""
        return replace(self, url=url)

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Read the database."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()


def new_key() -> str:
    """Return an idempotency key that no other order has; fit to be its reference too."""
    return f"ORDER-{next(_orders)}"


def new_person() -> str:
    """Return the number of somebody whose prompt nobody answers."""
    return f"25472{random.randrange(10**7):07d}"


@contextmanager
def open_world(
    database_url: str, simulator: str, *, telemetry: Telemetry | None = None,
    more: Mapping[str, str] | None = None, passing: Watcher = nobody_watches,
) -> Iterator[World]:
    """Run the API until the end of the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = settings_of(database_url, simulator, **(more or {}))
    with running(settings, port=port, telemetry=telemetry, passing=passing) as (rt, in_api):
        yield World(url, simulator, database_url, _documented(url), rt, in_api)


def settings_of(database_url: str, simulator: str, **more: str) -> Settings:
    """Return the settings of an API beside a simulator."""
    return read_settings({
        "HAKIKA_DATABASE_URL": database_url, "HAKIKA_SECRET": SECRET,
        "HAKIKA_MASTER_KEY": MASTER_KEY,
        "HAKIKA_DARAJA_SANDBOX_URL": simulator, "HAKIKA_SANDBOX_CONSUMER_KEY": "consumer-key",
        "HAKIKA_SANDBOX_CONSUMER_SECRET": "consumer-secret",
        "HAKIKA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "HAKIKA_SANDBOX_QUERIES_PER_MINUTE": "6000", "HAKIKA_PACE": str(SPEED),
        "HAKIKA_PAYOUTS_PER_SECOND": "1000",
        # All tests come from one address, and many of them with keys that are wrong on purpose.
        "HAKIKA_FAILED_AUTHENTICATIONS_PER_MINUTE": "100000",
    } | more)


@contextmanager
def running(
    settings: Settings, *, port: int, telemetry: Telemetry | None = None,
    passing: Watcher = nobody_watches,
) -> Iterator[tuple[Runtime, Callable[[Coroutine[Any, Any, Result]], Result]]]:
    """Serve the API in a thread; give its running parts, and what runs a coroutine beside them."""
    app = create_app(
        settings, public_url=f"http://127.0.0.1:{port}", telemetry=telemetry, passing=passing,
    )
    server = uvicorn.Server(uvicorn.Config(
        app, port=port, log_level="warning", proxy_headers=False, timeout_graceful_shutdown=2,
        http=connection_class(settings),
    ))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),))
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the API did not start"
        threading.Event().wait(0.01)
    try:
        yield app.state.runtime, lambda coroutine: asyncio.run_coroutine_threadsafe(
            coroutine, loop,
        ).result(WAIT_SECONDS_MAX)
    finally:
        server.should_exit = True
        thread.join()
        loop.close()


def _documented(url: str) -> Documented:
    with urlopen(f"{url}/openapi.json") as answer:
        return Documented(json.load(answer))


@contextmanager
def open_simulator() -> Iterator[str]:
    """Run a simulator in a process of its own; give its address."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "hakika_simulator", "--port", "0", "--json",
            "--speed", str(SPEED), "--seed", "7", "--die-with-parent",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["simulator"]
    process.terminate()
    process.communicate(timeout=10)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
