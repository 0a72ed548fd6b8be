"""Merchants: made, named and listed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hakika.domain.errors import Invalid
from hakika.services import merchants
from tests.services.world import World, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def file_world(module_database_url: str) -> AsyncIterator[World]:
    """What the tests of this file share."""
    async with open_world(module_database_url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(file_world: World) -> World:
    """One merchant with one key."""
    return await file_world.anew()


async def test_merchants_are_listed_in_the_order_they_came(world: World):
    """An operator finds the newest at the end."""
    made = []
    for name in ("Asha", "  Baraka  ", "Chai & Co"):
        made.append(await merchants.create(world.rt, name))
        await asyncio.sleep(0.002)  # ids sort by the millisecond

    assert (await merchants.all_of_them(world.rt))[-3:] == made
    assert [merchant.name for merchant in made] == ["Asha", "Baraka", "Chai & Co"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
async def test_a_merchant_needs_a_name_that_people_can_read(world: World, name: str):
    with pytest.raises(Invalid) as refused:
        await merchants.create(world.rt, name)

    assert [(each.field, each.code) for each in refused.value.errors] == [("name", "name_invalid")]
