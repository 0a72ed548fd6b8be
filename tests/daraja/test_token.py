"""The access token: one request however many wait, one for all processes, never an old one back."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import aiohttp
import pytest

from hakika.daraja.client import open_session
from hakika.daraja.errors import DarajaUnreachable
from hakika.daraja.token import (
    LEASE_SECONDS,
    MemoryTokenCache,
    Token,
    TokenSource,
    token_key,
)
from hakika.domain.errors import Unavailable
from tests.daraja.scripted import (
    ACCEPTANCE,
    NOON,
    Clock,
    ScriptedDaraja,
    World,
    credentials,
    hang_up,
    reply,
    reset,
    say_nothing,
    token_reply,
)

ONE, TWO, THREE = "the-first-token", "the-second-token", "the-third-token"


def source(session: aiohttp.ClientSession, cache: MemoryTokenCache, clock: Clock) -> TokenSource:
    """Return what one process has."""
    return TokenSource(session, cache, clock, lambda: 0.5)


async def test_the_token_is_asked_for_as_documented(world: World):
    """Basic authentication and nothing else: everything else is 400.008.01 or .02."""
    token = await world.tokens.token(credentials(world.daraja.url))

    assert token.value == "the-access-token-one-28-char"
    (asked,) = world.daraja.token_requests
    assert asked.path == "/oauth/v1/generate?grant_type=client_credentials"
    pair = base64.b64encode(b"the-consumer-key:the-consumer-secret").decode()
    assert asked.headers["authorization"] == f"Basic {pair}"


@pytest.mark.parametrize(("expires_in", "seconds"), [
    ("3599", 3599), (3599, 3599), (3599.0, 3599), (" 3599 ", 3599), ("3599.9", 3599),
    (None, 300), ("soon", 300), ("", 300), (-5, 300), ("٣٥٩٩", 300), (True, 300),
    (10**30, 300), ("999999", 300), (99_999, 86_400),
])
async def test_the_life_of_a_token_is_a_text_or_a_number(
    world: World, expires_in: object, seconds: int,
):
    """Years of dumps have a string, the portal a number; nonsense gives a short life."""
    world.daraja.oauth = [token_reply(expires_in=expires_in)]

    token = await world.tokens.token(credentials(world.daraja.url))

    assert token.expires_at == NOON + timedelta(seconds=seconds)


async def test_a_hundred_pushes_ask_for_one_token(world: World):
    """A burst of refreshes may each kill the other's token (trap T9)."""
    await asyncio.gather(*(world.push() for _ in range(100)))

    assert len(world.daraja.pushes) == 100
    assert len(world.daraja.token_requests) == 1


async def test_a_hundred_refused_pushes_replace_the_token_once(world: World):
    """All of them held the old one; one new one serves them all."""
    world.daraja.oauth = [token_reply(ONE), token_reply(TWO), token_reply(THREE)]
    await world.tokens.token(credentials(world.daraja.url))
    world.daraja.posts = [*[reply(401)] * 100, reply(200, ACCEPTANCE)]

    await asyncio.gather(*(world.push() for _ in range(100)))

    assert len(world.daraja.token_requests) == 2
    assert len(world.daraja.pushes) == 200


async def test_a_token_is_dropped_only_when_it_is_still_the_one():
    """A late refusal of the old token must not cost the new one."""
    cache = MemoryTokenCache(Clock())
    old, new = Token(ONE, NOON), Token(TWO, NOON)
    await cache.put("app", new)
    await cache.drop("app", old)
    assert await cache.get("app") == new

    await cache.drop("app", new)
    assert await cache.get("app") is None


async def test_a_refused_token_does_not_come_back_from_the_cache(daraja: ScriptedDaraja):
    """A refresh that had read it before it was dropped must not bring it back."""
    daraja.oauth = [token_reply(TWO)]
    clock = Clock()
    cache = SlowCache(clock)
    refused = Token(ONE, NOON + timedelta(hours=1))
    await cache.put(token_key(credentials(daraja.url)), refused)
    async with open_session() as session:
        tokens = source(session, cache, clock)
        waiting = asyncio.create_task(tokens.token(credentials(daraja.url)))
        await asyncio.sleep(0.01)  # it has begun to read the cache

        fresh = await tokens.replace(credentials(daraja.url), refused)
        await waiting

    assert fresh.value == TWO


