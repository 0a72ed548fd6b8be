"""A throw-away PostgreSQL for each test process, and a fresh migrated database for each test.

One server a process, one migrated template in it; a test's database is a copy of the template.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from hakika.store import embedded
from hakika.store.migrate import migrate

TEMPLATE = "template_hakika"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this test process; the URL of its own database."""
    home: Path = tmp_path_factory.mktemp("postgres")
    server = embedded.start(home, durable=False)
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """A server with a migrated template database."""
    _execute(postgres, "create database {}", TEMPLATE)
    migrate(named(postgres, TEMPLATE))
    return postgres


@pytest.fixture
def database_url(template: str) -> Iterator[str]:
    """A fresh database, migrated and empty; it goes with the test."""
    with fresh_database(template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(template: str) -> Iterator[str]:
    """A fresh database that the tests of one file share."""
    with fresh_database(template) as url:
        yield url


@contextmanager
def fresh_database(template: str) -> Iterator[str]:
    """Give the URL of a fresh copy of the template, and drop it in the end."""
    name = f"test_{next(_numbers)}"
    _execute(template, "create database {} template {}", name, TEMPLATE)
    yield named(template, name)
    _execute(template, "drop database {} with (force)", name)


def named(url: str, database: str) -> str:
    """Return `url` with another database in it."""
    return make_conninfo(url, dbname=database)


def _execute(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
