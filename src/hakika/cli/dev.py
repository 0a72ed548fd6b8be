"""`hakika dev`: from nothing to a paid payment, in the foreground, with one word.

PostgreSQL and the simulator are children that cannot outlive us; API and worker run in this
process. What is slow is done at the same time: the children start while Python imports.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer

from hakika.cli import (
    dev_folder,
    dev_simulator,
    dev_welcome,
    listening,
    options,
    screen,
    startup,
)
from hakika.cli.configured import configured
from hakika.cli.dev_simulator import Simulator
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.cli.startup import OwnServer
from hakika.cli.stopping import StopNote, Stopped
from hakika.settings import Settings

PORT_MAX = 65535

# Webhook receivers of a developer are on the same machine.
LOOPBACK = ("127.0.0.0/8", "::1/128")

# Safaricom allows 5; the simulator does not count.
QUERIES_PER_MINUTE = 600.0

# Somebody waits at the terminal.
STOP_SECONDS_MAX = 5.0

# A short command, such as `hakika keys list`, may own the server when we come. It ends by itself.
_OWNER_WAIT_SECONDS = 0.2
_OWNER_TRIES_MAX = 50

Speed = Annotated[
    float, typer.Option("--speed", min=0.001, help="How many times faster than life it runs."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", help="Decides the simulator's receipts and ids; DIR keeps its first."),
]


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for on the command line."""

    port: int | None
    as_json: bool
    speed: float
    seed: int | None


def dev(
    port: options.Port = None, data: options.Data = None, as_json: options.Json = False,
    speed: Speed = 1.0, seed: Seed = None, host: options.Host = None,
) -> None:
    """Run everything on this machine: PostgreSQL, a simulated Daraja, the API and a worker.

    Prints the addresses, a test key and a curl that works. Ctrl-C stops it all, and the next start
    on the same folder goes on where it was. `--json` prints one line when ready.

    Example: hakika dev --port 0 --data /tmp/shop --json
    """
    settings = _settings(configured(data, host=host, pace=speed))
    note = StopNote()
    # Stopped while starting: what had been started was stopped on the way here.
    with dev_folder.held(settings.data), suppress(Stopped):
        _start(settings, _Order(port, as_json, speed, seed), note)
    screen.margin().print(f"Stopped. Everything is kept in {settings.data}.", soft_wrap=True)


def _settings(settings: Settings) -> Settings:
    """Return the settings as they are on a developer's machine, whatever the environment says."""
    if settings.database_url.get_secret_value():
        raise CommandFailed(
            "`hakika dev` runs its own database, and HAKIKA_DATABASE_URL names another.",
            hint="Unset it, or use `hakika serve`.", exit_code=EXIT_MISASKED,
        )
    return settings.model_copy(update={
        "webhook_allowed_networks": (*settings.webhook_allowed_networks, *LOOPBACK),
        "sandbox_queries_per_minute": QUERIES_PER_MINUTE,
        "stop_seconds_max": min(settings.stop_seconds_max, STOP_SECONDS_MAX),
    })


def _start(settings: Settings, order: _Order, note: StopNote) -> None:
    """Start everything, run until told to stop, and stop it: API, worker, simulator, PostgreSQL."""
    with ExitStack() as parts:
        listener = parts.enter_context(_listener(settings, order))
        simulator_port = _simulator_port(settings, order, api=listening.port_of(listener))
        simulator = dev_simulator.launch(
            settings.data / "simulator", host=settings.host, port=simulator_port,
            speed=order.speed, seed=order.seed,
        )
        parts.callback(simulator.stop)
        importing = threading.Thread(target=import_module, args=("hakika.cli.running",))
        importing.start()
        parts.callback(importing.join)  # Python cannot end in the middle of an import
        note.obey()
        own = _own_server(parts, settings)
        parts.callback(simulator.stop)  # once more, so that it ends before the database does
        note.obey()
        simulator.await_ready()
        importing.join()
        note.obey()
        _run(own.settings, note, listener, simulator, simulator_port, as_json=order.as_json)


def _run(
    settings: Settings, note: StopNote, listener: socket.socket, simulator: Simulator,
    simulator_port: int, *, as_json: bool,
) -> None:
    # Not above: a thread has imported them by now.
    from hakika.cli import dev_merchant, running  # noqa: PLC0415

    port = listening.port_of(listener)
    place = {
        "api": listening.url_of(settings.host, port),
        "simulator": listening.url_of(settings.host, simulator_port),
    }
    settings = settings.model_copy(
        update={"public_url": place["api"], "simulator_url": place["simulator"]} | (
            {} if "daraja_sandbox_url" in settings.model_fields_set
            else {"daraja_sandbox_url": place["simulator"]}
        ),
    )
    dev_folder.remember_ports(settings.data, api=port, simulator=simulator_port)

    async def prepare() -> None:
        place.update(await dev_merchant.key_and_merchant(settings))
        place["data"] = str(settings.data)

    def ready() -> None:
        dev_folder.remember_line(settings.data, place)
        if as_json:
            screen.write_json(place)
        else:
            dev_welcome.show(place)

    running.run(
        settings, note, public_url=place["api"], listener=listener, prepare=prepare,
        watch=simulator.watch, ready=ready,
    )


def _listener(settings: Settings, order: _Order) -> socket.socket:
    """Return the socket of the API: on the port that was asked for, or else the last one's."""
    if order.port:
        return listening.bound(settings.host, order.port)
    port = settings.port if order.port is None else 0
    last = dev_folder.ports(settings.data).get("api", port)
    return listening.bound(settings.host, last if listening.is_free(settings.host, last) else port)


def _simulator_port(settings: Settings, order: _Order, *, api: int) -> int:
    """Return a free port for the simulator: the last one's, the one after the API's, or any."""
    wanted = [dev_folder.ports(settings.data).get("simulator")]
    if order.port != 0 and api < PORT_MAX:
        wanted.append(api + 1)
    for port in wanted:
        if port is not None and listening.is_free(settings.host, port):
            return port
    return listening.free_port(settings.host)


def _own_server(parts: ExitStack, settings: Settings) -> OwnServer:
    """Start PostgreSQL as its owner, so that it lives as long as we do; `parts` stops it."""
    for _ in range(_OWNER_TRIES_MAX):
        attempt = ExitStack()
        own = attempt.enter_context(startup.own_server(settings))
        if own.is_owner:
            parts.enter_context(attempt)
            return own
        attempt.close()
        time.sleep(_OWNER_WAIT_SECONDS)
    raise CommandFailed(
        f"Another hakika, `hakika serve` perhaps, runs the database in {settings.data}.",
        hint="Stop it, or choose another folder with --data.",
    )
