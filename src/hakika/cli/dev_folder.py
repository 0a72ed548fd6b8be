"""What `hakika dev` keeps in its folder, beside the database and the simulator.

    DIR/
        dev.lock     held while a `hakika dev` runs here
        ports.json   the ports of the last start; open prompts call back to them
        dev-key      the test key's text. For development only: elsewhere no key is ever kept
        dev.json     the line of `hakika dev --json`, for `hakika pay`
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hakika.cli.failure import CommandFailed
from hakika.cli.private_file import write_private

_KEY = "dev-key"
_PORTS = "ports.json"
_LINE = "dev.json"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold `folder`, made if it is missing, for this process alone.

    Raises:
        CommandFailed: another `hakika dev` runs there, or the folder cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = os.open(folder / "dev.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandFailed(
            f"The folder {folder} cannot be used: {error}.", hint="Choose another with --data.",
        ) from error
    with os.fdopen(opened, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(
                f"`hakika dev` already runs on {folder} (process {lock.read().strip() or '?'}).",
                hint="Use that one, stop it, or choose another folder with --data.",
            ) from None
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def ports(folder: Path) -> dict[str, int]:
    """Return the ports of the last start by name; none of them, when nobody remembers."""
    return {
        name: port for name, port in _document(folder / _PORTS).items() if isinstance(port, int)
    }


def remember_ports(folder: Path, *, api: int, simulator: int) -> None:
    """Keep the ports for the next start."""
    write_private(folder / _PORTS, json.dumps({"api": api, "simulator": simulator}))


def key(folder: Path) -> str:
    """Return the text of the test key, or nothing."""
    with suppress(OSError, UnicodeDecodeError):
        return (folder / _KEY).read_text(encoding="utf-8").strip()
    return ""


def remember_key(folder: Path, text: str) -> None:
    """Keep the text of the test key, for this user's eyes alone."""
    write_private(folder / _KEY, text + "\n")


def line(folder: Path) -> dict[str, Any]:
    """Return what the last start printed with --json; nothing, when there was none."""
    return _document(folder / _LINE)


def remember_line(folder: Path, document: Mapping[str, Any]) -> None:
    """Keep what this start prints, for `hakika pay`; it has the test key in it."""
    write_private(folder / _LINE, json.dumps(document) + "\n")


def _document(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}
