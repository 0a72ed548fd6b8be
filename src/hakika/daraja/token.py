"""The access token: one per consumer key, shared by every process, refreshed before it runs out.

`TokenSource.token` looks in this process, then in the shared cache, then asks Daraja: one request a
key however many payments wait for it, one process at a time. Nothing is locked in a database while
the network is awaited; the lease is a row with a time on it. Source: daraja.md 3.1, trap T9.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Protocol

import aiohttp

from hakika.daraja import words
from hakika.daraja.credentials import Credentials
from hakika.daraja.errors import DarajaUnreachable
from hakika.daraja.strict_json import Unreadable, object_at, read_json, text_at
from hakika.daraja.transport import Answer, NeverSent, NoAnswer, Request, exchange
from hakika.domain.errors import Unavailable
from hakika.domain.fact import Reason

OAUTH_PATH = "/oauth/v1/generate?grant_type=client_credentials"

# A new token is fetched 60 to 120 s before the old one ends: each process at another moment, so
# that they do not all ask together (daraja.md 3.1).
EARLY_SECONDS_MIN, EARLY_SECONDS_SPREAD = 60, 60

# While the new one is fetched the old one serves, unless it might end on the way to Safaricom.
SPARE_SECONDS = 10

# An hour is what Daraja gives; what it does not say, we believe for five minutes only.
LIFE_SECONDS_UNSAID, LIFE_SECONDS_MAX = 300, 24 * 3600

# The lease outlives the slowest refresh (8 s, below) a little, so that a process that died with it
# holds nobody up for long.
CONNECT_SECONDS, TOTAL_SECONDS, LEASE_SECONDS = 5, 8, 10
POLL_SECONDS = 0.1

_TOKEN_TEXT_MAX = 4096


@dataclass(frozen=True, slots=True)
class Token:
    """A token and when it ends (UTC)."""

    value: str = field(repr=False)
    expires_at: datetime


class TokenCache(Protocol):
    """Where all processes keep tokens. Every method is one short statement.

    May raise the domain's `Unavailable` when it cannot be reached; the payment is then not sent.
    """

    async def get(self, key: str) -> Token | None:
        """Return the token last put, expired or not."""

    async def lease(self, key: str, seconds: float) -> bool:
        """Return True to one caller, who may refresh; then False until `put` or `seconds`."""

    async def put(self, key: str, token: Token) -> None:
        """Keep this token instead of any other, and end the lease."""

    async def drop(self, key: str, token: Token) -> None:
        """Forget the token, only if it is still this one: a newer one stays."""


class MemoryTokenCache:
    """A TokenCache for one process: command line, tests."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._tokens: dict[str, Token] = {}
        self._leased_until: dict[str, datetime] = {}

    async def get(self, key: str) -> Token | None:
        """Return the token last put, expired or not."""
        return self._tokens.get(key)

    async def lease(self, key: str, seconds: float) -> bool:
        """Return True to one caller until `put` or `seconds`."""
        until = self._leased_until.get(key)
        if until is not None and self._now() < until:
            return False
        self._leased_until[key] = self._now() + timedelta(seconds=seconds)
        return True

    async def put(self, key: str, token: Token) -> None:
        """Keep this token and end the lease."""
        self._tokens[key] = token
        self._leased_until.pop(key, None)

    async def drop(self, key: str, token: Token) -> None:
        """Forget the token if it is still this one."""
        if self._tokens.get(key) == token:
            del self._tokens[key]


@dataclass(frozen=True, slots=True)
class _Held:
    token: Token
    refresh_at: datetime


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: Reason
    retry_after_seconds: int
    until: datetime  # nobody asks before then: the lease is taken, everybody is told at once


