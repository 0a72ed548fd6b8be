"""Fixtures of the stories: one world for each file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.journeys.world import Process, World, open_world


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(world: World) -> Shop:
    """A world in which everything runs."""
    return Shop(world, await world.start("api"), await world.start("worker"))
