"""One simulator for the whole run, fifty times faster than life, and a merchant for each test."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from hakika_simulator.app import simulator
from hakika_simulator.settings import Settings
from tests.simulator.world import Daraja, Merchant

SPEED = 50.0
SEED = 7


class OpenDaraja(Protocol):
    """Starts a simulator with other settings."""

    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[Daraja]: ...


@pytest_asyncio.fixture
async def merchant() -> AsyncIterator[Merchant]:
    """A merchant that is called at any path of a loopback address."""
    merchant = Merchant()
    app = web.Application()
    app.router.add_post("/{path:.*}", merchant.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    merchant.url = f"http://127.0.0.1:{runner.addresses[0][1]}/c/token"
    yield merchant
    await runner.cleanup()


@pytest.fixture
def open_daraja(merchant: Merchant) -> OpenDaraja:
    """Start simulators with settings of one's own, inside the test's event loop."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Daraja]:
        chosen = Settings(**({"speed": SPEED, "seed": SEED} | settings))
        async with simulator(chosen) as url, aiohttp.ClientSession() as session:
            daraja = Daraja(url, session, merchant.url)
            await daraja.log_in()
            yield daraja

    return opened


@pytest.fixture(scope="session")
def shared_url() -> Iterator[str]:
    """A simulator in a thread, because starting one for each test costs a quarter second."""
    urls: list[str] = []
    listening, finished = threading.Event(), threading.Event()

    async def live() -> None:
        async with simulator(Settings(speed=SPEED, seed=SEED)) as url:
            urls.append(url)
            listening.set()
            await asyncio.to_thread(finished.wait)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    assert listening.wait(timeout=10)
    yield urls[0]
    finished.set()
    thread.join()


@pytest_asyncio.fixture
async def daraja(shared_url: str, merchant: Merchant) -> AsyncIterator[Daraja]:
    """A simulator in which nothing has happened yet."""
    async with aiohttp.ClientSession() as session:
        daraja = Daraja(shared_url, session, merchant.url)
        await daraja.control("POST", "reset")
        await daraja.log_in()
        yield daraja