async def test_a_token_that_is_being_dropped_is_given_to_nobody(daraja: ScriptedDaraja):
    """While the cache still has it, another payment asks."""
    daraja.oauth = [token_reply(TWO)]
    clock = Clock()
    cache = SlowCache(clock)
    refused = Token(ONE, NOON + timedelta(hours=1))
    await cache.put(token_key(credentials(daraja.url)), refused)
    async with open_session() as session:
        tokens = source(session, cache, clock)
        assert await tokens.token(credentials(daraja.url)) == refused
        replacing = asyncio.create_task(tokens.replace(credentials(daraja.url), refused))
        await asyncio.sleep(0.001)  # the drop is on its way

        fresh = await tokens.token(credentials(daraja.url))
        await replacing

    assert fresh.value == TWO


class SlowCache(MemoryTokenCache):
    """A cache across a slow network; it counts what it is asked."""

    asked = 0

    async def get(self, key: str) -> Token | None:
        """Return what was there when it was asked."""
        self.asked += 1
        found = await super().get(key)
        await asyncio.sleep(0.03)
        return found

    async def drop(self, key: str, token: Token) -> None:
        """Forget it, a moment later."""
        await asyncio.sleep(0.06)
        await super().drop(key, token)


async def test_a_hundred_payments_ask_the_cache_once(daraja: ScriptedDaraja):
    """The cache is a database row: a burst must not become a hundred connections."""
    clock = Clock()
    cache = SlowCache(clock)
    async with open_session() as session:
        tokens = source(session, cache, clock)
        known = credentials(daraja.url)
        given = await asyncio.gather(*(tokens.token(known) for _ in range(100)))
        assert len(set(given)) == 1

        await tokens.replace(known, Token(ONE, NOON))  # an old one: what is held stays held

    assert cache.asked == 1


async def test_the_same_token_given_again_is_meant(world: World):
    """Daraja may hand out a living token twice; it is asked once per refusal all the same."""
    known = credentials(world.daraja.url)
    token = await world.tokens.token(known)

    assert (await world.tokens.replace(known, token)).value == token.value
    assert len(world.daraja.token_requests) == 2


async def test_a_token_is_refreshed_early_and_nobody_waits(world: World):
    """With a chance of 0.5 it is 90 s early; the old one serves meanwhile."""
    world.daraja.oauth = [token_reply(ONE), token_reply(TWO)]
    known = credentials(world.daraja.url)
    await world.tokens.token(known)
    world.clock.move(3599 - 91)
    assert (await world.tokens.token(known)).value == ONE
    await asyncio.sleep(0.02)
    assert len(world.daraja.token_requests) == 1

    world.clock.move(2)
    assert (await world.tokens.token(known)).value == ONE
    await asyncio.sleep(0.05)
    assert (await world.tokens.token(known)).value == TWO
    assert len(world.daraja.token_requests) == 2


async def test_a_failed_early_refresh_does_no_harm(world: World):
    """The old token is good for another minute, so payments go on."""
    world.daraja.oauth = [token_reply(ONE), reply(503)]
    known = credentials(world.daraja.url)
    await world.tokens.token(known)
    world.clock.move(3599 - 80)
    await world.tokens.token(known)
    await asyncio.sleep(0.05)

    assert (await world.tokens.token(known)).value == ONE
    assert len(world.daraja.token_requests) == 2


async def test_a_token_that_ends_on_the_way_is_not_used(world: World):
    """With five seconds left the caller waits for the new one."""
    world.daraja.oauth = [token_reply(ONE), token_reply(TWO)]
    known = credentials(world.daraja.url)
    await world.tokens.token(known)
    world.clock.move(3599 - 5)

    assert (await world.tokens.token(known)).value == TWO


