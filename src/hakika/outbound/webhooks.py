"""Posting one webhook: whatever the receiver does, the sender comes back in time with an Answer.

`open_sender` is the way in, `WebhookSender.post` the work. Every limit stands here: seconds, bytes
of headers, bytes of body. What an Answer means for the next try is decided in `domain/delivery.py`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil
from types import SimpleNamespace

import aiohttp

import hakika
from hakika.domain.delivery import Answer
from hakika.domain.errors import Invalid
from hakika.outbound.addresses import AllowList, check_url
from hakika.outbound.connections import AddressRefused, Lookup, Names, open_connector

# The lower end of what Standard Webhooks advises, 15 to 30 s: who needs longer should answer first
# and work afterwards. Connecting includes waiting for a free place among a host's connections.
SECONDS_MAX = 15.0
CONNECT_SECONDS_MAX = 5.0

# As much as Svix keeps; enough to show a merchant the error page of their own server.
BODY_BYTES_MAX = 20_000

# Twice the usual limits of servers (nginx: 4 to 8 KiB a line); in all under 1 MiB of headers.
HEADER_BYTES_MAX = 8190
HEADERS_MAX = 60

# Longer than any wait we would grant, and short enough for every integer on its way.
RETRY_AFTER_SECONDS_MAX = 10**9

_SECONDS = re.compile(r"[0-9]+", re.ASCII)
_SECONDS_DIGITS_MAX = 9

_REDIRECT_MIN, _REDIRECT_MAX = 300, 399


class WebhookSender:
    """Posts webhooks to public addresses. Safe to use from many tasks at once."""

    def __init__(
        self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession, *, names: Names,
        allow: AllowList, now: Callable[[], datetime], seconds_max: float,
        connect_seconds_max: float,
    ) -> None:
        self._kept, self._fresh = kept, fresh
        self._names, self._allow, self._now = names, allow, now
        self._seconds_max, self._connect_seconds_max = seconds_max, connect_seconds_max

    async def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, livemode: bool,
    ) -> Answer:
        """Return what the receiver answered, or one sentence about why there is no answer.

        Takes `seconds_max` at most, and never raises for what the receiver or the network does.
        The URL is judged again: rules and allow-list may have changed since it was registered.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            checked = check_url(url, livemode=livemode, allow=self._allow)
        except Invalid as refusal:
            return Answer(status=None, error=refusal.message)

        try:
            answer = await self._exchange(checked, headers, body, started + self._seconds_max)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            answer = Answer(status=None, error=self._sentence(error))
        return replace(answer, duration_ms=round((loop.time() - started) * 1000))

    async def close(self) -> None:
        """Close what is open; posts under way end as failed."""
        await self._kept.close()
        await self._fresh.close()
        self._names.close()

    async def _exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: float,
    ) -> Answer:
        async with asyncio.timeout_at(deadline):
            response = await self._begin(url, headers, body)
        try:
            return Answer(
                status=response.status,
                error=_complaint(response.status),
                body=await _beginning(response, deadline),
                retry_after_seconds=retry_after_seconds(
                    response.headers.get("Retry-After", ""), now=self._now(),
                ),
            )
        finally:
            _hang_up(response)

    async def _begin(
        self, url: str, headers: Mapping[str, str], body: bytes,
    ) -> aiohttp.ClientResponse:
        """Return an answer as it begins.

        A kept connection that the receiver has just hung up on is no failure of its: the same is
        asked once more on a new one. At worst it hears the event twice, as it must expect to.
        """
        use = _Use()
        try:
            return await self._kept.post(
                url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=use,
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not use.reused:
                raise
        return await self._fresh.post(url, data=body, headers=headers, allow_redirects=False)

    def _sentence(self, error: aiohttp.ClientError | OSError) -> str:
        if isinstance(getattr(error, "os_error", None), AddressRefused):
            return "The host has no public address, so it was not called."
        for kind, sentence in _SENTENCES:
            if isinstance(error, kind):
                return sentence.format(
                    seconds=self._seconds_max, connect_seconds=self._connect_seconds_max,
                )
        return "The connection broke before an answer came."


@dataclass(slots=True)
class _Use:
    """How one request was made."""

    reused: bool = False    # on a connection that had served before


# The first kind that fits speaks: each comes before those that it is a kind of.
_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "The host name could not be resolved."),
    (
        aiohttp.ClientConnectorCertificateError,
        "The TLS certificate of the host is not trusted, or is not for this host.",
    ),
    (aiohttp.ClientSSLError, "The host and we could not agree on TLS."),
    (
        aiohttp.ConnectionTimeoutError,
        "No connection within {connect_seconds:g} seconds: the host did not take one, or earlier "
        "webhooks to it are still waiting for their answers.",
    ),
    (TimeoutError, "No answer within {seconds:g} seconds."),
    (aiohttp.ClientConnectorError, "The host did not accept a connection."),
    (aiohttp.ServerDisconnectedError, "The host closed the connection without an answer."),
    (
        aiohttp.ClientResponseError,
        "The answer was not HTTP that we can read, or its headers were too large.",
    ),
)


