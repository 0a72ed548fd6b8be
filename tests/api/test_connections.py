"""One connection: what is too long, too slow or too much is cut, and Safaricom always gets in.

Over plain sockets, because no client library sends what is looked at here.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from hakika.api.connections import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX, URL_BYTES_MAX
from tests.api.world import PAYS, World, free_port, new_key, open_world, running, settings_of
from tests.postgres import fresh_database

PATIENCE_SECONDS = 20.0
CONNECTIONS = 10
ORDER = json.dumps({"amount": 5, "currency": "KES", "provider": "mpesa", "phone": PAYS}).encode()


@pytest.fixture(scope="module")
def hasty_world(template: str, simulator_url: str) -> Iterator[World]:
    """An API that gives a request one second to arrive."""
    more = {"HAKIKA_REQUEST_SECONDS_MAX": "1"}
    with (
        fresh_database(template) as url,
        open_world(url, simulator_url, more=more) as world,
    ):
        yield world


@pytest.fixture
def small_world(small_process: World) -> World:
    """An API that takes ten connections, has all the time in the world, and has no connection."""
    small_process.in_api(asyncio.sleep(0.1))  # it hears that those of the test before are gone
    return small_process


@pytest.fixture(scope="module")
def small_process(hasty_world: World) -> Iterator[World]:
    """Another process of the hasty world."""
    port = free_port()
    settings = settings_of(
        hasty_world.database_url, hasty_world.simulator, HAKIKA_CONNECTIONS_MAX=str(CONNECTIONS),
        HAKIKA_REQUEST_SECONDS_MAX="600",
    )
    with running(settings, port=port) as (rt, in_api):
        yield replace(hasty_world, url=f"http://127.0.0.1:{port}", rt=rt, in_api=in_api)


class Line:
    """A connection, and what comes out of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def is_open(self) -> bool:
        """Say, after a moment, whether the other side has not closed the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(1000), 0.2) != b""
        except TimeoutError:
            return True
        except ConnectionError:
            return False

    async def ended(self) -> bytes:
        """Return what is said until the other side closes the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def called(world: World) -> AsyncIterator[Line]:
    where = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: h", *headers, "", ""]).encode("latin-1") + body


def authorized(shop: Any) -> tuple[str, str]:
    return f"Authorization: Bearer {shop.key}", f"Idempotency-Key: {new_key()}"


async def problem_of(line: Line) -> tuple[int, str]:
    """Return status and code of a problem, which must be one as all others are."""
    status, headers, body = await line.answer()
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert problem["status"] == status and problem["request_id"] and problem["success"] is False
    return status, problem["code"]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (request("GET /" + "x" * URL_BYTES_MAX), (414, "url_too_long")),
        (request("GET /", "X: " + "x" * HEAD_BYTES_MAX), (431, "headers_too_large")),
        (request("GET /", *[f"X-{n}: y" for n in range(2500)]), (431, "headers_too_large")),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES_MAX * 2, (431, "headers_too_large")),
        (b"GET /" + b"x" * HEAD_BYTES_MAX * 2, (431, "headers_too_large")),
        (b"nonsense\r\n\r\n", (400, "malformed_request")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400, "malformed_request")),
        (request("GET /\xff"), (400, "malformed_request")),
        (request("POST /", "Content-Length: 5", "Transfer-Encoding: chunked"),
         (400, "malformed_request")),
        (request("POST /", "Content-Length: 5", "Content-Length: 6"), (400, "malformed_request")),
    ],
    ids=lambda value: repr(value[:30]),
)
async def test_a_head_that_is_too_long_or_none_is_refused_and_cut(api_world, raw, problem):
    """uvicorn alone would take headers without end into its memory."""
    async with called(api_world) as line:
        line.say(raw)

        assert await problem_of(line) == problem
        assert await line.ended() == b""


async def test_a_head_just_short_enough_is_taken(api_world):
    """Long cookies and signed URLs of proxies are nobody's attack."""
    async with called(api_world) as line:
        line.say(request(
            "GET /" + "x" * (URL_BYTES_MAX - 1), "X: " + "x" * (HEAD_BYTES_MAX - 100),
        ))
        over_url, _ = await problem_of(line)
        line.say(request("GET /healthz", "X: " + "x" * (HEAD_BYTES_MAX - 300)))

        assert over_url == 404
        assert (await line.answer())[0] == 200