@pytest.mark.parametrize(("act", "code"), [
    (reply(400), "oauth_refused"),
    (reply(401, b""), "oauth_refused"),
    (reply(400, {"errorCode": "400.008.01", "errorMessage": "Invalid"}), "oauth_refused"),
    (reply(500), "oauth_failed"),
    (reply(429), "oauth_failed"),
    (reply(200), "oauth_failed"),
    (reply(200, b"<html>"), "oauth_failed"),
    (reply(200, {"access_token": ""}), "oauth_failed"),
    (reply(200, {"access_token": None}), "oauth_failed"),
    (reply(200, {"access_token": "a b"}), "oauth_failed"),
    (reply(200, {"access_token": "a\r\nX-Header: b"}), "oauth_failed"),
    (reply(302, {"access_token": ONE}, Location="/x"), "oauth_failed"),
    (hang_up(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"access_token":"abc"}'),
     "oauth_failed"),
    (reset, "oauth_unreachable"),
    (hang_up(), "oauth_unreachable"),
])
async def test_without_a_token_nothing_was_sent(world: World, act, code: str):
    """Whatever OAuth does, the push never left."""
    world.daraja.oauth = [act]

    with pytest.raises(DarajaUnreachable) as failure:
        await world.push()

    assert failure.value.reason.code == code
    assert failure.value.retry_after_seconds > 0
    assert world.daraja.pushes == []


async def test_an_outage_is_asked_about_once_in_a_while(world: World):
    """Ten minutes without OAuth must not become ten minutes of hammering it (fault F12)."""
    world.daraja.oauth = [reply(503), token_reply(ONE)]
    for _ in range(20):
        with pytest.raises(DarajaUnreachable):
            await world.push()
    assert len(world.daraja.token_requests) == 1

    world.clock.move(LEASE_SECONDS + 1)
    await world.push()
    assert len(world.daraja.token_requests) == 2


async def test_all_who_wait_hear_of_the_failure_at_once(world: World):
    """A hundred waiting pushes must not each wait for their own failure."""
    world.daraja.oauth = [reply(503)]

    outcomes = await asyncio.gather(*(world.push() for _ in range(100)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {DarajaUnreachable}
    assert len(set(map(id, outcomes))) == 100
    assert len(world.daraja.token_requests) == 1


async def test_a_caller_that_gives_up_does_not_take_the_token_with_it(world: World):
    """The others wait for the same refresh."""
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        await token_reply(ONE)(writer)

    world.daraja.oauth = [slow]
    known = credentials(world.daraja.url)
    gone = asyncio.create_task(world.tokens.token(known))
    stays = asyncio.create_task(world.tokens.token(known))
    await asyncio.sleep(0.02)
    gone.cancel()

    assert (await stays).value == ONE
    assert len(world.daraja.token_requests) == 1


class DeadCache(MemoryTokenCache):
    """A database that is away."""

    async def get(self, key: str) -> Token | None:
        """Say that it is away."""
        raise Unavailable("The database cannot be reached just now.", retry_after_seconds=3)

    async def drop(self, key: str, token: Token) -> None:
        """Say that it is away."""
        raise Unavailable("The database cannot be reached just now.", retry_after_seconds=3)


async def test_a_cache_that_is_away_means_never_asked(daraja: ScriptedDaraja):
    """The push was not sent, and that is what the caller must hear."""
    clock = Clock()
    async with open_session() as session:
        tokens = source(session, DeadCache(clock), clock)
        with pytest.raises(DarajaUnreachable) as failure:
            await tokens.token(credentials(daraja.url))
        with pytest.raises(DarajaUnreachable):
            await tokens.replace(credentials(daraja.url), Token(ONE, NOON))

    assert failure.value.retry_after_seconds == 3


async def test_a_hanging_token_endpoint_is_left(
    daraja: ScriptedDaraja, monkeypatch: pytest.MonkeyPatch,
):
    """Eight seconds in life; less here."""
    monkeypatch.setattr("hakika.daraja.token.TOTAL_SECONDS", 0.2)
    daraja.oauth = [say_nothing]
    clock = Clock()
    async with open_session() as session:
        with pytest.raises(DarajaUnreachable) as failure:
            await source(session, MemoryTokenCache(clock), clock).token(credentials(daraja.url))

    assert "no answer in time" in failure.value.reason.developer_message


def test_the_key_tells_apps_and_hosts_apart_and_shows_neither():
    """The same consumer key at another host is another app; the cache must hold no key."""
    here = token_key(credentials("https://sandbox.safaricom.co.ke"))
    there = token_key(credentials("https://api.safaricom.co.ke"))
    other = token_key(credentials("https://api.safaricom.co.ke", consumer_key="another-key"))

    assert len({here, there, other}) == 3
    assert here == token_key(credentials("https://SANDBOX.safaricom.co.ke/"))
    assert "consumer" not in here


def test_a_token_is_not_shown():
    """Its repr ends up in logs."""
    assert ONE not in repr(Token(ONE, NOON))
