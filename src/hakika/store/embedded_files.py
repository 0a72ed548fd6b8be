"""Where the embedded server keeps what: the paths, and the small files beside the cluster.

`embedded.py` shows the folder as a tree. Nothing here starts or stops anything.
"""

import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from hakika.store.embedded_process import EmbeddedServerFailed, ServerAccount, server_account

if sys.platform != "win32":
    import fcntl

LOG_BYTES_MAX = 10_000_000
# Enough for a failed start from its first line to its last.
LOG_LINES_SHOWN = 12

# The kernel's field for a socket's path has 108 bytes on Linux and 104 on macOS, the last one of
# them for the end.
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_FOLDER_BYTES_MAX = 103 - len(f"/{SOCKET_NAME}")
# PostgreSQL and its clients would read these as two paths, or as the beginning of a quoted one.
NOT_IN_SOCKET_FOLDER = frozenset(b',"')


@dataclass(frozen=True, slots=True)
class EmbeddedFiles:
    """The data folder, and the user that the server runs as if that is not us."""

    home: Path
    account: ServerAccount | None

    @property
    def data(self) -> Path:
        return self.home / "data-18"

    @property
    def unfinished_data(self) -> Path:
        return self.home / "data-18.tmp"

    @property
    def password(self) -> Path:
        return self.home / "password"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def socket_folder(self) -> Path:
        """The folder of the socket: the same answer in every process."""
        folder = self.home / "socket"
        path = os.fsencode(folder)
        if len(path) <= SOCKET_FOLDER_BYTES_MAX and not NOT_IN_SOCKET_FOLDER.intersection(path):
            return folder
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        # Not $TMPDIR: it may differ between the processes that must meet here.
        return Path("/tmp") / f"hakika-{name}"

    def url(self, database: str = "hakika") -> str:
        """Return the address of `database`, password and all."""
        password = quote(self.password.read_text().strip(), safe="")
        host = quote(str(self.socket_folder), safe="")
        return f"postgresql://hakika:{password}@/{database}?host={host}&port=5432"


def prepare_home(home: Path) -> EmbeddedFiles:
    """Make `home` if it is missing, closed to everyone but us and the server's user."""
    account = server_account(home / "data-18", home)
    try:
        home.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        return EmbeddedFiles(home, account)  # somebody's folder: its mode is not ours to change
    if account is not None:
        os.chown(home, -1, account.gid)
        home.chmod(0o710)  # the server's user may pass, not list
    return EmbeddedFiles(home, account)


def take_lock(files: EmbeddedFiles, name: str) -> BinaryIO | None:
    """Return the file `name` with the lock on it, or None if another holds it. Closing frees it."""
    lock = os.fdopen(_open(files, files.home / name, os.O_RDWR), "rb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


@contextmanager
def opened_log(files: EmbeddedFiles) -> Iterator[BinaryIO]:
    """Give the log, opened at its end; a large one is put aside first, over the one before it."""
    with suppress(FileNotFoundError):
        if files.log.stat().st_size > LOG_BYTES_MAX:
            files.log.rename(files.log.with_name("postgres.log.1"))
    with os.fdopen(_open(files, files.log, os.O_WRONLY | os.O_APPEND), "ab") as log:
        yield log


def log_lines(files: EmbeddedFiles, *, since: int = 0) -> tuple[str, ...]:
    """Return the last lines of the log that were written after its first `since` bytes."""
    with suppress(FileNotFoundError), files.log.open("rb") as log:
        log.seek(max(since, log.seek(0, os.SEEK_END) - 10_000))
        return tuple(log.read().decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
    return ()


def create_password(files: EmbeddedFiles) -> None:
    """Write a new password, whole or not at all. One that is there stays: a cluster may use it."""
    if files.password.exists():
        return
    half = files.password.with_name("password.tmp")
    with os.fdopen(_open(files, half, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(secrets.token_urlsafe(32))
        file.flush()
        os.fsync(file.fileno())
    half.rename(files.password)
    sync(files.home)


def sync(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def create_socket_folder(files: EmbeddedFiles) -> None:
    """Make the socket's folder if it is missing, closed to everyone but the server's user.

    Raises:
        EmbeddedServerFailed: it is there and is not private. In /tmp somebody else may have made
            it before us, to listen in our server's place: do not connect.
    """
    folder = files.socket_folder
    is_ours = folder.parent == files.home
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        is_ours = True
    if is_ours and files.account is not None:
        files.account.take(folder)
    uid = os.geteuid() if files.account is None else files.account.uid
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise EmbeddedServerFailed(
            f"The folder for the server's socket, {folder}, is not private to user {uid}.",
            what_to_do="Find out whose it is, remove it, and start again.",
        )


def remove_socket_folder(files: EmbeddedFiles) -> None:
    """Remove the socket's folder if it is in /tmp, where nobody else would."""
    if files.socket_folder.parent != files.home:
        with suppress(OSError):
            files.socket_folder.rmdir()


def remove_traces_of_dead_server(files: EmbeddedFiles) -> None:
    """Remove what makes a server believe in another one. Only for who holds `server.lock`.

    PostgreSQL asks whether the pid in these files lives. After a crash and a restart of the
    machine it often does, as something else; that goes for the socket's file as for the cluster's.
    """
    for trace in (
        files.data / "postmaster.pid",
        files.socket_folder / SOCKET_NAME,
        files.socket_folder / f"{SOCKET_NAME}.lock",
    ):
        trace.unlink(missing_ok=True)


def _open(files: EmbeddedFiles, path: Path, flags: int) -> int:
    """Open `path`, made if missing, for us and the server's user alone; return the descriptor.

    Links are refused: as root in a person's folder we would be led to write anywhere.
    """
    opened = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if files.account is not None:
        os.fchown(opened, files.account.uid, files.account.gid)
    return opened
