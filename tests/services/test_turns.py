"""Orders leave in their turns: not faster than the gateway takes them, and nobody starves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
import pytest_asyncio

from hakika.domain import stop
from hakika.domain.ids import BatchId, PayoutId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Payee, Way
from hakika.domain.provider import Secrets
from hakika.domain.shortcode import paybill
from hakika.domain.stop import Stop, Why
from hakika.services import buckets, payouts, providers, sending
from hakika.services.payouts import Order
from hakika.store import stops
from tests.services.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = Secrets("consumer-key", "consumer-secret", "passkey", "testapi", "U2VhbGVk")
SHORTCODE = "600966"
SPIKE = {"fault": {
    "faultstring": "Spike arrest violation.",
    "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"},
}}
BATCH = BatchId("bat_1")


@pytest_asyncio.fixture(loop_scope="module")
async def shop(world: World) -> World:
    """A merchant with an API operator and a short code that was never called."""
    wanted = providers.Wanted(paybill(SHORTCODE), OPERATOR, is_default=True)
    provider = await providers.put(world.rt, world.key, wanted)
    world.change(
        f"insert into operator_proofs values ('{provider.id}', now() + interval '1 day')",
        "delete from daraja_buckets", "update payouts set next_check_at = null",
    )
    return world


async def made(world: World, count: int, *, batch: str | None = None) -> list[PayoutId]:
    """Make payouts, of a file or of none, and return their ids."""
    wanted = [
        Order(
            Money.shillings(100 + number), Way.PHONE, Payee(phone=Msisdn(f"254712{number:06d}")),
            f"{batch or 'single'} {number}", {"number": number},
        ) for number in range(count)
    ]
    found = [(await payouts.request(world.rt, world.key, each)).payout.id for each in wanted]
    if batch is not None:
        ids = ", ".join(f"'{each}'" for each in found)
        world.change(f"update payouts set batch_id = '{batch}' where id in ({ids})")
    return found


def sent(world: World) -> list[str]:
    """Return which payouts Daraja was asked for, in order."""
    return [each["OriginatorConversationID"] for each in world.daraja.questions]


def bucket(world: World) -> Mapping[str, object]:
    (row,) = world.rows("select * from daraja_buckets where api = 'b2c'")
    return row


async def test_two_workers_together_send_no_more_than_one_may(shop):
    """The turns are in the database: a second process does not double the rate."""
    slow = shop.having(payouts_per_second=1)
    await made(slow, 8)

    counts = await asyncio.gather(*(sending.send_due(slow.rt) for _ in range(3)))

    assert sum(counts) < 6      # one left over, one now, one in a second; and as many while it ran
    assert len(sent(slow)) == sum(counts)


async def test_a_refusal_slows_down_and_fails_nothing(shop):
    """429 is no verdict on a payout: it is ready again, and all who send are told."""
    (payout,) = await made(shop, 1)
    shop.daraja.refuses = 429, SPIKE

    await sending.send_due(shop.rt)

    assert shop.value("select state from payouts where id = %s", payout) == "ready"
    assert bucket(shop)["ceiling"] == 1_000


async def test_a_busy_mpesa_slows_down_too(shop):
    """500.003.02 may have been taken: the payout is unknown, and the next ones wait."""
    (payout,) = await made(shop, 1)
    shop.daraja.refuses = 500, {
        "errorCode": "500.003.02", "errorMessage": "System is busy. Please try again.",
    }

    await sending.send_due(shop.rt)

    assert shop.value("select state from payouts where id = %s", payout) == "unknown"
    assert bucket(shop)["ceiling"] == 1_000


async def test_a_single_payout_does_not_wait_for_a_file(shop):
    """A refund at the counter is not the last of ten thousand salaries."""
    await made(shop, 12, batch=BATCH)
    (single,) = await made(shop, 1)

    await sending.send_due(shop.rt)

    assert single in sent(shop)
    assert len(sent(shop)) == sending.AT_ONCE


async def test_a_paused_file_is_held_and_nothing_else(shop):
    await made(shop, 2, batch=BATCH)
    (single,) = await made(shop, 1)
    async with shop.rt.store.transaction() as tx:
        paused = Stop(stop.of_file(BATCH), Why.PAUSE, "", shop.key.id, shop.rt.now())
        await stops.add(tx, paused)

    await sending.send_due(shop.rt)
    assert sent(shop) == [single]

    async with shop.rt.store.transaction() as tx:
        await stops.lift(tx, stop.of_file(BATCH))
    await sending.send_due(shop.rt)
    assert len(sent(shop)) == 3


async def test_no_question_is_put_while_orders_are_refused(shop):
    """Money that goes out comes first; what became of it can be asked a little later."""
    assert await buckets.may_ask(shop.rt, SHORTCODE, livemode=False)
    await made(shop, 1)
    shop.daraja.refuses = 429, SPIKE

    await sending.send_due(shop.rt)

    assert not await buckets.may_ask(shop.rt, SHORTCODE, livemode=False)
