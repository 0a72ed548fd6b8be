"""From settings to a database that can be used: secret, server, schema.

Hakika's own server in the data folder belongs to this version, so whoever opens it migrates it. A
server of yours (HAKIKA_DATABASE_URL) is migrated by `hakika migrate` alone, when you say so; until
then everything else refuses to start on an old schema. Read `database` first.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import SecretStr

from hakika.cli.failure import CommandFailed
from hakika.cli.private_file import write_private
from hakika.settings import SECRET_CHARACTERS_MIN, Settings
from hakika.store import embedded, migrate
from hakika.store.embedded import EmbeddedServerFailed
from hakika.store.transaction import open_store

SERVER_FOLDER = "postgres"
SECRET_FILE = "secret"

log = structlog.get_logger(__name__)


@contextmanager
def database(settings: Settings, *, may_create: bool = True) -> Iterator[Settings]:
    """Give the settings completed with a secret and a database of today's schema.

    Our own server is started when the settings name none, and stopped in the end if it is ours.
    """
    if settings.database_url.get_secret_value():
        refuse_missing_secret(settings)
        asyncio.run(refuse_silent_server(settings))
        refuse_old_schema(settings)
        yield settings
        return
    with own_server(settings, may_create=may_create) as own:
        yield own.settings


@dataclass(frozen=True, slots=True)
class OwnServer:
    """Our own server, as one process uses it."""

    settings: Settings   # with its address and the secret in them
    is_owner: bool       # it lives as long as this process; else as long as another
    was_migrated: bool


@contextmanager
def own_server(settings: Settings, *, may_create: bool = True) -> Iterator[OwnServer]:
    """Give the settings completed with a secret and our own server in the data folder, migrated."""
    home = settings.data / SERVER_FOLDER
    if not may_create and not home.exists():
        raise CommandFailed(
            f"There is no database in {settings.data} yet.",
            hint="Name another folder with --data, or start with `hakika dev` or `hakika serve`.",
        )
    settings = with_secret(settings)
    try:
        server = embedded.start(home)
    except EmbeddedServerFailed as error:
        raise CommandFailed(str(error)) from error
    try:
        was_migrated = migrated(server.url)
        served = settings.model_copy(update={"database_url": SecretStr(server.url)})
        yield OwnServer(served, is_owner=server.is_owner, was_migrated=was_migrated)
    finally:
        server.stop()


def migrated(url: str) -> bool:
    """Bring the database at `url` to today's schema; say whether anything was to do."""
    try:
        return migrate.migrate(url)
    except migrate.SchemaTooNew as error:
        raise CommandFailed(str(error), hint="Start that version, or restore a backup.") from error


def refuse_missing_secret(settings: Settings) -> None:
    """Raise CommandFailed when a shared database would be used with a secret of this machine alone.

    Each machine would make its own, and callbacks that reach another one would not be believed.
    """
    if not settings.secret.get_secret_value():
        raise CommandFailed(
            "HAKIKA_DATABASE_URL is set, and HAKIKA_SECRET is not.",
            hint="Set HAKIKA_SECRET (or HAKIKA_SECRET_FILE) to the same text on every machine, "
            "such as one made by `openssl rand -base64 48`, and keep it: keys depend on it.",
        )


async def refuse_silent_server(settings: Settings) -> None:
    """Raise StoreUnavailable unless the database of the settings answers."""
    url = settings.database_url.get_secret_value()
    store = await open_store(url, connections_max=settings.database_connections_max)
    await store.close()


def refuse_old_schema(settings: Settings) -> None:
    """Raise CommandFailed unless the database of the settings has today's schema."""
    try:
        is_current = migrate.is_current(settings.database_url.get_secret_value())
    except migrate.SchemaTooNew as error:
        raise CommandFailed(str(error), hint="Start that version, or restore a backup.") from error
    if not is_current:
        raise CommandFailed("The database's schema is not today's.", hint="Run `hakika migrate`.")


def with_secret(settings: Settings) -> Settings:
    """Return the settings with a secret: the one that is set, or the data folder's own.

    The file is made once and never written again. It is not made beside a cluster that is there
    already: keys in it were digested under a secret that we do not have.
    """
    if settings.secret.get_secret_value():
        return settings
    path = settings.data / SECRET_FILE
    if not path.exists():
        if (settings.data / SERVER_FOLDER / "data-18").exists():
            raise CommandFailed(
                f"There is a database in {settings.data}, but its secret {path} is missing.",
                hint="Restore that file from a backup, or set HAKIKA_SECRET to what it was. "
                "Without it no API key and no callback address of that database is valid.",
            )
        _write_secret(path)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"The secret in {path} cannot be read: {error}.") from error
    if len(text) < SECRET_CHARACTERS_MIN:
        raise CommandFailed(
            f"The secret in {path} is cut short.", hint="Restore that file from a backup.",
        )
    return settings.model_copy(update={"secret": SecretStr(text)})


def _write_secret(path: Path) -> None:
    """Write a new secret, whole or not at all. Of two who do it at once, one wins for both."""
    half = path.with_name(f"{SECRET_FILE}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(half, secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(half, path)
            log.info("secret_generated", path=str(path), keep="back it up with the database")
    except OSError as error:
        raise CommandFailed(
            f"The data folder {path.parent} cannot be written: {error}.",
            hint="Choose another with --data or HAKIKA_DATA.",
        ) from error
    finally:
        half.unlink(missing_ok=True)
