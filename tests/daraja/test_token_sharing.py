"""One token for all processes: who may fetch it, and what the others do meanwhile."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from hakika.daraja.client import open_session
from hakika.daraja.errors import DarajaUnreachable
from hakika.daraja.token import LEASE_SECONDS, MemoryTokenCache, TokenSource, token_key
from tests.daraja.scripted import Clock, ScriptedDaraja, credentials, token_reply

ONE, TWO, THREE = "the-first-token", "the-second-token", "the-third-token"


def source(session: aiohttp.ClientSession, cache: MemoryTokenCache, clock: Clock) -> TokenSource:
    """Return what one process has."""
    return TokenSource(session, cache, clock, lambda: 0.5)


async def test_two_processes_share_one_token(daraja: ScriptedDaraja):
    """They ask at the same moment; the lease lets one of them."""
    clock = Clock()
    cache = MemoryTokenCache(clock)
    async with open_session() as here, open_session() as there:
        tokens = await asyncio.gather(
            source(here, cache, clock).token(credentials(daraja.url)),
            source(there, cache, clock).token(credentials(daraja.url)),
        )

    assert tokens[0] == tokens[1]
    assert len(daraja.token_requests) == 1


async def test_one_process_takes_the_token_that_another_replaced(daraja: ScriptedDaraja):
    """The second must not throw away what the first has just fetched."""
    daraja.oauth = [token_reply(ONE), token_reply(TWO), token_reply(THREE)]
    clock = Clock()
    cache = MemoryTokenCache(clock)
    known = credentials(daraja.url)
    async with open_session() as here, open_session() as there:
        first, second = source(here, cache, clock), source(there, cache, clock)
        old = await first.token(known)
        assert await second.token(known) == old

        new = await first.replace(known, old)
        assert (await second.replace(known, old)) == new

    assert new.value == TWO
    assert len(daraja.token_requests) == 2


async def test_a_dead_leader_holds_nobody_up_for_ever(daraja: ScriptedDaraja):
    """A process that died with the lease loses it when the seconds are over."""
    clock = Clock()
    cache = MemoryTokenCache(clock)
    assert await cache.lease(token_key(credentials(daraja.url)), LEASE_SECONDS)
    async with open_session() as session:
        waiting = asyncio.create_task(source(session, cache, clock).token(credentials(daraja.url)))
        await asyncio.sleep(0.15)
        assert daraja.token_requests == []
        clock.move(LEASE_SECONDS + 1)

        assert (await waiting).value == "the-access-token-one-28-char"


async def test_a_waiting_process_gives_up_in_the_end(
    daraja: ScriptedDaraja, monkeypatch: pytest.MonkeyPatch,
):
    """A lease that never ends must not hang a payment for ever."""
    monkeypatch.setattr("hakika.daraja.token.POLL_SECONDS", 1.0)
    monkeypatch.setattr("hakika.daraja.token.LEASE_SECONDS", 0.0)
    clock = Clock()
    cache = MemoryTokenCache(clock)
    await cache.lease(token_key(credentials(daraja.url)), 60)
    async with open_session() as session:
        with pytest.raises(DarajaUnreachable) as failure:
            await source(session, cache, clock).token(credentials(daraja.url))

    assert failure.value.reason.code == "token_awaited"
