"""The stream of events: in order, without gaps, and there as soon as they happen."""

from __future__ import annotations

import asyncio
import time

from tests.api.world import WAIT_SECONDS_MAX


async def events(shop, query=""):
    answer = await shop.get(f"/v1/events?{query}")
    assert answer.status == 200
    return answer


async def paid(shop, count):
    """Pay some orders and return the payments."""
    asked = await asyncio.gather(*(shop.order() for _ in range(count)))
    return [await shop.settled(each.data["id"]) for each in asked]


async def test_each_paid_order_is_told_once_with_the_whole_payment(shop):
    """Whoever reads the stream needs no second request."""
    payments = await paid(shop, 3)

    told = (await events(shop)).data

    assert [each["sequence"] for each in told] == [1, 2, 3]
    assert {each["type"] for each in told} == {"payment.completed"}
    assert sorted(each["data"]["id"] for each in told) == sorted(each["id"] for each in payments)
    assert all(each["data"] in payments for each in told)


async def test_a_reader_goes_on_where_it_was(shop):
    """After a restart, with the last number that it had."""
    await paid(shop, 3)

    first = await events(shop, "limit=2")
    rest = await events(shop, f"after={first.data[-1]['sequence']}&limit=2")

    assert [each["sequence"] for each in first.data + rest.data] == [1, 2, 3]
    assert (first.body["page"]["next"], rest.body["page"]["next"]) == ("2", None)
    assert (await events(shop, "after=3")).data == []


async def test_a_waiting_reader_hears_at_once(shop):
    """Long polling: no webhook, and no second of delay at the counter."""
    began = time.monotonic()
    waiting = asyncio.create_task(events(shop, "wait=10"))
    await asyncio.sleep(0.1)
    await shop.order()

    told = (await waiting).data

    assert [each["type"] for each in told] == ["payment.completed"]
    assert time.monotonic() - began < WAIT_SECONDS_MAX / 2


async def test_a_waiting_reader_is_let_go_when_nothing_comes(shop):
    """An empty page, and they ask again."""
    assert (await events(shop, "wait=0.3")).data == []
