"""Prompts: one a phone at a time, not too many an hour; and the switch that stops new live ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hakika.domain.errors import (
    CollectionsStopped,
    PromptedTooOften,
    PromptIsOpen,
    ProviderUnreachable,
)
from hakika.domain.msisdn import Msisdn
from hakika.domain.prompt import TEST_PAYER
from hakika.services import checks, merchants
from hakika.services.payments import Asked
from hakika.services.runtime import open_runtime
from tests.services.world import PAID, World, canceled, order, paid

PAYER = Msisdn("254711000001")

pytestmark = pytest.mark.asyncio(loop_scope="module")


def forget_prompts(world: World, *, seconds: int) -> None:
    """Let time pass for the prompts that are open."""
    world.change(
        f"update open_prompts set opened_at = opened_at - interval '{seconds} seconds'",
    )


async def refused(world: World, **changed: object) -> str:
    """Return what a second order for the payer is refused with."""
    with pytest.raises(PromptIsOpen) as prompt:
        await world.ask(order(payer=PAYER, **changed))
    return prompt.value.message


async def test_a_double_click_with_two_keys_makes_one_prompt(world: World):
    """A page that makes a new key at each click must not charge twice."""
    answers = await asyncio.gather(
        *(world.ask(order(payer=PAYER)) for _ in range(8)), return_exceptions=True,
    )

    (asked,) = [each for each in answers if isinstance(each, Asked)]
    others = [each for each in answers if isinstance(each, PromptIsOpen)]
    assert len(others) == 7
    assert {each.code for each in others} == {"prompt_open"}
    assert all(asked.data["id"] in each.message for each in others)
    assert len(world.daraja.pushes) == 1


async def test_the_phone_is_free_once_its_prompt_is_answered(world: World):
    """Paid, canceled or refused: the next order may ring at once."""
    for answer in (paid, canceled):
        payment = await world.read((await world.ask(order(payer=PAYER))).data["id"])
        assert payment.id in await refused(world)
        await world.call_back(payment, answer(payment))
    world.daraja.refuses = (400, {"errorCode": "400.002.02", "errorMessage": "Bad Request"})
    await world.ask(order(payer=PAYER))
    world.daraja.refuses = None

    assert (await world.ask(order(payer=PAYER))).data["status"] == "pending"


async def test_a_prompt_that_nobody_answered_is_forgotten_after_90_seconds(world: World):
    """By then the phone has put it away by itself, and no callback may ever come."""
    await world.ask(order(payer=PAYER))
    forget_prompts(world, seconds=80)
    await refused(world)
    forget_prompts(world, seconds=11)

    await world.ask(order(payer=PAYER))
    await refused(world)


async def test_a_payer_is_asked_only_so_often_in_an_hour(world: World):
    """Prompting strangers is abuse, however fast they say no."""
    guarded = world.having(prompts_per_hour_max=2)
    for _ in range(2):
        payment = await world.read((await guarded.ask(order(payer=PAYER))).data["id"])
        await world.call_back(payment, canceled(payment))
    with pytest.raises(PromptedTooOften) as limit:
        await guarded.ask(order(payer=PAYER))

    assert limit.value.retry_after_seconds == 3600
    assert len(world.daraja.pushes) == 2


async def test_the_published_sandbox_number_may_ring_as_often_as_it_likes_in_test(world: World):
    """Every developer asks it, and nobody holds that phone; live, somebody might."""
    guarded = world.having(prompts_per_hour_max=1)
    for _ in range(3):
        await guarded.ask(order(payer=TEST_PAYER))
    live = await world.live()
    await live.ask(order(payer=TEST_PAYER))

    with pytest.raises(PromptIsOpen):
        await live.ask(order(payer=TEST_PAYER))


async def test_another_merchants_prompt_is_neither_named_nor_in_the_way(world: World):
    """Whom another merchant is asking is nobody else's business."""
    theirs = (await world.ask(order(payer=PAYER))).data["id"]
    other = replace(world, key=(await world.live()).key)

    own = (await other.ask(order(payer=PAYER))).data["id"]
    assert own in await refused(other)
    assert theirs not in await refused(other)


async def test_of_two_payments_that_were_never_sent_only_one_is_sent_again(world: World):
    """Retried at the same moment, both would ring. Beside a forgotten prompt too."""
    orders = [order(payer=PAYER) for _ in range(2)]
    world.daraja.refuses = (429, {"errorCode": "500.003.02", "errorMessage": "Spike arrest"})
    for each in orders:
        with pytest.raises(ProviderUnreachable):
            await world.ask(each)
    world.daraja.refuses = None
    world.daraja.pushes.clear()
    other = await world.ask(order(payer=PAYER))
    forget_prompts(world, seconds=91)

    answers = await asyncio.gather(*map(world.ask, orders), return_exceptions=True)

    (sent,) = [each for each in answers if isinstance(each, Asked)]
    (open_,) = [each for each in answers if isinstance(each, PromptIsOpen)]
    assert sent.data["id"] in open_.message and other.data["id"] not in open_.message
    assert len(world.daraja.pushes) == 2
    assert sent.data["id"] in await refused(world)


async def test_stopped_collections_take_nothing_new_and_end_what_was_begun(world: World):
    """The way back in an incident: callbacks, checks and webhooks go on to the end."""
    live = await world.live()
    first, second = order(), order()
    paid_one = await live.read((await live.ask(first)).data["id"])
    checked = await live.read((await live.ask(second)).data["id"])
    await merchants.stop_collections(world.rt, live.key.merchant_id, reason="credentials exposed")

    with pytest.raises(CollectionsStopped, match="credentials exposed"):
        await live.ask(order())
    assert (await live.ask(first)).replayed
    await live.call_back(paid_one, paid(paid_one))
    assert (await live.read(paid_one.id)).status == "completed"
    assert live.events(paid_one.id) == ["payment.completed"]
    world.daraja.says = PAID
    live.let_pass(300)
    await checks.look_again(live.rt)
    assert "confirmed" in await live.facts(checked.id)
    assert (await world.ask(order())).data["status"] == "pending", "test mode is not touched"

    await merchants.resume_collections(world.rt, live.key.merchant_id)
    assert (await live.ask(order())).data["status"] == "pending"


async def test_the_operators_switch_stops_everybody_in_every_process_within_a_second(world: World):
    """Thrown by one process, it is seen by the others without anybody telling them."""
    live = await world.live()
    await live.ask(order())
    async with open_runtime(world.rt.settings, public_url="https://pay.example") as elsewhere:
        await merchants.stop_collections(elsewhere, None)
        await asyncio.sleep(0.6)
        with pytest.raises(CollectionsStopped):
            await live.ask(order())
        assert await merchants.resume_collections(live.rt, live.key.merchant_id) is False
        await merchants.resume_collections(elsewhere, None)


async def test_a_payment_never_sent_is_not_sent_while_collections_are_stopped(world: World):
    """The retry of an old key is a new prompt all the same."""
    live = await world.live()
    wanted = order()
    world.daraja.refuses = (429, {"errorCode": "500.003.02", "errorMessage": "Spike arrest"})
    with pytest.raises(ProviderUnreachable):
        await live.ask(wanted)
    world.daraja.refuses = None
    await merchants.stop_collections(live.rt, live.key.merchant_id)

    with pytest.raises(CollectionsStopped):
        await live.ask(wanted)
    assert len(world.daraja.pushes) == 1
