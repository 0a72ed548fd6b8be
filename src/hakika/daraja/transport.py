"""One HTTP exchange with Daraja: sent exactly once, answered by what is certain about it.

aiohttp re-sends a request by itself when a kept-alive connection turns out dead, but only for the
methods it holds idempotent (aiohttp 3.14 client.py, IDEMPOTENT_METHODS): never a POST. A test holds
it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

import aiohttp

from hakika.daraja.errors import RAW_BYTES_MAX

# All short codes share one host, so this bounds them together. A push takes seconds when Daraja is
# slow: the bound is set so high that one slow short code cannot use it up before its callers give
# up, and low enough for the usual 1,024 open files of a process.
CONNECTIONS_MAX = 400

# A connection that Safaricom closes at the moment we write on it makes a push silent. Ours are
# given up before the shortest idle limit in common use (5 s, Node's default) can run out.
IDLE_SECONDS_MAX = 4

DNS_SECONDS = 60
RETRY_AFTER_SECONDS_MAX = 3600
_SECRET_LENGTH_MIN = 8  # shorter ones are test values that would also match innocent text


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, without secrets. `complete` says whether the whole body was read."""

    status: int
    body: bytes = field(repr=False)
    complete: bool
    retry_after_seconds: int | None = None

    @property
    def is_success(self) -> bool:
        """Say whether the status is 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class NeverSent(Exception):
    """No connection was made, so not a byte of the request has left. `what` is safe to show."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


class NoAnswer(Exception):
    """The request may have arrived, and no answer came. `what` is safe to show."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. The headers hold the token, the body the password: neither is shown."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)  # cut out of whatever comes back


def open_session(
    *, before_request: Callable[[], None] | None = None, connections_max: int = CONNECTIONS_MAX,
) -> aiohttp.ClientSession:
    """Return a session for Daraja: no cookies, no proxies from the environment, short idle life.

    Call it in a running event loop, as `async with open_session(…) as session`, which closes it.
    `before_request` is called before each request; what it raises stops the request.
    TCP_NODELAY is aiohttp's default.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        limit_per_host=connections_max,
        keepalive_timeout=IDLE_SECONDS_MAX,
        ttl_dns_cache=DNS_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False,
        trace_configs=_traces(before_request),
    )


def _traces(before_request: Callable[[], None] | None) -> list[aiohttp.TraceConfig]:
    """Return aiohttp's way of calling `before_request` before each request."""
    if before_request is None:
        return []
    check = before_request

    async def call(*_: object) -> None:
        check()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(call)
    return [trace]


async def exchange(
    session: aiohttp.ClientSession, request: Request, limits: aiohttp.ClientTimeout,
) -> Answer:
    """Send the request once and return the answer, whatever its status; follow no redirect.

    Raises:
        NeverSent: DNS, refused connection, TLS, or no connection within the connect timeout.
        NoAnswer: anything later. The request may have been taken.
    """
    try:
        response = await session.request(
            request.method,
            request.url,
            data=request.body,
            headers={"Accept-Encoding": "identity", "User-Agent": "hakika", **request.headers},
            timeout=limits,
            allow_redirects=False,
        )
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as failure:
        # Both come from the connector alone, which is done before the request is written.
        raise NeverSent(_kind_of(failure)) from None
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        raise NoAnswer(_kind_of(failure)) from None
    try:
        body, complete = await _read(response)
    finally:
        if not response.content.at_eof():
            response.close()  # never wait for the rest of an endless body
        response.release()
    return Answer(
        status=response.status,
        body=_without(request.secrets, body)[:RAW_BYTES_MAX],
        complete=complete,
        retry_after_seconds=_retry_after(response.headers.get("Retry-After", "")),
    )


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return as much of the body as we keep, and whether that is all of it."""
    body = bytearray()
    try:
        while len(body) <= RAW_BYTES_MAX:
            chunk = await response.content.read(RAW_BYTES_MAX)
            if not chunk:
                return bytes(body), True
            body += chunk
    except (aiohttp.ClientError, OSError, TimeoutError):
        return bytes(body), False
    return bytes(body), False


def _without(secrets: Iterable[str], body: bytes) -> bytes:
    """Return the body with every secret cut out, also as JSON or a URL would spell it."""
    for secret in secrets:
        if len(secret) < _SECRET_LENGTH_MIN:
            continue
        for spelling in {secret, secret.replace("/", "\\/"), quote(secret, safe="")}:
            body = body.replace(spelling.encode(), b"[removed]")
    return body


def _retry_after(text: str) -> int | None:
    """Return the seconds that a gateway asks for; a date or nonsense is no answer."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(RETRY_AFTER_SECONDS_MAX)):
        return None
    return min(int(text), RETRY_AFTER_SECONDS_MAX)


_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the host name was not found"),
    (aiohttp.ClientSSLError, "no TLS connection could be made"),
    (aiohttp.ConnectionTimeoutError, "no connection in time"),
    (aiohttp.ClientConnectorError, "no connection could be made"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ServerDisconnectedError, "the connection broke before an answer"),
    (OSError, "the connection broke before an answer"),
)


def _kind_of(failure: BaseException) -> str:
    """Name the failure without its text, which may hold addresses and parts of the request."""
    for kind, name in _KINDS:
        if isinstance(failure, kind):
            return name
    return "the answer is not readable HTTP"
