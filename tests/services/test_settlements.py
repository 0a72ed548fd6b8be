"""Platforms: a seller's payment is divided, owed, settled once, and never for more than is owed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count

import pytest
import pytest_asyncio

from hakika.domain.errors import (
    Conflict,
    Forbidden,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
    NothingOwed,
)
from hakika.domain.fee import Bearer, FeeRefund, Rate
from hakika.domain.ledger import owed_account
from hakika.domain.merchant import Scope
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Payment
from hakika.domain.payout import Payout, Purpose, State, Way
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.provider import Secrets
from hakika.domain.seller import AccountKind, PayoutAccount, Schedule, Seller
from hakika.domain.shortcode import paybill
from hakika.domain.stop import Stop, Why, of_seller
from hakika.services import keys, payouts, providers, refunds, sellers, settlements, stops
from hakika.services.payout_facts import record
from hakika.services.verify import verify
from hakika.store import guards as guard_rows
from hakika.store import payouts as payout_rows
from hakika.store import stops as stop_rows
from hakika.store.payouts import Wanted
from tests.services.test_payouts import balances
from tests.services.world import World, order, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = Secrets("consumer-key", "consumer-secret", "passkey", "testapi", "U2VhbGVk")
PHONE = PayoutAccount(AccountKind.PHONE, Msisdn("254712345678"))
BANK = PayoutAccount(AccountKind.BANK, number="0123456789", bank_code="68", holder="Mama Njeri")
HUNDRED = Money.shillings(100)
_numbers = count(1)


@pytest_asyncio.fixture(loop_scope="module")
async def platform(world: World) -> World:
    """A platform with an API operator and a fee of 1.5 percent."""
    await providers.put(
        world.rt, world.key, providers.Wanted(paybill("600966"), OPERATOR, is_default=True),
    )
    await sellers.add_plan(world.rt, world.key, Rate(150), seller_id=None, since=None)
    return world


async def seller_of(
    platform: World, schedule: Schedule = Schedule.PER_PAYMENT,
    account: PayoutAccount | None = PHONE, fee_refund: FeeRefund = FeeRefund.KEEP,
) -> tuple[Seller, World]:
    """Return a new seller, and the world as its key sees it."""
    made = await sellers.create(
        platform.rt, platform.key, sellers.Wanted("Mama Njeri", account, schedule, fee_refund),
    )
    key, _ = await sellers.add_key(
        platform.rt, platform.key, made.id, keys.Wanted(livemode=platform.key.livemode),
    )
    return made, replace(platform, key=key)


async def sold(shop: World, amount: Money = HUNDRED) -> Payment:
    """Return a payment of a seller that was paid."""
    payment = await shop.pending(amount)
    await shop.call_back(payment, paid(payment))
    return await shop.read(payment.id)


async def settled(platform: World, shop: World) -> list[Payout]:
    """Make the round, and return the seller's settlements, newest first."""
    await settlements.settle_paid(platform.rt)
    return await payouts.find(platform.rt, shop.key, Wanted(), limit=10)


def _told(fact: PayoutFact, _: Payout) -> PayoutFact:
    return fact


async def heard(world: World, payout: Payout, *facts: PayoutFact) -> Payout:
    for fact in facts:
        change = await record(world.rt, payout.id, partial(_told, fact))
        assert change is not None
        payout = change.after
    return payout


ASKED = PayoutFact(Kind.ASKED, Source.CALLER, attempt=1)
DECLINED = PayoutFact(Kind.DECLINED, Source.RESULT)
SILENT = PayoutFact(Kind.SILENT, Source.DARAJA, attempt=1)


def went() -> PayoutFact:
    return PayoutFact(Kind.PAID, Source.RESULT, receipt=f"SGH{next(_numbers):07d}")


async def owed_to(platform: World, seller: Seller) -> tuple[str, str, str]:
    _, found = await sellers.standing(platform.rt, platform.key, seller.id)
    return str(found.owed), str(found.on_its_way), str(found.settled)


async def green(world: World) -> bool:
    """Say that every rule holds but I5, which what other tests put to rest breaks."""
    report = await verify(world.rt)
    return not [each.violations for each in report.checks if each.violations and each.code != "I5"]


async def test_a_sellers_payment_ends_with_fee_net_and_its_settlement(platform):
    """Seed 004's example: 100 shillings, 1.50 for the platform, and 98 to the phone at once."""
    seller, shop = await seller_of(platform)

    payment = await sold(shop)
    first, = await settled(platform, shop)

    assert (payment.seller_id, str(payment.platform_fee), str(payment.net_amount)) == (
        seller.id, "1.50", "98.50",
    )
    assert (first.purpose, first.way, first.state, str(first.amount), first.payment_id) == (
        Purpose.SETTLEMENT, Way.PHONE, State.READY, "98.00", payment.id,
    )
    assert await owed_to(platform, seller) == ("0.50", "98.00", "0.00")
    await heard(platform, first, ASKED, went())
    assert await owed_to(platform, seller) == ("0.50", "0.00", "98.00")
    assert await balances(platform) == {
        "collected": -10_000, "fees": -150, "sellers": 10_000, f"owed:{seller.id}": -50,
        "float:600966:utility": 200,
    }
    assert await green(platform)


