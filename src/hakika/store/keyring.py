"""Data keys: made, wrapped, kept in memory once they were needed, and wrapped anew.

A data key never changes, so what is in memory stays right while masters come and go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from hakika.domain.sealing import INSTANCE, KEY_BYTES, NONCE_BYTES, DataKey, MasterKey, SealBroken

if TYPE_CHECKING:
    from hakika.store.transaction import Transaction

RandomBytes = Callable[[int], bytes]

# Rows of one step of a rotation: short, so that nobody waits for it.
ROTATED_AT_ONCE = 200

_GET: LiteralString = "select master, wrapped from data_keys where owner = %(owner)s"

_MAKE: LiteralString = """
    insert into data_keys (owner, master, wrapped, created_at)
    values (%(owner)s, %(master)s, %(wrapped)s, clock_timestamp()) on conflict do nothing
"""

_MASTERS: LiteralString = """
    select master, count(*) as keys, min(owner) as an_owner from data_keys group by master
     order by master
"""

_OTHERS: LiteralString = """
    select owner, master, wrapped from data_keys where master <> %(master)s
     order by owner limit %(limit)s for update
"""

_REWRAP: LiteralString = """
    update data_keys set master = %(master)s, wrapped = %(wrapped)s where owner = %(owner)s
"""


_BEGIN_INSTANCE: LiteralString = """
    insert into instance (secret_digest) values (%(digest)s) on conflict do nothing
"""

_SECRET_DIGEST: LiteralString = "select secret_digest from instance"


class MasterKeyMissing(Exception):
    """Data keys were wrapped by a master key that this process does not have."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals and opens what belongs to one owner."""

    key: DataKey
    random_bytes: RandomBytes

    def seal(self, place: str, plain: bytes) -> bytes:
        """Return `plain` sealed for `place`."""
        return self.key.seal(place, plain, nonce=self.random_bytes(NONCE_BYTES))

    def open(self, place: str, sealed: bytes) -> bytes:
        """Return what was sealed for `place`. Raises: SealBroken."""
        return self.key.open(place, sealed)

    def blind(self, kind: str, text: str) -> bytes:
        """Return what stands for `text` in an index."""
        return self.key.blind(kind, text)


class Keyring:
    """The data keys of one process. The first master wraps what is new; all of them unwrap."""

    def __init__(self, masters: tuple[MasterKey, ...], random_bytes: RandomBytes) -> None:
        assert masters, "without a master key nothing can be kept"
        self._masters = {master.name: master for master in masters}
        self._master = masters[0]
        self._random_bytes = random_bytes
        self._sealers: dict[str, Sealer] = {}

    async def of(self, tx: Transaction, owner: str) -> Sealer:
        """Return what seals for `owner`, who must have a key.

        Raises:
            MasterKeyMissing: the owner's key was wrapped by another master.
            SealBroken: the owner has no key, so nothing of theirs can be opened.
        """
        if (known := self._sealers.get(owner)) is not None:
            return known
        row = await tx.row(_GET, {"owner": owner})
        if row is None:
            raise SealBroken(f"{owner} has no data key")
        sealer = Sealer(self._unwrapped(owner, row["master"], row["wrapped"]), self._random_bytes)
        self._sealers[owner] = sealer
        return sealer

    async def make(self, tx: Transaction, owner: str) -> None:
        """Make a data key for a new `owner`. Whoever has one keeps it."""
        key = DataKey(owner, self._random_bytes(KEY_BYTES))
        await tx.execute(_MAKE, {
            "owner": owner, "master": self._master.name,
            "wrapped": key.wrapped_by(self._master, nonce=self._random_bytes(NONCE_BYTES)),
        })

    async def prove(self, tx: Transaction) -> None:
        """Return when every data key can be opened here; one of each master is tried.

        Raises:
            MasterKeyMissing: some cannot. Nothing may be written with such masters.
        """
        for row in await tx.rows(_MASTERS):
            if row["master"] not in self._masters:
                raise MasterKeyMissing(
                    f"{row['keys']} data keys were wrapped by master key {row['master']}, and this "
                    f"process has {' and '.join(self._masters)}.",
                )
            await self.of(tx, row["an_owner"])

    async def rewrap_some(self, tx: Transaction) -> int:
        """Wrap some of the data keys that another master wrapped; return how many. 0: all done."""
        rows = await tx.rows(_OTHERS, {"master": self._master.name, "limit": ROTATED_AT_ONCE})
        for row in rows:
            key = self._unwrapped(row["owner"], row["master"], row["wrapped"])
            await tx.execute(_REWRAP, {
                "owner": row["owner"], "master": self._master.name,
                "wrapped": key.wrapped_by(self._master, nonce=self._random_bytes(NONCE_BYTES)),
            })
        return len(rows)

    def _unwrapped(self, owner: str, master: str, wrapped: bytes) -> DataKey:
        if master not in self._masters:
            raise MasterKeyMissing(f"The data key of {owner} was wrapped by master key {master}.")
        try:
            return self._masters[master].unwrap(owner, wrapped)
        except SealBroken as error:
            raise MasterKeyMissing(f"The data key of {owner} does not open: {error}.") from error


async def count_by_master(tx: Transaction) -> dict[str, int]:
    """Return how many data keys each master wraps, by the master's name."""
    return {row["master"]: row["keys"] for row in await tx.rows(_MASTERS)}


async def secret_digest(tx: Transaction, digest: bytes) -> bytes:
    """Return the digest of the secret that this database was begun with: `digest`, if just now."""
    await tx.execute(_BEGIN_INSTANCE, {"digest": digest})
    row = await tx.row(_SECRET_DIGEST)
    assert row is not None, "it was written by the statement before, or by another process"
    return bytes(row["secret_digest"])


async def open_instance(tx: Transaction) -> None:
    """See that every master is here, and that this Hakika has a data key of its own.

    It is kept from now on: a callback can be put aside whatever becomes of other keys.
    """
    await tx.keyring.prove(tx)
    await tx.keyring.make(tx, INSTANCE)
    await tx.sealer(INSTANCE)
