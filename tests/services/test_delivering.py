"""The merchant hears of everything, at least once and in turn, however often either side fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hakika.domain.ids import EndpointId
from hakika.domain.retry import ATTEMPTS_MAX
from hakika.domain.sealing import SealBroken
from hakika.services import deliveries, webhooks
from hakika.services.delivering import LEASE_SECONDS
from hakika.services.killpoints import KillPoint
from hakika.services.runtime import open_runtime
from hakika.services.webhooks import Changed
from hakika.store import lanes
from tests.services.world import PUBLIC_URL, Died, World, canceled, order, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def told(world: World, *, endpoints: int = 1) -> dict[str, Any]:
    """Return the delivery of one payment's event that waits for its first try."""
    for number in range(endpoints):
        await world.add_endpoint(f"/hook-{number}")
    await world.completed()
    return world.deliveries()[0]


def delivery(world: World, delivery_id: int) -> dict[str, Any]:
    (row,) = world.rows("select * from deliveries where id = %s", delivery_id)
    return row


def states(world: World) -> list[str]:
    return [each["state"] for each in world.deliveries()]


async def heard(world: World, count: int) -> None:
    """Wait until that many webhooks have arrived."""
    async with asyncio.timeout(10):
        while len(world.receiver.heard) < count:
            await asyncio.sleep(0.01)


class TestATry:
    async def test_an_answer_of_200_ends_it(self, world: World):
        each = await told(world)
        begun = [await world.deliver(), await world.deliver()]

        done = delivery(world, each["id"])
        assert begun == [1, 0]
        assert (done["state"], done["reason"], done["next_attempt_at"]) == ("succeeded", "", None)
        assert [event["type"] for event in world.receiver.heard] == ["payment.completed"]
        assert world.attempts() == [(1, 200)]

    async def test_a_failed_one_is_made_again_five_seconds_later(self, world: World):
        """A merchant that restarts its server must not wait long for the news."""
        each = await told(world)
        world.receiver.statuses = [500, 200]
        await world.deliver()
        waits = world.value(
            "select extract(epoch from next_attempt_at - now())::float from deliveries",
        )
        failed = delivery(world, each["id"])
        too_early = await world.deliver()
        world.let_pass(6)
        await world.deliver()

        assert 4 < waits <= 6
        assert (failed["state"], failed["attempts"], too_early) == ("scheduled", 1, 0)
        assert "500" in failed["reason"]
        assert delivery(world, each["id"])["state"] == "succeeded"
        assert world.attempts() == [(1, 500), (2, 200)]

    async def test_the_same_event_has_one_id_and_one_body_at_every_try(self, world: World):
        """By it the merchant knows that it has it already."""
        each = await told(world)
        world.receiver.statuses = [500, 200]
        await world.deliver()
        world.let_pass(6)
        await world.deliver()

        (first, body), (second, same_body) = world.receiver.raw
        assert body == same_body
        assert first["webhook-id"] == second["webhook-id"] == each["event_id"]

    async def test_five_workers_at_once_make_one(self, world: World):
        await told(world)
        await asyncio.gather(*(world.deliver() for _ in range(5)))

        assert len(world.receiver.heard) == 1
        assert world.attempts() == [(1, 200)]

    async def test_the_last_one_ends_it_with_its_reason(self, world: World):
        """A person must find why the merchant never heard."""
        each = await told(world)
        world.receiver.statuses = [503]
        world.change(f"update deliveries set attempts = {ATTEMPTS_MAX - 1}")
        await world.deliver()

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
        await world.deliver()

        assert world.receiver.heard == []
        ended = delivery(world, each["id"])
        assert (ended["state"], ended["reason"]) == (
            "exhausted", "No try of it ever came to an end.",
        )

    async def test_one_that_its_worker_never_finished_is_made_by_another(self, world: World):
        """The row says that it is still owed, and the lost try is shown."""
        each = await told(world)
        with pytest.raises(Died):
            await world.deliver(rt=world.dying_at(KillPoint.AFTER_ATTEMPT_BEGUN))
        too_early = await world.deliver()
        world.let_pass(LEASE_SECONDS + 1)
        await world.deliver()

        assert too_early == 0
        assert world.attempts() == [(1, None), (2, 200)]
        assert delivery(world, each["id"])["state"] == "succeeded"

    async def test_one_that_its_worker_posted_and_never_finished_is_made_again(
        self, world: World,
    ):
        """The merchant hears it twice, which it must expect; never not at all."""
        await told(world)
        with pytest.raises(Died):
            await world.deliver(rt=world.dying_at(KillPoint.AFTER_POST))
        world.let_pass(LEASE_SECONDS + 1)
        await world.deliver()

        assert len(world.receiver.heard) == 2
        assert states(world) == ["succeeded"]

    async def test_an_answer_that_comes_after_the_lease_is_only_noted(self, world: World):
        """Another worker has taken over, and what it heard last is what counts."""
        each = await told(world)
        world.receiver.statuses = [500, 200]
        world.receiver.answering = late = asyncio.Event()
        slow = asyncio.create_task(world.deliver())
        await heard(world, 1)
        world.receiver.answering = asyncio.Event()
        world.receiver.answering.set()
        world.let_pass(LEASE_SECONDS + 1)
        await world.deliver()
        late.set()
        await slow

        assert world.attempts() == [(1, 200), (2, 500)]
        again = delivery(world, each["id"])
        assert (again["state"], again["attempts"]) == ("scheduled", 2)

    async def test_an_event_that_cannot_be_opened_stops_no_other(self, world: World):
        """One row that somebody changed must not silence the shop."""
        await world.add_endpoint()
        await world.completed()
        world.change(
            "update events set data = '\\x00' where id in (select event_id from deliveries)",
        )
        await world.completed()
        with pytest.raises(SealBroken):
            await world.deliver()

        assert len(world.receiver.heard) == 1
        assert states(world) == ["sending", "succeeded"]

    async def test_a_merchant_whose_data_key_does_not_open_stops_no_other(self, world: World):
        """One damaged row must not silence every shop, and end every worker that looks at it."""
        await world.add_endpoint("/other")
        await world.completed()
        damaged = await world.besides()
        await damaged.add_endpoint("/damaged")
        await damaged.completed()
        world.change(
            "update data_keys set wrapped = '\\x00' where owner ="
            f" '{damaged.key.merchant_id}'",
        )
        async with open_runtime(world.rt.settings, public_url=PUBLIC_URL) as fresh:
            with pytest.raises(SealBroken):
                await world.deliver(rt=fresh)

        assert [event["path"] for event in world.receiver.heard] == ["/other"]
        assert states(world) == ["succeeded", "sending"]


