"""Hakika's own PostgreSQL: `start(home)` gives a database to whoever has no server of their own.

It is a real, durable server whose life is tied to one process, the owner: the first that holds
`owner.lock`. Later processes wait until the server answers and use it. When the owner stops or is
killed, the server stops too, and the next caller of `start` becomes the owner. Read `start`, then
`_own`. How a child process is started, and root: `embedded_process.py`. Files: `embedded_files.py`.

    home/
        owner.lock      held by the owner for as long as it lives
        server.lock     held by every process of the server, so: free means that none is left
        password        of the database's user `hakika`; ours to read and nobody else's
        postgres.log    what the server had to say (and postgres.log.1, once it is large)
        socket/         where the server listens; in /tmp when this path is too long for a socket
        data-18/        the cluster; 18 is PostgreSQL's major version, which owns the format
        data-18.tmp/    a cluster that is not finished yet; worth nothing
"""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import BinaryIO

import psycopg

from hakika.store import embedded_files, embedded_process
from hakika.store.embedded_files import EmbeddedFiles
from hakika.store.embedded_process import EmbeddedServerFailed

__all__ = ["EmbeddedServer", "EmbeddedServerFailed", "start"]

# After a crash the server first replays its log, max_wal_size of it at most. pg_ctl waits a minute
# for that; we wait two, because nobody stands by to ask again.
START_SECONDS_MAX = 120
# A warm start takes about 50 ms, so this adds a tenth, and asks 100 times a second for a second.
POLL_SECONDS = 0.01

SETTINGS = {
    "listen_addresses": "",  # no network: the socket's folder decides who may connect
    "port": "5432",
    "unix_socket_permissions": "0700",
    "cluster_name": "hakika",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    # The detail of a broken constraint quotes the row, which has people's phone numbers in it.
    "log_error_verbosity": "terse",
}
FORGETFUL_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A server that accepts connections. `url` has the password in it: never log it."""

    url: str = field(repr=False)
    is_owner: bool
    _to_undo: ExitStack = field(repr=False, compare=False)

    def stop(self) -> None:
        """Stop the server if this process owns it, and wait for that. Safe to call twice.

        Every other process loses its connections, and may call `start` to take over.
        """
        self._to_undo.close()


def start(home: Path, *, durable: bool = True) -> EmbeddedServer:
    """Return a server whose database `hakika` accepts connections now; its files live in `home`.

    The first process to ask becomes the owner, and the server lives as long as its main thread.
    The others get the same server, and wait for it if it is still starting. Call from the main
    thread, before an event loop runs: it blocks, for about a second the first time. A process
    that the owner forks without exec keeps the lock and must not outlive it.

    `durable=False` is for tests: a power cut may then destroy everything in `home`.

    Raises:
        EmbeddedServerFailed: there is no server. Show the message to the operator, it says why
            and what to do; asking again without doing it will not help.
    """
    assert threading.current_thread() is threading.main_thread(), "the server dies with its thread"
    if sys.platform == "win32":
        raise EmbeddedServerFailed(
            "Hakika's own PostgreSQL does not run on Windows yet.",
            what_to_do="Set HAKIKA_DATABASE_URL to the address of a PostgreSQL server.",
        )
    home = home.expanduser().resolve()
    try:
        files = embedded_files.prepare_home(home)
        return _own_or_join(files, durable=durable)
    except OSError as error:
        raise EmbeddedServerFailed(
            f"Hakika's own PostgreSQL cannot use its folder {home}: {error}.",
            what_to_do="Give this user the folder and everything in it, or choose another folder.",
        ) from error


def _own_or_join(files: EmbeddedFiles, *, durable: bool) -> EmbeddedServer:
    """Become the owner if nobody is, else wait for the owner's server, whichever comes first."""
    for _ in _until(START_SECONDS_MAX):
        if (owner_lock := embedded_files.take_lock(files, "owner.lock")) is not None:
            return _own(files, owner_lock, durable=durable)
        if _accepts_connections(files):
            return EmbeddedServer(files.url(), is_owner=False, _to_undo=ExitStack())
    raise EmbeddedServerFailed(
        f"Another process holds {files.home / 'owner.lock'}, and its server does not answer.",
        log_lines=embedded_files.log_lines(files),
        what_to_do="Stop that process (`fuser` names it) and start again.",
    )


def _own(files: EmbeddedFiles, owner_lock: BinaryIO, *, durable: bool) -> EmbeddedServer:
    """Start the server as its owner. Whatever goes wrong leaves no process and no lock behind."""
    with ExitStack() as to_undo:
        to_undo.enter_context(owner_lock)
        log = to_undo.enter_context(embedded_files.opened_log(files))
        log_start = log.tell()
        server_lock = to_undo.enter_context(_last_server_gone(files))
        try:
            if not files.data.exists() or not any(files.data.iterdir()):
                _create_cluster(files, log, server_lock, durable=durable)
            server = _launch_server(files, log, server_lock, durable=durable)
            to_undo.callback(embedded_files.remove_socket_folder, files)
            to_undo.callback(embedded_process.stop, server)
            # Held by the server's processes alone from here on, and free when they are gone.
            server_lock.close()
            _await_ready(files, server)
            _create_database(files)
        except (_ProgramFailed, psycopg.Error) as error:
            raise EmbeddedServerFailed(
                f"Hakika's own PostgreSQL in {files.home} did not start: {error}.",
                log_lines=embedded_files.log_lines(files, since=log_start),
                what_to_do=f"The whole log is {files.log}. If the disk is full, make room. If "
                f"{files.data} is damaged, restore it from a backup; moved away, it makes room "
                "for an empty one. Never remove single files from it.",
            ) from error
        return EmbeddedServer(files.url(), is_owner=True, _to_undo=to_undo.pop_all())


