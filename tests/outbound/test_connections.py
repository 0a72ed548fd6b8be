"""No spelling, name, redirect or proxy leads a webhook to an address that is not public.

A canary listens on both loopbacks. Each way of writing its address is tried three times: through
all of the sender, through the connector alone, and through the guarded sockets alone, because each
must hold when the one before it is broken. That the canary hears at all is shown without any guard.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from hakika.outbound.addresses import Address, AllowList
from hakika.outbound.connections import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_HOST_MAX,
    AddressRefused,
    GuardedResolver,
    Names,
    guarded_sockets,
    open_connector,
)
from hakika.outbound.webhooks import WebhookSender, open_sender
from tests.outbound.receivers import (
    OK,
    Receiver,
    answers,
    answers_again,
    answers_status,
    listening,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOBODY = AllowList()
ONLY_ONE = AllowList.parse(["127.0.0.2/32"])  # plays the public address in these tests

# Names as a hostile or careless DNS may answer them.
DNS = {
    "127.0.0.1.nip.io": ["127.0.0.1"], "7f000001.nip.io": ["127.0.0.1"],
    "localtest.me": ["127.0.0.1", "::1"], "spoofed.burpcollaborator.net": ["127.0.0.1"],
    "six.example": ["::1"], "mapped.example": ["::ffff:127.0.0.1"], "zero.example": ["0.0.0.0"],
    "any.example": ["::"], "localhost": ["127.0.0.1", "::1"], "a.localhost": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"], "ip6-localhost": ["::1"], "internal": ["127.0.0.1"],
    "xn--lcalhost-n1a.example": ["127.0.0.1"], "shop.example": ["127.0.0.2"],
    "compatible.example": ["::127.0.0.1"],
}

SPELLINGS = (
    # Usual forms, and every IPv4 that means this machine.
    "http://127.0.0.1:{port}/", "http://127.0.0.1.:{port}/", "http://127.0.0.2:{port}/",
    "http://127.255.255.254:{port}/", "http://0.0.0.0:{port}/", "HTTP://127.0.0.1:{port}/",
    # Short, decimal, octal, hexadecimal, mixed and overlong forms.
    "http://127.1:{port}/", "http://127.0.1:{port}/", "http://0:{port}/", "http://0.0:{port}/",
    "http://2130706433:{port}/", "http://017700000001:{port}/", "http://0x7f000001:{port}/",
    "http://0x7F000001:{port}/", "http://0X7f000001:{port}/", "http://0x7f.1:{port}/",
    "http://0x7f.0.0.1:{port}/", "http://0177.0.0.1:{port}/", "http://0177.0.0.01:{port}/",
    "http://127.0.0.0x1:{port}/", "http://127.0x1:{port}/", "http://00000127.0.0.1:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/", "http://0177.0x0.0.1:{port}/", "http://0x0:{port}/",
    "http://4294967296:{port}/", "http://6425673729:{port}/", "http://127.0.0.1.:{port}/a",
    # IPv6, mapped, compatible, translated, zoned.
    "http://[::1]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/", "http://[::]:{port}/",
    "http://[0000::0001]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::FFFF:7f00:1]:{port}/", "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::127.0.0.1]:{port}/", "http://[::ffff:0.0.0.0]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/", "http://[2002:7f00:1::]:{port}/",
    "http://[::1%25lo]:{port}/", "http://[::1%lo]:{port}/", "http://[fe80::1%25lo]:{port}/",
    "http://::1:{port}/", "http://[::ffff:0:127.0.0.1]:{port}/",
    # Names.
    "http://localhost:{port}/", "http://LocalHost:{port}/", "http://localhost.:{port}/",
    "http://a.localhost:{port}/", "http://localhost.localdomain:{port}/",
    "http://ip6-localhost:{port}/", "http://internal:{port}/", "http://127.0.0.1.nip.io:{port}/",
    "http://7f000001.nip.io:{port}/", "http://localtest.me:{port}/", "http://LOCALTEST.ME.:{port}/",
    "http://spoofed.burpcollaborator.net:{port}/", "http://six.example:{port}/",
    "http://mapped.example:{port}/", "http://zero.example:{port}/", "http://any.example:{port}/",
    "http://compatible.example:{port}/", "http://xn--lcalhost-n1a.example:{port}/",
    # Unicode that other software folds to ASCII: full width, circled, mathematical, Arabic digits,
    # full stops of other scripts, soft hyphen, long s.
    "http://\uff11\uff12\uff17.0.0.1:{port}/", "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}/",
    "http://\U0001d7d9\U0001d7da\U0001d7df.\U0001d7d8.0.1:{port}/", "http://\u0661\u0662\u0667.0.0.1:{port}/",
    "http://127\u30020\u30020\u30021:{port}/", "http://127\uff0e0\uff0e0\uff0e1:{port}/",
    "http://\u24dbocalhost:{port}/", "http://localho\u017ft:{port}/", "http://local\u00adhost:{port}/",
    "http://\uff4c\uff4f\uff43\uff41\uff4chost:{port}/", "http://127.0.0.1\u200b:{port}/",
    # Tricks with what stands around the host.
    "http://shop.example@127.0.0.1:{port}/", "http://shop.example:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@shop.example@127.0.0.1:{port}/", "http://@127.0.0.1:{port}/",
    "http://shop.example%40@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@shop.example/",
    "http://shop.example\\@127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}\\",
    "http://127.0.0.1:{port}#@shop.example/", "http://127.0.0.1:{port}?@shop.example/",
    "http:///127.0.0.1:{port}/", "http:127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "http://%31%32%37.0.0.1:{port}/", "http://127.0.0.%31:{port}/", "http://127%2e0%2e0%2e1:{port}/",
    "http://127.0.0.1%00.shop.example:{port}/", "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1\r\n:{port}/", " http://127.0.0.1:{port}/", "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:0/", "http://127.0.0.1 shop.example:{port}/",
)


async def fake_dns(host: str) -> Sequence[Address]:
    """Answer from DNS above, and read numbers as the system does: in any form."""
    name = host.lower().removesuffix(".")
    if name in DNS:
        return [ip_address(address) for address in DNS[name]]
    found = await asyncio.get_running_loop().getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    return [ip_address(sockaddr[0]) for *_, sockaddr in found]


class Unguarded(AbstractResolver):
    """What resolves without judging."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=str(address), port=port, family=family, proto=0, flags=0,
            )
            for address in await fake_dns(host)
        ]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def canaries() -> AsyncIterator[tuple[Receiver, Receiver]]:
    """Listen on all of IPv4 loopback and on IPv6's, where nobody is to come."""
    async with listening(OK, host="0.0.0.0") as four, listening(OK, host="::1") as six:
        yield four, six