class TestLookedAt:
    async def test_a_delivery_shows_its_newest_tries_and_not_a_million(self, world: World):
        """Each may hold 20,000 bytes, and a merchant may redeliver as often as they like."""
        each = await told(world)
        await world.deliver()
        world.change(
            "insert into attempts (delivery_id, attempt, started_at, status, version)"
            f" select {each['id']}, number, now(), 500, 1 from generate_series(2, 150) number",
        )
        _, attempts = await deliveries.read(world.rt, world.key, each["id"])

        assert [attempt.number for attempt in attempts] == list(range(51, 151))


class TestTheNumber:
    async def test_every_event_has_one_before_it_is_sent(self, world: World):
        """In the order of the commits, whichever is sent first: by it a merchant sees a gap."""
        await world.add_endpoint()
        for _ in range(3):
            await world.completed()
        for each in reversed(world.deliveries()):
            world.change(
                "update deliveries set next_attempt_at = now() + interval '1 hour'"
                " where state = 'scheduled'",
                f"update deliveries set next_attempt_at = now() where id = {each['id']}",
            )
            await world.deliver()

        assert [event["sequence"] for event in world.receiver.heard] == [3, 2, 1]

    async def test_workers_at_once_give_each_event_one(self, world: World):
        await world.add_endpoint()
        for _ in range(6):
            await world.completed()
        await asyncio.gather(*(world.deliver() for _ in range(4)))

        assert sorted(event["sequence"] for event in world.receiver.heard) == [1, 2, 3, 4, 5, 6]


