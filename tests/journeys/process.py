"""One process of Hakika for a story: an API or a worker, which may kill itself at a named point.

Or one command of `hakika`, run to its end.

Stories start many, and importing takes each of them longer than its work. So they are forked from a
server that has imported everything once; each is a real process all the same.
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import uvicorn

from hakika.api.app import create_app
from hakika.cli import main
from hakika.services.killpoints import KillPoint, Watcher, nobody_watches
from hakika.settings import Settings, read_settings
from hakika.worker import app as worker

READY_SECONDS_MAX = 30
STOP_SECONDS_MAX = 20
COMMAND_SECONDS_MAX = 45

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Part:
    """What to run: "api" or "worker", where, and the point at which it dies, if any."""

    role: str
    port: int
    environment: Mapping[str, str]
    die_at: str = ""


@dataclass(frozen=True)
class Process:
    """A process of this story, and no other, is ended through this."""

    running: ForkServerProcess
    url: str

    @property
    def has_ended(self) -> bool:
        """Say whether it is gone."""
        return not self.running.is_alive()

    async def kill(self) -> None:
        """End it without a word, as kill -9 does."""
        self.running.kill()
        await asyncio.to_thread(self.running.join)

    async def stop(self) -> int | None:
        """End it politely and return its exit code."""
        self.running.terminate()
        await asyncio.to_thread(self.running.join, STOP_SECONDS_MAX)
        return self.running.exitcode


async def start(part: Part) -> Process:
    """Start a process and wait until it works."""
    ours, theirs = _forks.Pipe(duplex=False)
    process = _forks.Process(target=_run, args=(part, theirs))
    process.start()
    theirs.close()
    is_ready = await asyncio.to_thread(ours.poll, READY_SECONDS_MAX)
    assert is_ready, f"the {part.role} did not start in time"
    ours.recv()  # raises EOFError when it ended instead
    return Process(process, f"http://127.0.0.1:{part.port}")


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    exit_code: int
    output: str
    errors: str


async def command(*words: str, environment: Mapping[str, str]) -> Said:
    """Run `hakika` with these words as a process of its own, to its end."""
    ours, theirs = _forks.Pipe(duplex=False)
    process = _forks.Process(target=_run_command, args=(words, dict(environment), theirs))
    process.start()
    theirs.close()
    try:
        has_ended = await asyncio.to_thread(ours.poll, COMMAND_SECONDS_MAX)
        assert has_ended, f"hakika {' '.join(words)} does not end"
        said: Said = ours.recv()
        return said
    finally:
        process.kill()
        await asyncio.to_thread(process.join)


def _run_command(words: tuple[str, ...], environment: dict[str, str], said: Connection) -> None:
    """Be the process."""
    os.environ.update(environment)
    sys.argv = ["hakika", *words]
    sys.stdout, sys.stderr = output, errors = io.StringIO(), io.StringIO()
    try:
        main.run()
    except SystemExit as ended:
        code = int(ended.code or 0)
        said.send(Said(code, output.getvalue(), errors.getvalue()))


def _run(part: Part, ready: Connection) -> None:
    """Be the process."""
    os.environ.update(part.environment)
    watcher = _die_at(KillPoint(part.die_at)) if part.die_at else nobody_watches
    run = {"api": _run_api, "worker": _run_worker}[part.role]
    asyncio.run(run(read_settings(part.environment), part.port, watcher, ready))


def _die_at(point: KillPoint) -> Watcher:
    """Return a watcher that ends this process as kill -9 would, at `point`."""

    def watch(passed: KillPoint) -> None:
        if passed is point:
            os.kill(os.getpid(), signal.SIGKILL)

    return watch


async def _run_api(settings: Settings, port: int, watcher: Watcher, ready: Connection) -> None:
    app = create_app(settings, public_url=f"http://127.0.0.1:{port}", passing=watcher)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving  # raises what kept it from starting
        await asyncio.sleep(0.01)
    ready.send("ready")
    await serving


async def _run_worker(settings: Settings, port: int, watcher: Watcher, ready: Connection) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ready.send("ready")
    await worker.run(settings, stop, public_url=f"http://127.0.0.1:{port}", passing=watcher)
