"""`python -m hakika_simulator`: run a simulator until SIGTERM or SIGINT. `--help` lists the flags.

With `--json`, one line on stdout says where it listens, as soon as it does; all else goes to
stderr.
"""

import argparse
import asyncio
import ctypes
import json
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from hakika_simulator.app import simulator
from hakika_simulator.settings import Settings

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>

log = logging.getLogger("hakika_simulator")


def main() -> int:
    """Run the command line and return its exit status."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    options = _parser().parse_args()
    if options.die_with_parent:
        _die_with_parent()
    try:
        return uvloop.run(_run(options))
    except (OSError, sqlite3.OperationalError) as problem:
        log.error("cannot start: %s", problem)
        return 1


async def _run(options: argparse.Namespace) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with simulator(_settings(options), host=options.host, port=options.port) as url:
        if options.json:
            sys.stdout.write(json.dumps({"simulator": url}) + "\n")
            sys.stdout.flush()
        log.info("Daraja simulator at %s, phones at %s/phone", url, url)
        await stopped.wait()
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        data=options.data,
        seed=options.seed,
        speed=options.speed,
        credentials=frozenset(options.credentials),
        production=options.production,
        names=dict(options.name),
        operators=Settings().operators | dict(options.operator),
        callback_hosts=dict(options.callback_host),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hakika_simulator", description="A Daraja that runs on your machine."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="port to listen on; 0 takes any free one")
    add("--data", type=Path, metavar="DIR", help="keep the state here; without, in memory")
    add("--seed", type=int, help="decides receipts and ids; DIR keeps its first seed")
    add("--speed", type=_speed, default=1.0, help="how many times faster than life delays run")
    add("--json", action="store_true", help="print one JSON line with the address on stdout")
    add(
        "--credentials",
        type=_pair(":"),
        action="append",
        default=[],
        metavar="KEY:SECRET",
        help="accept this key and secret only; repeatable",
    )
    add("--production", action="store_true", help="callback URLs must be https and public")
    add(
        "--name",
        type=_pair("="),
        action="append",
        default=[],
        metavar="CODE=NAME",
        help="what the phone calls a short code; repeatable",
    )
    add(
        "--operator",
        type=_pair(":"),
        action="append",
        default=[],
        metavar="NAME:PASSWORD",
        help="an API operator beside testapi:Simulated#1; repeatable",
    )
    add(
        "--callback-host",
        type=_pair("="),
        action="append",
        default=[],
        metavar="HOST=URL",
        help="send callbacks for HOST to this base URL instead; repeatable",
    )
    add(
        "--die-with-parent",
        action="store_true",
        default=os.environ.get("HAKIKA_SIMULATOR_DIE_WITH_PARENT") == "1",
        help="end when the thread that started this process ends (Linux)",
    )
    return parser


def _pair(separator: str) -> Callable[[str], tuple[str, str]]:
    def parse(text: str) -> tuple[str, str]:
        first, found, second = text.partition(separator)
        if not (first and found and second):
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form A{separator}B")
        return first, second

    return parse


def _speed(text: str) -> float:
    speed = float(text)
    if not speed > 0:
        raise argparse.ArgumentTypeError("the speed must be above 0")
    return speed


def _die_with_parent() -> None:
    """Have Linux send SIGTERM to this process when its parent is gone; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
