"""The vault: what is sealed opens in its place alone, and masters change while others work."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from moto.server import ThreadedMotoServer

from hakika import kms
from hakika.domain.sealing import INSTANCE, SealBroken, read_master_key
from hakika.services import merchants, vault
from hakika.services.runtime import Runtime, open_runtime
from hakika.services.vault import WrongSecret
from hakika.store.keyring import MasterKeyMissing
from tests.postgres import fresh_database
from tests.services.world import World, open_world, paid, settings_of
from tests.vault import MASTER_KEY

NEW_KEY = vault.new_master_key()

pytestmark = pytest.mark.asyncio(loop_scope="module")


def name_of(master_key: str) -> str:
    return read_master_key(master_key).name


@contextlib.asynccontextmanager
async def another_process(world: World, **settings: str) -> AsyncIterator[Runtime]:
    """Open the parts of another process of this Hakika, with other settings."""
    other = settings_of(world.url, world.daraja.url).model_dump() | settings
    settings_there = type(world.rt.settings)(**other)
    async with open_runtime(settings_there, public_url="https://pay.example") as rt:
        yield rt


async def test_what_is_sealed_opens_for_its_owner_in_its_place_alone(world: World):
    """A value copied to another row, field or merchant must not be read there as if it were so."""
    other = await merchants.create(world.rt, "Another")
    async with world.rt.store.autocommit() as tx:
        mine, theirs = await tx.sealer(world.key.merchant_id), await tx.sealer(other.id)
        ours = await tx.sealer(INSTANCE)
    sealed = mine.seal("payments.private pay_1", b"254708374149")

    assert mine.open("payments.private pay_1", sealed) == b"254708374149"
    for sealer, place in [
        (mine, "payments.private pay_2"), (mine, "facts.private pay_1"), (mine, ""),
        (theirs, "payments.private pay_1"), (ours, "payments.private pay_1"),
    ]:
        with pytest.raises(SealBroken):
            sealer.open(place, sealed)


async def test_a_row_moved_to_another_payment_is_not_read_there(world: World):
    """Who can write to the database could else let one payer stand for another."""
    one, two = await world.pending(), await world.pending()
    world.change(
        f"update payments set private = (select private from payments where id = '{two.id}')"
        f" where id = '{one.id}'",
    )

    with pytest.raises(SealBroken):
        await world.read(one.id)


async def test_a_callback_about_a_row_that_does_not_open_is_kept(world: World):
    """Safaricom calls once: damage in our house must not lose what it said."""
    payment = await world.pending()
    world.change(f"update payments set private = 'x' where id = '{payment.id}'")
    world.rt.pushed.recall(payment.id)  # as if another process had pushed it

    await world.call_back(payment, paid(payment))

    (kept,) = world.quarantined()
    assert (kept["reason"], kept["payment_id"]) == ("not_interpreted", payment.id)


async def test_another_master_key_or_secret_refuses_to_work_and_names_what_is_wanted(world: World):
    """With the wrong ones everything would look forged, or be lost. (F38)"""
    with pytest.raises(MasterKeyMissing, match=f"wrapped by master key {name_of(MASTER_KEY)}"):
        async with another_process(world, master_key=NEW_KEY):
            pass
    with pytest.raises(WrongSecret, match="begun with another HAKIKA_SECRET"):
        async with another_process(world, secret="another secret of 32 characters!"):
            pass


async def test_a_rotation_disturbs_no_payment_and_can_be_broken_off(template: str):
    """Payments go on in an old and a new process while keys are wrapped anew; both read all."""
    with fresh_database(template) as url:
        async with open_world(url) as world:
            others = [await merchants.create(world.rt, f"Duka {number}") for number in range(30)]
            both = {"master_key": NEW_KEY, "master_key_previous": MASTER_KEY}
            async with another_process(world, **both) as rt:
                await rotate_under_load(replace(world, rt=rt), rt)

            assert await vault.status(world.rt.store) == {name_of(NEW_KEY): len(others) + 2}
            async with another_process(world, master_key=NEW_KEY) as rt:
                await replace(world, rt=rt).completed()
            with pytest.raises(MasterKeyMissing):
                async with another_process(world):
                    pass


async def rotate_under_load(world: World, rt: Runtime) -> None:
    """Break a rotation off after each step, then let it end, while payments are made and paid."""
    done = asyncio.Event()

    async def pay() -> int:
        for count in itertools.count(1):
            payment = await world.completed()
            assert payment.receipt
            if done.is_set():
                return count
        raise AssertionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hakika.store.keyring.ROTATED_AT_ONCE", 7)
        load = asyncio.gather(pay(), pay())
        for _ in range(2):
            with contextlib.suppress(InterruptedError):
                await vault.rotate(rt.store, progress=_break_off)
        assert len(await vault.status(rt.store)) == 2, "it was broken off half-way"
        wrapped = await vault.rotate(rt.store)
        again = await vault.rotate(rt.store)
        done.set()

    assert (wrapped, again) == (32 - 2 * 7, 0)
    assert min(await load) >= 1


def _break_off(_done: int, _all: int) -> None:
    raise InterruptedError


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """A KMS on this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "af-south-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


async def test_a_master_key_may_be_kept_by_aws_kms(
    aws: ThreadedMotoServer, template: str,
):
    """It is opened at the start; without KMS nothing starts, and it is said plainly."""
    import boto3  # noqa: PLC0415 - an extra, and a slow one

    key_id = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
    kept, other = vault.new_master_key(key_id), vault.new_master_key(key_id)
    assert kept.startswith("kms:")
    with fresh_database(template) as url:
        settings = settings_of(url, "http://127.0.0.1:1")
        kept_there = type(settings)(**(settings.model_dump() | {"master_key": kept}))
        async with open_runtime(kept_there) as rt:
            await merchants.create(rt, "Duka")
        async with open_runtime(kept_there) as rt:
            assert len(await merchants.all_of_them(rt)) == 1

    aws.stop()
    with pytest.raises(kms.KmsFailed, match="AWS KMS gave no key"):
        kms.opened(other)
