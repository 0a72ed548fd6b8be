"""Money that is to go out: made once for ever, set aside before it is sent, taken back unsent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
import pytest_asyncio

from hakika.daraja.envelope_results import envelope_result
from hakika.domain.errors import Conflict, Forbidden, IdempotencyKeyReused, Invalid
from hakika.domain.fact import Fact
from hakika.domain.fact import Kind as FactKind
from hakika.domain.fact import Source as FactSource
from hakika.domain.ids import PayoutId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Payee, Payout, State, Way
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.provider import Secrets
from hakika.domain.refund import refund_id
from hakika.domain.shortcode import paybill
from hakika.domain.stop import Why
from hakika.services import (
    facts,
    keys,
    ledger,
    operators,
    payouts,
    providers,
    refunds,
    sending,
    stops,
)
from hakika.services.keys import Wanted
from hakika.services.payout_facts import record
from hakika.services.payouts import Order
from hakika.store import payouts as store
from tests.services.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = Secrets("consumer-key", "consumer-secret", "passkey", "testapi", "U2VhbGVk")
WAGES = Money.shillings(1_200)
JANE = Payee(phone=Msisdn("254712345678"), name="Jane")
_numbers = count(1)


def order(**more: object) -> Order:
    number = next(_numbers)
    made = Order(
        WAGES, Way.PHONE, JANE, f"wages-{number}", {"amount": 1200, "phone": "0712345678"},
        reference="March", remarks="Wages of March",
    )
    return replace(made, **more)  # type: ignore[arg-type]


@pytest_asyncio.fixture(loop_scope="module")
async def shop(world: World) -> World:
    """A merchant with an API operator."""
    wanted = providers.Wanted(paybill("600966"), OPERATOR, is_default=True)
    await providers.put(world.rt, world.key, wanted)
    return world


async def made(world: World, **more: object) -> Payout:
    return (await payouts.request(world.rt, world.key, order(**more))).payout


async def balances(world: World) -> dict[str, int]:
    """Return debits less credits of each account, in cents."""
    await ledger.chain_all(world.rt)
    return {
        row["account"]: row["debits_cents"] - row["credits_cents"] for row in world.rows(
            "select * from account_sums where merchant_id = %s order by account",
            world.key.merchant_id,
        ) if row["debits_cents"] != row["credits_cents"]
    }


def _told(fact: PayoutFact, _: Payout) -> PayoutFact:
    return fact


async def heard(world: World, payout: Payout, *facts: PayoutFact) -> Payout:
    for fact in facts:
        change = await record(world.rt, payout.id, partial(_told, fact))
        assert change is not None
        payout = change.after
    return payout


ASKED = PayoutFact(Kind.ASKED, Source.CALLER, attempt=1)
INQUIRED = PayoutFact(Kind.INQUIRED, Source.STATUS)
PAID = PayoutFact(Kind.PAID, Source.RESULT, receipt="SG632NMUAB", amount=WAGES)
DECLINED = PayoutFact(Kind.DECLINED, Source.RESULT)


async def test_a_payout_is_ready_and_its_amount_is_set_aside(shop):
    """Held in the books before anything is sent: nobody else can be promised it. (T52)"""
    payout = await made(shop)

    assert (payout.state, payout.released_by) == (State.READY, shop.key.id)
    assert payout.next_check_at is not None
    assert await balances(shop) == {
        "payouts": WAGES.cents, "held:600966:utility": -WAGES.cents,
    }


async def test_the_same_key_never_makes_a_second_payout(shop):
    """Not at once, not later, not by many: a payout's key is unique for ever."""
    wanted = order()
    answers = await asyncio.gather(*(
        payouts.request(shop.rt, shop.key, wanted) for _ in range(8)
    ))

    assert len({each.payout.id for each in answers}) == 1
    assert sorted(each.replayed for each in answers) == [False] + [True] * 7
    with pytest.raises(IdempotencyKeyReused):
        await payouts.request(shop.rt, shop.key, replace(wanted, body={"amount": 1300}))
    assert (await balances(shop))["payouts"] == WAGES.cents


