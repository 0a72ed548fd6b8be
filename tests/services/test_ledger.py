"""Reading the books: what waits is chained first, and one damaged chain stops nobody else's."""

from __future__ import annotations

import pytest

from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.money import Money
from hakika.services import ledger
from hakika.services.facts import record
from tests.services.world import PRICE, World, paid

_HEAD_AT = "update posting_heads set sequence = {} where merchant_id = '{}'"

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def balances(world: World) -> dict[str, Money]:
    return {
        each.account: Money(each.debits.cents - each.credits.cents)
        for each in await ledger.sums(world.rt, world.key)
    }


async def test_a_balance_has_everything_that_was_committed(world):
    """Not only what the worker has chained by now."""
    await world.completed()
    await world.completed()

    assert await balances(world) == {
        "collected": Money(-2 * PRICE.cents), "float:174379:utility": Money(2 * PRICE.cents),
    }
    listed = await ledger.postings(world.rt, world.key, after=0, limit=10)
    assert [each.sequence for each in listed] == [1, 2]
    assert await ledger.postings(world.rt, world.key, after=2, limit=10) == []


async def test_who_has_no_postings_leaves_no_row_behind(world):
    await ledger.postings(world.rt, world.key, after=0, limit=10)

    assert world.rows(
        "select from posting_heads where merchant_id = %s", world.key.merchant_id,
    ) == []


async def test_a_damaged_chain_stops_no_other_and_can_still_be_read(world, capfd):
    """One merchant's damage is not everybody's night."""
    await world.completed()
    await ledger.chain_all(world.rt)
    world.change(_HEAD_AT.format(0, world.key.merchant_id))
    await world.completed()
    other = await world.besides()
    await other.completed()

    await ledger.chain_all(world.rt)

    assert len(await ledger.postings(other.rt, other.key, after=0, limit=10)) == 1
    assert len(await ledger.postings(world.rt, world.key, after=0, limit=10)) == 1
    assert "postings_not_chained" in "".join(capfd.readouterr())
    world.change(_HEAD_AT.format(1, world.key.merchant_id))
    assert len(await ledger.postings(world.rt, world.key, after=0, limit=10)) == 2


async def test_money_without_a_receipt_is_told_beside_the_books(world):
    """A query said paid: the merchant was told so, and finance must see why two totals differ."""
    payment = await world.pending()
    await record(world.rt, payment, Fact(Kind.CONFIRMED, Source.STK_QUERY))
    assert await ledger.awaited(world.rt, world.key) == PRICE
    assert await balances(world) == {}

    await world.call_back(payment, paid(payment))

    assert await ledger.awaited(world.rt, world.key) == Money(0)
    assert (await balances(world))["collected"] == Money(-PRICE.cents)


async def test_the_same_receipt_in_test_and_in_live_is_two_moneys(world):
    """A simulator's receipt must not stand in the way of a real one."""
    test_payment = await world.pending()
    await world.call_back(test_payment, paid(test_payment, receipt="UKLSAME001"))
    live = await world.live()
    live_payment = await live.pending()
    number = live_payment.shortcode.number
    world.change(
        f"update payments set shortcode = '{number}' where id = '{test_payment.id}'",
    )

    await live.call_back(live_payment, paid(live_payment, receipt="UKLSAME001"))

    assert (await live.read(live_payment.id)).receipt == "UKLSAME001"