class TestInTurn:
    async def test_first_tries_of_one_payment_go_out_in_order(self, world: World):
        """A shop that delivers on *completed* must not hear the *canceled* before it afterwards."""
        await world.add_endpoint()
        payment = await world.pending()
        await world.call_back(payment, canceled(payment))
        await world.call_back(payment, paid(payment))
        world.receiver.answering.clear()
        working = asyncio.create_task(world.deliver())
        await heard(world, 1)
        await asyncio.sleep(0.05)
        before_the_answer = [event["type"] for event in world.receiver.heard]
        world.receiver.answering.set()
        await working

        assert before_the_answer == ["payment.canceled"]
        assert [event["type"] for event in world.receiver.heard] == [
            "payment.canceled", "payment.completed",
        ]

    async def test_another_worker_keeps_the_order_too(self, world: World):
        """It sees that the earlier one is under way, or was not begun yet."""
        await world.add_endpoint()
        payment = await world.pending()
        await world.call_back(payment, canceled(payment))
        world.receiver.answering.clear()
        first = asyncio.create_task(world.deliver())
        await heard(world, 1)
        await world.call_back(payment, paid(payment))
        of_the_other = await world.deliver()
        world.receiver.answering.set()
        await first
        await world.deliver()

        assert of_the_other == 0
        assert [event["type"] for event in world.receiver.heard] == [
            "payment.canceled", "payment.completed",
        ]

    async def test_an_event_that_fails_holds_back_no_later_one(self, world: World):
        """The order is that of first tries: a poisonous event must not silence its payment."""
        await world.add_endpoint()
        payment = await world.pending()
        await world.call_back(payment, canceled(payment))
        await world.call_back(payment, paid(payment))
        world.receiver.statuses = [500, 200]
        await world.deliver()

        assert states(world) == ["scheduled", "succeeded"]

    async def test_recovered_events_hold_back_nothing_that_was_there_before(self, world: World):
        """Earlier events with later deliveries, a screen of them: each would wait for the other."""
        endpoint = await world.add_endpoint()
        payments = [await world.pending() for _ in range(8)]
        await webhooks.change_endpoint(world.rt, world.key, endpoint.id, Changed(enabled=False))
        for payment in payments:
            await world.call_back(payment, canceled(payment))
        await webhooks.change_endpoint(world.rt, world.key, endpoint.id, Changed(enabled=True))
        for payment in payments:
            await world.call_back(payment, paid(payment))
        world.change(
            "update deliveries set state = 'waiting', next_attempt_at = null, waits_since = now()",
        )
        missed = await deliveries.recover(
            world.rt, world.key, endpoint.id, since=world.rt.now() - timedelta(hours=1),
        )
        begun = await world.deliver()

        assert missed == len(payments)
        assert begun == 2 * len(payments)

    async def test_payments_do_not_wait_for_each_other(self, world: World):
        await world.add_endpoint()
        first = await world.pending()
        await world.call_back(first, canceled(first))
        second = await world.pending()
        await world.call_back(second, canceled(second))
        world.receiver.answering.clear()
        working = asyncio.create_task(world.deliver())
        await heard(world, 2)
        world.receiver.answering.set()
        await working

        assert states(world) == ["succeeded", "succeeded"]


