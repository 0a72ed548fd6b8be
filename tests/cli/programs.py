"""The command line as people use it: real processes, and what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HAKIKA = Path(sys.executable).with_name("hakika")
PATIENCE_SECONDS = 45.0  # for machines that do much else; on a quiet one everything takes 3
GONE_SECONDS_MAX = 10.0

Said = subprocess.CompletedProcess[str]


def environment(**settings: str) -> dict[str, str]:
    """Return our environment without its Hakika settings, and with `settings`."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith("HAKIKA_")}
    return ours | settings


def hakika(*words: str | Path, **settings: str) -> Said:
    """Run a command to its end."""
    return subprocess.run(
        [HAKIKA, *words], env=environment(**settings), capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=False, stdin=subprocess.DEVNULL,
    )


def told(said: Said) -> dict[str, Any]:
    """Return the one JSON document that a command wrote on stdout."""
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert isinstance(found, dict)
    return found


@dataclass(frozen=True, slots=True)
class Running:
    """A command that goes on until it is told to stop."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def errors(self) -> str:
        """What it has said on stderr so far."""
        return self.log.read_text(encoding="utf-8")

    def line(self) -> str:
        """Return the next line of its stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def place(self) -> dict[str, Any]:
        """Return the JSON line that says it is ready."""
        text = self.line()
        assert text, self.errors
        found = json.loads(text)
        assert isinstance(found, dict)
        return found

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Tell it to stop, wait for that, and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def running(*words: str | Path, log: Path, **settings: str) -> Iterator[Running]:
    """Start a command that goes on, and kill it in the end if it still runs."""
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [HAKIKA, *words], env=environment(**settings), stdout=subprocess.PIPE,
            stderr=errors, stdin=subprocess.DEVNULL, text=True,
        ) as process,
    ):
        try:
            yield Running(process, log)
        finally:
            if process.poll() is None:
                process.kill()


def processes_of(folder: Path) -> dict[int, str]:
    """Return the processes whose command line or working folder is in `folder`, by pid."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            works_in = os.readlink(entry / "cwd")
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
        if str(folder) in command or works_in.startswith(str(folder)):
            found[int(entry.name)] = command
    return found


def left_of(folder: Path) -> dict[int, str]:
    """Return what still runs in `folder` after it had time to end."""
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def pid_of(folder: Path, word: str) -> int:
    """Return the process of `folder` whose command line has `word` in it.

    One that it just forked has its command line for a moment, and is not meant.
    """
    all_ = processes_of(folder)
    named = {pid for pid, command in all_.items() if word in command}
    found = [pid for pid in named if _parent_of(pid) not in {None, *named}]
    assert len(found) == 1, all_
    return found[0]


def _parent_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None  # it ended meanwhile
    return int(stat.rpartition(")")[2].split()[1])


def payments(place: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the payments that the API lists."""
    return list(asked(place, "/v1/payments")["data"])


def asked(place: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return what the API answers to `curl` with the test key."""
    said = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "-H", f"Authorization: Bearer {place['api_key']}",
         place["api"] + path],
        capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    )
    found = json.loads(said.stdout)
    assert isinstance(found, dict)
    return found
