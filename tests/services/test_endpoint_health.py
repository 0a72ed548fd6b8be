"""An endpoint that is down costs little, is noticed when it is back, and misses nothing it wanted.

Time passes by moving back what is written: minutes, hours, days, a month.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from hakika.domain.errors import EndpointDisabled
from hakika.domain.health import BROKEN_AFTER_FAILURES, HOLD_SECONDS
from hakika.domain.webhook import Endpoint, endpoint_data
from hakika.services import deliveries, webhooks
from hakika.services.verify import verify
from hakika.services.webhooks import Changed
from tests.services.world import World, canceled

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
LONG_AGO = timedelta(days=365)


def states(world: World) -> list[str]:
    return [each["state"] for each in world.deliveries()]


def heard_events(world: World) -> set[str]:
    return {event["id"] for event in world.receiver.heard}


def events_so_far(world: World) -> set[str]:
    return {row["id"] for row in world.rows(
        "select id from events where merchant_id = %s and name like 'payment%%'",
        world.key.merchant_id,
    )}


async def state_of(world: World, endpoint: Endpoint) -> Endpoint:
    return await webhooks.read_endpoint(world.rt, world.key, endpoint.id)


async def recover(world: World, endpoint: Endpoint, *, since: datetime | None = None) -> int:
    return await deliveries.recover(
        world.rt, world.key, endpoint.id, since=since or world.rt.now() - LONG_AGO,
    )


async def break_it(world: World, **answer: Any) -> None:
    """Let the endpoint fail until it is left alone."""
    world.receiver.statuses = [500]
    for _ in range(BROKEN_AFTER_FAILURES):
        await world.completed()
    await world.deliver()
    await world.deliver()


async def fail_for(world: World, seconds: float, *, step: float) -> None:
    """Let time pass while every try fails, and something is told now and then."""
    world.receiver.statuses = [500]
    passed = 0.0
    while passed < seconds:
        await world.completed()
        await world.deliver()
        world.let_pass(step)
        passed += step


async def all_right(world: World) -> None:
    """Everything must be told, once or more, and the books must be in order."""
    assert heard_events(world) >= events_so_far(world)
    assert set(states(world)) == {"succeeded"}
    report = await verify(world.rt)
    (check,) = [each for each in report.checks if each.code == "I9"]
    assert check.green, check.violations


class TestOneThatFails:
    async def test_is_left_alone_after_five_failures(self, world: World):
        """A thousand deliveries to a dead server must not be a thousand POSTs."""
        endpoint = await world.add_endpoint()
        await break_it(world)
        tried = len(world.receiver.heard)
        for _ in range(10):
            await world.completed()
        begun = await world.deliver()

        health = (await state_of(world, endpoint)).health
        assert begun == 0
        assert len(world.receiver.heard) == tried == BROKEN_AFTER_FAILURES
        assert health.held_until is not None
        assert states(world)[-10:] == ["waiting"] * 10

    async def test_is_asked_with_a_single_delivery_when_the_hold_ends(self, world: World):
        await world.add_endpoint()
        await break_it(world)
        for _ in range(5):
            await world.completed()
        world.let_pass(HOLD_SECONDS + 1)
        begun = await world.deliver()

        assert begun == 1
        assert len(world.receiver.heard) == BROKEN_AFTER_FAILURES + 1

    async def test_gets_everything_at_once_when_it_is_back(self, world: World):
        """Also what its own schedule would send hours later."""
        await world.add_endpoint()
        await fail_for(world, 10 * MINUTE, step=2 * MINUTE)
        world.receiver.statuses = [200]
        world.change(
            "update deliveries set next_attempt_at = next_attempt_at + interval '5 hours'"
            " where state = 'scheduled'",
            "update endpoints set held_until = null",
        )
        await world.completed()
        await world.deliver()
        await world.deliver()

        await all_right(world)

    async def test_gets_everything_at_once_when_its_address_is_mended(self, world: World):
        """Whoever corrects a mistake in the address must not wait for hours to see it work."""
        endpoint = await world.add_endpoint("/old")
        await fail_for(world, 10 * MINUTE, step=2 * MINUTE)
        world.receiver.statuses = [200]
        await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(url=world.receiver.url + "/new"),
        )
        await world.deliver()

        await all_right(world)

    async def test_events_that_always_fail_keep_their_own_schedule(self, world: World):
        """Five of them in a row are no outage: their tries are to last for days, till a repair."""
        endpoint = await world.add_endpoint()
        world.receiver.poison = {"payment.canceled"}
        for _ in range(BROKEN_AFTER_FAILURES):
            payment = await world.pending()
            await world.call_back(payment, canceled(payment))
        for _ in range(6):
            await world.deliver()
            await world.completed()
            world.let_pass(6)
        await world.deliver()
        tries = {each["attempts"] for each in world.deliveries() if each["state"] == "scheduled"}

        assert not (await state_of(world, endpoint)).health.is_broken
        assert tries == {2}

    async def test_a_single_event_that_always_fails_holds_nothing_back(self, world: World):
        """Between good ones it is an accident of that event. (F31)"""
        endpoint = await world.add_endpoint()
        for _ in range(2 * BROKEN_AFTER_FAILURES):
            world.receiver.statuses = [500, 200]
            await world.completed()
            await world.completed()
            await world.deliver()

        assert not (await state_of(world, endpoint)).health.is_broken
        assert states(world).count("waiting") == 0

    async def test_is_asked_with_what_it_has_not_refused_yet(self, world: World):
        """Else events that always fail, one after another, would hold back all others for hours."""
        await world.add_endpoint()
        world.receiver.poison = {"payment.canceled"}
        for _ in range(4 * BROKEN_AFTER_FAILURES):
            payment = await world.pending()
            await world.call_back(payment, canceled(payment))
        await world.deliver()
        world.change(
            "update deliveries set attempts = 1, state = 'waiting', next_attempt_at = null,"
            " waits_since = now()",
            "update endpoints set failures = 5, held_until = null",
        )
        good = await world.completed()
        await world.deliver()

        assert good.id in {event["data"]["id"] for event in world.receiver.heard}

    @pytest.mark.parametrize("status", [429, 502, 504])
    async def test_that_is_overloaded_is_slowed_down_at_once(self, world: World, status: int):
        """For everything that goes to it, not for the one delivery that was told so."""
        await world.add_endpoint()
        world.receiver.statuses = [status]
        await world.completed()
        await world.deliver()
        await world.completed()

        assert await world.deliver() == 0
        assert states(world) == ["scheduled", "waiting"]
        world.receiver.statuses = [200]
        world.let_pass(HOLD_SECONDS + 2)
        await world.deliver()
        await all_right(world)

    async def test_that_asks_for_time_gets_it(self, world: World):
        """Retry-After holds for everything that goes to it, up to an hour."""
        endpoint = await world.add_endpoint()
        world.receiver.statuses, world.receiver.headers = [429], {"Retry-After": "600"}
        await world.completed()
        await world.deliver()
        await world.completed()
        world.let_pass(500)
        too_early = await world.deliver()
        world.receiver.statuses, world.receiver.headers = [200], {}
        world.let_pass(101)
        await world.deliver()

        assert too_early == 0
        await all_right(world)
        assert (await state_of(world, endpoint)).health.failures == 0

    async def test_others_of_the_merchant_go_on(self, world: World):
        await world.add_endpoint("/bad")
        await world.add_endpoint("/good")
        world.receiver.failing = {"/bad"}
        for _ in range(10):
            await world.completed()
        await world.deliver()

        assert sum(event["path"] == "/good" for event in world.receiver.heard) == 10


class TestGone:
    async def test_is_believed(self, world: World):
        """410 says "never again": what waits is dropped unsent, and nothing new is owed."""
        endpoint = await world.add_endpoint()
        await world.completed()
        world.receiver.statuses = [410]
        await world.deliver()
        await world.completed()
        await world.deliver()

        assert states(world) == ["dropped"]
        assert len(world.receiver.heard) == 1
        gone = await state_of(world, endpoint)
        assert gone.disabled_at is not None
        assert gone.disabled_reason == "The endpoint answered 410 Gone."

    async def test_takes_no_other_with_it_and_tells_it(self, world: World):
        gone = await world.add_endpoint("/gone")
        await world.add_endpoint("/other")
        world.receiver.answers = {"/gone": 410}
        await world.completed()
        await world.deliver()

        assert sorted(
            (event["path"], event["type"]) for event in world.receiver.heard
        ) == [
            ("/gone", "payment.completed"), ("/other", "endpoint.disabled"),
            ("/other", "payment.completed"),
        ]
        (said,) = [
            event["data"] for event in world.receiver.heard if event["type"] == "endpoint.disabled"
        ]
        assert said == endpoint_data(await state_of(world, gone))


class TestDown:
    """F29: whatever was missed is sent again, exactly once asked, and nothing besides."""

    async def test_for_five_minutes_nobody_has_to_do_anything(self, world: World):
        endpoint = await world.add_endpoint()
        await fail_for(world, 5 * MINUTE, step=20)
        world.receiver.statuses = [200]
        world.let_pass(6 * MINUTE)
        await world.deliver()
        await world.deliver()

        await all_right(world)
        assert await recover(world, endpoint) == 0

    async def test_for_five_hours_nobody_has_to_do_anything(self, world: World):
        endpoint = await world.add_endpoint()
        await fail_for(world, 5 * HOUR, step=15 * MINUTE)
        posts = len(world.receiver.heard)
        world.receiver.statuses = [200]
        world.let_pass(6 * MINUTE)
        await world.deliver()
        await world.deliver()

        assert posts < 60
        await all_right(world)
        assert await recover(world, endpoint) == 0

    async def test_for_a_month_it_is_disabled_told_of_and_recovered(self, world: World):
        """After five days nothing more is kept for it; a merchant who comes back gets it all."""
        await world.add_endpoint("/other")
        endpoint = await world.add_endpoint("/dead")
        await world.completed()
        await world.deliver()
        before = world.rt.now()
        world.receiver.failing = {"/dead"}
        with capture_logs() as logs:
            await fail_for_days(world, 6)
        disabled = await state_of(world, endpoint)
        for _ in range(3):
            await world.completed()
        await world.deliver()
        told = [event for event in world.receiver.heard if event["type"] == "endpoint.disabled"]
        with pytest.raises(EndpointDisabled):
            await recover(world, endpoint)
        world.let_pass(24 * DAY)
        world.receiver.failing = set()
        world.receiver.heard.clear()
        enabled = await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(enabled=True),
        )
        missed = await recover(world, endpoint, since=before)
        again = await recover(world, endpoint, since=before)
        await world.deliver()
        await world.deliver()

        assert disabled.disabled_reason == "The endpoint failed for 5 days."
        assert [(event["path"], event["data"]["id"]) for event in told] == [
            ("/other", endpoint.id),
        ]
        assert [line["endpoint"] for line in logs if line["event"] == "endpoint_disabled"] == [
            endpoint.id,
        ]
        assert (enabled.disabled_at, enabled.health.failures) == (None, 0)
        heard = [event["id"] for event in world.receiver.heard if event["path"] == "/dead"]
        assert len(heard) == len(set(heard)) == missed
        assert set(heard) == {row["id"] for row in world.rows(
            "select id from events where merchant_id = %s and created_at > %s"
            " and name like 'payment%%'", world.key.merchant_id, before,
        )}
        assert again == 0
        report = await verify(world.rt)
        (check,) = [each for each in report.checks if each.code == "I9"]
        assert check.green, check.violations

    async def test_only_what_it_wanted_and_since_then_is_recovered(self, world: World):
        endpoint = await world.add_endpoint()
        await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(enabled=False),
        )
        await world.completed()
        between = world.rt.now()
        await world.completed()
        await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(enabled=True),
        )
        missed = await recover(world, endpoint, since=between)
        await world.deliver()

        assert missed == 1
        assert len(world.receiver.heard) == 1

    @pytest.mark.parametrize("seconds", [-10, 10])
    async def test_what_happened_as_it_was_disabled_or_enabled_is_recovered(
        self, world: World, seconds: int,
    ):
        """An event says when it was heard, a change when it was asked for: both commit later."""
        endpoint = await world.add_endpoint()
        await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(enabled=False),
        )
        await world.completed()
        await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(enabled=True),
        )
        world.change(
            f"update endpoint_versions set since = since + interval '{seconds} seconds'"
            f" where endpoint_id = '{endpoint.id}'",
            "update endpoints set created_at = created_at - interval '1 hour'",
        )

        assert await recover(world, endpoint) == 1
        assert await recover(world, endpoint) == 0

    async def test_a_dead_one_hears_what_is_left_of_its_time(self, world: World):
        """Nothing of a day without a failure counts: nobody knows how it was doing then."""
        endpoint = await world.add_endpoint()
        world.receiver.statuses = [500]
        await world.completed()
        await world.deliver()
        world.let_pass(10 * DAY)
        await world.deliver()

        assert (await state_of(world, endpoint)).disabled_at is None


async def fail_for_days(world: World, days: int) -> None:
    """Let days pass in which something happens every eight hours."""
    for _ in range(3 * days):
        await world.completed()
        await world.deliver()
        world.let_pass(8 * HOUR)
