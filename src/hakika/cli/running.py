"""Runs the API and the worker in this process until it is told to stop. Read `run` first.

Slow to import, because everything is: `dev` imports it while its children start.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from hakika.api.app import create_app
from hakika.api.connections import connection_class
from hakika.api.metrics import create_metrics_app
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.cli.listening import CONNECTIONS_WAITING_MAX, allow_files
from hakika.cli.stopping import SIGNALS, StopNote
from hakika.domain.errors import HakikaError
from hakika.services.telemetry import Telemetry
from hakika.services.tracing import TracesUnavailable, open_traces
from hakika.settings import Settings
from hakika.store.transaction import StoreUnavailable
from hakika.worker import app as worker_app

log = structlog.get_logger(__name__)

Ready = Callable[[], None]
Watch = Callable[[], Coroutine[Any, Any, None]]
Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def run(  # the four are what `dev`, `serve`, `api` and `worker` differ in
    settings: Settings, note: StopNote, *, public_url: str,
    listener: socket.socket | None = None, with_api: bool = True,
    with_worker: bool = True, prepare: Watch | None = None, watch: Watch | None = None,
    ready: Ready = lambda: None,
) -> None:
    """Run the API on `listener`, if there is one, and the worker, until SIGTERM or SIGINT.

    `prepare` runs before them and `watch` beside them; when `watch` ends, so does everything.
    `ready` is called when requests are answered. Without the API, `listener` serves /metrics alone.

    Raises:
        CommandFailed: one of them ended by itself, and a supervisor should start the command again;
            or traces are asked for and cannot be made.
    """
    try:
        traces = open_traces(os.environ)
    except TracesUnavailable as error:
        raise CommandFailed(str(error), exit_code=EXIT_MISASKED) from error
    telemetry = Telemetry(traces)
    server = None
    if listener is not None:
        server = _server(settings, (
            create_app(settings, public_url=public_url, telemetry=telemetry) if with_api
            else create_metrics_app(settings, telemetry)
        ))
    work = None
    if with_worker:
        work = partial(worker_app.run, settings, public_url=public_url, telemetry=telemetry)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(
                note, server, listener, work, prepare=prepare, watch=watch, ready=ready,
            ))
    finally:
        if traces is not None:
            traces.close()


async def _run(
    note: StopNote, server: _Server | None, listener: socket.socket | None, work: Work | None, *,
    prepare: Watch | None, watch: Watch | None, ready: Ready,
) -> None:
    stop = _stop_event(note)
    if prepare is not None:
        await prepare()
    worker_stop = asyncio.Event()
    ends: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
    if watch is not None:
        ends.append(asyncio.create_task(watch()))
    api: list[asyncio.Task[None]] = []
    worker: list[asyncio.Task[None]] = []
    try:
        if server is not None and listener is not None:
            api.append(asyncio.create_task(server.serve(sockets=[listener])))
            listening = asyncio.create_task(server.listening.wait())
            await asyncio.wait({*ends, *api, listening}, return_when=asyncio.FIRST_COMPLETED)
            listening.cancel()
        if work is not None and not any(task.done() for task in (*ends, *api)):
            worker.append(asyncio.create_task(work(worker_stop)))
        # What is here now stays for good: looking through all of it for garbage, again and again,
        # took a twentieth of a payment's time.
        gc.collect()
        gc.freeze()
        if not any(task.done() for task in (*ends, *api)):
            ready()
        await asyncio.wait({*ends, *api, *worker}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # In this order: what the API has taken on is still the worker's to deliver.
        if server is not None:
            server.should_exit = True
        await _ended(api)
        worker_stop.set()
        await _ended(worker)
        for task in ends:
            task.cancel()
    for task in (*ends[1:], *worker, *api):
        _raise_what_ended(task)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)


def _raise_what_ended(task: asyncio.Task[Any]) -> None:
    """Raise in plain words what ended a part that should have gone on."""
    error = task.exception() if task.done() and not task.cancelled() else None
    if isinstance(error, StoreUnavailable):
        raise CommandFailed(
            "The database is gone, so Hakika stopped. Nothing that was committed is lost.",
            hint="Start the same command again: Hakika's own PostgreSQL starts with it. A database "
            f"of yours must run first. ({error})",
        ) from error
    if isinstance(error, HakikaError | CommandFailed):
        raise error
    if error is not None:
        log.error("part_failed", exc_info=error)
        raise error


def _stop_event(note: StopNote) -> asyncio.Event:
    """Return an event that is set when we are told to stop, or have been."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        note.write()
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, told)
    if note.is_written:
        stop.set()
    return stop


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: `_run` decides what a signal means."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, and say so."""
        try:
            await super().startup(sockets)
        except SystemExit as error:  # how uvicorn says that the application could not be opened
            raise CommandFailed("The API could not start; the log says why.") from error
        self.listening.set()


def _server(settings: Settings, app: FastAPI) -> _Server:
    allow_files(settings.connections_max * 2)
    return _Server(uvicorn.Config(
        app,
        http=connection_class(settings), ws="none", lifespan="on",
        log_config=None, access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to believe is a setting, and the API's own business
        backlog=CONNECTIONS_WAITING_MAX,
        timeout_graceful_shutdown=math.ceil(settings.stop_seconds_max),
    ))
