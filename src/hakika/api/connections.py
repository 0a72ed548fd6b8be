"""One connection to the API: how many there are, how long a request may take to come, and how long.

uvicorn waits for ever for a request that never ends, and takes headers of any length; this is what
it lacks. What is refused here never reached the application, so it is in no request log.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from hakika.api.answer import Answer
from hakika.api.errors import PROBLEM_JSON, problem_fields
from hakika.domain.callback import PATH
from hakika.settings import Settings
from hakika.sheets.statements import FILE_BYTES_MAX

HEAD_BYTES_MAX = 16 * 1024
URL_BYTES_MAX = 8 * 1024

# All of one request, with what a body brings along that is no body: chunk extensions and trailers.
MESSAGE_BYTES_MAX = 8 * 1024 * 1024

# Where files are sent to, and what one may be: a statement of a month, over a slow line.
FILE_PATHS = frozenset({b"/v1/reconciliation/statements"})
FILE_MESSAGE_BYTES_MAX = FILE_BYTES_MAX + MESSAGE_BYTES_MAX
FILE_SECONDS_MAX = 600

# When every connection is busy there is still room for Safaricom: a quarter more.
CALLBACKS_SHARE = 0.25

# How long a connection may be quiet between two requests. Longer than any proxy keeps one by custom
# (60 s), so that it is the proxy who closes it: what comes in just as we do is lost, and a callback
# is not sent again.
QUIET_SECONDS_MAX = 75

_RETRY_SECONDS = 1

_DETAILS = {
    HTTPStatus.BAD_REQUEST: ("malformed_request", "This is no HTTP request."),
    HTTPStatus.REQUEST_TIMEOUT: ("request_too_slow", "The request did not arrive in time."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("body_too_large", "The request does not end."),
    HTTPStatus.REQUEST_URI_TOO_LONG: ("url_too_long", f"A URL has {URL_BYTES_MAX} bytes at most."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        "headers_too_large", f"The headers have {HEAD_BYTES_MAX} bytes at most, all together.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "too_many_connections", "There are more connections than this process serves.",
    ),
}
_HINTS = {
    HTTPStatus.REQUEST_TIMEOUT: "Send the same request with the same Idempotency-Key again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Ask again in a moment, and use connections again.",
}


class _TooLarge(Exception):
    """The head of a request is longer than we take."""


def connection_class(settings: Settings) -> type[HttpToolsProtocol]:
    """Return the class of connections that keep to `settings`, for uvicorn's `http`."""
    return type("Connection", (_Connection,), {
        "connections_max": settings.connections_max,
        "request_seconds_max": settings.request_seconds_max,
    })


class _Connection(HttpToolsProtocol):
    """A connection with bounds."""

    connections_max = 1_000
    request_seconds_max = 15.0

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.timeout_keep_alive = QUIET_SECONDS_MAX
        self._quiet_since = self.loop.time()
        self._deadline: asyncio.TimerHandle | None = None
        self._status = HTTPStatus.BAD_REQUEST   # of what the parser refuses
        self._is_head = True                    # what comes now belongs to a head, not to a body
        self._is_whole = True                   # nothing of a request is outstanding
        self._bytes = 0                         # of the request that is coming in
        self._bytes_max = MESSAGE_BYTES_MAX

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, and close a quiet one when there are too many."""
        super().connection_made(transport)
        self._arm()
        if len(self.connections) <= self.connections_max:
            return
        quiet = [
            each for each in self.connections
            if isinstance(each, _Connection) and each is not self and each._is_quiet
        ]
        if quiet:
            min(quiet, key=lambda each: each._quiet_since).transport.close()
        elif len(self.connections) > self.connections_max * (1 + CALLBACKS_SHARE):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came in, as long as it is not too much for one request."""
        self._bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_whole and not (self._is_head and self._bytes):
            self._disarm()
        elif self._deadline is None:
            self._arm()
        if self._is_head and self._bytes > HEAD_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._bytes > self._bytes_max:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_head, self._is_whole = True, False
        self._bytes_max = MESSAGE_BYTES_MAX
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. What comes behind a body is none."""
        if self._is_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the application, unless its head is too long."""
        if len(self.url) > URL_BYTES_MAX:
            self._status = HTTPStatus.REQUEST_URI_TOO_LONG
            raise _TooLarge
        if self._bytes > HEAD_BYTES_MAX and _size(self.headers) > HEAD_BYTES_MAX:
            self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _TooLarge
        self._is_head = False
        if self.url.partition(b"?")[0] in FILE_PATHS:
            self._bytes_max = FILE_MESSAGE_BYTES_MAX
            self._disarm()
            self._arm(FILE_SECONDS_MAX)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is all there."""
        self._is_head, self._is_whole, self._bytes = True, True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, which has its whole time from now on."""
        self._quiet_since = self.loop.time()
        if self._deadline is not None:
            self._disarm()
            self._arm()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused, in the shape of all our errors."""
        self._refuse(self._status)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        is_full = len(self.connections) > self.connections_max
        if is_full and not cycle.scope["path"].startswith(PATH):
            app = _too_many_connections
        super()._start_asgi_task(cycle, app)

    @property
    def _is_busy(self) -> bool:
        """Say whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle  # None until there was a request
        return cycle is not None and not cycle.response_complete

    @property
    def _is_quiet(self) -> bool:
        """Say whether nothing is lost when the connection is closed."""
        return not self._is_busy and not self.transport.is_closing()

    def _arm(self, seconds_max: float | None = None) -> None:
        self._deadline = self.loop.call_later(
            seconds_max or self.request_seconds_max, self._too_slow,
        )

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._is_head and self._is_busy:
            self._arm()  # it waits for our answer, and begins the next request meanwhile
        elif self._bytes == 0:
            self.transport.close()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        """Close the connection, with an answer unless one is under way already."""
        is_in_the_way = self._is_busy if self._is_head else self.cycle.response_started
        if not self.transport.is_closing() and not is_in_the_way:
            self.transport.write(_raw_problem(status))
        self.transport.close()


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _problem(status: HTTPStatus, *, instance: str = "") -> dict[str, Any]:
    code, detail = _DETAILS[status]
    return problem_fields(
        status, code=code, detail=detail, hint=_HINTS.get(status, ""), instance=instance,
        request_id=uuid.uuid4().hex,
    )


def _raw_problem(status: HTTPStatus) -> bytes:
    body = json.dumps(_problem(status)).encode()
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


async def _too_many_connections(scope: Scope, receive: Receive, send: Send) -> None:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    answer: ASGIApp = Answer(
        _problem(status, instance=scope["path"]), status, media_type=PROBLEM_JSON,
        headers={"Connection": "close", "Retry-After": str(_RETRY_SECONDS)},
    )
    await answer(scope, receive, send)
