"""Bring a database to this version's schema. Safe to call by many processes, any number of times.

A migration's file is named by its revision (`2026_11_21_a`) and what it does, so that the newest
one is known without loading Alembic, which takes longer than most starts.
"""

from __future__ import annotations

from pathlib import Path

import psycopg

# Any constant of ours: whoever holds this advisory lock migrates, the others wait.
_LOCK = 0x48414B494B41

FOLDER = Path(__file__).parent / "migrations"

_REVISION_WORDS = 4


class SchemaTooNew(Exception):
    """The database was migrated by a newer Hakika. Start that version, or restore a backup."""


def is_current(conninfo: str) -> bool:
    """Say whether the database has every migration of this version.

    Raises:
        SchemaTooNew: the database has a migration that this version does not know.
        psycopg.OperationalError: the database cannot be reached.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return _present(connection) == _revisions()[-1]


def migrate(conninfo: str) -> bool:
    """Apply what is missing, each migration in its own transaction; say whether anything was.

    Raises:
        SchemaTooNew: as `is_current`.
        psycopg.OperationalError: the database cannot be reached, or a lock was not had in 5 s.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        if _present(connection) == _revisions()[-1]:
            return False
        _upgrade(conninfo)
    return True


def _upgrade(conninfo: str) -> None:
    from alembic import command  # noqa: PLC0415 - loaded only when there is something to migrate
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["conninfo"] = conninfo
    command.upgrade(config, "head")


def _revisions() -> list[str]:
    """Return this version's revisions, oldest first."""
    files = (FOLDER / "versions").glob("20*.py")
    return sorted("_".join(path.stem.split("_")[:_REVISION_WORDS]) for path in files)


def _present(connection: psycopg.Connection[tuple[str]]) -> str | None:
    """Return the database's newest revision, or None for an empty database."""
    row = connection.execute("select to_regclass('alembic_version')").fetchone()
    if row is None or row[0] is None:
        return None
    row = connection.execute("select version_num from alembic_version").fetchone()
    present = row[0] if row else None
    if present is not None and present not in _revisions():
        raise SchemaTooNew(
            f"The database is at {present}, which this version of Hakika does not know.",
        )
    return present
