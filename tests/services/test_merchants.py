"""Merchants and keys: made, listed, revoked, and recognised without a word too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hakika.domain import merchant as rules
from hakika.domain.errors import Invalid, KeyRevoked, NotFound, Unauthenticated
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import KeyText, Scope
from hakika.services import keys, merchants
from hakika.services.keys import Wanted
from tests.services.world import World, open_world

TEST = Wanted(livemode=False)

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


async def refusal(world: World, text: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refused:
        await keys.authenticate(world.rt, text)
    return refused.value


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


@pytest.mark.parametrize("livemode", [False, True])
async def test_a_key_is_recognised_as_what_it_was_made(world: World, livemode: bool):
    """Mode, merchant and scopes come from our row, never from what the caller says."""
    key, text = await keys.create(world.rt, world.key.merchant_id, Wanted(
        livemode=livemode, scopes=[Scope.PAYMENTS_READ], label="till 4",
    ))

    assert await keys.authenticate(world.rt, text) == key
    assert (key.livemode, key.label) == (livemode, "till 4")
    assert key.scopes == {Scope.PAYMENTS_READ}


async def test_a_key_without_scopes_named_may_do_everything(world: World):
    assert world.key.scopes == set(Scope)


async def test_the_key_itself_is_nowhere_in_the_database(world: World):
    """A stolen backup must not let anybody in."""
    _, text = await keys.create(world.rt, world.key.merchant_id, TEST)
    secret = rules.read_key(text).secret
    kept = world.value("select string_agg(api_keys::text, '') from api_keys")

    assert secret not in kept
    assert text.encode().hex() not in kept


async def test_a_key_of_nobody_is_not_made(world: World):
    with pytest.raises(NotFound):
        await keys.create(world.rt, MerchantId("mer_none"), TEST)

    assert (await keys.find(world.rt))[-1] == world.key


async def test_a_wrong_name_and_a_wrong_secret_are_refused_alike(world: World):
    """Else a guesser learns which names exist."""
    _, text = await keys.create(world.rt, world.key.merchant_id, TEST)
    good = rules.read_key(text)
    wrong_secret = KeyText(good.livemode, good.handle, good.secret[::-1]).write()
    wrong_name = KeyText(good.livemode, good.handle[::-1], good.secret).write()
    wrong_mode = KeyText(not good.livemode, good.handle, good.secret).write()

    said = [await refusal(world, each) for each in (wrong_secret, wrong_name, wrong_mode)]

    assert len({(type(each), each.code, each.message, each.hint) for each in said}) == 1
    assert said[0].code == "unauthenticated"


async def test_a_wrong_secret_of_a_revoked_key_does_not_tell_that_it_was_one(world: World):
    key, text = await keys.create(world.rt, world.key.merchant_id, TEST)
    await keys.revoke(world.rt, key.id)
    good = rules.read_key(text)
    guessed = KeyText(good.livemode, good.handle, good.secret[::-1]).write()

    assert (await refusal(world, guessed)).code == "unauthenticated"


@pytest.mark.parametrize("which", ["id", "handle"])
async def test_a_revoked_key_says_so_at_once_and_stays_listed(world: World, which: str):
    """Its owner must learn why it stopped; the operator must see that it once was."""
    key, text = await keys.create(world.rt, world.key.merchant_id, TEST)
    await keys.authenticate(world.rt, text)

    await keys.revoke(world.rt, getattr(key, which))

    assert isinstance(await refusal(world, text), KeyRevoked)
    revoked = {each.id: each.revoked_at for each in await keys.find(world.rt)}
    assert revoked[key.id] is not None
    assert revoked[world.key.id] is None


async def test_a_key_is_revoked_once(world: World):
    """The second time nothing is there to revoke, and the first time stays written."""
    await keys.revoke(world.rt, world.key.id)
    first = (await keys.find(world.rt))[-1].revoked_at
    with pytest.raises(NotFound):
        await keys.revoke(world.rt, world.key.id)

    assert first is not None
    assert (await keys.find(world.rt))[-1].revoked_at == first