def _complaint(status: int) -> str:
    """Return what to tell the merchant about `status`: nothing when all is well."""
    if Answer(status).accepted:
        return ""
    if _REDIRECT_MIN <= status <= _REDIRECT_MAX:
        return (
            f"The endpoint answered {status}, and redirects are not followed: "
            "register the URL that it leads to."
        )
    return f"The endpoint answered {status}; only 200 to 299 counts as received."


async def _beginning(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """Return the first bytes of the body, as many as came before the deadline.

    The status has decided already, so a body that breaks, drips or never ends changes nothing.
    """
    kept = bytearray()
    with suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout_at(deadline):
            while len(kept) < BODY_BYTES_MAX:
                chunk = await response.content.read(BODY_BYTES_MAX - len(kept))
                if not chunk:
                    break
                kept += chunk
    return bytes(kept)


def _hang_up(response: aiohttp.ClientResponse) -> None:
    if response.connection is not None and response.connection.transport is not None:
        # The body has not ended and nothing more of it is wanted, not even TLS's goodbye, for which
        # asyncio may wait up to 30 s.
        response.connection.transport.abort()
    response.close()


def retry_after_seconds(value: str, *, now: datetime) -> int | None:
    """Return the seconds that a Retry-After header asks for, or None if it asks for nothing clear.

    `now` is in UTC. A date that has passed is 0. Source: RFC 9110, 10.2.3.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        if len(value) > _SECONDS_DIGITS_MAX:
            return RETRY_AFTER_SECONDS_MAX
        return int(value)
    try:
        date = parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        wait = ceil((date - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # the parser is lenient, and raises one or another for a stranger's text
    return min(max(wait, 0), RETRY_AFTER_SECONDS_MAX)


def open_sender(
    *, allow: AllowList, now: Callable[[], datetime], lookup: Lookup | None = None,
    tls: ssl.SSLContext | None = None, seconds_max: float = SECONDS_MAX,
    connect_seconds_max: float = CONNECT_SECONDS_MAX,
    before_request: Callable[[], None] | None = None,
) -> WebhookSender:
    """Return a sender. Call it with a loop running, once per process, and `close` it at the end.

    `lookup` replaces the system's resolver, `tls` its trusted certificates. Whatever it returns,
    addresses are checked. `before_request` is called before each request, and may stop it.
    """
    names = Names()

    def session(*, keep: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=open_connector(allow, lookup=lookup or names.lookup, tls=tls, keep=keep),
            # The deadline of the whole is kept in `WebhookSender`, to the body's last byte.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_seconds_max),
            headers={"User-Agent": f"Hakika/{hakika.__version__}", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,        # a proxy from the environment would connect unchecked
            auto_decompress=False,  # a few bytes of gzip can be gigabytes
            read_bufsize=BODY_BYTES_MAX,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
            trace_configs=[_trace(before_request)],
        )

    return WebhookSender(
        session(keep=True), session(keep=False), names=names, allow=allow, now=now,
        seconds_max=seconds_max, connect_seconds_max=connect_seconds_max,
    )


def _trace(before_request: Callable[[], None] | None) -> aiohttp.TraceConfig:
    """Return aiohttp's way of calling `before_request`, and of telling what a request used."""

    async def call(*_: object) -> None:
        if before_request is not None:
            before_request()

    async def reused(_: object, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.reused = True

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(call)
    trace.on_connection_reuseconn.append(reused)
    return trace