async def test_cents_are_carried_to_the_next_settlement(platform):
    """M-Pesa pays whole shillings, and no cent of it is the platform's."""
    _, shop = await seller_of(platform)
    await sold(shop)
    await settled(platform, shop)
    await sold(shop)

    second, first = await settled(platform, shop)

    assert (str(first.amount), str(second.amount)) == ("98.00", "99.00")


async def test_payments_that_wait_together_are_settled_each_by_itself(platform):
    """However late the round comes, and by however many workers at once."""
    _, shop = await seller_of(platform)
    payments = [await sold(shop) for _ in range(3)]

    await asyncio.gather(*(settlements.settle_paid(platform.rt) for _ in range(4)))

    made = await settled(platform, shop)
    assert [each.payment_id for each in reversed(made)] == [each.id for each in payments]
    assert [str(each.amount) for each in reversed(made)] == ["98.00", "99.00", "98.00"]


async def test_what_is_too_little_to_send_waits_for_more(platform):
    seller, shop = await seller_of(platform)
    await sold(shop, Money.shillings(9))
    assert await settled(platform, shop) == []
    assert await owed_to(platform, seller) == ("8.86", "0.00", "0.00")

    await sold(shop, Money.shillings(9))
    made, = await settled(platform, shop)

    assert str(made.amount) == "17.00"


async def test_a_settlement_that_failed_stays_owed_and_the_next_takes_it_along(platform):
    """A good collection whose payout failed: visible, and never sent again by itself."""
    seller, shop = await seller_of(platform)
    await sold(shop)
    first, = await settled(platform, shop)
    await heard(platform, first, ASKED, DECLINED)
    assert await settled(platform, shop) == [await payouts.read(platform.rt, shop.key, first.id)]
    assert await owed_to(platform, seller) == ("98.50", "0.00", "0.00")

    await sold(shop)
    second, *_ = await settled(platform, shop)

    assert str(second.amount) == "197.00"
    assert await green(platform)


async def test_what_may_have_been_sent_is_promised_to_nobody_else(platform):
    """Nobody knows whether it went: as long as that is so, it is not owed anew."""
    seller, shop = await seller_of(platform)
    await sold(shop)
    first, = await settled(platform, shop)
    await heard(platform, first, ASKED, SILENT)

    with pytest.raises(NothingOwed):
        await settlements.settle(platform.rt, platform.key, seller.id, "again")
    assert await owed_to(platform, seller) == ("0.50", "98.00", "0.00")


async def test_another_payout_account_stops_live_settlements_until_somebody_else_looked(world):
    """A thief with a key changes where the money goes, before anything else."""
    live = await world.live()
    older, _ = await keys.create(live.rt, live.key.merchant_id, keys.Wanted(livemode=True))
    await asyncio.sleep(0.001)
    made = await sellers.create(live.rt, live.key, sellers.Wanted("Mama Njeri", PHONE))
    assert await stops.of(live.rt, live.key) == []

    await sellers.change(live.rt, live.key, made.id, {"name": "Njeri"})
    await sellers.change(live.rt, live.key, made.id, {"account": BANK})

    stop, = await stops.of(live.rt, live.key)
    assert (stop.key, stop.why) == (made.id, Why.CHANGE)
    with pytest.raises(Forbidden):
        await stops.lift(live.rt, live.key, made.id)
    with pytest.raises(NotFound):
        await stops.lift(live.rt, (await world.besides()).key, made.id)
    await stops.lift(live.rt, older, made.id)
    assert await stops.of(live.rt, live.key) == []


async def test_what_stops_one_seller_stops_no_other(platform):
    (stopped, mine), (_, theirs) = await seller_of(platform), await seller_of(platform)
    for shop in (mine, theirs):
        await sold(shop)
    await settlements.settle_paid(platform.rt)
    now = platform.rt.now()
    async with platform.rt.store.transaction() as tx:
        await stop_rows.add(tx, Stop(of_seller(stopped.id), Why.CHANGE, "", "key_1", now))
        due = [
            each for queue in await payout_rows.queues(tx, now=now)
            for each in await payout_rows.take_ready(tx, queue, now=now, lease=now, limit=10)
        ]

    assert stopped.id not in {each.seller_id for each in due}
    assert len([each for each in due if each.merchant_id == platform.key.merchant_id]) == 1


