"""Where the whole state lives: one sqlite file, or memory when no data folder was given.

sqlite *is* the state, not a copy of it, so a restart has nothing to rebuild but timers. With a
data folder every change is committed before the request that made it is answered. A commit hands
the change to the operating system and does not wait for the disk (WAL, synchronous=OFF): it
survives kill -9 of this process, which is what tests do; a power cut may cost the file, which a
double can bear. Six runs of 2000 payments each way, in turn, on a busy 2-core machine: a payment's
whole life (without HTTP) took 0.9 ms in the median, and 1.3 ms with synchronous=NORMAL and a
checkpoint every 1000 pages. That is little enough to go without batching or a writer thread.
The file is held exclusively: a second simulator on the same folder fails to start.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hakika_simulator.schema import SCHEMA, SCHEMA_VERSION

FILE_NAME = "simulator.sqlite"
CHECKPOINT_PAGES = 8_000  # 32 MB: a checkpoint stops everything, so seldom and not too long


class Storage:
    """The open database. One event loop uses it, and no query waits for anything but sqlite."""

    def __init__(self, data: Path | None) -> None:
        """Open `data`, or memory if None.

        Raises:
            sqlite3.OperationalError: another simulator holds it, or another version made it.
        """
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        path = ":memory:" if data is None else str(data / FILE_NAME)
        # The app may be built in one thread and served in another; it is used by one at a time.
        self._connection = sqlite3.connect(
            path, isolation_level=None, timeout=0.2, check_same_thread=False
        )
        self._connection.execute("pragma locking_mode = exclusive")
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = off")
        self._connection.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
        tables = self.number("select count(*) from sqlite_master")
        if tables and self.number("pragma user_version") != SCHEMA_VERSION:
            self._connection.close()
            raise sqlite3.OperationalError(f"another version's data is in {data}: remove it")
        self._connection.executescript(SCHEMA)
        self._connection.execute(f"pragma user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file; the storage cannot be used afterwards."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all writes inside happen together or not at all. Must hold no `await`."""
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def write(self, sql: str, *values: object) -> int:
        """Run one statement and return how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        found: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        return found

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return self._connection.execute(sql, values).fetchall()

    def number(self, sql: str, *values: object) -> int:
        """Return the only value of a query that always answers with one whole number."""
        found = self.row(sql, *values)
        assert found is not None, sql
        return int(found[0])

    def insert(self, sql: str, *values: object) -> int:
        """Insert one row and return its number."""
        number = self._connection.execute(sql, values).lastrowid
        assert number is not None, sql
        return number

    def next_number(self, counter: str) -> int:
        """Return 1, 2, 3, … for each name; a number is never given twice, even after a reset."""
        return self.number(
            "insert into counters (name, value) values (?, 1)"
            " on conflict (name) do update set value = value + 1 returning value",
            counter,
        )
