"""What a person must decide about a payment is put before people, once, with both sides."""

from __future__ import annotations

import json

import pytest

from hakika.domain.discrepancy import Kind
from hakika.domain.fact import LateAction
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.payment import Payment
from hakika.services import discrepancies, merchants
from hakika.store.discrepancies import Sought
from tests.services.world import World, canceled, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")


def short(payment: Payment, receipt: str) -> bytes:
    """Return a callback that 300 shillings were paid, whatever was asked."""
    told = json.loads(paid(payment, receipt=receipt))
    told["Body"]["stkCallback"]["CallbackMetadata"]["Item"][0]["Value"] = 300
    return json.dumps(told).encode()


async def asked(world: World):
    await discrepancies.ask(world.rt)
    return await discrepancies.find(world.rt, world.key.owner, Sought(), limit=10)


async def test_facts_that_cannot_both_be_true_stand_side_by_side(world):
    """Both facts, with who said them: nobody has to search the logs. (I4)"""
    payment = await world.pending()
    await world.call_back(payment, short(payment, "UKL0000001"))

    (found,) = await asked(world)

    assert found.is_open and found.difference.kind is Kind.REVIEW
    assert (found.difference.ours, found.difference.theirs) == (payment.amount, Money(30_000))
    assert "KES 300.00, receipt UKL0000001" in found.difference.words
    assert "stk_callback" in found.difference.words


async def test_a_question_is_asked_once_and_stays_answered(world):
    payment = await world.pending()
    await world.call_back(payment, short(payment, "UKL0000002"))
    (found,) = await asked(world)
    await discrepancies.resolve(
        world.rt, world.key.owner, found.id, who="Wanjiku", reason="Delivered in part.",
    )

    (again,) = await asked(world)

    assert not again.is_open and again.resolution == "Delivered in part."
    assert world.value(
        "select count(*) from events where name = 'reconciliation.discrepancy'"
        " and subject_id = %s", found.id,
    ) == 1


async def test_late_money_is_asked_about_only_where_the_merchant_wants_it(world):
    """`fulfil` is no question; `hold` is one."""
    for policy in (LateAction.FULFIL, LateAction.HOLD):
        await merchants.set_late_money(
            world.rt, world.key.merchant_id, policy, livemode=False,
        )
        payment = await world.pending()
        await world.call_back(payment, canceled(payment))
        await world.call_back(payment, paid(payment))

    found = await asked(world)

    assert [each.difference.kind for each in found] == [Kind.LATE_MONEY]


async def test_one_payment_that_cannot_be_read_keeps_no_other_question_back(world, capfd):
    for receipt in ("UKL0000003", "UKL0000004"):
        payment = await world.pending()
        await world.call_back(payment, short(payment, receipt))
        if receipt == "UKL0000003":
            world.change(f"update payments set private = 'x' where id = '{payment.id}'")

    found = await asked(world)

    assert [each.difference.receipt for each in found] == ["UKL0000004"]
    assert "question_not_asked" in "".join(capfd.readouterr())


async def test_another_merchants_discrepancy_is_not_there(world):
    payment = await world.pending()
    await world.call_back(payment, short(payment, "UKL0000005"))
    await discrepancies.ask(world.rt)
    other = await world.besides()

    assert await discrepancies.find(other.rt, other.key.owner, Sought(), limit=10) == []
    assert await discrepancies.find(
        world.rt, Owner(world.key.merchant_id, livemode=True), Sought(), limit=10,
    ) == []