async def post_everywhere(
    session: aiohttp.ClientSession, canaries: tuple[Receiver, Receiver],
) -> None:
    async def post_one(url: str) -> None:
        with suppress(aiohttp.ClientError, OSError, ValueError):
            async with asyncio.timeout(5):
                await session.post(url, data=b"{}")

    urls = [spelling.format(port=canary.port) for spelling in SPELLINGS for canary in canaries]
    await asyncio.gather(*map(post_one, urls))


async def post(sender: WebhookSender, url: str):
    return await sender.post(url, headers={}, body=b"{}", livemode=False)


def sender_with(allow: AllowList, lookup=fake_dns) -> WebhookSender:
    return open_sender(
        allow=allow, now=lambda: NOON, lookup=lookup, seconds_max=1, connect_seconds_max=0.5,
    )


async def test_without_a_guard_the_canaries_are_heard(canaries):
    """Or silence below would prove nothing. Not all spellings get there: some aiohttp refuses."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=Unguarded(), force_close=True),
    ) as session:
        await post_everywhere(session, canaries)

    assert canaries[0].connections > 40
    assert canaries[1].connections > 10


async def test_no_spelling_gets_past_the_sender(canaries):
    sender = sender_with(NOBODY)
    for spelling in SPELLINGS:
        for canary in canaries:
            answer = await post(sender, spelling.format(port=canary.port))
            assert answer.status is None and answer.error.endswith("."), spelling
    await sender.close()

    assert await canaries[0].heard_nobody()
    assert await canaries[1].heard_nobody()


async def test_no_spelling_gets_past_the_connector(canaries):
    """Should a URL slip past check_url, the address it means is still judged."""
    async with aiohttp.ClientSession(connector=open_connector(NOBODY, lookup=fake_dns)) as session:
        await post_everywhere(session, canaries)

    assert await canaries[0].heard_nobody()
    assert await canaries[1].heard_nobody()


async def test_no_spelling_gets_past_the_sockets(canaries):
    """The last word: even a resolver that says anything leads nowhere."""
    connector = aiohttp.TCPConnector(
        resolver=Unguarded(), socket_factory=guarded_sockets(NOBODY), force_close=True,
    )
    async with aiohttp.ClientSession(connector=connector) as session:
        await post_everywhere(session, canaries)

    assert await canaries[0].heard_nobody()
    assert await canaries[1].heard_nobody()


async def test_no_name_gets_past_the_resolver():
    """The resolver holds alone, too, so that a refusal is told as one and not as a dead host."""
    resolver = GuardedResolver(NOBODY, fake_dns)
    for name in DNS:
        with pytest.raises(AddressRefused):
            await resolver.resolve(name)


def test_a_socket_of_another_family_is_never_made():
    with pytest.raises(AddressRefused):
        guarded_sockets(NOBODY)((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/run/x.sock", 0)))


async def test_a_name_that_turns_private_is_refused_at_the_next_attempt(canaries):
    """DNS rebinding: public when registered and at the first attempt, loopback at the second."""
    port = canaries[0].port
    answered = [["127.0.0.1"], ["127.0.0.2"]]
    asked = []

    async def rebinding(host: str) -> Sequence[Address]:
        asked.append(host)
        return [ip_address(address) for address in answered.pop()]

    sender = sender_with(ONLY_ONE, rebinding)

    first = await post(sender, f"http://rebind.example:{port}/")
    second = await post(sender, f"http://rebind.example:{port}/")
    await sender.close()

    assert first.accepted
    assert second.error == "The host has no public address, so it was not called."
    assert canaries[0].connections == 1
    assert asked == ["rebind.example"] * 2  # once each: nothing between the check and the call


async def test_of_many_addresses_only_the_public_ones_are_called():
    """One name may hold both; the merchant's is called, and the other is not tried even when
    the merchant's is down."""
    async def both(_: str) -> Sequence[Address]:
        return [ip_address(address) for address in ("127.0.0.1", "::1", "127.0.0.2", "0.0.0.0")]

    async with listening(OK) as private, listening(OK, host="127.0.0.2") as public:
        sender = sender_with(ONLY_ONE, both)
        up = await post(sender, f"http://both.example:{public.port}/")
        down = await post(sender, f"http://both.example:{private.port}/")
        await sender.close()

        assert up.accepted
        assert down.error == "The host did not accept a connection."
        assert await private.heard_nobody()


