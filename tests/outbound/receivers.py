"""Receivers of webhooks on a loopback port: each does one thing to whoever calls it, kind or not.

`listening` runs one and counts who came; the functions below it are what a receiver may do.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trustme

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# Made anew in each test run, for the one name shop.example; nobody else trusts its authority.
AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("shop.example")


@dataclass
class Receiver:
    """One that listens, and what it saw."""

    host: str
    port: int = 0
    connections: int = 0
    open: int = 0
    open_most: int = 0  # the most that were open at once
    requests: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # asked for by TLS (SNI)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/hooks"

    async def heard_a_request(self) -> None:
        """Wait until a request has come whole."""
        async with asyncio.timeout(1):
            while not self.requests:
                await asyncio.sleep(0.001)

    async def heard_nobody(self) -> bool:
        """Say whether no connection came before the one that this makes: they come in order."""
        before = self.connections
        _, writer = await asyncio.open_connection(self.host, self.port)
        async with asyncio.timeout(1):
            while self.connections == before:
                await asyncio.sleep(0.001)
        writer.close()
        return before == 0 and self.connections == 1


@asynccontextmanager
async def listening(
    behave: Behaviour, *, host: str = "127.0.0.1", tls: bool = False,
) -> AsyncIterator[Receiver]:
    """Run a receiver that reads one request, then does `behave`, then closes."""
    receiver = Receiver(host)
    busy: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.connections += 1
        receiver.open += 1
        receiver.open_most = max(receiver.open_most, receiver.open)
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            receiver.requests.append(await _request(reader))
            await behave(reader, writer)
        receiver.open -= 1
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(meet, host, 0, ssl=_tls(receiver) if tls else None)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head


def _tls(receiver: Receiver) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: receiver.names.append(name)
    return context


def answers(*raw: bytes) -> Behaviour:
    """Return a receiver that sends each of `raw`, with a little pause, and closes."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in raw:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02 if len(raw) > 1 else 0)

    return behave


def answers_status(status: int, *headers: str, body: bytes = b"") -> Behaviour:
    """Return a receiver that answers properly with `status`."""
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return answers("\r\n".join(head).encode() + body)


def answers_again(raw: bytes, *, times: int = 1_000_000) -> Behaviour:
    """Return a receiver that answers each request on a connection, and hangs up at the next."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(times):
            writer.write(raw)
            await writer.drain()
            await _request(reader)

    return behave


OK = answers_status(200)


async def hangs(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.sleep(3600)


async def hangs_up_when_left(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Never answer, and notice when the caller has gone."""
    await reader.read()


def starts_then_hangs(raw: bytes) -> Behaviour:
    """Return a receiver that sends `raw`, and then nothing, without closing."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await asyncio.sleep(3600)

    return behave


def starts_then_resets(raw: bytes) -> Behaviour:
    """Return a receiver that sends `raw` and then breaks the connection (RST)."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await asyncio.sleep(0.05)
        linger_for_0_seconds = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger_for_0_seconds,
        )
        writer.transport.abort()

    return behave


def repeats(start: bytes, piece: bytes, *, pause: float = 0.0) -> Behaviour:
    """Return a receiver that sends `start`, and then `piece` again and again without end."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave
