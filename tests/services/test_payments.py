"""One order, one prompt: whatever crashed, and however often the same key comes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from hakika.domain.errors import (
    IdempotencyKeyInProgress,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
    ProviderUnreachable,
)
from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.ids import PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.patience import SENDING_SECONDS_MAX
from hakika.domain.payment import State, advance
from hakika.services import checks, payments, webhooks
from hakika.services.facts import with_next_check
from hakika.services.killpoints import KillPoint
from hakika.services.payments import Asked, Order
from hakika.store import payments as store
from tests.services.world import TOO_MANY, WRONG_PHONE, Died, World, canceled, order

# What Daraja takes as an account reference, and shows on the phone.
REFERENCE = re.compile(r"HK[0-9A-Z]{10}")

pytestmark = pytest.mark.asyncio(loop_scope="module")


def id_of(world: World, wanted: Order) -> PaymentId:
    """Return the id of the payment of an order."""
    return PaymentId(world.value(
        "select id from payments where idempotency_key = %s", wanted.idempotency_key,
    ))


async def state_of(world: World, wanted: Order) -> State:
    """Return where the payment of an order stands."""
    return (await world.read(id_of(world, wanted))).state


async def ask_once(world: World, wanted: Order, ready: asyncio.Event) -> Asked:
    """Ask when `ready` is set."""
    await ready.wait()
    return await world.ask(wanted)


async def somebody_waits_for_a_lock(world: World) -> None:
    """Wait until a statement of ours stands behind another transaction."""
    async with asyncio.timeout(10):
        while not world.value(
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'",
        ):
            await asyncio.sleep(0.01)


async def test_an_order_is_one_prompt_with_a_callback_address_of_its_own(world: World):
    """The address holds nothing that anybody could guess."""
    asked = await world.ask(order(reference="INV-7", payer=Msisdn("254708374149")))

    (push,) = world.daraja.pushes
    assert (push["Amount"], push["PhoneNumber"], push["AccountReference"]) == (
        1_500, 254708374149, "INV-7",
    )
    assert world.rt.payment_called_about(push["CallBackURL"].rpartition("/")[2]) == asked.data["id"]
    assert (asked.data["status"], asked.replayed, asked.was_refused) == ("pending", False, False)


async def test_a_payment_of_another_merchant_is_not_there(world: World):
    payment = await world.pending()
    stranger = (await world.live()).key

    for read in (payments.read, payments.timeline):
        with pytest.raises(NotFound):
            await read(world.rt, stranger, payment.id)


async def test_a_made_reference_is_as_daraja_wants_it(world: World):
    asked = await world.ask()

    assert REFERENCE.fullmatch(world.daraja.pushes[0]["AccountReference"])
    assert asked.data["reference"] == world.daraja.pushes[0]["AccountReference"]


async def test_made_references_are_unique(world: World):
    """A payer who pays by hand later must not hit another's order."""
    made = {payments._new_reference(world.rt) for _ in range(1_000)}

    assert len(made) == 1_000
    assert all(REFERENCE.fullmatch(each) for each in made)


class TestAnAddressOfItsOwn:
    async def test_it_needs_an_endpoint_whose_secret_signs_it(self, world: World):
        """A webhook that nobody can verify would be worse than none."""
        with pytest.raises(Invalid) as refused:
            await world.ask(order(callback_url="https://shop.example/own"))

        (error,) = refused.value.errors
        assert (error.field, error.code) == ("callback_url", "callback_url_without_endpoint")
        assert "POST /v1/webhook-endpoints" in refused.value.hint
        assert world.value(
            "select count(*) from payments where merchant_id = %s", world.key.merchant_id,
        ) == 0
        assert world.daraja.pushes == []

    async def test_it_is_signed_with_the_secret_of_the_first_endpoint(self, world: World):
        first, second = await world.add_endpoint("/first"), await world.add_endpoint("/second")
        asked = await world.ask(order(callback_url=world.receiver.url + "/own"))
        payment = await world.read(asked.data["id"])
        await world.call_back(payment, canceled(payment))
        await world.deliver()

        assert {each["path"] for each in world.receiver.heard} == {"/first", "/second", "/own"}
        assert secrets_that_verify(world, "/own", first.secret, second.secret) == [first.secret]

    async def test_the_same_order_comes_back_after_the_endpoint_has_gone(self, world: World):
        """The payer was asked already: an error now would have the caller ask somewhere else."""
        endpoint = await world.add_endpoint()
        wanted = order(callback_url=world.receiver.url + "/own")
        asked = await world.ask(wanted)
        await webhooks.delete_endpoint(world.rt, world.key, endpoint.id)
        again = await world.ask(wanted)

        assert (again.replayed, again.data) == (True, asked.data)
        assert len(world.daraja.pushes) == 1


def secrets_that_verify(world: World, path: str, *secrets: str) -> list[str]:
    """Return the secrets under which the webhook that came to `path` is genuine."""
    headers, body = next(
        raw for raw, each in zip(world.receiver.raw, world.receiver.heard, strict=True)
        if each["path"] == path
    )
    return [secret for secret in secrets if _verifies(secret, headers, body)]


def _verifies(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, {name.lower(): text for name, text in headers.items()})
    except WebhookVerificationError:
        return False
    return True


