"""Webhook endpoints: registered, changed, given new secrets, tried out."""

from __future__ import annotations

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from hakika.domain.delivery import DeliveryState
from hakika.domain.dialect import Dialect
from hakika.domain.errors import Invalid, NotFound, SecretOverlap, TooManyEndpoints
from hakika.domain.event import EventName
from hakika.domain.webhook import ENDPOINTS_MAX
from hakika.services import deliveries, webhooks
from hakika.services.verify import MOMENT, verify
from hakika.services.webhooks import Changed
from hakika.store.delivery_search import Filter
from tests.services.world import World, order, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = 24 * 3600


def verifies(world: World, secret: str) -> bool:
    """Say whether the newest webhook is believed by who knows `secret`."""
    headers, body = world.receiver.raw[-1]
    try:
        Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    except WebhookVerificationError:
        return False
    return True


class TestEndpoints:
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
        for number in range(3):
            await world.add_endpoint(f"/hook-{number}")
        await world.completed()
        only = await webhooks.set_only_endpoint(world.rt, world.key, world.receiver.url + "/only")
        await world.completed()
        await world.deliver()

        assert await webhooks.endpoints(world.rt, world.key) == [only]
        assert [each["state"] for each in world.deliveries()] == ["dropped"] * 3 + ["succeeded"]
        assert [event["path"] for event in world.receiver.heard] == ["/only"]

    async def test_an_address_that_may_not_be_called_leaves_the_old_ones(self, world: World):
        """A typing mistake must not silence the shop."""
        endpoint = await world.add_endpoint()
        with pytest.raises(Invalid):
            await webhooks.set_only_endpoint(world.rt, world.key, "http://10.0.0.1/hook")
        with pytest.raises(Invalid):
            await webhooks.change_endpoint(
                world.rt, world.key, endpoint.id, Changed(url="http://10.0.0.1/hook"),
            )

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

    async def test_its_own_headers_are_sent_and_kept_sealed(self, world: World):
        """They may be the password of the merchant's gateway. (C8)"""
        endpoint = await world.add_endpoint(headers={"X-Gateway-Key": "canary-7f3a"})
        await world.completed()
        await world.deliver()

        (headers, _), = world.receiver.raw
        assert headers["x-gateway-key"] == "canary-7f3a"
        row = str(world.rows("select * from endpoints where id = %s", endpoint.id))
        assert "x-gateway-key" in row
        assert "canary-7f3a" not in row
        assert "canary-7f3a" not in repr(endpoint)

    async def test_another_merchant_or_mode_does_not_see_it(self, world: World):
        endpoint = await world.add_endpoint()
        stranger = (await world.live()).key
        for attempt in (
            webhooks.read_endpoint(world.rt, stranger, endpoint.id),
            webhooks.change_endpoint(world.rt, stranger, endpoint.id, Changed(enabled=False)),
            webhooks.rotate_secret(world.rt, stranger, endpoint.id),
            webhooks.try_endpoint(world.rt, stranger, endpoint.id),
            deliveries.recover(world.rt, stranger, endpoint.id, since=world.rt.now()),
        ):
            with pytest.raises(NotFound):
                await attempt


