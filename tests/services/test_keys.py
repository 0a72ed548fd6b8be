"""Keys: made, bound, rotated, revoked, and recognised without a word too much."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hakika.domain import merchant as rules
from hakika.domain.errors import (
    AddressNotAllowed,
    Forbidden,
    Invalid,
    KeyExpired,
    KeyReplaced,
    KeyRevoked,
    NotFound,
    Unauthenticated,
)
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import ApiKey, KeyText, Scope
from hakika.services import keys
from hakika.services.keys import Wanted
from hakika.services.runtime import open_runtime
from tests.services.world import World

TEST = Wanted(livemode=False)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def refusal(world: World, text: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refused:
        await keys.authenticate(world.rt, text)
    return refused.value


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

    assert (await keys.all_of_them(world.rt))[-1] == world.key


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
    revoked = {each.id: each.revoked_at for each in await keys.all_of_them(world.rt)}
    assert revoked[key.id] is not None
    assert revoked[world.key.id] is None


async def test_a_key_is_revoked_once(world: World):
    """The second time nothing is there to revoke, and the first time stays written."""
    await keys.revoke(world.rt, world.key.id)
    first = (await keys.all_of_them(world.rt))[-1].revoked_at
    with pytest.raises(NotFound):
        await keys.revoke(world.rt, world.key.id)

    assert first is not None
    assert (await keys.all_of_them(world.rt))[-1].revoked_at == first


async def made(world: World, **wanted: object) -> tuple[ApiKey, str]:
    """Return a key of the merchant, and its text."""
    return await keys.create(
        world.rt, world.key.merchant_id, Wanted(livemode=False, **wanted),  # type: ignore[arg-type]
    )


async def test_a_key_that_is_bound_makes_none_that_is_free(world: World):
    """A stolen key must not turn itself into one that lasts, or that works from anywhere."""
    tomorrow = world.rt.now() + timedelta(days=1)
    bound, _ = await made(world, networks=["10.0.0.0/8"], expires_at=tomorrow)

    heir, _ = await keys.create(world.rt, bound.merchant_id, TEST, by=bound)
    longer, _ = await keys.create(world.rt, bound.merchant_id, Wanted(
        livemode=False, networks=["10.1.0.0/16"], expires_at=tomorrow + timedelta(days=9),
    ), by=bound)

    assert (heir.networks, heir.expires_at) == (("10.0.0.0/8",), tomorrow)
    assert (longer.networks, longer.expires_at) == (("10.1.0.0/16",), tomorrow)
    for network in ("0.0.0.0/0", "11.0.0.0/8", "::/0", "10.0.0.0/7"):
        with pytest.raises(Forbidden, match="elsewhere"):
            await keys.create(
                world.rt, bound.merchant_id, Wanted(livemode=False, networks=[network]), by=bound,
            )
    with pytest.raises(Forbidden, match="elsewhere"):
        await keys.rotate(world.rt, world.key.id, by=bound)


async def test_a_key_makes_and_rotates_none_that_may_do_more(world: World):
    """Else `merchant:write` would be every scope there is."""
    few, _ = await made(world, scopes=[Scope.MERCHANT_WRITE])

    with pytest.raises(Forbidden, match="more than itself"):
        await keys.create(world.rt, few.merchant_id, TEST, by=few)
    with pytest.raises(Forbidden, match="more than itself"):
        await keys.rotate(world.rt, world.key.id, by=few)


async def test_a_rotated_key_lives_on_for_the_overlap_and_its_heir_as_long_as_it(world: World):
    """Both are good meanwhile; a key made for 90 days is followed by one of 90 days."""
    old, text = await made(
        world, networks=["10.0.0.0/8"], expires_at=world.rt.now() + timedelta(days=90),
    )
    new, new_text = await keys.rotate(world.rt, old.handle, overlap_seconds=60)
    ending = await keys.authenticate(world.rt, text)

    assert await keys.authenticate(world.rt, new_text) == new
    assert (new.scopes, new.networks, ending.replaced_by) == (old.scopes, old.networks, new.id)
    assert new.expires_at is not None and ending.expires_at is not None
    assert timedelta(days=89) < new.expires_at - world.rt.now() <= timedelta(days=90)
    assert ending.expires_at - world.rt.now() <= timedelta(seconds=60)
    with pytest.raises(Invalid):
        await keys.rotate(world.rt, new.id, overlap_seconds=7 * 24 * 3600 + 1)


async def test_the_end_that_a_rotation_sets_is_not_handed_down(world: World):
    """Rotated again after a lost answer, a key that never ends had an heir that ended in 30 s."""
    old, _ = await made(world)
    heir, _ = await keys.rotate(world.rt, old.id, overlap_seconds=30)
    ending = next(each for each in await keys.all_of_them(world.rt) if each.id == old.id)

    for which, by in ((old, None), (old, world.key), (old, ending), (heir, ending)):
        with pytest.raises(KeyReplaced, match=heir.id):
            await keys.rotate(world.rt, which.id, overlap_seconds=30, by=by)
    again, _ = await keys.rotate(world.rt, heir.id, overlap_seconds=0, by=world.key)

    assert (old.expires_at, heir.expires_at, again.expires_at) == (None, None, None)


async def test_a_key_ends_at_its_time_and_with_no_overlap_at_once(world: World):
    """In every process within a second, also where it was used a moment ago."""
    old, text = await made(world)
    async with open_runtime(world.rt.settings, public_url="https://pay.example") as elsewhere:
        await keys.authenticate(elsewhere, text)
        await keys.rotate(world.rt, old.id, overlap_seconds=0)

        assert isinstance(await refusal(world, text), KeyExpired)
        await asyncio.sleep(0.6)
        with pytest.raises(KeyExpired):
            await keys.authenticate(elsewhere, text)


async def test_a_revoked_key_is_dead_in_another_process_within_a_second(world: World):
    """Nobody tells it: it looks, twice a second."""
    key, text = await made(world)
    async with open_runtime(world.rt.settings, public_url="https://pay.example") as elsewhere:
        await keys.authenticate(elsewhere, text)
        await keys.revoke(world.rt, key.id)
        await asyncio.sleep(0.6)
        with pytest.raises(KeyRevoked):
            await keys.authenticate(elsewhere, text)


async def test_a_key_is_good_from_its_networks_alone(world: World):
    """An address that is not known is in none of them."""
    _, text = await made(world, networks=["203.0.113.7", "2001:db8::/32"])

    for address in ("203.0.113.7", "2001:db8::1"):
        await keys.authenticate(world.rt, text, address=address)
    for address in ("203.0.113.8", "2001:db9::1", "", "unix"):
        with pytest.raises(AddressNotAllowed):
            await keys.authenticate(world.rt, text, address=address)


async def test_a_use_is_noted_of_who_has_the_whole_key(world: World):
    """A handle is in lists: who knows no more must not make a dead key look alive."""
    key, text = await made(world)
    good = rules.read_key(text)
    await refusal(world, KeyText(good.livemode, good.handle, good.secret[::-1]).write())
    before = await keys.find(world.rt, world.key, limit=9)

    await keys.authenticate(world.rt, text)

    after = await keys.find(world.rt, world.key, limit=9)
    assert [each.last_used_at for each in before if each.id == key.id] == [None]
    assert None not in [each.last_used_at for each in after if each.id == key.id]


async def test_every_key_is_listed_however_many_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch,
):
    """After a thousand the newest were in no list, so that nobody could revoke them by it."""
    monkeypatch.setattr(keys, "PAGE", 2)
    mine = sorted([world.key.id, *[(await made(world))[0].id for _ in range(4)]])
    first = await keys.find(world.rt, world.key, limit=3)
    rest = await keys.find(world.rt, world.key, before=first[-1].id, limit=3)

    assert [each.id for each in (*first, *rest)] == mine[::-1]
    assert [each.id for each in await keys.all_of_them(world.rt)][-5:] == mine


async def test_keys_of_another_merchant_or_mode_are_not_there(world: World):
    """Neither in the list nor for a rotation or a revocation."""
    live, _ = await keys.create(world.rt, world.key.merchant_id, Wanted(livemode=True))
    other = (await world.live()).key

    assert live not in await keys.find(world.rt, world.key, limit=100)
    for theirs in (live, other):
        for change in (keys.rotate, keys.revoke):
            with pytest.raises(NotFound):
                await change(world.rt, theirs.id, by=world.key)
