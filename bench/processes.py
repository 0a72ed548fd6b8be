"""Processes of one bench: started, heard until they are ready, and ended whatever happens.

Each is in a session of its own, so that Ctrl-C reaches the bench alone, which then ends them; and
each gets a signal when the bench is killed.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
HAKIKA = str(Path(PYTHON).with_name("hakika"))

READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
LOG_LINES_SHOWN = 10

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_LINE_BYTES_MAX = 64 * 1024 * 1024  # a round's flights come in one line


class BenchFailed(Exception):
    """The bench cannot go on, or its figures would not be true. The message is for a person."""


def say(document: Mapping[str, Any]) -> None:
    """Write one JSON line on stdout, now: how a process of the bench speaks to it."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


@asynccontextmanager
async def started(
    *words: str, log: Path, environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Process]:
    """Start a process, and end it on leaving. What it says on stderr goes to `log`."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("HAKIKA_")}
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=ROOT, env=inherited | dict(environment or {}), stdin=PIPE, stdout=PIPE,
            stderr=errors, start_new_session=True, preexec_fn=_die_with_parent,
            limit=_LINE_BYTES_MAX,
        )
    try:
        yield process
    finally:
        await _ended(process)


async def _ended(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def line(process: Process, log: Path, *, seconds_max: float) -> dict[str, Any]:
    """Return the next JSON line of a process. Raises: BenchFailed, with the end of its log."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(seconds_max):
            text = await process.stdout.readline()
    except TimeoutError:
        text = b""
    if not text:
        raise BenchFailed(
            f"{log.stem} said nothing for {seconds_max:.0f} s, or ended.\n{_last_lines(log)}"
        )
    found: dict[str, Any] = json.loads(text)
    return found


async def ready(process: Process, log: Path) -> dict[str, Any]:
    """Return the JSON line by which a process says that it is ready."""
    return await line(process, log, seconds_max=READY_SECONDS_MAX)


async def hakika(*words: str, environment: Mapping[str, str], log: Path) -> dict[str, Any]:
    """Run a command of Hakika to its end and return the JSON that it wrote, whatever its exit code.

    Raises: BenchFailed, when it wrote none.
    """
    async with started(HAKIKA, *words, log=log, environment=environment) as process:
        said, _ = await process.communicate()
    try:
        document: dict[str, Any] = json.loads(said)
    except ValueError:
        raise BenchFailed(f"`hakika {' '.join(words)}` failed.\n{_last_lines(log)}") from None
    return document


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
