"""Transactions do not nest and hold nobody up; a database that is away is said to be away."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from aiohttp import web

from hakika.daraja.transport import open_session
from hakika.services.runtime import refuse_inside
from hakika.store import transaction
from hakika.store.transaction import StoreUnavailable, inside, open_store
from tests.vault import keyring

MISSING = "postgresql://nobody@127.0.0.1:1/nowhere"


async def test_transactions_do_not_nest(store):
    """The inner one would commit nothing, or wait for ever for the last connection."""
    async with store.transaction():
        with pytest.raises(AssertionError, match="do not nest"):
            async with store.transaction():
                pass


async def test_a_transaction_may_follow_another(store):
    """Also after one that failed."""
    with pytest.raises(RuntimeError):
        async with store.transaction():
            raise RuntimeError
    async with store.transaction() as tx:
        assert await tx.row("select 1 as one") == {"one": 1}
    assert not inside.get()


async def test_two_tasks_have_their_transactions_at_the_same_time(store):
    """What is refused is nesting, not company."""
    both_in = asyncio.Barrier(2)

    async def one() -> None:
        async with store.transaction():
            async with asyncio.timeout(5):
                await both_in.wait()

    await asyncio.gather(one(), one())


async def test_no_request_leaves_while_a_transaction_is_open(store):
    """Daraja may take a minute; a row lock held that long stops every callback behind it."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with open_session(before_request=refuse_inside) as session:
        async with store.transaction():
            with pytest.raises(AssertionError, match="inside a transaction"):
                await session.get(f"{url}/inside")
        async with session.get(f"{url}/outside") as response:
            assert response.status == 200
    await runner.cleanup()

    assert asked == ["/outside"]


async def test_no_request_leaves_from_a_task_begun_inside_a_transaction(store):
    """A helper task waits for the network all the same."""
    async with open_session(before_request=refuse_inside) as session, store.transaction():
        task = asyncio.create_task(_get(session, "http://127.0.0.1:1/"))
        with pytest.raises(AssertionError, match="inside a transaction"):
            await task


async def _get(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url):
        pass


@pytest.fixture
def impatient(monkeypatch):
    """Wait for a connection for a second at most, so that the tests need not wait for five."""
    monkeypatch.setattr(transaction, "POOL_WAIT_SECONDS_MAX", 1.0)


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_does_not_answer_is_unavailable():
    """The start must say what is wrong, not hang."""
    with pytest.raises(StoreUnavailable) as away:
        await open_store(MISSING, connections_max=2, keyring=keyring())

    assert "HAKIKA_DATABASE_URL" in away.value.hint


@pytest.mark.usefixtures("impatient")
async def test_when_every_connection_is_busy_callers_are_told_to_come_back(database_url):
    """A queue without an end is an outage; 503 with Retry-After is not."""
    narrow = await open_store(database_url, connections_max=1, keyring=keyring())
    began = time.monotonic()

    async with narrow.autocommit():
        with pytest.raises(StoreUnavailable, match="no free connection"):
            async with narrow.autocommit():
                pass
    await narrow.close()

    assert time.monotonic() - began < 5


async def test_a_lost_connection_is_replaced(store):
    """PostgreSQL restarts for every update; we must not."""
    with pytest.raises(StoreUnavailable):
        async with store.autocommit() as tx:
            await tx.execute("select pg_terminate_backend(pg_backend_pid())")

    async with store.autocommit() as tx:
        assert await tx.row("select 1 as one") == {"one": 1}
