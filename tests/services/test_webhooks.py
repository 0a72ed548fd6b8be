"""The merchant hears of everything, at least once, however often either side falls over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hakika.domain.errors import Invalid, NotFound, TooManyEndpoints
from hakika.domain.ids import EndpointId
from hakika.domain.retry import ATTEMPTS_MAX
from hakika.domain.webhook import ENDPOINTS_MAX
from hakika.services import webhooks
from hakika.services.killpoints import KillPoint
from hakika.services.webhooks import LEASE_SECONDS, RESCUE_SECONDS
from tests.services.world import Died, World, open_world, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def file_world(module_database_url: str) -> AsyncIterator[World]:
    """What the tests of this file share."""
    async with open_world(module_database_url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(file_world: World) -> World:
    """A merchant whose server answers 200."""
    return await file_world.anew()


async def told(world: World, *, endpoints: int = 1) -> dict[str, Any]:
    """Return the delivery of one payment's event that waits for its first try."""
    for number in range(endpoints):
        await world.add_endpoint(f"/hook-{number}")
    await world.completed()
    return world.deliveries()[0]


def delivery(world: World, delivery_id: int) -> dict[str, Any]:
    (row,) = world.rows("select * from deliveries where id = %s", delivery_id)
    return row


def jobs(world: World) -> list[int]:
    """Return the deliveries that jobs are queued for."""
    return [int(row["payload"]) for row in world.rows("select payload from pgqueuer order by id")]


async def heard(world: World, count: int) -> None:
    """Wait until that many webhooks have arrived."""
    async with asyncio.timeout(10):
        while len(world.receiver.heard) < count:
            await asyncio.sleep(0.01)


