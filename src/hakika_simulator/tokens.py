"""Access tokens: issued, looked up with every call, expired in real time."""

from hakika_simulator.identifiers import Identifiers
from hakika_simulator.storage import Storage

LIFE_SECONDS = 3599.0  # real seconds at any speed: clients count on what expires_in told them


class Tokens:
    """All tokens in memory, for each call asks for one, and in the storage, for a restart."""

    def __init__(self, storage: Storage, identifiers: Identifiers) -> None:
        self._storage = storage
        self._identifiers = identifiers
        rows = storage.rows("select token, consumer_key, expires_at from tokens")
        self._held: dict[str, tuple[str, float]] = {row[0]: (row[1], row[2]) for row in rows}

    def issue(self, consumer_key: str, *, alone: bool, now: float) -> str:
        """Return a new token; if `alone`, the earlier ones of this key stop working."""
        with self._storage.transaction():
            self._drop(keyed=consumer_key if alone else None, now=now)
            token = self._identifiers.token()
            self._storage.write(
                "insert into tokens (token, consumer_key, expires_at) values (?, ?, ?)",
                token,
                consumer_key,
                now + LIFE_SECONDS,
            )
        self._held[token] = (consumer_key, now + LIFE_SECONDS)
        return token

    def consumer_key(self, token: str, *, now: float) -> str | None:
        """Return whose token this is, or None if it is unknown or has expired."""
        held = self._held.get(token)
        return held[0] if held is not None and held[1] > now else None

    def expire_all(self) -> None:
        """Make every token stale now."""
        self._storage.write("delete from tokens")
        self._held.clear()

    def _drop(self, *, keyed: str | None, now: float) -> None:
        """Forget the tokens of one key if asked to, and the oldest one once it has expired."""
        if keyed is not None:
            self._storage.write("delete from tokens where consumer_key = ?", keyed)
            self._held = {t: held for t, held in self._held.items() if held[0] != keyed}
        oldest = next(iter(self._held.items()), None)
        if oldest is not None and oldest[1][1] <= now:
            self._storage.write("delete from tokens where token = ?", oldest[0])
            del self._held[oldest[0]]