async def test_a_refusal_does_not_tell_the_address():
    """Else a merchant could ask our resolver for the map of the operator's network."""
    answer = await post(sender := sender_with(NOBODY), "http://internal:8080/")
    await sender.close()

    assert answer.error == "The host has no public address, so it was not called."


async def test_a_redirect_leads_nowhere():
    async with listening(OK, host="::1") as canary:
        for status in (301, 302, 303, 307, 308):
            moved = answers_status(status, f"Location: {canary.url}")
            async with listening(moved) as receiver:
                sender = sender_with(AllowList.parse(["127.0.0.0/8", "::1/128"]))
                answer = await post(sender, receiver.url)
                await sender.close()

            assert answer.status == status and not answer.accepted
            assert "redirects are not followed" in answer.error
        assert await canary.heard_nobody()


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    """A proxy would connect where we cannot check."""
    async with listening(OK) as receiver, listening(OK) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        sender = sender_with(AllowList.parse(["127.0.0.0/8"]))
        answer = await post(sender, receiver.url)
        await sender.close()

        assert answer.accepted
        assert await proxy.heard_nobody()


async def test_a_connection_serves_again_and_remembers_nothing():
    """A handshake costs a merchant's server, and us, more than the webhook itself."""
    kept = answers_again(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n")
    async with listening(kept, host="127.0.0.2") as receiver:
        sender = sender_with(ONLY_ONE)
        answers = [
            await post(sender, f"http://shop.example:{receiver.port}/") for _ in range(3)
        ]
        await sender.close()

        assert [answer.status for answer in answers] == [200, 200, 200]
        assert receiver.connections == 1
        assert not any(b"cookie" in request.lower() for request in receiver.requests)


async def test_a_kept_connection_that_was_hung_up_on_is_no_failure():
    """The merchant's server closed it just as we wrote: the same is asked on a new one, once."""
    hung_up = answers_again(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", times=1,
    )
    async with listening(hung_up, host="127.0.0.2") as receiver:
        sender = sender_with(ONLY_ONE)
        answers = [
            await post(sender, f"http://shop.example:{receiver.port}/") for _ in range(3)
        ]
        await sender.close()

        assert [answer.status for answer in answers] == [200, 200, 200]
        assert receiver.connections >= 2


async def test_a_new_connection_that_is_hung_up_on_is_a_failure():
    """Nobody could say whether it was heard: its own schedule tries again."""
    async with listening(answers(b""), host="127.0.0.2") as receiver:
        sender = sender_with(ONLY_ONE)
        answer = await post(sender, f"http://shop.example:{receiver.port}/")
        await sender.close()

        assert answer.error == "The host closed the connection without an answer."
        assert receiver.connections == 1


async def test_a_name_that_hangs_holds_one_thread_and_no_other_name(monkeypatch):
    """A name server that never answers must not starve the look-ups of the other merchants."""
    asked, released = [], threading.Event()

    def getaddrinfo(host: str, *_: object, **__: object):
        asked.append(host)
        if host == "hangs.example":
            released.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    names = Names()
    hanging = [asyncio.create_task(names.lookup("hangs.example")) for _ in range(100)]
    await asyncio.sleep(0)  # all of them ask

    assert await names.lookup("shop.example") == [ip_address("127.0.0.2")]
    assert asked.count("hangs.example") == 1

    hanging[0].cancel()  # one that gives up takes nothing from the others
    released.set()
    answers = await asyncio.gather(*hanging, return_exceptions=True)
    assert answers[1:] == [[ip_address("127.0.0.2")]] * 99

    await names.lookup("hangs.example")
    names.close()
    assert asked.count("hangs.example") == 2  # joined while running, never remembered


async def test_names_asks_the_system():
    names = Names()

    assert ip_address("127.0.0.1") in await names.lookup("localhost")
    with pytest.raises(OSError, match=r"."):
        await names.lookup("a" * 64 + ".example")
    names.close()


def test_one_host_cannot_take_every_connection():
    assert CONNECTIONS_PER_HOST_MAX <= CONNECTIONS_MAX / 4