async def test_without_an_operator_nothing_is_made(world):
    await providers.put(world.rt, world.key, providers.Wanted(
        paybill("600966"), Secrets("consumer-key", "consumer-secret", "passkey"), is_default=True,
    ))
    with pytest.raises(Invalid, match="has no initiator"):
        await made(world)
    assert world.rows("select id from payouts where merchant_id = %s", world.key.merchant_id) == []


async def test_what_was_not_sent_can_be_taken_back_and_is_released(shop):
    payout = await made(shop)

    canceled = await payouts.cancel(shop.rt, shop.key, payout.id)

    assert canceled.state is State.CANCELED
    assert await balances(shop) == {}
    with pytest.raises(Conflict, match="not held"):
        await payouts.approve(shop.rt, await second_key(shop), payout.id)


async def test_what_may_have_been_sent_cannot_be_taken_back(shop):
    payout = await made(shop)
    await heard(shop, payout, ASKED)

    with pytest.raises(Conflict, match="may have been"):
        await payouts.cancel(shop.rt, shop.key, payout.id)
    assert (await balances(shop))["held:600966:utility"] == -WAGES.cents


async def test_money_that_went_leaves_the_float_once(shop):
    """However often it is told, and in whatever order with what was set aside."""
    payout = await made(shop)
    receipt = f"SG6{next(_numbers):07d}"
    told = replace(PAID, receipt=receipt)

    after = await heard(shop, payout, ASKED, told, told, DECLINED)

    assert (after.state, after.receipt, after.disputed) == (State.COMPLETED, receipt, True)
    assert await balances(shop) == {
        "payouts": WAGES.cents, "float:600966:utility": -WAGES.cents,
    }


async def test_a_receipt_of_another_payout_is_a_contradiction(shop):
    """One receipt is one movement of money: the second who claims it is put before a person."""
    told = replace(PAID, receipt=f"SG6{next(_numbers):07d}")
    first, second = await made(shop), await made(shop)
    await heard(shop, first, ASKED, told)

    after = await heard(shop, second, ASKED, told)

    assert (after.state, after.receipt, after.disputed) == (State.SENDING, "", True)
    assert (await balances(shop))["float:600966:utility"] == -WAGES.cents


async def test_a_payout_that_ended_without_money_gives_back_what_was_set_aside(shop):
    payout = await made(shop)

    after = await heard(shop, payout, ASKED, DECLINED)

    assert after.state is State.FAILED
    assert await balances(shop) == {}
    assert [row["name"] for row in shop.rows(
        "select name from events where subject_id = %s", payout.id,
    )] == ["payout.failed"]


async def test_each_fact_of_a_payout_can_be_read_with_who_said_it(shop):
    payout = await made(shop)
    await heard(shop, payout, ASKED, DECLINED)

    told = await payouts.timeline(shop.rt, payout)

    assert [(each.kind, each.source) for each in told] == [
        (Kind.RELEASED, Source.CALLER), (Kind.ASKED, Source.CALLER),
        (Kind.DECLINED, Source.RESULT),
    ]
    assert told[0].details["who"] == shop.key.id


async def test_nothing_in_the_database_says_in_plain_who_is_paid(shop):
    payout = await made(shop)
    rows = shop.rows("select * from payouts where id = %s", payout.id)

    assert "345678" not in repr(rows) and "Jane" not in repr(rows) and "March" not in repr(rows)


async def second_key(world: World) -> ApiKey:
    """Return a key of somebody else in the same shop."""
    key, _ = await keys.create(world.rt, world.key.merchant_id, Wanted(
        livemode=False, scopes=[Scope.PAYOUTS_APPROVE],
    ))
    return key


async def test_nobody_approves_their_own(shop):
    payout = await made(shop)

    with pytest.raises(Forbidden, match="nobody approves their own"):
        await payouts.approve(shop.rt, shop.key, payout.id)


REFUSED_OPERATOR = PayoutFact(
    Kind.DECLINED, Source.RESULT, reason=envelope_result("2001").reason(),
)
LOCKED = PayoutFact(Kind.REFUSED, Source.DARAJA, attempt=1, reason=envelope_result("8006").reason())


async def may_try(world: World) -> bool:
    """Say whether a worker would send another order with the operator of this shop."""
    provider, = await providers.find(world.rt, world.key)
    async with world.rt.store.transaction() as tx:
        return await operators.may_try(
            world.rt, tx, provider.id, PayoutId("pyo_another"),
        )


