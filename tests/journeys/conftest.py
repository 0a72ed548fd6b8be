"""Fixtures of the stories: a shop that several files share, and worlds of their own for others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.journeys.process import Process
from tests.journeys.world import World, open_world
from tests.postgres import fresh_database


@dataclass(frozen=True)
class Shop:
    """A world with one API and one worker running in it."""

    world: World
    api: Process
    worker: Process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A world without any API or worker yet."""
    data: Path = tmp_path_factory.mktemp("simulator")
    async with open_world(module_database_url, data=data) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(
    template: str, tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Shop]:
    """A world in which everything runs. Files that use it are in the group `shop`."""
    data: Path = tmp_path_factory.mktemp("simulator")
    with fresh_database(template) as url:
        async with open_world(url, data=data) as world:
            yield Shop(world, await world.start("api"), await world.start("worker"))
