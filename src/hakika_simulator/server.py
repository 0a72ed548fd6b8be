"""Serving the app with uvicorn, and reaching the TCP connection behind a request.

Daraja's connections break; ASGI has no word for that. The protocol class here puts the
connection into each request's scope, so that an answer can be its end (`answers.Disconnection`).
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "hakika_simulator.transport"
STOP_SECONDS_MAX = 1
CALLERS_WAITING_MAX = 2048  # connections not accepted yet, for a load test that starts at once


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's own HTTP protocol, whose requests know their connection."""

    def on_message_begin(self) -> None:
        """Start a request's scope, and put the connection into it."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}


def transport_of(scope: Scope) -> asyncio.Transport:
    """Return the connection that a request came through."""
    transport: asyncio.Transport = scope["extensions"][EXTENSION]["transport"]
    return transport


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: whoever runs the process decides what a signal means."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, and say so."""
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def serving(app: ASGIApp, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve `app` while inside and give its base URL; port 0 takes any free port.

    Raises:
        OSError: the port is taken. Choose another.
    """
    listener = _listener(host, port)
    server = Server(
        uvicorn.Config(
            app,
            http=CuttableProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            backlog=CALLERS_WAITING_MAX,
            timeout_graceful_shutdown=STOP_SECONDS_MAX,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    listening = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            raise RuntimeError("The server ended before it listened; the log says why.")
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        listening.cancel()
        server.should_exit = True
        await task


def _listener(host: str, port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only for sockets that name TCP. With it on, head and
    # body of an answer travel 40 ms apart on loopback.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