class TestATry:
    async def test_an_answer_of_200_ends_it(self, world: World):
        each = await told(world)
        await webhooks.deliver(world.rt, each["id"])
        await webhooks.deliver(world.rt, each["id"])

        done = delivery(world, each["id"])
        assert (done["state"], done["reason"], done["next_attempt_at"]) == ("succeeded", "", None)
        assert [event["type"] for event in world.receiver.heard] == ["payment.completed"]
        assert world.attempts() == [(1, 200)]

    async def test_a_failed_one_is_made_again_five_seconds_later(self, world: World):
        """A merchant that restarts its server must not wait long for the news."""
        each = await told(world)
        world.receiver.statuses = [500, 200]
        await webhooks.deliver(world.rt, each["id"])
        waits = world.value(
            "select extract(epoch from next_attempt_at - now())::float from deliveries",
        )
        failed = delivery(world, each["id"])
        await webhooks.deliver(world.rt, each["id"])  # not due yet
        world.let_pass(6)
        await webhooks.deliver(world.rt, each["id"])

        assert 4 < waits <= 6
        assert (failed["state"], failed["attempts"]) == ("scheduled", 1)
        assert "500" in failed["reason"]
        assert delivery(world, each["id"])["state"] == "succeeded"
        assert world.attempts() == [(1, 500), (2, 200)]
        assert jobs(world) == [each["id"], each["id"]]  # the next try was asked for with the answer

    async def test_the_same_event_has_one_id_and_one_body_at_every_try(self, world: World):
        """By it the merchant knows that it has it already."""
        each = await told(world)
        world.receiver.statuses = [500, 200]
        await webhooks.deliver(world.rt, each["id"])
        world.let_pass(6)
        await webhooks.deliver(world.rt, each["id"])

        (first, body), (second, same_body) = world.receiver.raw
        assert body == same_body
        assert first["webhook-id"] == second["webhook-id"] == each["event_id"]

    async def test_five_workers_at_once_make_one(self, world: World):
        each = await told(world)
        await asyncio.gather(*(webhooks.deliver(world.rt, each["id"]) for _ in range(5)))

        assert len(world.receiver.heard) == 1
        assert world.attempts() == [(1, 200)]

    async def test_the_last_one_ends_it_with_its_reason(self, world: World):
        """A person must find why the merchant never heard."""
        each = await told(world)
        world.receiver.statuses = [503]
        world.change(f"update deliveries set attempts = {ATTEMPTS_MAX - 1}")
        await webhooks.deliver(world.rt, each["id"])

        ended = delivery(world, each["id"])
        assert (ended["state"], ended["attempts"], ended["next_attempt_at"]) == (
            "exhausted", ATTEMPTS_MAX, None,
        )
        assert "503" in ended["reason"]
        assert ended["finished_at"] is not None

    async def test_one_that_ended_its_worker_every_time_is_given_up_unsent(self, world: World):
        """A body that kills whoever sends it must not kill workers for ever."""
        each = await told(world)
        world.change(f"update deliveries set attempts = {ATTEMPTS_MAX}")
        await webhooks.deliver(world.rt, each["id"])

        assert world.receiver.heard == []
        ended = delivery(world, each["id"])
        assert (ended["state"], ended["reason"]) == (
            "exhausted", "No try of it ever came to an end.",
        )

    async def test_one_that_its_worker_never_finished_is_made_by_another(self, world: World):
        """Its job went with the worker; the row says that it is still owed."""
        each = await told(world)
        with pytest.raises(Died):
            await webhooks.deliver(world.dying_at(KillPoint.AFTER_ATTEMPT_BEGUN), each["id"])
        world.change("delete from pgqueuer")
        too_early = await webhooks.rescue(world.rt)
        world.let_pass(LEASE_SECONDS + RESCUE_SECONDS + 1)
        rescued = [await webhooks.rescue(world.rt) for _ in range(2)]
        queued = jobs(world)
        await webhooks.deliver(world.rt, each["id"])

        assert (too_early, rescued) == (0, [1, 1])
        assert queued == [each["id"]]  # the second rescue saw that a job waits
        assert world.attempts() == [(1, None), (2, 200)]
        assert delivery(world, each["id"])["state"] == "succeeded"

    async def test_an_answer_that_comes_after_the_lease_is_only_noted(self, world: World):
        """Another worker has taken over, and what it heard last is what counts."""
        each = await told(world)
        world.receiver.statuses = [500, 200]
        world.receiver.answering = late = asyncio.Event()
        slow = asyncio.create_task(webhooks.deliver(world.rt, each["id"]))
        await heard(world, 1)
        world.receiver.answering = asyncio.Event()
        world.receiver.answering.set()
        world.let_pass(LEASE_SECONDS + 1)
        await webhooks.deliver(world.rt, each["id"])
        late.set()
        await slow

        assert world.attempts() == [(1, 200), (2, 500)]
        again = delivery(world, each["id"])
        assert (again["state"], again["attempts"]) == ("scheduled", 2)


class TestTheNumber:
    async def test_every_event_has_one_before_it_is_sent(self, world: World):
        """In the order of the commits, whichever is sent first: by it a merchant sees a gap."""
        await world.add_endpoint()
        for _ in range(3):
            await world.completed()
        for each in reversed(world.deliveries()):
            await webhooks.deliver(world.rt, each["id"])

        assert [event["sequence"] for event in world.receiver.heard] == [3, 2, 1]

    async def test_deliveries_at_once_give_each_event_one(self, world: World):
        await world.add_endpoint()
        for _ in range(6):
            await world.completed()
        await asyncio.gather(
            *(webhooks.deliver(world.rt, each["id"]) for each in world.deliveries()),
        )

        assert sorted(event["sequence"] for event in world.receiver.heard) == [1, 2, 3, 4, 5, 6]


