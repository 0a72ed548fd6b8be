"""Whether the request can have left: the line between "never asked" and "may have happened"."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from contextlib import suppress

import pytest

from hakika.daraja.client import QueryOutcome
from hakika.daraja.errors import DarajaRefused, DarajaSilent, DarajaUnreachable
from tests.daraja.scripted import (
    ACCEPTANCE,
    CHECKOUT_ID,
    World,
    credentials,
    hang_up,
    listening,
    reply,
    reset,
    say_nothing,
)
from tests.outbound.receivers import CERTIFICATE


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def push_with_a_token(world: World, url: str) -> None:
    """Push to `url` with a token in hand, so that the push itself is what fails."""
    token = await world.tokens.token(credentials(world.daraja.url))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.tokens, "token", _always(token))
        await world.push(url=url)


def _always(token: object):
    async def given(_: object) -> object:
        return token

    return given


async def test_a_refused_connection_was_never_asked(world: World, closed_port: int):
    """Nothing listens there, so nobody can have been prompted."""
    with pytest.raises(DarajaUnreachable) as failure:
        await push_with_a_token(world, f"http://127.0.0.1:{closed_port}")

    assert failure.value.reason.code == "daraja_unreachable"
    assert "no connection could be made" in failure.value.reason.developer_message
    assert failure.value.retry_after_seconds > 0


async def test_an_unknown_host_was_never_asked(world: World):
    """The name server knows no such host."""
    with pytest.raises(DarajaUnreachable) as failure:
        await push_with_a_token(world, "http://daraja.invalid")

    assert "no connection" in str(failure.value.reason) or "not found" in str(failure.value.reason)


async def test_a_server_that_nobody_vouches_for_never_sees_the_password(world: World):
    """Its certificate is its own, so it is not Safaricom. The handshake comes first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    async with listening(world.daraja.serve, context) as port:
        with pytest.raises(DarajaUnreachable) as failure:
            await push_with_a_token(world, f"https://127.0.0.1:{port}")

    assert "TLS" in failure.value.reason.developer_message
    assert world.daraja.pushes == []


async def test_a_connection_that_is_not_made_in_time_was_never_asked(world: World):
    """A TLS handshake that hangs counts as connecting: nothing was written yet."""
    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1)
        writer.close()

    world.lose_patience()
    async with listening(hang) as port:
        with pytest.raises(DarajaUnreachable) as failure:
            await push_with_a_token(world, f"https://127.0.0.1:{port}")

    assert "no connection in time" in failure.value.reason.developer_message


@pytest.mark.parametrize("act", [hang_up(), reset], ids=["closed", "reset"])
async def test_a_kept_connection_that_breaks_is_no_licence_to_send_again(world: World, act):
    """aiohttp re-sends by itself on a dead kept connection, for some methods. Never for a push."""
    world.daraja.posts = [reply(200, ACCEPTANCE), act, reply(200, ACCEPTANCE)]
    await world.push()

    with pytest.raises(DarajaSilent):
        await world.push()

    first, second = world.daraja.pushes
    assert first.connection == second.connection


async def test_a_connection_closed_while_idle_costs_nothing(world: World):
    """Daraja closes kept connections; the next push simply takes a new one."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    world.daraja.posts = [hang_up(head), reply(200, ACCEPTANCE)]
    with pytest.raises(DarajaSilent):
        await world.push()
    await asyncio.sleep(0.02)

    assert (await world.push()).checkout_request_id == CHECKOUT_ID
    assert len(world.daraja.pushes) == 2


async def test_a_redirect_is_not_followed(world: World):
    """Whoever can redirect a push could read the password in it."""
    world.daraja.posts = [reply(307, b"", Location=f"{world.daraja.url}/elsewhere")]

    with pytest.raises(DarajaSilent):
        await world.push()

    assert [push.path for push in world.daraja.pushes] == ["/mpesa/stkpush/v1/processrequest"]


async def test_a_token_that_takes_too_long_leaves_no_time_for_a_push(world: World):
    """A push with no time left for its answer would be silent for want of patience."""
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.28)
        await reply(200, {"access_token": "a-token-that-came-late", "expires_in": 3599})(writer)

    world.lose_patience()
    world.daraja.oauth = [slow]

    with pytest.raises(DarajaUnreachable):
        await world.push()

    assert world.daraja.pushes == []


async def test_a_caller_that_gives_up_is_not_told_a_story(world: World):
    """Cancellation passes through: the payment stays as it was recorded before the push."""
    world.daraja.posts = [say_nothing]
    push = asyncio.create_task(world.push())
    while not world.daraja.pushes:
        await asyncio.sleep(0.01)
    push.cancel()

    with pytest.raises(asyncio.CancelledError):
        await push


async def test_whatever_bytes_come_back_there_are_three_failures(world: World):
    """An answer that nobody thought of must not become an error that nobody expects."""
    chance = random.Random(7)
    body = b'{"ResponseCode":"0","CheckoutRequestID":"","errorCode":"500.001.1001"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 71\r\n\r\n"
    whole = head + body
    for _ in range(60):
        mangled = bytearray(whole[: chance.randrange(1, len(whole))])
        for _ in range(chance.randrange(6)):
            mangled[chance.randrange(len(mangled))] = chance.randrange(256)
        world.daraja.posts = [hang_up(bytes(mangled))]
        pushes_before = len(world.daraja.pushes)

        with pytest.raises((DarajaRefused, DarajaSilent, DarajaUnreachable)):
            await world.push()

        assert len(world.daraja.pushes) - pushes_before in {1, 2}  # 2: mangled into a 401
        answer = await world.client.stk_query(credentials(world.daraja.url), CHECKOUT_ID)
        assert answer.outcome is QueryOutcome.PENDING