class TestWhatItWants:
    async def test_a_change_counts_from_its_moment_on(self, world: World):
        """And the books know what was wanted when. (I9)"""
        endpoint = await world.add_endpoint(events=[EventName.PAYMENT_FAILED])
        await world.completed()
        await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(events=[EventName.PAYMENT_COMPLETED]),
        )
        wanted = await world.completed()
        await webhooks.change_endpoint(
            world.rt, world.key, endpoint.id, Changed(events=[EventName.PAYMENT_CANCELED]),
        )
        await world.deliver()

        assert [event["data"]["id"] for event in world.receiver.heard] == [wanted.id]
        for seconds in (0.0, 3 * MOMENT.total_seconds()):
            world.change(
                f"update endpoint_versions set since = since - make_interval(secs => {seconds})"
                f" where endpoint_id = '{endpoint.id}' and version = 1",
            )
            report = await verify(world.rt)
            (check,) = [each for each in report.checks if each.code == "I9"]
            assert check.green, check.violations

    async def test_each_dialect_arrives_as_it_is_asked_for(self, world: World):
        endpoint = await world.add_endpoint()
        for dialect, header in (
            (Dialect.STANDARD, "webhook-signature"),
            (Dialect.PAYMENTS_SERVICE, "x-payments-signature"),
            (Dialect.MPESA_GATEWAY, "x-mpesa-gateway-signature"),
        ):
            await webhooks.change_endpoint(
                world.rt, world.key, endpoint.id, Changed(dialect=dialect),
            )
            await world.completed()
            await world.deliver()

            headers, _ = world.receiver.raw[-1]
            sent = {name.lower(): value for name, value in headers.items()}
            assert header in sent
            assert sent["content-type"] == "application/json"

    async def test_a_payments_own_address_speaks_the_same_dialect(self, world: World):
        """The same programs answer it; but the endpoint's headers are for its own host alone."""
        await world.add_endpoint(
            dialect=Dialect.MPESA_GATEWAY, headers={"x-gateway-key": "canary"},
        )
        asked = await world.ask(order(callback_url=world.receiver.url + "/own"))
        payment = await world.read(asked.data["id"])
        await world.call_back(payment, paid(payment))
        await world.deliver()

        own = [headers for headers, _ in world.receiver.raw if "x-gateway-key" not in headers]
        assert len(own) == 1
        assert own[0]["x-mpesa-gateway-event"] == "payment.success"


class TestSecrets:
    async def test_both_sign_until_the_overlap_is_over(self, world: World):
        """Also what was scheduled before: no receiver fails, whichever secret it has. (F32)"""
        endpoint = await world.add_endpoint()
        await world.completed()
        world.receiver.statuses = [500, 200]
        await world.deliver()
        rotated = await webhooks.rotate_secret(
            world.rt, world.key, endpoint.id, overlap_seconds=DAY,
        )
        world.let_pass(6)
        await world.deliver()
        in_the_overlap = verifies(world, endpoint.secret), verifies(world, rotated.secret)
        world.let_pass(DAY)
        await world.completed()
        await world.deliver()

        assert rotated.secret != endpoint.secret
        assert in_the_overlap == (True, True)
        assert (verifies(world, endpoint.secret), verifies(world, rotated.secret)) == (False, True)

    async def test_without_an_overlap_the_old_one_ends_at_once(self, world: World):
        """For a secret that has leaked."""
        endpoint = await world.add_endpoint()
        rotated = await webhooks.rotate_secret(
            world.rt, world.key, endpoint.id, overlap_seconds=0,
        )
        await world.completed()
        await world.deliver()

        assert (verifies(world, endpoint.secret), verifies(world, rotated.secret)) == (False, True)
        assert world.value(
            "select previous_secret = '' from endpoints where id = %s", endpoint.id,
        )

    async def test_an_overlap_of_more_than_a_week_is_refused(self, world: World):
        endpoint = await world.add_endpoint()
        with pytest.raises(Invalid):
            await webhooks.rotate_secret(
                world.rt, world.key, endpoint.id, overlap_seconds=7 * DAY + 1,
            )

    async def test_another_rotation_ends_no_secret_that_still_signs(self, world: World):
        """After a lost answer the receiver has the first secret, which nobody else then knew."""
        endpoint = await world.add_endpoint()
        await webhooks.rotate_secret(world.rt, world.key, endpoint.id, overlap_seconds=DAY)
        with pytest.raises(SecretOverlap):
            await webhooks.rotate_secret(world.rt, world.key, endpoint.id, overlap_seconds=DAY)
        await world.completed()
        await world.deliver()
        before = verifies(world, endpoint.secret)
        third = await webhooks.rotate_secret(
            world.rt, world.key, endpoint.id, overlap_seconds=0,
        )
        await world.completed()
        await world.deliver()

        assert before
        assert (verifies(world, endpoint.secret), verifies(world, third.secret)) == (False, True)

    async def test_a_payments_own_address_follows_the_rotation(self, world: World):
        """It has no secret of its own, so the merchant could verify nothing after a rotation."""
        endpoint = await world.add_endpoint(events=[EventName.PAYMENT_FAILED])
        asked = await world.ask(order(callback_url=world.receiver.url + "/own"))
        payment = await world.read(asked.data["id"])
        rotated = await webhooks.rotate_secret(
            world.rt, world.key, endpoint.id, overlap_seconds=0,
        )
        await world.call_back(payment, paid(payment))
        await world.deliver()

        assert [event["path"] for event in world.receiver.heard] == ["/own"]
        assert verifies(world, rotated.secret)


class TestTrying:
    async def test_a_test_event_is_posted_and_its_answer_shown(self, world: World):
        endpoint = await world.add_endpoint(headers={"x-key": "canary"})
        world.receiver.statuses = [418]
        tried = await webhooks.try_endpoint(world.rt, world.key, endpoint.id)

        (event,) = world.receiver.heard
        assert (event["type"], event["sequence"]) == ("endpoint.test", None)
        assert verifies(world, endpoint.secret)
        assert (tried.answer.status, tried.answer.body) == (418, b"as told")
        shown = dict(tried.message.headers)
        assert shown["webhook-signature"] == shown["x-key"] == "****"
        assert tried.message.body == world.receiver.raw[0][1]

    async def test_it_disturbs_no_real_event(self, world: World):
        """Neither the numbers, nor the endpoint's health, nor the list of deliveries."""
        endpoint = await world.add_endpoint()
        await world.completed()
        await world.deliver()
        world.receiver.statuses = [500]
        for _ in range(6):
            await webhooks.try_endpoint(world.rt, world.key, endpoint.id)
        world.receiver.statuses = [200]
        await world.completed()
        await world.deliver()

        assert [event["sequence"] for event in world.receiver.heard] == [1, *[None] * 6, 2]
        assert (await webhooks.read_endpoint(world.rt, world.key, endpoint.id)).health.failures == 0
        assert len(world.deliveries()) == 2


