"""What the tests of the embedded server share: other programs, and witnesses of what runs."""

import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from hakika.store import embedded_process
from hakika.store.embedded import EmbeddedServer, start

PATIENCE_SECONDS = 15
# Copying a cluster takes 0.8 s on a disk and 0.1 s in memory, and most tests want one of their own.
MEMORY, MEMORY_BYTES_MIN = Path("/dev/shm"), 500_000_000

STARTS_A_SERVER = """
import pathlib, sys
from hakika.store.embedded import EmbeddedServerFailed, start
try:
    server = start(pathlib.Path(sys.argv[1]))
except EmbeddedServerFailed as failed:
    sys.exit(str(failed))
print(server.is_owner, server.url, flush=True)
while sys.stdin.readable():
    try:
        sys.stdin.read()
        break
    except KeyboardInterrupt:
        print("interrupted", flush=True)
server.stop()
"""


@dataclass
class Program:
    """Another process that uses the server, as a second `hakika` would."""

    process: subprocess.Popen[str]

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def started(self) -> tuple[bool, str]:
        """Return whether it is the owner, and the server's address."""
        is_owner, url = self.says().split(" ")
        return is_owner == "True", url

    def failed(self) -> str:
        _, said = self.process.communicate(timeout=PATIENCE_SECONDS)
        assert self.process.returncode == 1, said
        return said

    def die(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.process.communicate("", timeout=PATIENCE_SECONDS)


def new_folder() -> Path:
    fits = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    return Path(tempfile.mkdtemp(prefix="hakika-test-", dir=MEMORY if fits else "/tmp"))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def copied(home: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", home, to], check=True)
    return to


def eventually(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.005)


def servers_below(folder: Path) -> list[int]:
    """Return the pids of all programs of PostgreSQL's that run in `folder` or were told of it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            program = process.joinpath("exe").readlink().name
            words = process.joinpath("cmdline").read_bytes()
            where = process.joinpath("cwd").readlink()
        except OSError:
            continue  # not a process, or gone already
        if program in {"postgres", "initdb"} and (
            where.is_relative_to(folder) or os.fsencode(folder) in words
        ):
            found.append(int(process.name))
    return found


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}


def postmaster(home: Path) -> int:
    pid = embedded_process.living_postmaster(home / "data-18")
    assert pid is not None
    return pid


@contextmanager
def served(home: Path, *, durable: bool = True) -> Iterator[EmbeddedServer]:
    """Start a server in this process and stop it, whatever the test finds."""
    server = start(home, durable=durable)
    try:
        yield server
    finally:
        server.stop()


def remember(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create table if not exists words (word text)")
        connection.execute("insert into words values (%s)", [word])


def remembered(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [word for (word,) in connection.execute("select word from words order by word")]


def setting(server: EmbeddedServer, name: str) -> str:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("select current_setting(%s)", [name]).fetchone()
        assert row is not None
        return str(row[0])


def is_postmaster(pid: int) -> bool:
    """Say so of the server itself, not of a child, which has its command line for a moment."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        parent = Path(f"/proc/{status_of(pid)['PPid']}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False  # a child of the server that ended since it was listed
    return b"listen_addresses" in command and command != parent