@pytest.mark.parametrize("word", [REFUSED_OPERATOR, LOCKED], ids=["result", "at once"])
async def test_the_first_word_against_an_operator_stops_it_with_the_fact(shop, word):
    """Whether M-Pesa says it at once or in a result: nothing more is tried with it. (T14)"""
    payout, waiting = await made(shop), await made(shop)
    await heard(shop, payout, ASKED, word)

    stop, = await stops.of(shop.rt, shop.key)

    assert (stop.why, stop.key) == (Why.OPERATOR, f"{shop.key.merchant_id}:test:600966")
    async with shop.rt.store.autocommit() as tx:
        assert await store.is_stopped(tx, waiting.id)


async def test_a_word_about_earlier_credentials_does_not_stop_the_new_ones(shop):
    """Results are late: what was mended meanwhile is not stopped by them."""
    payout = await made(shop)
    await heard(shop, payout, ASKED)
    await providers.put(shop.rt, shop.key, providers.Wanted(paybill("600966"), OPERATOR))
    await heard(shop, payout, REFUSED_OPERATOR)

    assert await stops.of(shop.rt, shop.key) == []


async def test_a_payee_who_cannot_be_paid_stops_nobody_else(shop):
    payout = await made(shop)
    reason = envelope_result("2040").reason()
    await heard(shop, payout, ASKED, replace(DECLINED, reason=reason))

    assert await stops.of(shop.rt, shop.key) == []


async def test_new_credentials_are_tried_by_one_order_at_a_time(shop):
    """Until M-Pesa has taken them: three orders at once with a wrong password lock the operator."""
    first = await made(shop)
    assert await may_try(shop)
    await heard(shop, first, ASKED)
    assert not await may_try(shop)

    await heard(shop, first, replace(PAID, receipt=f"SG6{next(_numbers):07d}"))
    await heard(shop, await made(shop), ASKED)
    assert await may_try(shop)


async def test_what_v3_may_have_taken_is_never_sent_again_by_v1(shop):
    """v1 knows no duplicates: that would be a second payment. (T3, T5)

    v3 was silent; then another order was refused v3, and the short code is on v1 now.
    """
    unknown = await heard(
        shop, await made(shop), ASKED, PayoutFact(Kind.SILENT, Source.DARAJA, attempt=1),
        INQUIRED, INQUIRED,
    )
    provider, = await providers.find(shop.rt, shop.key)
    await providers.note_b2c_version(shop.rt, provider, 1)

    assert shop.rt.payout_patience.may_be_sent_again(unknown)
    await sending.send(shop.rt, unknown)

    again = await payouts.read(shop.rt, shop.key, unknown.id)
    assert (again.attempts, again.unprotected) == (2, False)


async def test_a_refund_that_was_never_sent_is_dropped_when_the_portal_was_faster(shop):
    """T49: else the payer would have the money twice."""
    payment = await shop.completed()
    asked = await refunds.request(shop.rt, shop.key, refunds.Order(payment.id, "", {}))
    async with shop.rt.store.transaction() as tx:
        await facts.record_in(shop.rt, tx, payment.id, Fact(
            FactKind.RETURNED, FactSource.STATEMENT, receipt="SGREVERSED",
            amount=payment.amount,
        ))

    await sending.send(shop.rt, asked.payout)

    after = await refunds.read(shop.rt, shop.key, refund_id(asked.payout))
    assert (after.state, after.attempts) == (State.CANCELED, 0)


async def test_a_caller_without_a_key_may_try_again_what_failed(shop):
    """Seed 002's callers send none: the payment stands for it until its refund has ended."""
    payment = await shop.completed()
    wanted = refunds.Order(payment.id, "", {})
    first = await refunds.request(shop.rt, shop.key, wanted)
    twice = await refunds.request(shop.rt, shop.key, wanted)
    await heard(shop, first.payout, ASKED, PayoutFact(Kind.DECLINED, Source.RESULT))
    later = await refunds.request(shop.rt, shop.key, wanted)

    assert (twice.replayed, twice.payout.id) == (True, first.payout.id)
    assert (later.replayed, later.payout.id == first.payout.id) == (False, False)
