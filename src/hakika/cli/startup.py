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

from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.cli.private_file import write_private
from hakika.domain.sealing import KeyMalformed
from hakika.kms import KmsFailed
from hakika.services import vault
from hakika.settings import PREFIX, SECRET_CHARACTERS_MIN, Settings
from hakika.store import embedded, migrate
from hakika.store.embedded import EmbeddedServerFailed
from hakika.store.keyring import MasterKeyMissing
from hakika.store.transaction import Store, open_store

SERVER_FOLDER = "postgres"

# What a data folder keeps for us when the settings do not say it, by the name of the setting.
FILES = {"secret": "secret", "master_key": "master-key"}

# What a database is without each of them.
WORTHLESS_WITHOUT = {
    "secret": "It makes callback addresses, the digests of API keys and the fingerprints of "
    "requests: with another one no key of that database is known, and no callback believed.",
    "master_key": "It opens what is sealed in that database: people's data, credentials and "
    "webhook secrets. With another one they are lost.",
}

log = structlog.get_logger(__name__)


@contextmanager
def database(settings: Settings, *, may_create: bool = True) -> Iterator[Settings]:
    """Give the settings completed with their secrets and a database of today's schema.

    Our own server is started when the settings name none, and stopped in the end if it is ours.
    """
    if settings.database_url.get_secret_value():
        refuse_missing_secrets(settings)
        asyncio.run(refuse_silent_server(settings))
        refuse_old_schema(settings)
        asyncio.run(refuse_wrong_keys(settings))
        yield settings
        return
    with own_server(settings, may_create=may_create) as own:
        yield own.settings


@dataclass(frozen=True, slots=True)
class OwnServer:
    """Our own server, as one process uses it."""

    settings: Settings   # with its address and the secrets in them
    is_owner: bool       # it lives as long as this process; else as long as another
    was_migrated: bool


@contextmanager
def own_server(settings: Settings, *, may_create: bool = True) -> Iterator[OwnServer]:
    """Give the settings completed with secrets and our own server in the data folder, migrated."""
    home = settings.data / SERVER_FOLDER
    if not may_create and not home.exists():
        raise CommandFailed(
            f"There is no database in {settings.data} yet.",
            hint="Name another folder with --data, or start with `hakika dev` or `hakika serve`.",
        )
    settings = with_secrets(settings)
    try:
        server = embedded.start(home)
    except EmbeddedServerFailed as error:
        raise CommandFailed(str(error)) from error
    try:
        was_migrated = migrated(server.url)
        served = settings.model_copy(update={"database_url": SecretStr(server.url)})
        asyncio.run(refuse_wrong_keys(served))
        yield OwnServer(served, is_owner=server.is_owner, was_migrated=was_migrated)
    finally:
        server.stop()


def migrated(url: str) -> bool:
    """Bring the database at `url` to today's schema; say whether anything was to do."""
    try:
        return migrate.migrate(url)
    except migrate.SchemaTooNew as error:
        raise CommandFailed(str(error), hint="Start that version, or restore a backup.") from error


def refuse_missing_secrets(settings: Settings) -> None:
    """Raise CommandFailed when a shared database would be used with secrets of this machine alone.

    Each machine would make its own, and callbacks that reach another one would not be believed.
    """
    for name in FILES:
        if getattr(settings, name).get_secret_value():
            continue
        variable = PREFIX + name.upper()
        raise CommandFailed(
            f"HAKIKA_DATABASE_URL is set, and {variable} is not.",
            hint=f"Set {variable} (or {variable}_FILE) to the same text on every machine, such as "
            "one made by `openssl rand -base64 32`, and keep it: it cannot be replaced if lost.",
            exit_code=EXIT_MISASKED,
        )


async def refuse_silent_server(settings: Settings) -> None:
    """Raise StoreUnavailable unless the database of the settings answers."""
    await (await _opened(settings)).close()


async def refuse_wrong_keys(settings: Settings) -> None:
    """Raise CommandFailed unless secret and master key are those that the database was begun with.

    With others, callbacks would look forged and nothing could be opened; worse, what is written
    then could not be opened with the right ones.
    """
    store = await _opened(settings)
    try:
        await vault.prove(store, settings)
    except vault.WrongSecret as error:
        raise CommandFailed(
            str(error), hint="Set HAKIKA_SECRET (or the file `secret` of the data folder) to what "
            "it was when this database was new, or restore the database that belongs to it.",
            exit_code=EXIT_MISASKED,
        ) from error
    except MasterKeyMissing as error:
        raise CommandFailed(
            str(error), hint="Set HAKIKA_MASTER_KEY (or the file `master-key` of the data folder) "
            "to the one that is named; during a rotation, HAKIKA_MASTER_KEY_PREVIOUS too.",
            exit_code=EXIT_MISASKED,
        ) from error
    finally:
        await store.close()


async def _opened(settings: Settings) -> Store:
    try:
        keyring = vault.open_keyring(settings)
    except KeyMalformed as error:
        raise CommandFailed(
            f"The master key cannot be used. {error}",
            hint="Set HAKIKA_MASTER_KEY (or the file `master-key` of the data folder) to the whole "
            "of it. For a new database, and for no other, `hakika vault new-key` makes one.",
            exit_code=EXIT_MISASKED,
        ) from error
    except KmsFailed as error:
        raise CommandFailed(f"HAKIKA_MASTER_KEY cannot be used. {error}") from error
    return await open_store(
        settings.database_url.get_secret_value(),
        connections_max=settings.database_connections_max, keyring=keyring,
    )


def refuse_old_schema(settings: Settings) -> None:
    """Raise CommandFailed unless the database of the settings has today's schema."""
    try:
        is_current = migrate.is_current(settings.database_url.get_secret_value())
    except migrate.SchemaTooNew as error:
        raise CommandFailed(str(error), hint="Start that version, or restore a backup.") from error
    if not is_current:
        raise CommandFailed("The database's schema is not today's.", hint="Run `hakika migrate`.")


def with_secrets(settings: Settings) -> Settings:
    """Return the settings with the secrets that are set, or else the data folder's own.

    A file is made once and never written again. It is not made beside a cluster that is there
    already: what is in it was digested and sealed under secrets that we do not have.
    """
    missing = [name for name in FILES if not getattr(settings, name).get_secret_value()]
    return settings.model_copy(
        update={name: SecretStr(_kept(settings.data, name)) for name in missing},
    )


def _kept(folder: Path, name: str) -> str:
    """Return the secret that `folder` keeps under `name`, made now if the folder is new."""
    path = folder / FILES[name]
    if not path.exists():
        if (folder / SERVER_FOLDER / "data-18").exists():
            raise _lost(name, f"There is a database in {folder}, but its file {path} is missing.")
        _write_secret(path, _new_secret(name))
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _lost(name, f"The file {path} cannot be read: {error}.") from error
    if len(text) < SECRET_CHARACTERS_MIN:
        raise _lost(name, f"The file {path} is cut short.")
    return text


def _lost(name: str, sentence: str) -> CommandFailed:
    return CommandFailed(
        sentence, exit_code=EXIT_MISASKED,
        hint=f"Restore that file from a backup, or set {PREFIX}{name.upper()} to what was in it. "
        + WORTHLESS_WITHOUT[name],
    )


def _new_secret(name: str) -> str:
    return vault.new_master_key() if name == "master_key" else secrets.token_urlsafe(48)


def _write_secret(path: Path, text: str) -> None:
    """Write a new secret, whole or not at all. Of two who do it at once, one wins for both."""
    half = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(half, text)
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
