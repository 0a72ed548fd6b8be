"""Payments gone silent: when the clock speaks, when Daraja is asked, and in what order."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hakika.domain.errors import AskedTooOften, ProviderUnreachable
from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.money import Money
from hakika.domain.patience import (
    LAPSE_SECONDS,
    OVERDUE_SECONDS,
    SENDING_SECONDS_MAX,
    UNSENT_SECONDS_MAX,
)
from hakika.domain.payment import Payment, State
from hakika.services import checks
from hakika.services.checks import LEASE_SECONDS
from hakika.services.facts import record
from hakika.services.killpoints import KillPoint
from hakika.services.runtime import open_runtime
from tests.journeys.world import free_port
from tests.services.world import (
    PAID,
    PUBLIC_URL,
    TOO_MANY,
    Died,
    World,
    order,
    settings_of,
)

FIRST_CHECK_SECONDS = 26
PROMPT_DEAD_SECONDS = 91
CANCELED = {"ResponseCode": "0", "ResultCode": "1032", "ResultDesc": "Request canceled by user."}

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def left_sending(world: World) -> Payment:
    """Return a payment whose process died before it asked Daraja."""
    wanted = order()
    with pytest.raises(Died):
        await world.ask(wanted, rt=world.dying_at(KillPoint.AFTER_INTENT))
    return await world.read(
        world.value("select id from payments where idempotency_key = %s", wanted.idempotency_key),
    )


class TestTheClock:
    async def test_a_payment_never_sent_fails_when_nobody_asks_again(self, world: World):
        """Its merchant must hear an end of it, and no prompt was ever shown."""
        nowhere = settings_of(world.url, f"http://127.0.0.1:{free_port()}")
        wanted = order()
        async with open_runtime(nowhere, public_url=PUBLIC_URL) as rt:
            hurried = replace(world, rt=rt).at_pace(100_000)
            with pytest.raises(ProviderUnreachable) as refused:
                await hurried.ask(wanted)
            await asyncio.sleep(2 * UNSENT_SECONDS_MAX / 100_000)
            await checks.look_again(hurried.rt)
            await checks.look_again(hurried.rt)

        payment_id = world.value(
            "select id from payments where idempotency_key = %s", wanted.idempotency_key,
        )
        payment = await world.read(payment_id)
        assert refused.value.retry_after_seconds > 0
        assert (payment.state, payment.failure and payment.failure.code) == (
            State.FAILED, "not_sent",
        )
        assert world.events(payment_id) == ["payment.failed"]
        assert world.daraja.pushes == []

    async def test_a_payment_never_sent_is_waited_for_until_its_deadline(self, world: World):
        """Its caller was told to come back with the same key."""
        world.daraja.refuses = 429, TOO_MANY
        with pytest.raises(ProviderUnreachable):
            await world.ask()
        payment_id = world.value("select id from payments where state = 'unsent'")
        world.let_pass(UNSENT_SECONDS_MAX - 5)
        await checks.look_again(world.rt)

        assert (await world.read(payment_id)).state is State.UNSENT

    async def test_a_payment_left_sending_becomes_unknown_and_is_never_sent(self, world: World):
        """Nobody can know whether the dead process had pushed it already."""
        payment = await left_sending(world)
        world.let_pass(SENDING_SECONDS_MAX)
        await checks.look_again(world.rt)
        await checks.look_again(world.rt)

        assert (await world.read(payment.id)).state is State.UNKNOWN
        assert world.events(payment.id) == ["payment.unknown"]
        assert (world.daraja.pushes, world.daraja.queries) == ([], [])

    async def test_a_payment_being_sent_is_left_to_its_sender(self, world: World):
        """A push may take half a minute; it has not crashed for that."""
        payment = await left_sending(world)
        world.let_pass(SENDING_SECONDS_MAX - 5)
        await checks.look_again(world.rt)

        assert await world.facts(payment.id) == ["asked"]

    async def test_an_outage_of_daraja_keeps_nobody_waiting_for_an_honest_word(self, world: World):
        """After three minutes the merchant hears "unknown", and the truth when Daraja is back."""
        payment = await world.pending()
        world.daraja.away = True
        world.let_pass(OVERDUE_SECONDS)
        await checks.look_again(world.rt)
        during = await world.read(payment.id)
        world.daraja.away, world.daraja.says = False, PAID
        world.let_pass(LEASE_SECONDS)
        await checks.look_again(world.rt)

        assert during.status == "unknown"
        assert (await world.read(payment.id)).status == "completed"
        assert world.events(payment.id) == ["payment.unknown", "payment.completed"]

    async def test_the_clock_is_minded_while_the_budget_is_closed(self, world: World):
        """Thousands may wait for queries: those that need none must not stand behind them."""
        frugal = world.having(sandbox_queries_per_minute=5)
        payment = await frugal.pending()
        world.let_pass(OVERDUE_SECONDS)
        await checks._spend(frugal.rt, payment.shortcode.number, livemode=False)
        await checks.look_again(frugal.rt)

        assert (await world.read(payment.id)).state is State.UNKNOWN
        assert world.daraja.queries == []

    async def test_the_clock_is_minded_while_daraja_takes_its_time(self, world: World):
        """With a budget of one a second and answers after fifteen, a round would never end."""
        hurried = world.at_pace(100)
        for _ in range(12):
            await hurried.pending()
        world.let_pass(1)
        world.daraja.seconds = 0.1
        payment = await left_sending(hurried)
        async with asyncio.timeout(10):
            while not world.events(payment.id):
                await checks.look_again(hurried.rt)

        assert len(world.daraja.queries) < 12

    async def test_after_two_days_a_person_is_asked_and_daraja_no_more(self, world: World):
        """Silence for ever must not look like patience."""
        payment = await world.pending()
        world.let_pass(LAPSE_SECONDS)
        for _ in range(3):
            await checks.look_again(world.rt)
        after, asked = await world.read(payment.id), len(world.daraja.queries)
        world.let_pass(LAPSE_SECONDS)
        looked_at = await checks.look_again(world.rt)

        assert (after.state, after.needs_review, after.next_check_at) == (State.UNKNOWN, True, None)
        assert world.events(payment.id) == ["payment.unknown", "payment.needs_review"]
        assert (looked_at, len(world.daraja.queries)) == (0, asked)


class TestTheQuestion:
    @pytest.mark.parametrize("dead", [False, True])
    async def test_a_cancel_said_by_a_query_counts_once_the_prompt_is_dead(
        self, world: World, dead: bool,
    ):
        """Until then the payer may still be typing the PIN."""
        payment = await world.pending()
        world.daraja.says = CANCELED
        world.let_pass(PROMPT_DEAD_SECONDS if dead else FIRST_CHECK_SECONDS)
        await checks.look_again(world.rt)

        told = (State.CANCELED, ["payment.canceled"]) if dead else (State.PENDING, [])
        assert ((await world.read(payment.id)).state, world.events(payment.id)) == told

    async def test_a_throttled_query_closes_the_budget_and_is_no_fact(self, world: World):
        """A gateway's "too many" is no word on the payment; another question makes it worse."""
        payments = [await world.pending() for _ in range(2)]
        world.daraja.status, world.daraja.says = 429, TOO_MANY
        world.daraja.headers = {"Retry-After": "40"}
        world.let_pass(FIRST_CHECK_SECONDS)
        await checks.look_again(world.rt)
        world.let_pass(38)
        await checks.look_again(world.rt)
        asked_while_closed = len(world.daraja.queries)
        world.daraja.status, world.daraja.says = 200, PAID
        world.let_pass(3)
        await checks.look_again(world.rt)

        assert asked_while_closed == 1
        assert len(world.daraja.queries) == 3
        for payment in payments:
            assert await world.facts(payment.id) == ["asked", "accepted", "confirmed"]

    async def test_the_most_that_can_be_lost_is_asked_about_first(self, world: World):
        """Age, amount and doubt, one query a round: what a sandbox's budget allows."""
        frugal = world.having(sandbox_queries_per_minute=5)
        names: dict[str, str] = {}

        async def has(name: str, shillings: int, *, unknown: bool = False) -> None:
            payment = await frugal.pending(Money.shillings(shillings))
            names[payment.checkout_request_id] = name
            if unknown:
                await record(world.rt, payment, Fact(Kind.DOUBTED, Source.STK_CALLBACK))

        await has("small and old", 100)
        await has("large and old", 5_000)
        world.let_pass(100)
        await has("large and young", 4_000)
        await has("middling and told to be unknown", 2_500, unknown=True)
        await has("small and young", 100)
        world.let_pass(30)
        world.daraja.says = PAID
        for _ in range(len(names)):
            await checks.look_again(frugal.rt)
            await checks.look_again(frugal.rt)
            world.let_pass(12)

        assert [names[each] for each in world.daraja.queries] == [
            "large and old", "middling and told to be unknown", "large and young", "small and old",
            "small and young",
        ]

    async def test_rounds_of_two_workers_ask_once_about_each_payment(self, world: World):
        """A question asked twice is taken from somebody else's."""
        payments = [await world.pending() for _ in range(8)]
        world.let_pass(FIRST_CHECK_SECONDS)
        world.daraja.seconds = 0.02
        async with open_runtime(world.rt.settings, public_url=PUBLIC_URL) as other:
            looked_at = await asyncio.gather(
                *(checks.look_again(rt) for rt in (world.rt, other, world.rt)),
            )

        assert sorted(world.daraja.queries) == sorted(
            payment.checkout_request_id for payment in payments
        )
        assert sum(looked_at) == len(payments)

    async def test_silence_is_no_fact_and_the_question_is_asked_again(self, world: World):
        """No answer is not an answer; neither is the payment forgotten."""
        payment = await world.pending()
        world.daraja.away = True
        world.let_pass(FIRST_CHECK_SECONDS)
        await checks.look_again(world.rt)
        world.let_pass(LEASE_SECONDS - 5)
        await checks.look_again(world.rt)
        asked_while_held = len(world.daraja.queries)
        world.let_pass(6)
        await checks.look_again(world.rt)

        assert (asked_while_held, len(world.daraja.queries)) == (1, 2)
        assert await world.facts(payment.id) == ["asked", "accepted"]

    async def test_a_check_whose_worker_died_is_made_by_another(self, world: World):
        payment = await world.pending()
        world.let_pass(FIRST_CHECK_SECONDS)
        with pytest.raises(Died):
            await checks.look_again(world.dying_at(KillPoint.AFTER_CHECK_TAKEN))
        world.daraja.says = PAID
        world.let_pass(LEASE_SECONDS)
        await checks.look_again(world.rt)

        assert world.daraja.queries == [payment.checkout_request_id]
        assert (await world.read(payment.id)).status == "completed"


class TestAskedBySomebody:
    async def test_a_person_gets_the_newest_answer(self, world: World):
        payment = await world.pending()
        world.daraja.says = PAID

        assert (await checks.check_now(world.rt, world.key, payment)).status == "completed"

    async def test_a_person_cannot_spend_more_than_the_budget(self, world: World):
        """Impatience at one counter must not silence the sweep for everybody."""
        frugal = world.having(sandbox_queries_per_minute=5)
        payment = await frugal.pending()
        await checks.check_now(frugal.rt, world.key, payment)
        with pytest.raises(AskedTooOften) as refused:
            await checks.check_now(frugal.rt, world.key, payment)

        assert refused.value.retry_after_seconds == 12
        assert len(world.daraja.queries) == 1

    async def test_what_is_settled_or_was_never_sent_is_not_asked_about(self, world: World):
        settled, unsent = await world.completed(), await left_sending(world)
        asked = [await checks.check_now(world.rt, world.key, each) for each in (settled, unsent)]

        assert asked == [settled, unsent]
        assert world.daraja.queries == []
