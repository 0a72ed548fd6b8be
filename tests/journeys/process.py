"""One process of Hakika for a story: `python -m tests.journeys.process api|worker PORT [POINT]`.

With a POINT it kills itself there, by SIGKILL, the first time it passes. Settings come from the
environment, as always. Prints one line when it works.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import uvicorn

from hakika.api.app import create_app
from hakika.services.killpoints import KillPoint, Watcher, nobody_watches
from hakika.settings import Settings, read_settings
from hakika.worker import app as worker


def die_at(point: KillPoint) -> Watcher:
    """Return a watcher that ends this process as kill -9 would, at `point`."""

    def watch(passed: KillPoint) -> None:
        if passed is point:
            os.kill(os.getpid(), signal.SIGKILL)

    return watch


async def run_api(settings: Settings, port: int, watcher: Watcher) -> None:
    """Serve the API until SIGTERM."""
    app = create_app(settings, public_url=f"http://127.0.0.1:{port}", passing=watcher)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving  # raises what kept it from starting
        await asyncio.sleep(0.01)
    say("ready")
    await serving


async def run_worker(settings: Settings, port: int, watcher: Watcher) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    say("ready")
    await worker.run(settings, stop, public_url=f"http://127.0.0.1:{port}", passing=watcher)


def say(line: str) -> None:
    """Tell the story that started us."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run what the command line names."""
    role, port, *point = sys.argv[1:]
    watcher = die_at(KillPoint(point[0])) if point else nobody_watches
    run = {"api": run_api, "worker": run_worker}[role]
    asyncio.run(run(read_settings(), int(port), watcher))


if __name__ == "__main__":
    main()
