"""Daraja's tokens in the store: joins `daraja.token`, which wants a cache, and `store.tokens`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hakika.daraja.token import Token
from hakika.store import tokens
from hakika.store.tokens import StoredToken
from hakika.store.transaction import Store


@dataclass(frozen=True, slots=True)
class SharedTokens:
    """A token cache that all processes share. Implements `hakika.daraja.token.TokenCache`."""

    store: Store

    async def get(self, key: str) -> Token | None:
        """Return the newest token of an app, or None."""
        stored = await tokens.get(self.store, key)
        return Token(stored.value, stored.expires_at) if stored else None

    async def lease(self, key: str, seconds: float) -> bool:
        """Say whether this process is the one that may fetch a new token."""
        return await tokens.lease(self.store, key, life=timedelta(seconds=seconds))

    async def put(self, key: str, token: Token) -> None:
        """Keep a new token and end the lease."""
        await tokens.put(self.store, key, StoredToken(token.value, token.expires_at))

    async def drop(self, key: str, token: Token) -> None:
        """Forget a token that was refused, unless another has replaced it already."""
        await tokens.drop(self.store, key, token.value)
