"""What is counted is what happened, once; and no label is what a stranger may write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from hakika.domain.errors import ProviderUnreachable
from hakika.services import checks, payments
from hakika.services.telemetry import Telemetry, known_daraja_code
from tests.services.world import (
    PAID,
    TOO_MANY,
    WRONG_PHONE,
    World,
    canceled,
    paid,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Counted = Callable[..., float]


@pytest.fixture
def counted(file_world: World) -> Counted:
    """How much a sample has grown since the test began."""
    registry = file_world.rt.telemetry.registry
    before = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in registry.collect() for sample in family.samples
    }

    def grown(name: str, **labels: str) -> float:
        now = registry.get_sample_value(name, labels) or 0.0
        return now - before.get((name, *sorted(labels.items())), 0.0)

    return grown


def settled(counted: Counted, outcome: str, code: str = "", daraja_code: str = "") -> float:
    """Return how many payments came to this outcome in test mode."""
    return counted(
        "hakika_payments_settled_total", mode="test", outcome=outcome, code=code,
        daraja_code=daraja_code,
    )


def called(counted: Counted, endpoint: str, outcome: str) -> float:
    """Return how many calls to Daraja came to this."""
    return counted(
        "hakika_daraja_call_seconds_count", mode="test", endpoint=endpoint, outcome=outcome,
    )


async def test_a_paid_payment_is_counted_once(world, counted):
    """A repeated callback is a callback, and no second payment."""
    payment = await world.pending()
    said = paid(payment)
    for _ in range(3):
        await world.call_back(payment, said)

    assert settled(counted, "completed") == 1
    assert counted(
        "hakika_payment_final_seconds_count", mode="test", outcome="completed",
    ) == 1
    assert called(counted, "stk_push", "accepted") == 1
    assert counted("hakika_callback_delay_seconds_count", mode="test") == 3
    assert counted("hakika_callback_seconds_count", outcome="kept") == 3


async def test_the_time_to_the_outcome_is_measured_from_the_birth(world, counted):
    """In the payer's time: the prompt is the longest part of it."""
    payment = await world.pending()
    world.change("update payments set created_at = created_at - interval '40 seconds',"
                 " asked_at = asked_at - interval '30 seconds' where id = '" + payment.id + "'")
    world.rt.pushed.recall(payment.id)  # as if another process had pushed it
    await world.call_back(payment, paid(payment))

    final = counted("hakika_payment_final_seconds_sum", mode="test", outcome="completed")
    delay = counted("hakika_callback_delay_seconds_sum", mode="test")
    assert 40 <= final < 400
    assert 30 <= delay < 400


async def test_an_outcome_without_money_has_its_codes(world, counted):
    """An operator at night asks first: which code?"""
    payment = await world.pending()
    await world.call_back(payment, canceled(payment))
    world.daraja.refuses = (400, WRONG_PHONE)
    await world.ask()

    assert settled(counted, "canceled", "payer_canceled", "1032") == 1
    assert settled(counted, "failed", "request_invalid", "400.002.02") == 1
    assert called(counted, "stk_push", "refused") == 1


async def test_a_daraja_that_is_away_is_seen(world, counted):
    """Turned away at the gate was never sent; hung up on was perhaps."""
    world.daraja.refuses = (429, TOO_MANY)
    with suppress(ProviderUnreachable):
        await world.ask()
    world.daraja.refuses, world.daraja.away = None, True
    await world.ask()

    assert called(counted, "stk_push", "unreachable") == 1
    assert called(counted, "stk_push", "silent") == 1


@pytest.mark.parametrize(
    ("said", "status", "outcome"),
    [(PAID, 200, "paid"), (None, 200, "pending"), (TOO_MANY, 429, "throttled")],
)
async def test_a_query_is_counted_by_what_it_said(world, counted, said, status, outcome):
    """Throttled ones are no answers: the budget is too large then."""
    payment = await world.pending()
    world.daraja.says, world.daraja.status = said or world.daraja.says, status
    await checks.check_now(world.rt, world.key, payment)

    assert called(counted, "stk_query", outcome) == 1


async def test_a_query_that_nobody_answers_is_silent(world, counted):
    payment = await world.pending()
    world.daraja.away = True
    await checks.check_now(world.rt, world.key, payment)

    assert called(counted, "stk_query", "silent") == 1


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "delivered"), (500, "refused"), (410, "gone")],
)
async def test_a_try_at_a_delivery_is_counted_by_its_answer(world, counted, status, outcome):
    await world.add_endpoint()
    world.receiver.statuses = [status]
    await world.completed()
    for _ in range(2):  # the second finds nothing to send
        await world.deliver()

    assert counted("hakika_webhook_attempt_seconds_count", outcome=outcome) == 1
    assert counted("hakika_webhook_lag_seconds_count") == 1


async def test_an_endpoint_that_is_not_there_is_unanswered(world, counted):
    endpoint = await world.add_endpoint()
    world.change(f"update endpoints set url = 'http://127.0.0.1:9/' where id = '{endpoint.id}'")
    await world.completed()
    await world.deliver()

    assert counted("hakika_webhook_attempt_seconds_count", outcome="unanswered") == 1


async def test_quarantine_is_counted_by_reason(world, counted):
    payment = await world.pending()
    await world.call_back(payment, b"<html>")

    assert counted("hakika_callbacks_quarantined_total", reason="unreadable") == 1
    assert counted("hakika_callback_seconds_count", outcome="kept") == 1


async def test_what_is_broken_off_is_counted_too(world, counted):
    """A stop in the middle of a push leaves a payment behind that somebody must look after."""
    asking = asyncio.ensure_future(world.ask())
    async with asyncio.timeout(10):
        while not world.daraja.pushes:
            await asyncio.sleep(0)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking

    assert called(counted, "stk_push", "broken_off") == 1


@pytest.mark.parametrize(
    ("code", "shown"),
    [("1032", "1032"), ("400.002.02", "400.002.02"), ("", ""), ("254712345678", "other")],
)
async def test_a_code_that_nobody_listed_is_no_label(code, shown):
    """Whoever can write a callback could write anything there, and each is a series for ever."""
    assert known_daraja_code(code) == shown


async def test_an_alarm_can_see_the_first_callback_that_was_not_kept():
    """What was never at zero does not grow, as far as Prometheus can tell."""
    registry = Telemetry().registry

    first = registry.get_sample_value("hakika_callback_seconds_count", {"outcome": "failed"})

    assert first == 0


async def test_a_payment_is_counted_when_it_is_committed_and_not_before(world, counted):
    """A transaction that is rolled back has not happened."""
    payment = await world.pending()
    world.change(
        "create or replace function no() returns trigger language plpgsql as $$"
        " begin raise exception 'no'; end $$",
        "create trigger no before insert on events for each row execute function no()",
    )
    await world.call_back(payment, paid(payment))
    world.change("drop trigger no on events")

    assert (await payments.read(world.rt, world.key, payment.id)).status == "pending"
    assert settled(counted, "completed") == 0
    assert counted("hakika_callbacks_quarantined_total", reason="not_interpreted") == 1
