"""The page of /metrics: what the database says, asked seldom, in pieces that stay small."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hakika.services import gauges, metrics
from hakika.services.gauges import Page
from hakika.services.telemetry import Telemetry
from tests.services.world import World, canceled, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

Samples = dict[tuple[str, ...], float]


async def shown(world: World) -> Samples:
    """Return what a fresh page shows: each value under its name and its labels in order."""
    page = await Page(world.rt.telemetry).render()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode()) for sample in family.samples
    }


async def test_the_newest_payments_are_shown_by_state_and_code(world):
    before = await shown(world)
    payment = await world.pending()
    await world.call_back(payment, canceled(payment))
    await world.completed()
    after = await shown(world)

    def grown(*labels: str) -> float:
        name = "hakika_payments_newest"
        return after[(name, *labels)] - before.get((name, *labels), 0)

    # In the order of the labels' names: code, daraja_code, mode, state.
    assert grown("payer_canceled", "1032", "test", "canceled") == 1
    assert grown("", "", "test", "completed") == 1
    assert 0 < after["hakika_payments_newest_seconds",] < 3600


async def test_the_oldest_unknown_payment_is_seen(world):
    """The number that wakes somebody."""
    world.daraja.away = True
    await world.ask()
    world.let_pass(7200)

    found = await shown(world)

    assert found["hakika_payments_open", "test", "unknown"] == 1
    assert 7200 <= found["hakika_payments_open_oldest_seconds", "test", "unknown"] < 7300


async def test_checks_that_have_no_budget_are_seen(world):
    await world.pending()
    world.let_pass(600)
    world.change("insert into query_budgets values ('174379', false, now() + interval '1 hour')")

    found = await shown(world)

    assert found["hakika_checks_due", "test", "174379"] == 1
    assert 500 < found["hakika_checks_due_oldest_seconds", "test", "174379"] < 700
    assert 3500 < found["hakika_query_budget_wait_seconds", "test", "174379"] <= 3600


async def test_an_endpoint_that_refuses_is_seen_until_it_takes_everything(world):
    endpoint = await world.add_endpoint()
    world.receiver.statuses = [500]
    await world.completed()
    waiting = await shown(world)
    await world.deliver()
    world.change("update deliveries set created_at = created_at - interval '2 hours'")
    failing = await shown(world)
    world.receiver.statuses = [200]
    await world.completed()
    await world.deliver()
    half = await shown(world)
    world.let_pass(3600)
    await world.deliver()
    healthy = await shown(world)

    assert waiting["hakika_endpoint_pending", endpoint.id] == 1
    assert waiting["hakika_endpoint_failing_seconds", endpoint.id] == 0  # not tried yet
    assert 7200 <= failing["hakika_endpoint_failing_seconds", endpoint.id] < 7300
    assert ("hakika_endpoint_success_seconds", endpoint.id) not in failing
    assert half["hakika_endpoint_pending", endpoint.id] == 1
    assert 0 <= half["hakika_endpoint_success_seconds", endpoint.id] < 60
    assert ("hakika_endpoint_pending", endpoint.id) not in healthy


async def test_the_addresses_of_single_payments_are_one_endpoint(world):
    """A series for each payment would fill any Prometheus."""
    endpoint = await world.add_endpoint()
    payment = await world.completed()
    world.change(f"update endpoints set payment_id = '{payment.id}' where id = '{endpoint.id}'")

    found = await shown(world)

    assert found["hakika_endpoint_pending", "single_payments"] == 1
    assert ("hakika_endpoint_pending", endpoint.id) not in found


async def test_of_many_endpoints_the_worst_are_named(world):
    """However many merchants there are, this many series."""
    await world.completed()
    world.change(
        "insert into endpoints (id, merchant_id, livemode, url, secret, events, created_at)"
        f" select 'whe_' || n, '{world.key.merchant_id}', false, 'x', 'x', '{{}}', now()"
        " from generate_series(1, 30) n",
        "insert into deliveries (event_id, event_created_at, endpoint_id, follows, state,"
        " next_attempt_at, reason, created_at)"
        " select 'evt', now(), 'whe_' || n, false, 'scheduled', now(), 'no',"
        " now() - n * interval '1 minute' from generate_series(1, 30) n",
    )

    found = await shown(world)

    named = {labels[1] for labels in found if labels[0] == "hakika_endpoint_failing_seconds"}
    assert named == {f"whe_{number}" for number in range(11, 31)}


async def test_quarantine_and_queue_and_unnumbered_events_are_seen(world):
    payment = await world.pending()
    await world.call_back(payment, b"<html>")
    await world.add_endpoint()
    await world.completed()

    found = await shown(world)

    assert found["hakika_quarantine", "unreadable", "kept"] == 1
    assert found["hakika_queue_deliveries", "due"] == 1
    assert found["hakika_queue_oldest_due_seconds",] < 60
    assert found["hakika_events_unnumbered",] >= 1


async def test_the_connections_are_shown(world):
    async with world.rt.store.autocommit():
        found = await shown(world)

    assert found["hakika_database_connections", "once", "in_use"] == 1
    most = world.rt.settings.database_connections_max
    assert found["hakika_database_connections_max", "once"] == most
    assert found["hakika_database_waiting", "once"] == 0
    assert found["hakika_database_up",] == 1


async def test_many_scrapers_are_one_reading(world, monkeypatch):
    """Whoever may read the page must not be able to load the database with it."""
    monkeypatch.setattr(gauges, "EVERY_SECONDS", 3600.0)
    used = Counter[str]()

    def count(name: str) -> nullcontext[None]:
        used[name] += 1
        return nullcontext()

    telemetry = Telemetry()
    page = Page(telemetry)
    with telemetry.watching("api", replace(world.rt.store, around=count)):
        for _ in range(3):
            pages = await asyncio.gather(*(page.render() for _ in range(20)))

    assert used == {"database.autocommit": 1}
    assert all(b"hakika_database_up 1.0" in each for each in pages)


async def test_an_old_reading_is_made_anew(world, monkeypatch):
    monkeypatch.setattr(gauges, "EVERY_SECONDS", 0.0)
    page = Page(world.rt.telemetry)
    first = await page.render()
    world.daraja.away = True
    await world.ask()
    second = await page.render()

    assert b'hakika_payments_open{mode="test",state="unknown"} 1.0' not in first
    assert b'hakika_payments_open{mode="test",state="unknown"} 1.0' in second


async def test_a_database_that_hangs_does_not_hold_up_the_page(world, monkeypatch):
    """Prometheus would give up, and have nothing of us in the very moment that counts."""
    monkeypatch.setattr(gauges, "WAIT_SECONDS_MAX", 0.05)
    page = Page(world.rt.telemetry)
    with psycopg.connect(world.url) as other:
        other.execute("lock table payments")
        hanging = [await page.render() for _ in range(2)]
    monkeypatch.setattr(gauges, "WAIT_SECONDS_MAX", 30.0)
    free = await page.render()

    for each in hanging:
        assert b"hakika_database_up 0.0" in each
        assert b"hakika_callback_seconds_count" in each
        assert b"hakika_queue_deliveries" not in each
    assert b"hakika_database_up 1.0" in free


async def test_before_there_is_a_database_nothing_is_said_of_it():
    """While a process starts, "away" would be a false alarm."""
    page = await Page(Telemetry()).render()

    assert b"hakika_build_info" in page
    assert b"hakika_database_up" not in page


async def test_every_metric_is_on_the_page_and_every_one_is_explained(world):
    """What is on it and nowhere explained is a riddle; what is explained and not on it, a lie."""
    payment = await world.pending()
    await world.call_back(payment, paid(payment))

    page = (await Page(world.rt.telemetry).render()).decode()

    found = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")}
    ours = {name for name in found if not name.startswith("process_")}
    assert ours == {metric.name for metric in metrics.EVERYTHING}
    for metric in metrics.EVERYTHING:
        assert f"# TYPE {metric.name} {metric.kind}" in page
