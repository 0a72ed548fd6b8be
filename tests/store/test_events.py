"""Events are numbered without gaps, in an order that a reader can follow and miss nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hakika.domain.ids import MerchantId
from hakika.store import events
from hakika.store.transaction import Store
from tests.store.world import PAID, SILENT, add_merchant, born, hear

PAYMENTS = 20


async def number(store: Store, merchant_id: MerchantId) -> None:
    async with store.transaction() as tx:
        await events.number(tx, merchant_id, livemode=False)


async def listed(store: Store, merchant_id: MerchantId, *, after: int = 0) -> list[int]:
    async with store.autocommit() as tx:
        found = await events.after(
            tx, after, merchant_id=merchant_id, livemode=False, limit=1000,
        )
    return [event.sequence or 0 for event in found]


async def silent_then_paid(store: Store, merchant_id: MerchantId, place: int) -> None:
    """Make two events of one payment, in two commits."""
    payment = await born(store, merchant_id, key=f"order-{place}")
    await hear(store, payment.id, SILENT)
    await asyncio.sleep(0)
    await hear(store, payment.id, replace(PAID, receipt=f"UKL7RT6{place:03d}"))



async def test_a_reader_who_follows_misses_nothing_while_many_commit(store, merchant_id):
    """Numbers given out before a commit would let a slow one slip in behind the reader. (I8)"""
    writing = asyncio.gather(
        *(silent_then_paid(store, merchant_id, place) for place in range(PAYMENTS)),
    )
    seen: list[int] = []
    while not writing.done():
        await number(store, merchant_id)
        seen += await listed(store, merchant_id, after=seen[-1] if seen else 0)
    await writing
    await number(store, merchant_id)
    seen += await listed(store, merchant_id, after=seen[-1] if seen else 0)

    assert seen == list(range(1, 2 * PAYMENTS + 1))


async def test_events_of_one_payment_are_numbered_as_they_happened(store, merchant_id):
    """A merchant who sorts by number must not read completed before unknown."""
    await asyncio.gather(
        *(silent_then_paid(store, merchant_id, place) for place in range(PAYMENTS)),
    )
    await number(store, merchant_id)

    async with store.autocommit() as tx:
        found = await events.after(tx, 0, merchant_id=merchant_id, livemode=False, limit=1000)
    told: dict[str, list[str]] = {}
    for event in found:
        told.setdefault(event.subject_id, []).append(event.name)
    assert list(told.values()) == [["payment.unknown", "payment.completed"]] * PAYMENTS


async def test_many_may_number_at_once(store, merchant_id):
    """Every delivery and every reader does."""
    await number(store, merchant_id)
    await asyncio.gather(
        *(silent_then_paid(store, merchant_id, place) for place in range(PAYMENTS)),
    )

    await asyncio.gather(*(number(store, merchant_id) for _ in range(10)))
    await silent_then_paid(store, merchant_id, PAYMENTS)  # would show that some counted twice
    await number(store, merchant_id)

    assert await listed(store, merchant_id) == list(range(1, 2 * PAYMENTS + 3))


async def test_each_merchant_counts_from_one(store, merchant_id):
    """A number that counts others' events would tell how busy they are. (I13)"""
    other = await add_merchant(store)
    await silent_then_paid(store, merchant_id, 1)
    await silent_then_paid(store, other, 2)
    await number(store, merchant_id)

    assert await listed(store, merchant_id) == [1, 2]
    assert await listed(store, other) == []

    await number(store, other)

    assert await listed(store, other) == [1, 2]
