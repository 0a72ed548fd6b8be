"""Merchants' ways into Daraja: what it says of them, and what goes on without them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from aiohttp import web

from hakika.domain.errors import Conflict, NotFound
from hakika.domain.provider import Secrets
from hakika.domain.shortcode import paybill
from hakika.services import checks, providers, pulls
from hakika.services.providers import Wanted
from tests.services.world import Daraja, World, open_world, order, paid

OWN = Wanted(paybill("600997"), Secrets("own-key", "own-secret", "own-passkey"))

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def file_world(module_database_url: str) -> AsyncIterator[World]:
    """What the tests of this file share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Daraja, "token", picky_token)
        async with open_world(module_database_url) as opened:
            yield opened


async def picky_token(_: Daraja, request: web.Request) -> web.Response:
    """Give each app a token of its own; none for a secret that says it is wrong."""
    pair = request.headers["Authorization"]
    if "wrong" in base64.b64decode(pair.split()[1]).decode():
        return web.json_response({"errorCode": "400.008.01"}, status=400)
    return web.json_response({"access_token": f"token-{hash(pair)}", "expires_in": "3599"})


async def test_what_daraja_refuses_is_kept_and_said_in_words(world: World):
    """The merchant mends it; meanwhile nothing is lost."""
    wrong = replace(OWN, secrets=replace(OWN.secrets, consumer_secret="wrong"))
    kept = await providers.put(world.rt, world.key, wrong)

    assert kept.valid is False and kept.checked_at is not None
    assert "Check the consumer key and secret" in kept.last_error
    mended = await providers.put(world.rt, world.key, OWN)
    assert (mended.valid, mended.last_error, mended.id) == (True, "", kept.id)


async def test_who_knows_anothers_consumer_key_is_not_lent_their_token(world: World):
    """The token is kept for all processes: it must be found by key and secret together."""
    await providers.put(world.rt, world.key, OWN)
    await world.ask()
    thief = await world.live()
    stolen = replace(
        OWN, shortcode=paybill("600996"), secrets=replace(OWN.secrets, consumer_secret="wrong"),
    )

    assert (await providers.put(world.rt, thief.key, stolen)).valid is False
    pushes = len(world.daraja.pushes)
    with pytest.raises(Exception, match="could not be reached"):
        await thief.ask(order(shortcode="600996"))
    assert len(world.daraja.pushes) == pushes


async def test_payments_under_way_end_without_the_credentials_they_began_with(world: World):
    """Callbacks settle them; they are asked about no more, and nothing breaks."""
    await providers.put(world.rt, world.key, OWN)
    settled, silent = await world.pending(), await world.pending()
    await providers.delete(world.rt, world.key)
    await world.call_back(settled, paid(settled))
    world.let_pass(300)
    await checks.look_again(world.rt)

    assert (await world.read(settled.id)).status == "completed"
    assert world.daraja.queries == []
    assert (await world.read(silent.id)).status in {"pending", "unknown"}
    with pytest.raises(NotFound):
        await providers.validate(world.rt, world.key)


async def test_another_merchants_short_codes_are_not_there(world: World):
    await providers.put(world.rt, world.key, OWN)
    other = (await world.live()).key

    for act in (providers.validate, providers.delete):
        with pytest.raises(NotFound):
            await act(world.rt, other, OWN.shortcode.number)
    assert len(await providers.find(world.rt, world.key)) == 1


async def test_there_is_an_end_to_short_codes(world: World, monkeypatch: pytest.MonkeyPatch):
    """Each is opened for every payment of the merchant."""
    monkeypatch.setattr(providers, "PROVIDERS_MAX", 2)
    for number in ("600001", "600002"):
        await providers.put(world.rt, world.key, replace(OWN, shortcode=paybill(number)))

    with pytest.raises(Conflict):
        await providers.put(world.rt, world.key, replace(OWN, shortcode=paybill("600003")))
    await providers.put(world.rt, world.key, replace(OWN, shortcode=paybill("600002")))


async def test_credentials_that_do_not_open_keep_no_others_list_unread(world: World):
    """One damaged row stopped the batch, and so everybody's list, every ten minutes. (T54)"""
    first, second = [
        await providers.put(world.rt, world.key, replace(OWN, shortcode=paybill(number)))
        for number in ("600001", "600002")
    ]
    world.change(
        *(f"insert into watermarks values ('{each.id}', null, now() - interval '{late} seconds')"
          for each, late in ((first, 2), (second, 1))),
        "update providers set private = set_byte(private, 20, 1 # get_byte(private, 20))"
        f" where id = '{first.id}'",
    )

    assert await pulls.run_due(world.rt) == 2

    assert [row["shortcode"] for row in world.rows(
        "select shortcode from reconciliation_runs where merchant_id = %s", world.key.merchant_id,
    )] == ["600002"]
    (left,) = world.rows(
        "select last_error, next_pull_at > now() as waits from watermarks where provider_id = %s",
        first.id,
    )
    assert left == {"last_error": "Hakika could not read it: SealBroken.", "waits": True}