async def test_a_chunked_body_is_taken_and_bounded_like_any(shop):
    """Nothing says beforehand how long it will be."""
    headers = [*authorized(shop), "Transfer-Encoding: chunked"]
    async with called(shop.world) as line:
        line.say(request("POST /v1/payments", *headers))
        for place in range(0, len(ORDER), 7):
            part = ORDER[place:place + 7]
            line.say(b"%x\r\n%b\r\n" % (len(part), part))
        line.say(b"0\r\nX-Trailer: 1\r\n\r\n")
        assert (await line.answer())[0] == 202
        line.say(request("POST /v1/payments", *headers))
        for _ in range(17):
            line.say(b"1000\r\n" + b" " * 0x1000 + b"\r\n")

        assert await problem_of(line) == (413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, identity"])
async def test_a_compressed_body_is_refused_in_plain_words(shop, encoding):
    """A kilobyte of it can be a gigabyte."""
    answer = await shop.send(
        "POST", "/v1/payments", idempotency_key=new_key(), data=gzip.compress(ORDER),
        headers={"Content-Encoding": encoding},
    )

    assert answer.problem == (415, "encoding_unsupported", [])
    assert "Content-Encoding" in answer.body["hint"]


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
async def test_a_body_that_says_it_is_plain_is_taken(shop, encoding):
    """`identity` is the word for none."""
    answer = await shop.send(
        "POST", "/v1/payments", idempotency_key=new_key(), data=ORDER,
        headers={"Content-Encoding": encoding},
    )

    assert answer.status == 202


async def test_a_page_has_a_hundred_rows_at_most(shop):
    """On each list, the request log's too."""
    for path in ("/v1/payments", "/v1/events", "/v1/requests"):
        assert (await shop.get(f"{path}?limit=100")).status == 200
        assert (await shop.get(f"{path}?limit=101")).status == 400


BEGINNINGS = [
    b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n",
    request("POST /v1/payments", "Content-Length: 9"),
    request("POST /c/x", "Content-Length: 9", body=b"{"),
    request("POST /v1/nothing", "Transfer-Encoding: chunked"),
    request("POST /v1/nothing", "Transfer-Encoding: chunked", body=b"1;x=y\r\n{\r\n0\r\nX: y\r\n"),
]


async def test_a_request_that_never_ends_is_cut(hasty_world):
    """A slow-loris: a thousand such connections would else be all that we have."""

    async def begun(beginning: bytes) -> bytes:
        async with called(hasty_world) as line:
            line.say(beginning)
            return await line.ended()

    for said in await asyncio.gather(*map(begun, BEGINNINGS)):
        assert said == b"" or said.startswith(b"HTTP/1.1 4")


async def test_a_drip_does_not_buy_time(hasty_world):
    """The request as a whole has its time, not each byte of it; after an answer too."""

    async def dripped(drip: bytes) -> None:
        async with called(hasty_world) as line:
            line.say(request("GET /healthz"))
            assert (await line.answer())[0] == 200
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await line.is_open():
                    line.say(drip)

    await asyncio.gather(*map(dripped, [b"\r\n", b"X: y\r\n", b"x"]))


async def test_a_long_wait_for_our_answer_is_not_the_callers_slowness(hasty_world, session):
    """Somebody follows the events with wait=30, and begins the next request meanwhile."""
    shop = hasty_world.open_shop(session)

    async def followed(meanwhile: bytes) -> int:
        async with called(hasty_world) as line:
            line.say(request("GET /v1/events?wait=2", f"Authorization: Bearer {shop.key}"))
            line.say(meanwhile)
            return (await line.answer())[0]

    assert await asyncio.gather(*map(followed, [b"", b"\r\n", b"GET /hea"])) == [200] * 3


async def test_requests_that_were_sent_at_once_are_answered_in_order(api_world):
    """Pipelining is rare, and must not confuse the bounds."""
    async with called(api_world) as line:
        line.say(request("GET /healthz") * 3)
        line.say(request("POST /v1/no", "Content-Length: 2", body=b"{}"))

        assert [(await line.answer())[0] for _ in range(4)] == [200, 200, 200, 404]


async def test_a_request_that_is_cut_leaves_no_error_behind(hasty_world, session, capfd):
    """The caller was slow; nothing of ours went wrong, and no on-call person should think so."""
    shop = hasty_world.open_shop(session)
    async with called(hasty_world) as line:
        line.say(request("POST /v1/payments", *authorized(shop), "Content-Length: 9", body=b"{"))

        assert await problem_of(line) == (408, "request_too_slow")
    assert hasty_world.rows("select 1 from payments where merchant_id = %s", shop.merchant_id) == []
    assert "unexpected_error" not in "".join(capfd.readouterr())


async def test_a_message_without_end_is_cut(api_world):
    """Chunk extensions and trailers are no body, and have no end of their own."""
    async with called(api_world) as line:
        line.say(request("POST /v1/nothing", "Transfer-Encoding: chunked"))
        line.say(b"1;x=" + b"y" * 1000)
        assert (await line.answer())[0] == 404
        with pytest.raises(ConnectionError):
            for _ in range(4 * MESSAGE_BYTES_MAX // 100_000):
                line.say(b"y" * 100_000)
                await line.writer.drain()


STATEMENTS = "POST /v1/reconciliation/statements"


async def test_a_statement_may_be_longer_and_slower_than_any_other_request(hasty_world, session):
    """A month of a busy till, over a slow line: as much as is read, and in its own time."""
    shop = hasty_world.open_shop(session)
    letter = b"Dear sir, where is my money?\n" * 40_000
    parts = 2 * MESSAGE_BYTES_MAX // len(letter)
    async with called(hasty_world) as line:
        line.say(request(STATEMENTS, *authorized(shop), f"Content-Length: {parts * len(letter)}"))
        await asyncio.sleep(2)
        for _ in range(parts):
            line.say(letter)
            await line.writer.drain()

        assert await problem_of(line) == (400, "statement_foreign")


async def test_who_may_send_no_statement_gets_no_time_for_it(hasty_world):
    async with called(hasty_world) as line:
        line.say(request(STATEMENTS, "Content-Length: 1000000"))
        assert (await line.answer())[0] == 401
        assert await line.ended() == b""


async def test_quiet_connections_make_room_for_whoever_has_something_to_say(small_world):
    """Somebody opens connections and says nothing: the longest silence is ended first."""
    lines = [await connected(small_world) for _ in range(3 * CONNECTIONS)]
    for line in lines[:2 * CONNECTIONS]:
        assert await line.ended() == b""
    async with called(small_world) as honest:
        honest.say(request("GET /healthz"))
        assert (await honest.answer())[0] == 200
    for line in lines:
        line.writer.transport.abort()


async def test_a_connection_that_was_just_used_is_not_the_quiet_one(small_world):
    """A proxy keeps its connections, and sends the next callback on one of them."""
    async with called(small_world) as oldest:
        lines = [await connected(small_world) for _ in range(CONNECTIONS - 1)]
        oldest.say(request("GET /healthz"))
        assert (await oldest.answer())[0] == 200
        lines += [await connected(small_world) for _ in range(CONNECTIONS - 1)]
        assert await lines[0].ended() == b""
        oldest.say(request("GET /healthz"))
        assert (await oldest.answer())[0] == 200
        for line in lines:
            line.writer.transport.abort()


async def test_when_all_are_busy_others_are_told_so_and_callbacks_are_taken(small_world, session):
    """503 with a way out; but a callback that is turned away does not come again."""
    shop = small_world.open_shop(session)
    asked = requests_of(small_world)
    busy = [await connected(small_world) for _ in range(CONNECTIONS)]
    for line in busy:
        line.say(request("GET /v1/events?wait=30", f"Authorization: Bearer {shop.key}"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while requests_of(small_world) < asked + CONNECTIONS:
            await asyncio.sleep(0.02)
    async with called(small_world) as line:
        line.say(request("GET /v1/payments", f"Authorization: Bearer {shop.key}"))
        status, headers, body = await line.answer()
        assert (status, json.loads(body)["code"]) == (503, "too_many_connections")
        assert int(headers["retry-after"]) >= 1
        assert await line.ended() == b""
    async with called(small_world) as line:
        line.say(request("POST /c/" + "x" * 52, "Content-Length: 2", body=b"{}"))
        assert (await line.answer())[0] == 200
    for line in busy:
        line.writer.transport.abort()


async def connected(world: World) -> Line:
    where = urlsplit(world.url)
    return Line(*await asyncio.open_connection(where.hostname, where.port))


def requests_of(world: World) -> int:
    """Return how many requests came in from here."""
    taken = world.rt.limits.by_address._buckets.get("127.0.0.1")
    return taken.untold if taken else 0


async def test_a_connection_may_be_quiet_for_longer_than_the_server_would_let_it(api_world):
    """By itself it hangs up after 5 s, just when a proxy hands it the next callback."""
    async with called(api_world) as line:
        for quiet_seconds in (0, 6):
            await asyncio.sleep(quiet_seconds)
            line.say(request("GET /healthz"))
            assert (await line.answer())[0] == 200
