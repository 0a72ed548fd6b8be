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

FILE_NAME = "simulator.sqlite"
CHECKPOINT_PAGES = 8_000  # 32 MB: a checkpoint stops everything, so seldom and not too long

SCHEMA = """
create table if not exists kept (name text primary key, value text not null) without rowid;

create table if not exists counters (name text primary key, value integer not null) without rowid;

create table if not exists tokens (
    token text primary key, consumer_key text not null, expires_at real not null
) without rowid;

create table if not exists accounts (
    name text primary key,
    kind text not null check (kind in ('treasury', 'payer', 'shortcode')),
    balance_cents integer not null check (balance_cents >= 0),
    pin_failures integer not null default 0
) without rowid;

create table if not exists payments (
    number integer primary key,
    checkout_request_id text not null unique,
    merchant_request_id text not null,
    shortcode text not null,
    receiver text not null,
    phone text not null,
    ordered_cents integer not null check (ordered_cents > 0),
    amount_cents integer not null check (amount_cents > 0),
    account_reference text not null,
    callback_url text not null,
    asks_payer integer not null,
    pushed_at real not null,
    due_at real not null,
    due_code text not null,
    state text not null check (state in ('open', 'paid', 'failed')),
    result_code text,
    receipt text unique,
    finished_at real
);
create index if not exists payments_open on payments (phone) where state = 'open';
create index if not exists payments_phone on payments (phone, number);
create index if not exists payments_paid
    on payments (phone, amount_cents, finished_at) where state = 'paid';
create index if not exists payments_pushed on payments (pushed_at);

create table if not exists callbacks (
    number integer primary key,
    checkout_request_id text not null,
    url text not null,
    body text not null,
    kind text not null,
    due_at real not null,
    retries_left integer not null,
    sent_at real,
    status integer,
    problem text
);
create index if not exists callbacks_payment on callbacks (checkout_request_id);
create index if not exists callbacks_pending on callbacks (due_at) where sent_at is null;

create table if not exists messages (
    number integer primary key, phone text not null, at real not null, text text not null
);
create index if not exists messages_phone on messages (phone, number);
"""


class Storage:
    """The open database. One event loop uses it, and no query waits for anything but sqlite."""

    def __init__(self, data: Path | None) -> None:
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
        self._connection.executescript(SCHEMA)

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
