"""Months are made ahead, so that no payment ever meets a missing one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hakika.store import partitions
from hakika.store.partitions import MONTHS_AHEAD, TABLES

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INSERTS = {
    "facts": "insert into facts values ('pay_1', 1, %(at)s, 'asked', 'caller', 'sending', '', "
             "'')",
    "events": "insert into events (id, merchant_id, livemode, name, subject_id, data, created_at)"
              " values ('evt_1', 'mer_1', false, 'payment.completed', 'pay_1', '', %(at)s)",
    "attempts": "insert into attempts (delivery_id, attempt, started_at, version)"
                " values (1, 1, %(at)s, 1)",
    "requests": "insert into requests (id, started_at, method, route, duration_ms, request_hash,"
                " replayed, client_address, body_bytes, private)"
                " values (gen_random_uuid(), %(at)s, 'GET', '/', 1, '', false, '', 0, '')",
}


ALL_MONTHS = len(TABLES) * (MONTHS_AHEAD + 2)


async def make_ahead(store, now=NOON):
    async with store.transaction() as tx:
        return await partitions.make_ahead(tx, now=now)


async def test_every_table_has_last_month_this_one_and_three_more(store_without_months):
    """A worker may be away for a season; a callback may tell of last month."""
    made = await make_ahead(store_without_months)

    months = ["2026_02", "2026_03", "2026_04", "2026_05", "2026_06"]
    assert len(months) == MONTHS_AHEAD + 2
    assert sorted(made) == sorted(f"{table}_{month}" for table in TABLES for month in months)


async def test_months_that_are_there_are_left_alone(store_without_months):
    """It runs at each start of each process."""
    await make_ahead(store_without_months)

    assert await make_ahead(store_without_months) == []
    assert await make_ahead(store_without_months, NOON + timedelta(days=31)) == [
        f"{table}_2026_07" for table in TABLES
    ]


async def test_many_processes_may_make_months_at_once(store_without_months):
    """Two APIs and two workers start together."""
    made = await asyncio.gather(*(make_ahead(store_without_months) for _ in range(6)))

    assert sorted(len(each) for each in made) == [0, 0, 0, 0, 0, ALL_MONTHS]


@pytest.mark.parametrize("at", [
    datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 30, 23, 59, 59, 999999, tzinfo=UTC),
])
async def test_the_first_and_last_moment_of_a_month_have_a_place(store_without_months, at):
    """A gap of a microsecond at midnight would lose what is heard in it."""
    await make_ahead(store_without_months)
    places = set()
    async with store_without_months.transaction() as tx:
        for table in TABLES:
            await tx.execute(INSERTS[table], {"at": at})
            row = await tx.row(f"select tableoid::regclass::text as place from {table}")
            places.add(row["place"])

    assert places == {f"{table}_{at:%Y_%m}" for table in TABLES}


@pytest.mark.parametrize("now", [
    datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC),
    datetime(2028, 2, 29, tzinfo=UTC),
])
async def test_the_turn_of_a_year_and_short_months_are_months_like_any(store_without_months, now):
    """The day on which such code breaks is a holiday."""
    made = await make_ahead(store_without_months, now)

    assert len(made) == ALL_MONTHS
    assert f"facts_{now:%Y_%m}" in made


async def test_months_of_requests_are_dropped_when_they_are_past_as_a_whole(store_without_months):
    """Nobody reads a request that is older than 30 days, and a row in between keeps its month."""
    await make_ahead(store_without_months)
    async with store_without_months.transaction() as tx:
        early = await partitions.drop_past(tx, "requests", before=NOON - timedelta(days=3))
        dropped = await partitions.drop_past(tx, "requests", before=NOON + timedelta(days=30))
        left = await tx.rows(
            "select inhrelid::regclass::text as name from pg_inherits"
            " where inhparent = 'requests'::regclass order by 1",
        )
        facts = await tx.row("select to_regclass('facts_2026_02') as name")

    assert early == []
    assert dropped == ["requests_2026_02", "requests_2026_03"]
    assert [row["name"] for row in left] == [
        "requests_2026_04", "requests_2026_05", "requests_2026_06",
    ]
    assert facts["name"] is not None
