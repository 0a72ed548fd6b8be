"""Whether it lives and whether it can work: what load balancers and people ask at night."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hakika.store import transaction
from tests.api.test_metrics import page_of
from tests.api.world import open_world
from tests.postgres import fresh_database


async def test_a_healthy_process_is_alive_and_ready(shop):
    """Without a key: the load balancer has none."""
    alive, ready = await shop.get("/healthz", key=""), await shop.get("/readyz", key="")

    assert (alive.status, alive.data) == (200, {"status": "alive"})
    assert (ready.status, ready.data["status"]) == (200, "ready")
    assert ready.data["queue"]["due"] >= 0


@pytest.fixture
def doomed_url(template):
    """A database that may go away."""
    with fresh_database(template) as url:
        yield url


@pytest.fixture
def impatient(monkeypatch):
    """Wait for a connection for a second at most, so that the test need not wait for five."""
    monkeypatch.setattr(transaction, "POOL_WAIT_SECONDS_MAX", 1.0)


@pytest.mark.usefixtures("impatient")
async def test_without_its_database_it_is_alive_and_not_ready(session, simulator_url, doomed_url):
    """It must get no traffic, must not be restarted, and says 503 and not 500 to whoever comes."""
    with open_world(doomed_url, simulator_url) as world:
        shop = world.open_shop(session)
        _shut(doomed_url, is_shut=True)
        alive, ready, listed, asked, callback, metrics = await asyncio.gather(
            shop.get("/healthz", key=""), shop.get("/readyz", key=""), shop.get("/v1/payments"),
            shop.order(), shop.send("POST", "/c/guess", key="", data=b"{}"),
            page_of(world, session),
        )
        _shut(doomed_url, is_shut=False)
        async with asyncio.timeout(20):
            while (await shop.get("/readyz", key="")).status != 200:
                pass

    assert alive.status == 200
    assert ready.problem == listed.problem == asked.problem == (503, "store_unavailable", [])
    assert listed.headers["Retry-After"]
    assert callback.status == 503  # not made durable: if Safaricom calls again, we win
    assert "hakika_database_up 0.0" in metrics
    assert "hakika_http_request_seconds_count" in metrics
    assert "hakika_queue_deliveries" not in metrics


def _shut(url: str, *, is_shut: bool) -> None:
    """Shut the database's door and throw everybody out; or open it again."""
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
        connection.execute(
            "update pg_database set datallowconn = %s where datname = %s", (not is_shut, name),
        )
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,),
        )
