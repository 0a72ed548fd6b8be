"""Merchants: made, named and listed."""

from __future__ import annotations

import asyncio

import pytest

from hakika.domain.errors import Invalid
from hakika.services import merchants
from tests.services.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_merchants_are_listed_in_the_order_they_came(
    world: World, monkeypatch: pytest.MonkeyPatch,
):
    """An operator finds the newest at the end."""
    made = []
    for name in ("Asha", "  Baraka  ", "Chai & Co"):
        made.append(await merchants.create(world.rt, name))
        await asyncio.sleep(0.002)  # ids sort by the millisecond

    monkeypatch.setattr(merchants, "PAGE", 2)  # also when one page does not hold them all
    assert (await merchants.all_of_them(world.rt))[-3:] == made
    assert [merchant.name for merchant in made] == ["Asha", "Baraka", "Chai & Co"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
async def test_a_merchant_needs_a_name_that_people_can_read(world: World, name: str):
    with pytest.raises(Invalid) as refused:
        await merchants.create(world.rt, name)

    assert [(each.field, each.code) for each in refused.value.errors] == [("name", "name_invalid")]
