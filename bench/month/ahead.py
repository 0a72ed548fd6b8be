"""`python -m bench.month.ahead`: Hakika's API with a clock that is ahead of real time.

Each line on stdin is a number of seconds: by so much the clock is ahead from then on, and a line on
stdout says when it is. Tokens and the timestamps of pushes stay in real time, as the simulator
judges them by it, so the clock is moved when the API's parts are open and hold the real one.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import uvicorn
import uvloop

from bench import processes
from hakika.api.app import create_app
from hakika.api.connections import connection_class
from hakika.cli import listening, logs
from hakika.services import runtime
from hakika.settings import read_settings

START_LOOK_SECONDS = 0.01


class Ahead:
    """How far this process's clock is ahead of real time."""

    def __init__(self) -> None:
        self._by = timedelta()
        self._real = runtime.clock

    def set(self, seconds: float) -> None:
        """Be ahead by so much from now on."""
        self._by = timedelta(seconds=seconds)

    def clock(self) -> datetime:
        """Return the time that it is then, UTC."""
        return self._real() + self._by


@contextmanager
def clock_ahead() -> Iterator[Ahead]:
    """Let every running part that is open tell the time of the `Ahead` until the block ends."""
    ahead, real = Ahead(), runtime.clock
    runtime.clock = ahead.clock
    try:
        yield ahead
    finally:
        runtime.clock = real


async def run() -> None:
    """Serve until stdin ends."""
    settings = read_settings()
    logs.set_up(settings.log_level)
    listener = listening.bound("127.0.0.1", 0)
    url = listening.url_of("127.0.0.1", listening.port_of(listener))
    server = uvicorn.Server(uvicorn.Config(
        create_app(settings, public_url=url), http=connection_class(settings), ws="none",
        lifespan="on", log_config=None, access_log=False, proxy_headers=False,
    ))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(START_LOOK_SECONDS)
    gc.freeze()
    with clock_ahead() as ahead:
        processes.say({"api": url})
        stdin = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin,
        )
        while line := await stdin.readline():
            ahead.set(float(line))
            processes.say({"ahead_seconds": float(line)})
    server.should_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(run())
