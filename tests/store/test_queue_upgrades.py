"""PgQueuer's tables are the ones that our migration made, whatever release is installed."""

from __future__ import annotations

import hashlib

import psycopg
from pgqueuer.db import PsycopgDriver
from pgqueuer.queries import Queries

from hakika.store.jobs import SETTINGS, install_sql, queries_on


class Recorder(PsycopgDriver):
    """A driver that only notes what PgQueuer's installer would run."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def execute(self, query: str, *args: object) -> str:
        self.said.append(query)
        return ""


class TestUpgrades:
    """PgQueuer may not change its tables, or where it finds them, behind our back."""

    async def test_install_sql_is_what_the_installer_runs(self):
        recorder = Recorder()
        await Queries(recorder).install()
        await Queries(recorder).optimize_autovacuum()

        assert install_sql() == "\n\n".join(recorder.said) + "\n"

    def test_the_tables_are_the_ones_we_know(self):
        """When this fails: write a migration (`pgq upgrade --dry-run`), then this digest anew."""
        _, _, statements = install_sql().partition("\n")  # the first line names the release

        digest = hashlib.sha256(statements.encode()).hexdigest()[:16]
        assert digest == "cd1832495b74d0bf"

    async def test_a_migrated_database_has_what_this_release_wants(self, database_url):
        async with await psycopg.AsyncConnection.connect(
            database_url, autocommit=True,
        ) as connection:
            plan = await queries_on(PsycopgDriver(connection)).plan_upgrade()

        assert not plan.statements

    def test_the_environment_cannot_rename_anything(self, monkeypatch):
        for name in ("CHANNEL", "FUNCTION", "TRIGGER", "PGQUEUER_PREFIX", "QUEUE_TABLE"):
            monkeypatch.setenv(name, "elsewhere")

        assert type(SETTINGS)() == SETTINGS