async def test_a_bank_is_settled_by_hand_and_only_once_for_one_transfer(platform):
    """What an operator sends from the bank is told before and recorded after, to the cent."""
    seller, shop = await seller_of(platform, account=BANK)
    await sold(shop)
    made, = await settled(platform, shop)
    assert (made.way, made.state, str(made.amount)) == (Way.OUTSIDE, State.MANUAL, "98.50")
    assert platform.events(made.id) == ["payout.pending_manual"]
    assert await owed_to(platform, seller) == ("0.00", "98.50", "0.00")

    done = await settlements.record_by_hand(
        platform.rt, platform.key, made.id, reference="EFT-2026-1", note="By Equity online.",
    )
    again = await settlements.record_by_hand(
        platform.rt, platform.key, made.id, reference="EFT-2026-1",
    )

    assert (done.state, done.receipt, again.facts_count) == (
        State.COMPLETED, "EFT-2026-1", done.facts_count,
    )
    assert await balances(platform) == {
        "collected": -10_000, "fees": -150, "sellers": 10_000, "transfers": -9_850,
        "float:600966:utility": 10_000,
    }
    await sold(shop)
    other, _ = await settled(platform, shop)
    with pytest.raises(Conflict, match="recorded with this reference"):
        await settlements.record_by_hand(
            platform.rt, platform.key, other.id, reference="EFT-2026-1",
        )
    await payouts.cancel(platform.rt, platform.key, other.id)
    assert await owed_to(platform, seller) == ("98.50", "0.00", "98.50")
    assert await green(platform)


async def test_what_m_pesa_sends_cannot_be_recorded_by_hand(platform):
    _, shop = await seller_of(platform)
    await sold(shop)
    made, = await settled(platform, shop)

    with pytest.raises(Conflict, match="by hand"):
        await settlements.record_by_hand(platform.rt, platform.key, made.id, reference="EFT-1")


async def test_a_seller_is_settled_daily_once_and_for_everything(platform):
    seller, shop = await seller_of(platform, Schedule.DAILY)
    await sold(shop)
    await sold(shop)
    assert await settled(platform, shop) == []
    platform.change(
        "update sellers set next_settlement_at = now() - interval '1 hour'"
        f" where id = '{seller.id}'",
    )

    await asyncio.gather(*(settlements.settle_daily(platform.rt) for _ in range(3)))

    made, = await settled(platform, shop)
    assert (str(made.amount), made.payment_id) == ("197.00", None)
    after = await sellers.read(platform.rt, platform.key, seller.id)
    assert after.next_settlement_at is not None
    assert after.next_settlement_at > platform.rt.now() - timedelta(seconds=1)


async def test_a_settlement_on_demand_is_made_once_for_one_key(platform):
    seller, shop = await seller_of(platform, Schedule.ON_DEMAND)
    other, _ = await seller_of(platform, Schedule.ON_DEMAND)
    await sold(shop)

    asked = await asyncio.gather(*(
        settlements.settle(platform.rt, platform.key, seller.id, "friday") for _ in range(4)
    ))

    assert len({each.payout.id for each in asked}) == 1
    assert sorted(each.replayed for each in asked) == [False, True, True, True]
    with pytest.raises(NothingOwed):
        await settlements.settle(platform.rt, platform.key, seller.id, "saturday")
    with pytest.raises(IdempotencyKeyReused):
        await settlements.settle(platform.rt, platform.key, other.id, "friday")


async def test_a_fee_on_top_is_asked_of_the_payer_and_the_seller_gets_what_it_asked(platform):
    seller, shop = await seller_of(platform)
    await sellers.add_plan(
        platform.rt, platform.key, Rate(150, bearer=Bearer.PAYER), seller_id=seller.id, since=None,
    )

    payment = await sold(shop)

    assert (str(payment.amount), str(payment.platform_fee), str(payment.net_amount)) == (
        "102.00", "2.00", "100.00",
    )
    assert platform.daraja.pushes[-1]["Amount"] == 102
    with pytest.raises(Invalid, match="fee on top"):
        await shop.ask(order(amount=Money.shillings(250_000)))


async def test_a_plan_of_tomorrow_and_a_plan_of_another_change_nothing_today(platform):
    seller, shop = await seller_of(platform)
    other, _ = await seller_of(platform)
    tomorrow = platform.rt.now() + timedelta(days=1)
    for whose, since in ((seller.id, tomorrow), (other.id, None)):
        await sellers.add_plan(
            platform.rt, platform.key, Rate(5_000), seller_id=whose, since=since,
        )

    assert str((await sold(shop)).platform_fee) == "1.50"
    with pytest.raises(Invalid, match="from now on"):
        await sellers.add_plan(
            platform.rt, platform.key, Rate(1), seller_id=None,
            since=platform.rt.now() - timedelta(days=1),
        )


