"""`hakika serve`, and its two halves apart: `hakika api` and `hakika worker`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from hakika.cli import listening, options, running, screen, startup
from hakika.cli.configured import configured
from hakika.cli.stopping import StopNote
from hakika.settings import Settings


def serve(
    host: options.Host = None, port: options.Port = None, data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Run the API and the worker on one database, until Ctrl-C or SIGTERM.

    Without HAKIKA_DATABASE_URL, Hakika runs its own PostgreSQL in the data folder and migrates it.
    A database of yours must have been migrated: `hakika migrate`.

    Example: HAKIKA_PUBLIC_URL=https://pay.example.co.ke hakika serve --port 8700
    """
    _run_api(configured(data, host=host, port=port), with_worker=True, as_json=as_json)


def api(
    host: options.Host = None, port: options.Port = None, data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Run the API alone. Any number of them may share one database; at least one worker must run.

    Example: hakika api --host 0.0.0.0 --port 8700
    """
    _run_api(configured(data, host=host, port=port), with_worker=False, as_json=as_json)


def worker(data: options.Data = None, as_json: options.Json = False) -> None:
    """Run a worker alone: webhooks, and checks of silent payments. Any number may share the work.

    With HAKIKA_METRICS_PORT it serves /metrics there.

    Example: hakika worker
    """
    settings = configured(data)
    note = StopNote()
    with _metrics_listener(settings) as listener, startup.database(settings) as completed:
        metrics = None
        if listener is not None:
            metrics = listening.url_of(settings.host, listening.port_of(listener)) + "/metrics"
        running.run(
            completed, note, public_url=listening.url_of(settings.host, settings.port),
            listener=listener, with_api=False,
            ready=_told(
                {"api": None, "worker": True, "metrics": metrics}, as_json=as_json,
                text="The worker runs.",
            ),
        )


def _metrics_listener(settings: Settings) -> AbstractContextManager[socket.socket | None]:
    if settings.metrics_port is None:
        return nullcontext()
    return listening.bound(settings.host, settings.metrics_port)


def _run_api(settings: Settings, *, with_worker: bool, as_json: bool) -> None:
    note = StopNote()
    with (
        listening.bound(settings.host, settings.port) as listener,
        startup.database(settings) as completed,
    ):
        url = listening.url_of(settings.host, listening.port_of(listener))
        running.run(
            completed, note, public_url=url, listener=listener, with_worker=with_worker,
            ready=_told(
                {"api": url, "worker": with_worker}, as_json=as_json,
                text=f"Hakika answers at {url} (documentation: {url}/docs). Ctrl-C stops it.",
            ),
        )


def _told(document: dict[str, Any], *, text: str, as_json: bool) -> Callable[[], None]:
    """Return what says that everything is ready: one JSON line on stdout, or a line on stderr."""
    if as_json:
        return lambda: screen.write_json(document)
    return lambda: screen.margin().print(text)
