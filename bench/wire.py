"""The least HTTP/1.1 that a load generator, a receiver and a Daraja double need, so that they weigh
little beside what is measured. Not for anything that meets strangers.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

# A server closes a connection that is idle for 5 s (uvicorn's default), and a request that it
# crosses with is lost. So ours are given up before.
IDLE_SECONDS_MAX = 3.0

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer: its first line and headers, and its body."""

    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        """The path of a request."""
        return self.head.split(b" ", 2)[1].decode()

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.head[9:12])


class _Stream(asyncio.Protocol):
    """Cuts what arrives into messages. Every message must have a Content-Length, or no body."""

    def __init__(self) -> None:
        self._buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def take(self, data: bytes) -> Message | None:
        """Return the next whole message once `data` is added, or None."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._buffer[:end]
        found = _LENGTH.search(head)
        whole = end + 4 + (int(found[1]) if found else 0)
        if len(self._buffer) < whole:
            return None
        message = Message(head, self._buffer[end + 4:whole])
        self._buffer = self._buffer[whole:]
        return message


class Served(_Stream):
    """One accepted connection: each request is answered with what `answer` returns, at once."""

    def __init__(self, answer: Callable[[Message], bytes]) -> None:
        super().__init__()
        self._answer = answer

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole by now."""
        message = self.take(data)
        while message is not None and self.transport is not None:
            self.transport.write(self._answer(message))
            if _CLOSE.search(message.head):
                self.transport.close()
                return
            message = self.take(b"")


async def serve(answer: Callable[[Message], bytes]) -> int:
    """Serve on loopback for as long as the loop runs; return the port."""
    loop = asyncio.get_running_loop()
    # asyncio switches Nagle's algorithm off only for sockets that name TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    await loop.create_server(lambda: Served(answer), sock=listener, backlog=2048)
    port: int = listener.getsockname()[1]
    return port


def answer(body: bytes, status: str = "200 OK") -> bytes:
    """Return a whole answer with a JSON body."""
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(), len(body), body,
    )


def post(host: str, path: str, body: bytes, *, headers: str = "") -> bytes:
    """Return a whole request. `headers` are whole lines, each with its line end."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


Done = Callable[[Message | None], None]


class _Connection(_Stream):
    """One connection to a server, with one request at a time on it."""

    def __init__(self, pool: Connections) -> None:
        super().__init__()
        self._pool = pool
        self._done: Done | None = None
        self.idle_since = 0.0

    def ask(self, request: bytes, done: Done) -> None:
        """Send a request; `done` gets the answer, or None when the connection broke."""
        assert self.transport is not None and self._done is None
        self._done = done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Hand over the answer once it is whole, and be free again."""
        message = self.take(data)
        if message is None or self._done is None:
            return
        done, self._done = self._done, None
        self.idle_since = time.monotonic()
        self._pool.idle.append(self)
        done(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits that nothing will come."""
        if self in self._pool.idle:
            self._pool.idle.remove(self)
        if self._done is not None:
            done, self._done = self._done, None
            done(None)


class Connections:
    """Connections to one server, as many as there are requests under way."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self.idle: list[_Connection] = []
        self._opening: set[asyncio.Task[None]] = set()

    def ask(self, request: bytes, done: Done) -> None:
        """Send a request on a free connection or a new one; `done` gets the answer, or None."""
        while self.idle:
            connection = self.idle.pop()
            fresh = time.monotonic() - connection.idle_since < IDLE_SECONDS_MAX
            assert connection.transport is not None
            if fresh and not connection.transport.is_closing():
                connection.ask(request, done)
                return
            connection.transport.close()
        task = asyncio.get_running_loop().create_task(self._ask_anew(request, done))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _ask_anew(self, request: bytes, done: Done) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), *self._address)
        except OSError:
            done(None)
        else:
            connection.ask(request, done)