class TestTheSameKey:
    async def test_an_answered_order_is_answered_alike(self, world: World):
        """Also after the payment has moved on: it is the answer to the request, not the news."""
        wanted = order()
        first = await world.ask(wanted)
        payment = await world.read(first.data["id"])
        await world.call_back(payment, canceled(payment))
        again = await world.ask(wanted)

        assert (again.data, again.replayed) == (first.data, True)
        assert len(world.daraja.pushes) == 1

    async def test_a_refused_order_is_refused_alike(self, world: World):
        """A number that Daraja does not take stays one that it does not take."""
        wanted = order()
        world.daraja.refuses = 400, WRONG_PHONE
        first = await world.ask(wanted)
        world.daraja.refuses = None
        again = await world.ask(wanted)

        assert (first.was_refused, first.data["status"]) == (True, "failed")
        assert (again.was_refused, again.data, again.replayed) == (True, first.data, True)
        assert len(world.daraja.pushes) == 1

    @pytest.mark.parametrize("point", [None, KillPoint.AFTER_INTENT, KillPoint.AFTER_PUSH])
    async def test_another_body_is_refused_whatever_became_of_the_first(
        self, world: World, point: KillPoint | None,
    ):
        """Two orders under one key: the caller has a bug, and must hear of it."""
        wanted = order()
        if point is None:
            await world.ask(wanted)
        else:
            with pytest.raises(Died):
                await world.ask(wanted, rt=world.dying_at(point))
        pushed = len(world.daraja.pushes)
        with pytest.raises(IdempotencyKeyReused):
            await world.ask(
                order(idempotency_key=wanted.idempotency_key, amount=Money.shillings(1_501)),
            )

        assert len(world.daraja.pushes) == pushed

    async def test_an_order_never_sent_is_sent_now(self, world: World):
        """Nobody was prompted, so nobody can be prompted twice."""
        wanted = order()
        world.daraja.refuses = 429, TOO_MANY
        with pytest.raises(ProviderUnreachable):
            await world.ask(wanted)
        unsent = await state_of(world, wanted)
        world.daraja.refuses = None
        again = await world.ask(wanted)

        assert (unsent, again.replayed, again.data["status"]) == (State.UNSENT, False, "pending")
        assert await world.facts(again.data["id"]) == ["asked", "unreachable", "asked", "accepted"]
        assert (await world.read(again.data["id"])).attempts == 2

    async def test_an_order_that_cannot_be_sent_again_says_so_again(self, world: World):
        wanted = order()
        world.daraja.refuses = 429, TOO_MANY
        for _ in range(3):
            with pytest.raises(ProviderUnreachable) as refused:
                await world.ask(wanted)
            assert refused.value.retry_after_seconds > 0

        assert await state_of(world, wanted) is State.UNSENT
        assert len(world.daraja.pushes) == 3

    async def test_a_try_that_failed_while_another_waited_is_not_called_pending(
        self, world: World,
    ):
        """The one that waited has sent nothing either: its caller must come again."""
        wanted, locked = order(), asyncio.Event()
        world.daraja.refuses = 429, TOO_MANY
        with pytest.raises(ProviderUnreachable):
            await world.ask(wanted)
        waiting = asyncio.create_task(ask_once(world, wanted, locked))
        async with world.rt.store.transaction() as tx:
            payment = await store.lock(tx, id_of(world, wanted))
            assert payment is not None
            locked.set()
            await somebody_waits_for_a_lock(world)
            for fact in (
                Fact(Kind.ASKED, Source.CALLER, attempt=2),
                Fact(Kind.UNREACHABLE, Source.DARAJA, attempt=2),
            ):
                change = with_next_check(world.rt, advance(payment, fact, now=world.rt.now()))
                await store.apply(tx, change, (), forgotten=world.rt.now())
                payment = change.after
        with pytest.raises(IdempotencyKeyInProgress):
            await waiting

        assert await state_of(world, wanted) is State.UNSENT

    @pytest.mark.parametrize("point", [KillPoint.AFTER_INTENT, KillPoint.AFTER_PUSH])
    async def test_an_order_whose_process_died_is_never_sent_again(
        self, world: World, point: KillPoint,
    ):
        """First "it still runs", then "unknown": both are true, and neither prompts twice."""
        wanted = order()
        with pytest.raises(Died):
            await world.ask(wanted, rt=world.dying_at(point))
        pushed = len(world.daraja.pushes)
        with pytest.raises(IdempotencyKeyInProgress):
            await world.ask(wanted)
        world.let_pass(SENDING_SECONDS_MAX)
        await checks.look_again(world.rt)
        again = await world.ask(wanted)

        assert pushed == (1 if point is KillPoint.AFTER_PUSH else 0)
        assert (again.replayed, again.data["status"]) == (True, "unknown")
        assert len(world.daraja.pushes) == pushed

    async def test_a_push_without_an_answer_is_unknown_and_never_repeated(self, world: World):
        """Silence is not failure: the prompt may be on the phone."""
        wanted = order()
        world.daraja.away = True
        first = await world.ask(wanted)
        world.daraja.away = False
        again = await world.ask(wanted)

        assert (first.data["status"], again.data, again.replayed) == ("unknown", first.data, True)
        assert len(world.daraja.pushes) == 1

    async def test_the_two_modes_do_not_share_keys(self, world: World):
        """The test that a developer ran must not answer the first real customer."""
        wanted = order()
        live = await world.live()
        answers: list[Mapping[str, Any]] = [(await each.ask(wanted)).data for each in (world, live)]

        assert [each["livemode"] for each in answers] == [False, True]
        assert len(world.daraja.pushes) == 2
