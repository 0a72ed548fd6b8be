"""Sealed columns: what a copy of the database alone does not show (AES-256-GCM).

Each owner (a merchant, or this Hakika itself) has a data key; a master key that is not in the
database wraps the data keys. A sealed value is bound to its owner, its field and its row: moved to
another place, it cannot be opened. What is searched for has a blind index, a keyed hash, beside it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12

# The owner of what belongs to no merchant: callbacks in quarantine, Daraja's tokens.
INSTANCE = "instance"

# The first byte of whatever is sealed, so that another way can be told from this one later.
_VERSION = b"\x01"

# Wide enough that two texts of one merchant never meet by chance, narrow enough for an index.
_BLIND_BYTES = 16


class SealBroken(Exception):
    """A sealed value does not open here: another key made it, or it was changed or moved."""


class KeyMalformed(Exception):
    """A text is not a key of 32 bytes in base64."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that wraps data keys. Never in the database; its repr shows its name alone."""

    name: str                            # tells masters apart; says nothing about the key
    _cipher: AESGCM = field(repr=False)

    def wrap(self, owner: str, key: bytes, *, nonce: bytes) -> bytes:
        """Return the data key of `owner`, fit to be stored."""
        return _seal(self._cipher, _data_key_of(owner), key, nonce=nonce)

    def unwrap(self, owner: str, wrapped: bytes) -> DataKey:
        """Return the data key of `owner`. Raises: SealBroken."""
        return DataKey(owner, _open(self._cipher, _data_key_of(owner), wrapped))


class DataKey:
    """The key of one owner. Its repr shows whose it is, and nothing else."""

    __slots__ = ("_blind", "_bytes", "_cipher", "owner")

    def __init__(self, owner: str, key: bytes) -> None:
        assert len(key) == KEY_BYTES
        self.owner = owner
        self._bytes = key
        self._cipher = AESGCM(key)
        self._blind = hmac.digest(key, b"hakika blind index", hashlib.sha256)

    def __repr__(self) -> str:
        return f"DataKey({self.owner})"

    def seal(self, place: str, plain: bytes, *, nonce: bytes) -> bytes:
        """Return `plain` sealed for `place`, such as "payments.private pay_…"."""
        return _seal(self._cipher, f"{self.owner} {place}".encode(), plain, nonce=nonce)

    def open(self, place: str, sealed: bytes) -> bytes:
        """Return what was sealed for `place`. Raises: SealBroken."""
        return _open(self._cipher, f"{self.owner} {place}".encode(), sealed)

    def blind(self, kind: str, text: str) -> bytes:
        """Return 16 bytes that stand for `text` in an index: equal texts of one owner are equal."""
        return hashlib.blake2b(
            f"{kind} {text}".encode(), key=self._blind, digest_size=_BLIND_BYTES,
        ).digest()

    def wrapped_by(self, master: MasterKey, *, nonce: bytes) -> bytes:
        """Return this key wrapped by another master."""
        return master.wrap(self.owner, self._bytes, nonce=nonce)


def read_master_key(text: str) -> MasterKey:
    """Return the master key that is written as `text`: 32 bytes in base64.

    Raises:
        KeyMalformed: it is not. The text is not repeated.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyMalformed("A master key is 32 bytes in base64: 44 characters.")
    name = hmac.digest(key, b"hakika master key name", hashlib.sha256)[:4].hex()
    return MasterKey(name, AESGCM(key))


def write_master_key(random_bytes: bytes) -> str:
    """Return 32 random bytes as a master key is written."""
    assert len(random_bytes) == KEY_BYTES
    return base64.b64encode(random_bytes).decode()


def _data_key_of(owner: str) -> bytes:
    return f"data key of {owner}".encode()


def _seal(cipher: AESGCM, bound_to: bytes, plain: bytes, *, nonce: bytes) -> bytes:
    assert len(nonce) == NONCE_BYTES
    return _VERSION + nonce + cipher.encrypt(nonce, plain, _VERSION + bound_to)


def _open(cipher: AESGCM, bound_to: bytes, sealed: bytes) -> bytes:
    sealed = bytes(sealed)
    if sealed[:1] != _VERSION:
        raise SealBroken("not sealed in a way that is known")
    nonce, text = sealed[1:1 + NONCE_BYTES], sealed[1 + NONCE_BYTES:]
    try:
        return cipher.decrypt(nonce, text, _VERSION + bound_to)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("sealed by another key, for another place, or changed since") from error
