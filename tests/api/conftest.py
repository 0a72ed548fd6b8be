"""One simulator and one API for all tests of a process; each test is a shop of its own in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import pytest_asyncio
import structlog

from tests.api.world import Shop, World, open_simulator, open_world
from tests.postgres import fresh_database


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> Iterator[None]:
    """Tracebacks in one line each: structlog's own draw every variable of every frame."""
    structlog.configure(processors=[
        structlog.processors.add_log_level, structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(),
    ])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    """The address of a Daraja in which payments take a fraction of a second."""
    with open_simulator() as url:
        yield url


@pytest.fixture(scope="session")
def api_world(template: str, simulator_url: str) -> Iterator[World]:
    """The API, running, on a database of its own."""
    with fresh_database(template) as url, open_world(url, simulator_url) as world:
        yield world


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client with no connections yet."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as opened:
        yield opened


@pytest.fixture
def shop(api_world: World, session: aiohttp.ClientSession) -> Shop:
    """A merchant that has done nothing yet."""
    return api_world.open_shop(session)


@pytest.fixture
def other_shop(api_world: World, session: aiohttp.ClientSession) -> Shop:
    """Another merchant."""
    return api_world.open_shop(session)