class TokenSource:
    """Gives tokens. One object a process and event loop; `chance` returns numbers in [0, 1)."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        cache: TokenCache,
        now: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._session, self._cache, self._now, self._chance = session, cache, now, chance
        self._limits = aiohttp.ClientTimeout(
            total=TOTAL_SECONDS, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS,
        )
        self._held: dict[str, _Held] = {}
        self._failures: dict[str, _Failure] = {}
        self._refreshes: dict[str, asyncio.Task[Token | _Failure]] = {}
        self._refused: dict[str, str] = {}  # by key: never taken from the cache again

    async def token(self, credentials: Credentials) -> Token:
        """Return a token that is good now.

        Raises:
            DarajaUnreachable: none can be had, so nothing was sent. After a failed try everybody is
                told so at once, until the next try may be made.
        """
        key = token_key(credentials)
        now = self._now()
        held = self._held.get(key)
        if held and now < held.refresh_at:
            return held.token
        failure = self._failures.get(key)
        refresh = None if failure and now < failure.until else self._refresh(key, credentials)
        if held and now < held.token.expires_at - timedelta(seconds=SPARE_SECONDS):
            return held.token
        outcome = await asyncio.shield(refresh) if refresh else failure
        assert outcome is not None
        if isinstance(outcome, _Failure):
            raise DarajaUnreachable(outcome.reason, outcome.retry_after_seconds)
        return outcome

    async def replace(self, credentials: Credentials, refused: Token) -> Token:
        """Return another token than `refused`, which the gateway did not take.

        Asks Daraja only when nobody else has replaced it meanwhile. Raises: as `token`.
        """
        key = token_key(credentials)
        running = self._refreshes.get(key)
        if running and not running.done():
            await asyncio.shield(running)  # it may have read the refused one before we drop it
        self._refused[key] = refused.value
        await self._drop(key, refused)
        return await self.token(credentials)

    async def prove(self, credentials: Credentials) -> Reason | None:
        """Ask Daraja itself for a token, whatever is kept; return why it gave none, or None.

        Raises:
            Unavailable: a token came, and could not be kept.
        """
        outcome = await self._from_daraja(token_key(credentials), credentials)
        return outcome.reason if isinstance(outcome, _Failure) else None

    async def _drop(self, key: str, refused: Token) -> None:
        held = self._held.get(key)
        if held and held.token.value == refused.value:
            del self._held[key]
        try:
            await self._cache.drop(key, refused)
        except Unavailable as down:
            raise DarajaUnreachable(
                _reason("token_cache_unavailable", "The shared token cache cannot be reached."),
                down.retry_after_seconds,
            ) from None

    def _refresh(
        self, key: str, credentials: Credentials,
    ) -> asyncio.Task[Token | _Failure]:
        """Return the refresh under way for this key, starting one when there is none.

        A task of its own: a caller that is canceled does not take the others' token with it.
        """
        running = self._refreshes.get(key)
        if running is None or running.done():
            running = asyncio.create_task(self._refreshed(key, credentials))
            self._refreshes[key] = running
        return running

    async def _refreshed(self, key: str, credentials: Credentials) -> Token | _Failure:
        outcome: Token | _Failure
        try:
            outcome = await self._from_cache_or_daraja(key, credentials)
        except Unavailable as down:
            outcome = self._failure(
                "token_cache_unavailable", "The shared token cache cannot be reached.",
                seconds=down.retry_after_seconds,
            )
        if isinstance(outcome, _Failure):
            self._failures[key] = outcome
        else:
            self._failures.pop(key, None)
            early = EARLY_SECONDS_MIN + EARLY_SECONDS_SPREAD * self._chance()
            self._held[key] = _Held(outcome, outcome.expires_at - timedelta(seconds=early))
        return outcome

    async def _from_cache_or_daraja(self, key: str, credentials: Credentials) -> Token | _Failure:
        for _ in range(int(LEASE_SECONDS / POLL_SECONDS) + 1):
            shared = await self._cache.get(key)
            if shared and self._is_fresh(key, shared):
                return shared
            if await self._cache.lease(key, LEASE_SECONDS):
                return await self._from_daraja(key, credentials)
            await asyncio.sleep(POLL_SECONDS)
        return self._failure(
            "token_awaited", "Another process is fetching an access token and has not got it.",
            seconds=1,
        )

    def _is_fresh(self, key: str, shared: Token) -> bool:
        early = timedelta(seconds=EARLY_SECONDS_MIN + EARLY_SECONDS_SPREAD)
        return self._now() < shared.expires_at - early and shared.value != self._refused.get(key)

    async def _from_daraja(self, key: str, credentials: Credentials) -> Token | _Failure:
        asked_at = self._now()
        pair = f"{credentials.consumer_key}:{credentials.consumer_secret}"
        request = Request(
            "GET",
            credentials.url(OAUTH_PATH),
            {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
        )
        try:
            answer = await exchange(self._session, request, self._limits)
        except (NeverSent, NoAnswer) as failure:
            return self._failure(
                "oauth_unreachable", f"Daraja's token endpoint gave no answer: {failure.what}.",
            )
        token = _read_token(answer, asked_at)
        if token is None:
            return self._refusal(answer)
        self._refused.pop(key, None)  # Daraja may give the same one again, and then means it
        await self._cache.put(key, token)
        return token

    def _refusal(self, answer: Answer) -> _Failure:
        match answer.status:
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return self._failure(
                    "oauth_refused",
                    f"Daraja gave no access token (HTTP {answer.status}). Check the consumer key "
                    "and secret, and that they belong to this host.",
                )
            case _:
                return self._failure(
                    "oauth_failed", f"Daraja gave no access token (HTTP {answer.status}).",
                )

    def _failure(self, code: str, message: str, *, seconds: int = LEASE_SECONDS) -> _Failure:
        return _Failure(_reason(code, message), seconds, self._now() + timedelta(seconds=seconds))


def token_key(credentials: Credentials) -> str:
    """Return what the token is kept under: a hash, so that the cache holds no key of the app.

    The secret is in it: who only knows another's consumer key must not be lent their token.
    """
    named = f"{credentials.consumer_key}\n{credentials.consumer_secret}\n{credentials.host}"
    return hashlib.sha256(named.encode()).hexdigest()


def _read_token(answer: Answer, asked_at: datetime) -> Token | None:
    """Return the token in the answer, or None: that is no token."""
    if answer.status != HTTPStatus.OK or not answer.complete:
        return None
    try:
        fields = object_at(read_json(answer.body))
    except Unreadable:
        return None
    value = fields.get("access_token")
    if not isinstance(value, str) or not 0 < len(value) <= _TOKEN_TEXT_MAX:
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        return None
    return Token(value, asked_at + timedelta(seconds=_life_seconds(text_at(fields, "expires_in"))))


def _life_seconds(text: str) -> int:
    """Return the token's life: Daraja says it as a text or a number, depending on the year."""
    whole = text.partition(".")[0]
    if not (whole.isascii() and whole.isdigit()) or len(whole) > len(str(LIFE_SECONDS_MAX)):
        return LIFE_SECONDS_UNSAID
    return min(int(whole), LIFE_SECONDS_MAX)


def _reason(code: str, message: str) -> Reason:
    return Reason(
        code=code,
        daraja_code="",
        developer_message=f"{message} Nothing was sent.",
        payer_message=words.NOT_STARTED_RETRY.en,
        payer_message_sw=words.NOT_STARTED_RETRY.sw,
    )
