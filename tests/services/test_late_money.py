"""Money after we said that it would not come: the merchant's rule of that moment goes with it."""

from __future__ import annotations

import pytest

from hakika.domain.errors import NotFound
from hakika.domain.fact import LateAction
from hakika.domain.ids import MerchantId
from hakika.domain.payment import Payment, State
from hakika.services import merchants, payments
from hakika.store.payment_search import Filter
from tests.services.test_witnesses import asked, confirm, provider, twin, verified
from tests.services.world import World, canceled, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def policy(world: World, wanted: LateAction, *, livemode: bool = False) -> None:
    await merchants.set_late_money(world.rt, world.key.merchant_id, wanted, livemode=livemode)


async def late(world: World) -> Payment:
    """Return a payment that was paid after its payer had said no."""
    payment = await world.pending()
    await world.call_back(payment, canceled(payment))
    await world.call_back(payment, paid(payment))
    return await world.read(payment.id)


@pytest.mark.parametrize("wanted", LateAction)
async def test_what_was_wanted_goes_with_late_money_whatever_is_wanted_later(world, wanted):
    await policy(world, wanted)
    payment = await late(world)
    for other in LateAction:
        await policy(world, other)

    found = await world.read(payment.id)
    assert (found.state, found.late, found.late_action) == (State.COMPLETED, True, wanted)
    assert world.events(payment.id) == ["payment.canceled", "payment.completed"]
    listed = await payments.find(world.rt, world.key, Filter(late_action=wanted), limit=9)
    assert listed == [found]
    await verified(world)


async def test_without_a_rule_late_money_is_money(world):
    assert (await late(world)).late_action is LateAction.FULFIL


async def test_money_in_time_is_under_no_rule(world):
    await policy(world, LateAction.HOLD)
    assert (await world.completed()).late_action is None


async def test_a_rule_for_test_money_is_none_for_live_money(world):
    """Test keys lie about on many machines."""
    await policy(world, LateAction.REFUND, livemode=False)
    await policy(world, LateAction.HOLD, livemode=True)

    assert (await late(world)).late_action is LateAction.REFUND
    assert await merchants.late_money(
        world.rt, world.key.merchant_id, livemode=True,
    ) is LateAction.HOLD


async def test_whoever_tells_of_late_money_brings_the_rule(world):
    """The callback was lost, and the confirmation came after the payer was told no."""
    await policy(world, LateAction.HOLD)
    way = await provider(world)
    payment = await asked(world)
    await world.call_back(payment, canceled(payment))
    await confirm(world, way, twin(payment, "UKT000001V"))

    assert (await world.read(payment.id)).late_action is LateAction.HOLD
    await verified(world)


async def test_a_merchant_that_is_not_there_has_no_rule(world):
    with pytest.raises(NotFound):
        await merchants.set_late_money(
            world.rt, MerchantId("mer_gone"), LateAction.HOLD, livemode=True,
        )