class TestABusyEndpoint:
    async def test_no_more_than_eight_are_posted_at_once(self, world: World):
        """A merchant's server is not to be overrun when it comes back."""
        await world.add_endpoint()
        for _ in range(30):
            await world.completed()
        most = 0
        answering = world.receiver.answering
        world.receiver.seconds = 0.01
        working = asyncio.create_task(world.deliver())
        while not working.done():
            most = max(most, world.receiver.open)
            await asyncio.sleep(0.001)
        await working

        assert answering.is_set()
        assert 2 <= most <= 8
        assert set(states(world)) == {"succeeded"}

    async def test_one_that_hangs_keeps_what_it_got_and_no_more(self, world: World):
        """The others' deliveries go out beside it, however many wait for it."""
        hanging = await world.add_endpoint("/hangs")
        for _ in range(60):
            await world.completed()
        await webhooks.change_endpoint(
            world.rt, world.key, (await world.add_endpoint("/good")).id, Changed(),
        )
        await world.completed()
        world.receiver.hanging = {"/hangs"}
        working = asyncio.create_task(world.deliver())
        async with asyncio.timeout(10):
            while not any(event["path"] == "/good" for event in world.receiver.heard):
                await asyncio.sleep(0.01)
        under_way = [row["endpoint_id"] for row in world.rows(
            "select endpoint_id from deliveries where state = 'sending'",
        )]
        working.cancel()
        await asyncio.wait({working})

        assert 1 <= under_way.count(hanging.id) <= 2

    async def test_very_many_addresses_of_payments_hide_no_endpoint(self, world: World):
        """Some are looked at each time, in turn, and each endpoint of a merchant every time."""
        for number in range(3):
            await world.add_endpoint(f"/hook-{number}")
        for number in range(4):
            asked = await world.ask(order(callback_url=f"{world.receiver.url}/own-{number}"))
            payment = await world.read(asked.data["id"])
            await world.call_back(payment, paid(payment))
        world.change(
            "update deliveries set state = 'waiting', next_attempt_at = null, waits_since = now()",
        )
        ids = sorted({each["endpoint_id"] for each in world.deliveries()})
        ordinary = {row["id"] for row in world.rows(
            "select id from endpoints where payment_id is null and merchant_id = %s",
            world.key.merchant_id,
        )}
        looks, after = [], ""
        for _ in range(3):
            async with world.rt.store.autocommit() as tx:
                found, after = await lanes.waiting(tx, after=after, now=world.rt.now(), limit=3)
            looks.append((set(found), after))

        assert looks == [
            (ordinary | set(ids[:3]), ids[2]), (ordinary | set(ids[3:6]), ids[5]),
            (ordinary | {ids[6]}, ""),
        ]

    async def test_its_own_rate_is_kept(self, world: World):
        """One worker or ten: it is counted in the database."""
        await world.add_endpoint(rate_per_second=2)
        for _ in range(10):
            await world.completed()
        begun = await asyncio.gather(*(world.deliver() for _ in range(3)))

        assert 2 <= sum(begun) <= 4
        assert len(world.receiver.heard) == sum(begun)
        assert set(states(world)) <= {"succeeded", "scheduled", "waiting"}


class TestTheAddress:
    async def test_what_was_scheduled_goes_to_the_new_one(self, world: World):
        """The old address may be somebody else's by now. (F32)"""
        endpoint = await world.add_endpoint("/old")
        await world.completed()
        world.receiver.statuses = [500, 200]
        await world.deliver()
        await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(url=world.receiver.url + "/new"),
        )
        world.let_pass(6)
        await world.deliver()

        assert [event["path"] for event in world.receiver.heard] == ["/old", "/new"]

    async def test_a_deleted_one_hears_nothing_more(self, world: World):
        each = await told(world)
        await webhooks.delete_endpoint(world.rt, world.key, EndpointId(each["endpoint_id"]))
        await world.deliver()

        dropped = delivery(world, each["id"])
        assert (dropped["state"], dropped["reason"]) == ("dropped", "The endpoint was deleted.")
        assert world.receiver.heard == []

    async def test_one_deleted_while_it_is_told_has_been_told(self, world: World):
        each = await told(world)
        world.receiver.answering.clear()
        telling = asyncio.create_task(world.deliver())
        await heard(world, 1)
        await webhooks.delete_endpoint(world.rt, world.key, EndpointId(each["endpoint_id"]))
        world.receiver.answering.set()
        await telling

        assert delivery(world, each["id"])["state"] == "succeeded"
        assert world.attempts() == [(1, 200)]

    async def test_one_deleted_while_it_fails_is_not_tried_again(self, world: World):
        each = await told(world)
        world.receiver.statuses = [500]
        world.receiver.answering.clear()
        telling = asyncio.create_task(world.deliver())
        await heard(world, 1)
        await webhooks.delete_endpoint(world.rt, world.key, EndpointId(each["endpoint_id"]))
        world.receiver.answering.set()
        await telling
        world.let_pass(6)
        await world.deliver()

        assert delivery(world, each["id"])["state"] == "dropped"
        assert len(world.receiver.heard) == 1