class TestTheEndpoint:
    async def test_gone_is_believed(self, world: World):
        """410 says "never again": what waits is dropped unsent, and nothing new is owed."""
        first = await told(world)
        await world.completed()
        second = world.deliveries()[1]
        world.receiver.statuses = [410]
        await webhooks.deliver(world.rt, first["id"])
        await webhooks.deliver(world.rt, second["id"])
        await world.completed()

        assert [each["state"] for each in world.deliveries()] == ["dropped", "dropped"]
        assert len(world.receiver.heard) == 1
        (endpoint,) = await webhooks.endpoints(world.rt, world.key)
        assert endpoint.disabled_at is not None
        assert "410" in endpoint.disabled_reason
        assert [each["finished_at"] is not None for each in world.deliveries()] == [True, True]

    async def test_one_that_is_gone_takes_no_other_with_it(self, world: World):
        await told(world, endpoints=2)
        gone, other = world.deliveries()
        world.receiver.statuses = [410, 200]
        await webhooks.deliver(world.rt, gone["id"])
        await webhooks.deliver(world.rt, other["id"])

        assert [each["state"] for each in world.deliveries()] == ["dropped", "succeeded"]

    async def test_a_deleted_one_hears_nothing_more(self, world: World):
        """Its address may be somebody else's tomorrow."""
        each = await told(world)
        await webhooks.delete_endpoint(world.rt, world.key, EndpointId(each["endpoint_id"]))
        await webhooks.deliver(world.rt, each["id"])

        dropped = delivery(world, each["id"])
        assert (dropped["state"], dropped["reason"]) == ("dropped", "The endpoint was deleted.")
        assert world.receiver.heard == []

    async def test_one_deleted_while_it_is_told_stays_dropped(self, world: World):
        each = await told(world)
        world.receiver.answering.clear()
        telling = asyncio.create_task(webhooks.deliver(world.rt, each["id"]))
        await heard(world, 1)
        await webhooks.delete_endpoint(world.rt, world.key, EndpointId(each["endpoint_id"]))
        world.receiver.answering.set()
        await telling

        assert delivery(world, each["id"])["state"] == "dropped"
        assert world.attempts() == [(1, 200)]

    async def test_only_its_owner_deletes_it_and_once(self, world: World):
        endpoint = await world.add_endpoint()
        stranger = (await world.live()).key
        with pytest.raises(NotFound):
            await webhooks.delete_endpoint(world.rt, stranger, endpoint.id)
        await webhooks.delete_endpoint(world.rt, world.key, endpoint.id)
        with pytest.raises(NotFound):
            await webhooks.delete_endpoint(world.rt, world.key, endpoint.id)

    async def test_the_only_one_replaces_all_that_were_there(self, world: World):
        """One call and the old secrets, and what waited for them, are gone."""
        each = await told(world, endpoints=3)
        only = await webhooks.set_only_endpoint(world.rt, world.key, world.receiver.url + "/only")
        await webhooks.deliver(world.rt, each["id"])
        payment = await world.pending()
        await world.call_back(payment, paid(payment))
        await webhooks.deliver(world.rt, world.deliveries()[-1]["id"])

        assert await webhooks.endpoints(world.rt, world.key) == [only]
        assert [each["state"] for each in world.deliveries()] == ["dropped"] * 3 + ["succeeded"]
        assert [event["path"] for event in world.receiver.heard] == ["/only"]

    async def test_an_address_that_may_not_be_called_leaves_the_old_ones(self, world: World):
        """A typing mistake must not silence the shop."""
        endpoint = await world.add_endpoint()
        with pytest.raises(Invalid):
            await webhooks.set_only_endpoint(world.rt, world.key, "http://10.0.0.1/hook")

        assert await webhooks.endpoints(world.rt, world.key) == [endpoint]

    async def test_there_is_an_end_to_them(self, world: World):
        """Every event is sent to each: sixteen are a choice, a thousand are a mistake."""
        for _ in range(ENDPOINTS_MAX):
            await world.add_endpoint()
        with pytest.raises(TooManyEndpoints):
            await world.add_endpoint()

        assert len(await webhooks.endpoints(world.rt, world.key)) == ENDPOINTS_MAX
        await webhooks.set_only_endpoint(world.rt, world.key, world.receiver.url)
        await world.add_endpoint()
