"""Months of facts, events, attempts and requests: a table each, so that retention is a drop."""

from __future__ import annotations

from datetime import datetime, timedelta

from psycopg import sql

from hakika.store.transaction import Transaction

TABLES = ("facts", "events", "attempts", "requests")
APPEND_ONLY = frozenset({"facts"})

# Far enough that a worker may be away for a whole season before a payment meets a missing month.
MONTHS_AHEAD = 3

# Any constant of ours: one process at a time makes months.
_LOCK = 0x4D4F4E5448


async def make_ahead(tx: Transaction, *, now: datetime) -> list[str]:
    """Make the months around `now` (the last one, this one and three more); return the new names.

    A month is built apart and then attached, which does not wait for running payments.
    """
    await tx.execute("select pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
    made = []
    for table in TABLES:
        for first, beyond in _months(now):
            name = f"{table}_{first:%Y_%m}"
            row = await tx.row("select to_regclass(%(name)s) as present", {"name": name})
            if row is None or row["present"] is None:
                await _make(tx, table, name, first, beyond)
                made.append(name)
    return made


async def drop_past(tx: Transaction, table: str, *, before: datetime) -> list[str]:
    """Drop the months of `table` that are past `before` as a whole, and return their names."""
    past = [
        name for name in await _names(tx, table)
        if name < f"{table}_{before:%Y_%m}"
    ]
    await tx.execute("set local lock_timeout = '2s'")  # requests that are written must not queue up
    for name in past:
        await tx.connection.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
    return past


async def _names(tx: Transaction, table: str) -> list[str]:
    rows = await tx.rows(
        "select inhrelid::regclass::text as name from pg_inherits"
        " where inhparent = %(table)s::regclass order by 1", {"table": table},
    )
    return [row["name"] for row in rows]


async def _make(
    tx: Transaction, table: str, name: str, first: datetime, beyond: datetime,
) -> None:
    parent, month = sql.Identifier(table), sql.Identifier(name)
    await tx.connection.execute(
        sql.SQL("create table {} (like {} including all excluding identity)").format(month, parent),
    )
    await tx.connection.execute(
        sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
            parent, month, sql.Literal(first.isoformat()), sql.Literal(beyond.isoformat()),
        ),
    )
    if table in APPEND_ONLY:
        await tx.connection.execute(
            sql.SQL(
                "create trigger {} before truncate on {} for each statement"
                " execute function refuse_change()",
            ).format(sql.Identifier(f"{name}_keep"), month),
        )


def _months(now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the first instants of each month and of the one after it, from last month on."""
    this = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    first = (this - timedelta(days=1)).replace(day=1)
    months = []
    for _ in range(MONTHS_AHEAD + 2):
        beyond = (first + timedelta(days=32)).replace(day=1)
        months.append((first, beyond))
        first = beyond
    return months
