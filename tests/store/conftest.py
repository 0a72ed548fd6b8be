"""A store on a database that the tests of one file share, emptied after each; and a merchant."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest_asyncio

from hakika.domain.ids import MerchantId
from hakika.store.keyring import open_instance
from hakika.store.transaction import Store, open_store
from tests.store.world import add_merchant
from tests.vault import keyring

TABLES = """
    select string_agg(oid::regclass::text, ', ') from pg_class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
       and not relispartition and relname <> 'alembic_version'
"""
MONTHS = """
    select string_agg(oid::regclass::text, ', ') from pg_class
     where relnamespace = 'public'::regnamespace and relkind = 'r' and relispartition
"""


@pytest_asyncio.fixture
async def store(module_database_url: str) -> AsyncIterator[Store]:
    """A store of ten connections, in which nothing has happened yet."""
    opened = await open_store(module_database_url, connections_max=10, keyring=keyring())
    async with opened.transaction() as tx:
        await open_instance(tx)
    yield opened
    await opened.close()
    _change_all(module_database_url, TABLES, "truncate {} cascade")


@pytest_asyncio.fixture
async def store_without_months(module_database_url: str, store: Store) -> Store:
    """A store in which no month was made."""
    _change_all(module_database_url, MONTHS, "drop table {}")
    return store


@pytest_asyncio.fixture
async def merchant_id(store: Store) -> MerchantId:
    """The id of a merchant that has done nothing yet; months around NOON are made."""
    return await add_merchant(store)


def _change_all(url: str, which: str, statement: str) -> None:
    """Do to all tables that `which` lists what only a superuser may: facts are never deleted."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        row = connection.execute(which).fetchone()
        if row is not None and row[0]:
            connection.execute(statement.format(row[0]))
