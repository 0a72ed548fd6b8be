"""Checks and tokens are shared by all processes: one holds each, and the budget is kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from hakika.domain.ids import MerchantId, PaymentId
from hakika.store import checks, tokens
from hakika.store.tokens import StoredToken
from hakika.store.transaction import Store
from tests.store.world import ACCEPTED, NOON, PAID, born, hear

SHORTCODE = "174379"
INTERVAL = timedelta(seconds=12)  # five queries a minute
APP = "an app's key, hashed"


async def spend(store: Store, now: datetime, *, livemode: bool = False) -> bool:
    async with store.transaction() as tx:
        return await checks.spend(tx, SHORTCODE, livemode=livemode, now=now, interval=INTERVAL)


async def test_the_query_budget_is_kept_by_all_processes_together(store):
    """Daraja shuts a short code out that asks too often, and then nobody learns anything."""
    spent = []
    for second in range(60):
        now = NOON + timedelta(seconds=second)
        spent += await asyncio.gather(*(spend(store, now) for _ in range(5)))

    assert sum(spent) == 5


async def test_an_unused_budget_is_not_saved_up(store):
    """A burst after a quiet night is still a burst."""
    await spend(store, NOON)

    morning = NOON + timedelta(hours=8)
    assert [await spend(store, morning) for _ in range(3)] == [True, False, False]


async def test_each_mode_has_its_own_budget(store):
    """A developer's test must not use up the questions of the shop."""
    assert await spend(store, NOON)
    assert await spend(store, NOON, livemode=True)


async def test_nothing_is_asked_while_daraja_says_that_it_is_too_much(store):
    """Also by processes that did not hear it."""
    await spend(store, NOON)
    async with store.transaction() as tx:
        await checks.close_until(
            tx, SHORTCODE, livemode=False, until=NOON + timedelta(minutes=5),
        )

    assert not await spend(store, NOON + timedelta(minutes=4))
    assert await spend(store, NOON + timedelta(minutes=5))


async def waiting(store: Store, now: datetime) -> list[PaymentId]:
    """The payments that are due to be asked about."""
    async with store.autocommit() as tx:
        found = await checks.waiting(tx, SHORTCODE, livemode=False, now=now)
    return [each.id for each in found]


async def pending(
    store: Store, merchant_id: MerchantId, *, key: str = "pending",
) -> PaymentId:
    """A payment that Daraja accepted, due to be asked about at noon."""
    payment = await born(store, merchant_id, key=key)
    await hear(store, payment.id, ACCEPTED)
    async with store.transaction() as tx:
        await checks.postpone(tx, payment, until=NOON)
    return payment.id


async def test_a_due_check_is_taken_once(store, merchant_id):
    """Two workers see the same payment due at the same moment."""
    payment_id = await pending(store, merchant_id)

    async def take() -> bool:
        lease = NOON + timedelta(seconds=30)
        async with store.transaction() as tx:
            return await checks.take(tx, payment_id, now=NOON, lease=lease) is not None

    assert sum(await asyncio.gather(*(take() for _ in range(10)))) == 1


async def test_a_check_that_nobody_finished_is_due_again(store, merchant_id):
    """Its worker was killed; the payment is not forgotten. (I5)"""
    payment_id = await pending(store, merchant_id)
    lease = NOON + timedelta(seconds=30)
    async with store.transaction() as tx:
        assert await checks.take(tx, payment_id, now=NOON, lease=lease)

    assert await waiting(store, lease - timedelta(seconds=1)) == []
    assert await waiting(store, lease) == [payment_id]


async def test_a_check_is_not_taken_of_a_payment_that_has_moved(store, merchant_id):
    """A callback was faster: the question has been answered."""
    payment_id = await pending(store, merchant_id)
    await hear(store, payment_id, PAID)

    async with store.transaction() as tx:
        lease = NOON + timedelta(seconds=30)
        assert not await checks.take(tx, payment_id, now=NOON, lease=lease)


async def test_a_crashed_payment_is_found_behind_any_queue_for_queries(store, merchant_id):
    """The clock's work needs no query, so it never waits for the budget."""
    crashed = await born(store, merchant_id)
    overdue = await pending(store, merchant_id)
    settled = await pending(store, merchant_id, key="settled")
    await hear(store, settled, PAID)

    async with store.autocommit() as tx:
        due = await checks.due_by_clock(tx, now=NOON, overdue=NOON, lapsing=NOON)

    assert {crashed.id, overdue} == set(due)


async def test_one_process_fetches_a_new_token(store):
    """Daraja gives one app one token; two refreshes would each end the other's."""
    minute = timedelta(seconds=60)

    won = await asyncio.gather(*(tokens.lease(store, APP, life=minute) for _ in range(20)))

    assert sum(won) == 1


async def test_a_lease_ends_with_its_holder(store):
    """The process that was to fetch the token may have been killed."""
    assert await tokens.lease(store, APP, life=timedelta(milliseconds=50))
    await asyncio.sleep(0.1)

    assert await tokens.lease(store, APP, life=timedelta(seconds=60))


async def test_a_token_is_dropped_only_by_who_used_it(store):
    """A late refusal of the old one must not throw away the new one."""
    new = StoredToken("new", datetime(2026, 3, 2, 13, tzinfo=UTC))
    await tokens.put(store, APP, new)

    await tokens.drop(store, APP, "old")
    kept = await tokens.get(store, APP)
    await tokens.drop(store, APP, "new")

    assert kept == new
    assert await tokens.get(store, APP) is None


def test_a_token_shown_in_a_log_is_hidden():
    """It is worth an hour of the merchant's money."""
    assert "hidden" not in repr(StoredToken("hidden", NOON))