class _ProgramFailed(Exception):
    """A program of PostgreSQL's ended badly or not in time; what it said is in the log."""


def _until(seconds: float) -> Iterator[None]:
    """Yield at once and then every few milliseconds, for `seconds`; then end."""
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        yield


def _last_server_gone(files: EmbeddedFiles) -> BinaryIO:
    """Return `server.lock`, held: no process of an earlier owner's server is left.

    A killed owner's server is still writing its last checkpoint when we come (on Linux; elsewhere
    nobody told it to stop, so we do). `postmaster.pid` cannot tell: its pid may be another's now.
    """
    asked = False
    for _ in _until(embedded_process.STOP_SECONDS_MAX):
        if (lock := embedded_files.take_lock(files, "server.lock")) is not None:
            break
        if not asked and (pid := embedded_process.living_postmaster(files.data)) is not None:
            asked = True
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
    else:
        raise EmbeddedServerFailed(
            f"The PostgreSQL of an owner that is gone still runs in {files.data}.",
            log_lines=embedded_files.log_lines(files),
            what_to_do="Stop its processes (`fuser` on server.lock names them); start again.",
        )
    if embedded_process.IS_LINUX and (pid := embedded_process.living_postmaster(files.data)):
        lock.close()
        raise EmbeddedServerFailed(
            f"A PostgreSQL that Hakika did not start (process {pid}) runs in {files.data}.",
            what_to_do="Stop it, then start again.",
        )
    return lock


def _create_cluster(
    files: EmbeddedFiles, log: BinaryIO, server_lock: BinaryIO, *, durable: bool
) -> None:
    """Make the cluster beside its place and move it there finished, so half of one never counts."""
    if files.unfinished_data.exists():
        shutil.rmtree(files.unfinished_data)
    embedded_files.create_password(files)
    files.unfinished_data.mkdir(mode=0o700)
    if files.account is not None:
        files.account.take(files.unfinished_data)
    initdb = embedded_process.launch(
        "initdb",
        f"--pgdata={files.unfinished_data}",
        "--username=hakika",
        f"--pwfile={files.password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
        *([] if durable else ["--no-sync"]),
        home=files.home,
        account=files.account,
        log=log.fileno(),
        lock=server_lock.fileno(),
    )
    try:
        if initdb.wait(START_SECONDS_MAX) != 0:
            raise _ProgramFailed("initdb could not make the cluster")
    except TimeoutExpired:
        raise _ProgramFailed(f"initdb was not done after {START_SECONDS_MAX} s") from None
    finally:
        embedded_process.stop(initdb)
    files.unfinished_data.rename(files.data)
    embedded_files.sync(files.home)


def _launch_server(
    files: EmbeddedFiles, log: BinaryIO, server_lock: BinaryIO, *, durable: bool
) -> Popen[bytes]:
    """Start the server. We hold its lock, so every trace of a running one is a dead one's."""
    if not files.password.exists():
        raise EmbeddedServerFailed(
            f"The password of the database in {files.data} is missing: {files.password}.",
            what_to_do="Restore that file from the backup that has the database.",
        )
    if files.account is not None and files.data.stat().st_uid != files.account.uid:
        files.account.take_tree(files.data)  # root restored it, or it comes from another machine
    embedded_files.create_socket_folder(files)
    embedded_files.remove_traces_of_dead_server(files)
    settings = SETTINGS | ({} if durable else FORGETFUL_SETTINGS)
    settings["unix_socket_directories"] = str(files.socket_folder)
    return embedded_process.launch(
        "postgres",
        f"-D{files.data}",
        *(f"--{name}={value}" for name, value in settings.items()),
        home=files.home,
        account=files.account,
        log=log.fileno(),
        lock=server_lock.fileno(),
    )


def _await_ready(files: EmbeddedFiles, server: Popen[bytes]) -> None:
    """Return when `server` accepts connections."""
    for _ in _until(START_SECONDS_MAX):
        if server.poll() is not None:
            raise _ProgramFailed("the server stopped while it started")
        if _says_ready(files):
            return
    raise _ProgramFailed(f"the server was not ready after {START_SECONDS_MAX} s")


def _says_ready(files: EmbeddedFiles) -> bool:
    """Return whether the server says so in line 8 of `postmaster.pid`, as `pg_ctl` reads it.

    Asking by connecting instead would fill the log with refusals.
    """
    with suppress(FileNotFoundError):
        lines = (files.data / "postmaster.pid").read_text().splitlines()
        return [line.strip() for line in lines[7:8]] == ["ready"]
    return False


def _accepts_connections(files: EmbeddedFiles) -> bool:
    """Return whether the owner's server lets us in now and has the database `hakika`."""
    if not _says_ready(files):
        return False
    try:
        with psycopg.connect(files.url("postgres"), connect_timeout=5) as connection:
            return _has_database(connection)
    except psycopg.OperationalError:
        return False  # it is stopping


def _create_database(files: EmbeddedFiles) -> None:
    """Make the database `hakika` if it is missing: after initdb, or a crash just behind it."""
    with psycopg.connect(files.url("postgres"), autocommit=True, connect_timeout=30) as connection:
        if not _has_database(connection):
            connection.execute("create database hakika")


def _has_database(connection: psycopg.Connection) -> bool:
    """Return whether `hakika` exists. (Connecting to it to find out logs an error if not.)"""
    found = connection.execute("select 1 from pg_database where datname = 'hakika'")
    return found.fetchone() is not None