class TestLookingAtDeliveries:
    async def test_each_try_shows_what_was_sent_and_what_came_back(self, world: World):
        """As it was then, with nothing that would let a reader forge one."""
        endpoint = await world.add_endpoint("/old", headers={"x-key": "canary"})
        await world.completed()
        world.receiver.statuses = [500, 200]
        await world.deliver()
        await webhooks.change_endpoint(world.rt, world.key, endpoint.id, Changed(
            url=world.receiver.url + "/new", dialect=Dialect.MPESA_GATEWAY, headers={},
        ))
        world.let_pass(6)
        await world.deliver()
        (found,) = await deliveries.find(world.rt, world.key, Filter(), limit=10)
        delivery, (first, second) = await deliveries.read(world.rt, world.key, found.id)

        assert delivery == found
        assert (delivery.state, delivery.attempts) == ("succeeded", 2)
        assert [first.url, second.url] == [
            world.receiver.url + "/old", world.receiver.url + "/new",
        ]
        assert [first.body, second.body] == [body for _, body in world.receiver.raw]
        assert first.headers["x-key"] == first.headers["webhook-signature"] == "****"
        sent, _ = world.receiver.raw[0]
        assert first.headers["webhook-timestamp"] == sent["webhook-timestamp"]
        assert second.headers["x-mpesa-gateway-event"] == "payment.success"
        assert (first.answer.status, first.answer.body, second.answer.status) == (
            500, b"as told", 200,
        )
        assert first.duration_ms is not None

    async def test_they_are_found_by_endpoint_event_and_state_in_pages(self, world: World):
        one, _ = await world.add_endpoint("/one"), await world.add_endpoint("/other")
        for _ in range(3):
            await world.completed()
        await world.deliver()
        world.change(
            "update deliveries set state = 'exhausted', reason = 'x'"
            f" where endpoint_id = '{one.id}'",
        )

        async def ids(wanted: Filter, limit: int = 100) -> list[int]:
            return [each.id for each in await deliveries.find(
                world.rt, world.key, wanted, limit=limit,
            )]

        everything = await ids(Filter())
        first = await deliveries.find(world.rt, world.key, Filter(), limit=4)
        event_id = first[0].event_id
        assert len(everything) == 6
        assert await ids(Filter(after=first[-1])) == everything[4:]
        assert len(await ids(Filter(endpoint_id=one.id))) == 3
        assert len(await ids(Filter(event_id=event_id))) == 2
        exhausted = await deliveries.find(
            world.rt, world.key, Filter(state=DeliveryState.EXHAUSTED), limit=100,
        )
        assert {each.endpoint_id for each in exhausted} == {one.id}
        assert len(exhausted) == 3

    @pytest.mark.parametrize("state", list(DeliveryState))
    async def test_each_state_has_a_list_of_its_own(self, world: World, state: DeliveryState):
        """Three statements, for what is open, what was missed and the rest, and one answer."""
        await world.add_endpoint()
        for _ in DeliveryState:
            await world.completed()
        for one, each in zip(DeliveryState, world.deliveries(), strict=True):
            world.change(
                f"update deliveries set state = '{one}', reason = 'x',"
                f" next_attempt_at = case when '{one}' in ('scheduled', 'sending')"
                " then now() end,"
                f" waits_since = case when '{one}' = 'waiting' then now() end,"
                f" finished_at = case when '{one}' not in ('scheduled', 'sending', 'waiting')"
                f" then now() end where id = {each['id']}",
            )
        found = await deliveries.find(world.rt, world.key, Filter(state=state), limit=100)

        assert [each.state for each in found] == [state]

    async def test_one_to_a_payments_own_address_is_found_by_its_event(self, world: World):
        await world.add_endpoint(events=[EventName.PAYMENT_FAILED])
        asked = await world.ask(order(callback_url=world.receiver.url + "/own"))
        payment = await world.read(asked.data["id"])
        await world.call_back(payment, paid(payment))
        await world.deliver()
        (row,) = world.deliveries()
        found = await deliveries.find(
            world.rt, world.key, Filter(event_id=row["event_id"]), limit=10,
        )
        _, (attempt,) = await deliveries.read(world.rt, world.key, found[0].id)

        assert [each.id for each in found] == [row["id"]]
        assert attempt.url == world.receiver.url + "/own"

    async def test_another_merchant_or_mode_sees_none(self, world: World):
        endpoint = await world.add_endpoint()
        await world.completed()
        (row,) = world.deliveries()
        stranger = (await world.live()).key

        assert await deliveries.find(world.rt, stranger, Filter(), limit=10) == []
        assert await deliveries.find(
            world.rt, stranger, Filter(endpoint_id=endpoint.id, event_id=row["event_id"]), limit=10,
        ) == []
        for attempt in (
            deliveries.read(world.rt, stranger, row["id"]),
            deliveries.redeliver(world.rt, stranger, row["id"]),
        ):
            with pytest.raises(NotFound):
                await attempt


class TestDeliveringAgain:
    @pytest.mark.parametrize("status", [200, 500])
    async def test_it_goes_out_at_once_whatever_became_of_it(self, world: World, status: int):
        """The button for a merchant who has just mended a handler."""
        await world.add_endpoint()
        await world.completed()
        world.receiver.statuses = [status, 200]
        await world.deliver()
        (row,) = world.deliveries()
        again = await deliveries.redeliver(world.rt, world.key, row["id"])
        await world.deliver()

        assert again.state == "scheduled"
        assert len(world.receiver.heard) == 2
        assert [each["state"] for each in world.deliveries()] == ["succeeded"]
        assert world.attempts() == [(1, status), (2, 200)]

    async def test_an_exhausted_one_has_a_whole_row_of_tries_again(self, world: World):
        await world.add_endpoint()
        await world.completed()
        world.receiver.statuses = [500]
        world.change("update deliveries set attempts = 11")
        await world.deliver()
        (exhausted,) = world.deliveries()
        await deliveries.redeliver(world.rt, world.key, exhausted["id"])
        await world.deliver()
        (again,) = world.deliveries()

        assert (exhausted["state"], again["state"]) == ("exhausted", "scheduled")
        assert again["attempts"] == 13