async def test_who_could_not_be_paid_cannot_collect(platform):
    """Seed 004: no payout account is the caller's mistake, told before a payer is asked."""
    _, shop = await seller_of(platform, account=None)
    asked = len(platform.daraja.pushes)

    with pytest.raises(Invalid, match="no payout account"):
        await shop.ask()
    assert len(platform.daraja.pushes) == asked


async def test_two_sellers_may_use_one_idempotency_key_and_see_their_own(platform):
    """Both count their orders from 1. Neither must be answered with the other's payment."""
    (_, mine), (_, theirs) = await seller_of(platform), await seller_of(platform)
    wanted = order(idempotency_key="order-1")
    first = await mine.ask(wanted)
    second = await theirs.ask(replace(wanted, payer=Msisdn("254708999001")))
    again = await mine.ask(wanted)

    assert first.data["id"] != second.data["id"]
    assert first.data["idempotency_key"] == second.data["idempotency_key"] == "order-1"
    assert again.replayed and again.data["id"] == first.data["id"]
    with pytest.raises(NotFound):
        await theirs.read(first.data["id"])


async def test_a_sellers_key_can_do_no_more_than_sellers_may(platform):
    seller, shop = await seller_of(platform)

    assert Scope.MERCHANT_WRITE not in shop.key.scopes
    with pytest.raises(Forbidden):
        await sellers.add_key(
            platform.rt, platform.key, seller.id,
            keys.Wanted(livemode=False, scopes={Scope.MERCHANT_WRITE}),
        )
    with pytest.raises(NotFound):
        await sellers.read(platform.rt, shop.key, (await seller_of(platform))[0].id)


async def test_endpoints_of_a_seller_hear_what_is_theirs_and_the_platforms_hear_all(platform):
    (_, mine), (_, theirs) = await seller_of(platform), await seller_of(platform)
    at = {
        name: (await whose.add_endpoint(f"/{name}")).id
        for name, whose in (("platform", platform), ("mine", mine), ("theirs", theirs))
    }

    payment = await sold(mine)
    made, *_ = await settled(platform, mine)
    await heard(platform, made, ASKED, went())
    await platform.completed()

    told: dict[str, list[tuple[str, str]]] = {name: [] for name in at}
    for row in platform.rows(
        "select endpoint_id, subject_id, name from deliveries join events on events.id = event_id"
        " order by position",
    ):
        told[next(name for name, id_ in at.items() if id_ == row["endpoint_id"])].append(
            (row["subject_id"], row["name"]),
        )
    own = [(payment.id, "payment.completed"), (made.id, "payout.completed")]
    assert told["mine"] == own
    assert told["theirs"] == []
    assert told["platform"][:2] == own and len(told["platform"]) == 3
    assert await green(platform)


async def test_a_refund_of_a_sellers_payment_takes_back_of_fee_and_of_what_is_owed(platform):
    """From when it is promised until it ended without money, whatever the policy returns."""
    seller, shop = await seller_of(
        platform, Schedule.ON_DEMAND, fee_refund=FeeRefund.RETURN,
    )
    payment = await sold(shop)
    asked = await refunds.request(platform.rt, platform.key, refunds.Order(
        payment.id, f"refund-{next(_numbers)}", {}, amount=Money.shillings(50),
    ))
    refund = asked.payout
    assert await owed_to(platform, seller) == ("49.25", "0.00", "0.00")

    refund = await heard(platform, refund, ASKED, DECLINED)
    assert await owed_to(platform, seller) == ("98.50", "0.00", "0.00")

    await heard(platform, refund, went())
    assert await owed_to(platform, seller) == ("49.25", "0.00", "0.00")
    assert (await balances(platform))["fees"] == -75


async def test_what_was_just_promised_to_a_payer_is_not_settled_as_well(platform):
    """Both take of what is owed: whoever comes second reads what the first has left."""
    seller, shop = await seller_of(platform, Schedule.ON_DEMAND)
    payment = await sold(shop)
    rt = platform.rt
    refund_in, settle_in = copy_context(), copy_context()
    async with rt.store.transaction() as tx:
        await guard_rows.hold(tx, platform.key.owner)
        refund = asyncio.create_task(refunds.request(rt, platform.key, refunds.Order(
            payment.id, "back", {"payment": payment.id},
        )), context=refund_in)
        await asyncio.sleep(0.5)
        settle = asyncio.create_task(
            settlements.settle(rt, platform.key, seller.id, "now"), context=settle_in,
        )
        await asyncio.sleep(0.5)
    await refund
    with suppress(NothingOwed):
        await settle

    moved = [row["move"] for row in platform.rows(
        "select move from postings where %s in (debit, credit) order by position",
        owed_account(seller.id),
    )]
    assert moved in (["owing", "owing_back"], ["owing", "hold", "owing_back"])
