"""Guards besides the thefts: beneficiaries, one switch, what is kept of changes, and the float."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hakika.domain.errors import (
    FloatInsufficient,
    Forbidden,
    MoneyOutFrozen,
    NotFound,
    PayeeCoolsOff,
    PayeeNotListed,
)
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Payee, Payout, Way
from hakika.services import (
    beneficiaries,
    floats,
    guards,
    payout_rules,
    payouts,
    stops,
)
from hakika.services.payouts import Order
from tests.services.test_heists import RELAXED, Shop, kes, shop
from tests.services.world import paid

__all__ = ["shop"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_new_beneficiary_cools_off_and_is_paid_by_the_clock(shop):
    """Whoever lists an accomplice waits a day, in which somebody may see it."""
    await shop.rules(**RELAXED | {"only_listed": True})
    with pytest.raises(PayeeNotListed):
        await shop.ask(100)
    listed, _ = await beneficiaries.add(shop.rt, shop.boss, Payee(phone=Msisdn("254712345678")))
    payout = await shop.ask(100)

    assert payout.held_for == ("new_beneficiary",)
    assert listed.usable_from - listed.added_at == timedelta(hours=24)
    with pytest.raises(PayeeCoolsOff):
        await payouts.approve(shop.rt, shop.boss, payout.id)
    assert await guards.let_cooled_go(shop.rt) == 0

    shop.world.change(
        "update beneficiaries set usable_from = now()",
        "update payouts set next_check_at = now() where state = 'held'",
    )
    assert await guards.let_cooled_go(shop.rt) == 1
    assert [each.id for each in await shop.leaving()] == [payout.id]


async def test_nothing_is_approved_nor_cools_off_into_going_while_frozen(shop):
    """What was asked before the freeze is what the thief asked: it waits for the lifting."""
    await shop.rules(**RELAXED | {"approval_above": "500.00", "only_listed": True})
    await beneficiaries.add(shop.rt, shop.boss, Payee(phone=Msisdn("254712345678")))
    shop.world.change("update beneficiaries set usable_from = now() + interval '1 minute'")
    cooling = await shop.ask(100)
    shop.world.change("update beneficiaries set usable_from = now()")
    held = await shop.ask(600)
    await stops.freeze(shop.rt, shop.clerk)
    shop.world.change("update payouts set next_check_at = now() where state = 'held'")

    with pytest.raises(MoneyOutFrozen):
        await payouts.approve(shop.rt, shop.boss, held.id)
    assert await guards.let_cooled_go(shop.rt) == 0
    await shop.lift(shop.partner)
    shop.world.change("update payouts set next_check_at = now() where state = 'held'")
    assert await guards.let_cooled_go(shop.rt) == 1
    await payouts.approve(shop.rt, shop.boss, held.id)
    assert {each.id for each in await shop.leaving()} == {cooling.id, held.id}


async def test_a_removed_beneficiary_is_not_paid_what_waited(shop):
    await shop.rules(**RELAXED | {"only_listed": True})
    listed, _ = await beneficiaries.add(shop.rt, shop.boss, Payee(phone=Msisdn("254712345678")))
    payout = await shop.ask(100)
    await beneficiaries.remove(shop.rt, shop.boss, listed.id)

    with pytest.raises(PayeeNotListed):
        await payouts.approve(shop.rt, shop.boss, payout.id)


async def test_one_switch_stops_all_money_out_and_nothing_else(shop):
    """Callbacks are believed and webhooks leave meanwhile, and what was sent is settled."""
    await shop.rules(**RELAXED)
    payout = await shop.ask(100)
    collecting = await shop.world.besides()
    await collecting.add_endpoint()
    payment = await collecting.pending()

    await stops.freeze_everything(shop.rt, note="An intruder")

    assert await shop.leaving() == []
    await collecting.call_back(payment, paid(payment))
    await collecting.deliver()
    assert [each["type"] for each in collecting.receiver.heard] == ["payment.completed"]
    with pytest.raises(Forbidden):
        await stops.lift(shop.rt, shop.boss, "all")
    assert await stops.lift_everything(shop.rt)
    assert [each.id for each in await shop.leaving()] == [payout.id]


async def test_every_change_of_a_guard_is_kept_with_who_and_from_what(shop):
    await shop.rules(**RELAXED)

    told = await payout_rules.changes(shop.rt, shop.boss, before=None, limit=10)

    assert [(each.what, each.who) for each in told] == [
        ("lifted", shop.partner.id), ("rules_changed", shop.boss.id), ("frozen", shop.boss.id),
    ]
    assert (told[1].before or {})["day_max"] == "200000.00"
    assert (told[1].after or {})["day_max"] is None


def tell_balance(shop: Shop, shillings: int, *, hours: int = 0) -> None:
    """Let M-Pesa have told what lies on the utility account."""
    shop.world.change(
        f"insert into balances values ('{shop.clerk.merchant_id}', true, '600978', "
        f"'float:600978:utility', now() - interval '{hours} hours', 'balance', {shillings * 100})",
    )


async def test_what_the_float_cannot_bear_is_refused_and_promises_are_counted(shop):
    """Settled and promised never pass what is there (I6); a float that nobody told is unknown."""
    await shop.rules(**RELAXED)
    wanted = Order(kes(10), Way.PHONE, Payee(phone=Msisdn("254712345678")), "unknown", {"a": 1})
    assert not (await payouts.request(shop.rt, shop.clerk, wanted)).float_is_known
    tell_balance(shop, 1_010)

    answers = await asyncio.gather(*(shop.ask(300) for _ in range(6)), return_exceptions=True)

    assert sum(isinstance(each, Payout) for each in answers) == 3
    refused = [each for each in answers if isinstance(each, FloatInsufficient)]
    assert len(refused) == 3
    assert "1010.00 lie on float:600978:utility and 910.00 of it is promised" in str(refused[-1])
    utility = next(
        each for each in await floats.read(shop.rt, shop.boss) if each["place"] == "utility"
    )
    assert (utility["known"], utility["reserved"], utility["available"]) == (
        "1010.00", "910.00", "100.00",
    )


async def test_a_low_float_is_told_once_until_it_recovers(shop):
    await shop.rules(**RELAXED | {"float_low": {"600978": "1000.00"}})
    tell_balance(shop, 999, hours=2)
    assert await floats.watch(shop.rt) == 1
    assert await floats.watch(shop.rt) == 0
    tell_balance(shop, 5_000, hours=1)
    assert await floats.watch(shop.rt) == 0
    tell_balance(shop, 1)

    assert await floats.watch(shop.rt) == 1
    told = shop.world.rows(
        "select name from events where merchant_id = %s and name = 'float.low'",
        shop.clerk.merchant_id,
    )
    assert len(told) == 2


async def test_a_stop_of_somebody_else_cannot_be_lifted(shop):
    with pytest.raises(NotFound):
        await stops.lift(shop.rt, shop.boss, "mer_00000000000000000000000000:live")
