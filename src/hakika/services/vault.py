"""The vault: the master keys of a process, the proof that they are right, and their rotation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from hakika import kms
from hakika.domain.sealing import KEY_BYTES, MasterKey, read_master_key, write_master_key
from hakika.settings import Settings
from hakika.store import keyring
from hakika.store.keyring import Keyring
from hakika.store.transaction import Store

Progress = Callable[[int, int], None]


class WrongSecret(Exception):
    """This database was begun with another HAKIKA_SECRET."""


def open_keyring(settings: Settings) -> Keyring:
    """Return the keyring of a process: the master key of the settings, and the one before it.

    Raises:
        KeyMalformed: a master key is not 32 bytes in base64.
        KmsFailed: it is sealed by AWS KMS, which gave no key.
    """
    texts = (settings.master_key, settings.master_key_previous)
    masters = tuple(_master(text.get_secret_value()) for text in texts if text.get_secret_value())
    return Keyring(masters, secrets.token_bytes)


def _master(text: str) -> MasterKey:
    return read_master_key(kms.opened(text) if text.startswith(kms.PREFIX) else text)


async def prove(store: Store, settings: Settings) -> None:
    """Return when secret and master key are the ones that this database was begun with.

    A new database takes them for its own. Anything else refuses to work: with a wrong secret every
    callback would look forged, and with a wrong master key nothing could be opened.

    Raises:
        WrongSecret, MasterKeyMissing: they are not. Nothing was written.
    """
    pepper = settings.secret.get_secret_value().encode()
    digest = hmac.digest(pepper, b"hakika secret check", hashlib.sha256)
    async with store.transaction() as tx:
        if not hmac.compare_digest(digest, await keyring.secret_digest(tx, digest)):
            raise WrongSecret("This database was begun with another HAKIKA_SECRET.")
        await keyring.open_instance(tx)


def new_master_key(kms_key_id: str = "") -> str:
    """Return a new master key as it is written in HAKIKA_MASTER_KEY. Raises: KmsFailed."""
    if kms_key_id:
        return kms.new_key(kms_key_id)
    return write_master_key(secrets.token_bytes(KEY_BYTES))


async def status(store: Store) -> dict[str, int]:
    """Return how many data keys each master key wraps, by the master key's name."""
    async with store.autocommit() as tx:
        return await keyring.count_by_master(tx)


async def rotate(store: Store, *, progress: Progress = lambda _done, _all: None) -> int:
    """Wrap every data key by today's master key, while others serve; return how many were.

    Safe to repeat, and to break off: each step is a commit of its own.
    """
    total = sum((await status(store)).values())
    done = 0
    while True:
        async with store.transaction() as tx:
            wrapped = await store.keyring.rewrap_some(tx)
        if not wrapped:
            return done
        done += wrapped
        progress(done, total)
