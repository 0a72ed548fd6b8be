"""The world of the services' tests: opened once a file, with a new merchant for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.services.world import World, open_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def file_world(module_database_url: str) -> AsyncIterator[World]:
    """What the tests of one file share."""
    async with open_world(module_database_url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(file_world: World) -> World:
    """One merchant with one key, and a Daraja that takes every push."""
    return await file_world.anew()
