"""A Daraja that does exactly what a test tells it, down to the bytes on the connection.

It is no simulator: it knows nothing of payments. It hears requests and plays the next act.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp

from hakika.daraja.client import DarajaClient, StkAccepted, open_session
from hakika.daraja.credentials import Credentials
from hakika.daraja.token import MemoryTokenCache, TokenSource
from hakika.domain import msisdn, shortcode
from hakika.domain.money import Money

NOON = datetime(2026, 3, 26, 12, 0, 0, tzinfo=UTC)  # 15:00 in Nairobi
PASSKEY = "a-passkey-that-nobody-may-ever-see"
PAYER = msisdn.parse("0708374149")
CALLBACK_URL = "https://pay.example.co.ke/c/0123456789"
CHECKOUT_ID = "ws_CO_26032026150000123708374149"
ACCEPTANCE = {
    "MerchantRequestID": "2654-4b64-97ff-b827b542881d3130",
    "CheckoutRequestID": CHECKOUT_ID,
    "ResponseCode": "0",
    "ResponseDescription": "Success. Request accepted for processing",
    "CustomerMessage": "Success. Request accepted for processing",
}

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Heard:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> dict[str, object]:
        """The body as JSON."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


def reply(status: int, body: object = b"", **headers: str) -> Act:
    """Answer with a status and a body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return send("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def send(raw: bytes) -> Act:
    """Write these very bytes and leave the connection open."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return act


def hang_up(raw: bytes = b"") -> Act:
    """Write these bytes, then close the connection in an orderly way."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        writer.close()

    return act


async def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection with a TCP reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def pour(chunk: bytes, poured: list[int]) -> Act:
    """Answer 200 and then the chunk for ever; count the bytes that could be sent."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        while True:
            writer.write(chunk)
            await writer.drain()
            poured.append(len(chunk))

    return act


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    """Leave the caller waiting."""


def token_reply(value: str = "the-access-token-one-28-char", expires_in: object = "3599") -> Act:
    """Answer as the OAuth endpoint does."""
    return reply(200, {"access_token": value, "expires_in": expires_in})


@dataclass
class ScriptedDaraja:
    """Plays `posts` one after another, the last one for ever; `oauth` alike."""

    url: str = ""
    posts: list[Act] = field(default_factory=lambda: [reply(200, ACCEPTANCE)])
    oauth: list[Act] = field(default_factory=lambda: [token_reply()])
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    @property
    def pushes(self) -> list[Heard]:
        """The POSTs heard."""
        return [each for each in self.heard if each.method == "POST"]

    @property
    def token_requests(self) -> list[Heard]:
        """The GETs heard."""
        return [each for each in self.heard if each.method == "GET"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear requests on one connection until it closes."""
        self.connections += 1
        number = self.connections
        try:
            while not writer.is_closing():
                heard = await _hear(reader, number)
                self.heard.append(heard)
                acts = self.posts if heard.method == "POST" else self.oauth
                await (acts.pop(0) if len(acts) > 1 else acts[0])(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller has gone
        finally:
            writer.close()


async def _hear(reader: asyncio.StreamReader, connection: int) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(method, path, headers, body, connection)


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve connections on a free port, and give the port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


@asynccontextmanager
async def scripted() -> AsyncIterator[ScriptedDaraja]:
    """Open a scripted Daraja on a free port."""
    daraja = ScriptedDaraja()
    async with listening(daraja.serve) as port:
        daraja.url = f"http://127.0.0.1:{port}"
        yield daraja


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        """Return the time."""
        return self.time

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


def credentials(url: str, **changed: object) -> Credentials:
    """Return credentials of a paybill for a Daraja at `url`."""
    known: dict[str, object] = {
        "consumer_key": "the-consumer-key", "consumer_secret": "the-consumer-secret",
        "passkey": PASSKEY, "shortcode": shortcode.paybill("600978"), "base_url": url,
        "livemode": False, **changed,
    }
    return Credentials(**known)  # type: ignore[arg-type]


@dataclass
class World:
    """Our client and the scripted Daraja that it talks to."""

    daraja: ScriptedDaraja
    session: aiohttp.ClientSession
    clock: Clock
    tokens: TokenSource
    client: DarajaClient

    def lose_patience(self) -> None:
        """Wait a third of a second for Daraja from now on, where half a minute is the rule."""
        self.client = DarajaClient(
            self.session, self.tokens, self.clock,
            connect_seconds=0.3, push_seconds=0.3, query_seconds=0.3,
        )

    async def push(self, **changed: str) -> StkAccepted:
        """Push KES 1,500 to the payer; `url` sends it elsewhere."""
        return await self.client.stk_push(
            credentials(changed.get("url", self.daraja.url)),
            amount=Money.shillings(1_500), payer=PAYER,
            reference=changed.get("reference", "HK7F3K2M9Q"),
            description=changed.get("description", "Order 1234"), callback_url=CALLBACK_URL,
        )


@asynccontextmanager
async def world_of(daraja: ScriptedDaraja) -> AsyncIterator[World]:
    """Open a client for the scripted Daraja, patient enough for a busy machine."""
    clock = Clock()
    async with open_session() as session:
        tokens = TokenSource(session, MemoryTokenCache(clock), clock, lambda: 0.5)
        client = DarajaClient(session, tokens, clock)
        yield World(daraja, session, clock, tokens, client)
