"""The master key of every test, and a keyring with it."""

from __future__ import annotations

import secrets

import psycopg

from hakika.domain.sealing import read_master_key, write_master_key
from hakika.store.keyring import Keyring

MASTER_KEY = write_master_key(b"a master key for tests, 32 bytes")
SECRET = "a secret of these tests " * 2


def keyring() -> Keyring:
    """Return an empty keyring."""
    return Keyring((read_master_key(MASTER_KEY),), secrets.token_bytes)


def opened(url: str, owner: str, place: str, sealed: bytes) -> bytes:
    """Return what is sealed in a row, as somebody with the database and the master key can."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select wrapped from data_keys where owner = %s", (owner,),
        ).fetchone()
    assert row is not None
    return read_master_key(MASTER_KEY).unwrap(owner, row[0]).open(place, sealed)
