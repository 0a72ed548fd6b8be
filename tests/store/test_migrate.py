"""Migrations may be run by anyone at any time, and never backwards in time."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from hakika.store.migrate import SchemaTooNew, is_current, migrate
from tests.postgres import named

PROGRAM = "import sys; from hakika.store.migrate import migrate; print(migrate(sys.argv[1]))"


@pytest.fixture
def empty_url(postgres):
    """A database with nothing in it."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create database never_migrated")
        yield named(postgres, "never_migrated")
        connection.execute("drop database never_migrated with (force)")


def test_an_empty_database_is_migrated_once(empty_url):
    """It runs at every start."""
    assert not is_current(empty_url)
    assert migrate(empty_url)
    assert is_current(empty_url)
    assert not migrate(empty_url)


def test_many_threads_may_migrate_at_once(empty_url):
    """One does it and the others wait for it."""
    with ThreadPoolExecutor(4) as threads:
        did = list(threads.map(migrate, [empty_url] * 4))

    assert sorted(did) == [False, False, False, True]


def test_many_processes_may_migrate_at_once(empty_url):
    """Two servers of one merchant are updated by the same script at the same time."""
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, empty_url], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    said = sorted(process.communicate(timeout=50)[0].decode().strip() for process in processes)

    assert said == ["False", "True"]
    assert is_current(empty_url)


@pytest.mark.parametrize("act", [migrate, is_current])
def test_a_database_of_a_newer_version_is_left_alone(database_url, act):
    """An old version would write what the new one no longer reads."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update alembic_version set version_num = '2099_01_01_a'")

    with pytest.raises(SchemaTooNew, match="2099_01_01_a"):
        act(database_url)
