"""The entrance: one layer in which every request gets its address, its limits and its log line.

Safaricom's callbacks pass it by: one that is refused is money that nobody hears of. Their own door
looks after strays (services/callbacks.py).
"""

from __future__ import annotations

from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hakika.api.addresses import client_address, peer_address
from hakika.api.errors import problem_of
from hakika.api.telemetry import method_of, route_of
from hakika.domain.callback import GUESSABLE_PATH, PATH
from hakika.domain.errors import ForwardedMalformed, TooMany
from hakika.domain.limit import Standing, neighbourhood
from hakika.domain.request_log import BODY_BYTES_MAX
from hakika.services.limits import EVERYBODY
from hakika.services.notes import Note
from hakika.services.runtime import Runtime

# Not counted and not logged: callbacks, and what machines ask all day long.
PASSED_BY = (PATH, GUESSABLE_PATH, "/healthz", "/readyz", "/metrics")

_KEY_CHARACTERS_MAX = 255


class Entrance:
    """Counts requests, refuses what is too much, and notes what became of each."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with `request.state.client_address` set, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(PASSED_BY):
            await self._app(scope, receive, send)
            return
        rt: Runtime = scope["app"].state.runtime
        visit = _Visit(rt, scope)

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.answered(message)
            await send(message)

        refusal = visit.refusal()
        try:
            await (refusal or self._app)(scope, receive, noting_send)
        finally:
            visit.note()


class _Visit:
    """One request on its way through."""

    __slots__ = (
        "_began_at", "_limited", "_replayed", "_response_bytes", "_rt", "_scope", "_status",
        "_ticks",
    )

    def __init__(self, rt: Runtime, scope: Scope) -> None:
        self._rt, self._scope = rt, scope
        self._began_at, self._ticks = rt.now(), rt.ticks()
        self._status: int | None = None
        self._response_bytes: int | None = None
        self._replayed = False
        self._limited = False

    def refusal(self) -> Response | None:
        """Return the answer when the request may not come in, else None."""
        request = Request(self._scope)
        try:
            request.state.client_address = address = client_address(request, self._rt.settings)
        except ForwardedMalformed as error:
            request.state.client_address = peer_address(request)
            return problem_of(request, error)
        standing = self._rt.limits.by_address.spend(neighbourhood(address), now=self._ticks)
        return None if standing.is_within else problem_of(request, too_many(standing))

    def answered(self, message: Message) -> None:
        """Note what the answer says of itself, and let it say how the key stands."""
        self._status = message["status"]
        for name, value in message["headers"]:
            if name == b"content-length":
                self._response_bytes = int(value)
            elif name == b"idempotent-replayed":
                self._replayed = True
        standing: Standing | None = self._scope["state"].get("standing")
        if standing is not None:
            message["headers"] = [
                *message["headers"],
                (b"ratelimit-policy", standing.policy.written().encode()),
                (b"ratelimit", standing.written().encode()),
            ]

    def note(self) -> None:
        """Put the request into the log, if it has room for it."""
        rt, scope, state = self._rt, self._scope, self._scope["state"]
        key, code = state.get("api_key"), state.get("error_code")
        is_ours = key is not None and code != TooMany.code
        if not is_ours and not rt.limits.unlogged.spend(EVERYBODY, now=self._ticks).is_within:
            return
        body: bytes = state.get("body", b"") if key is not None else b""
        idempotency_key = _header(scope, b"idempotency-key") if key is not None else None
        rt.notes.add(Note(
            started_at=self._began_at, request_id=state["request_id"], key=key,
            method=method_of(scope), route=route_of(scope), path=scope["path"],
            query=scope["query_string"], status=self._status, error_code=code,
            duration_ns=rt.ticks() - self._ticks, idempotency_key=idempotency_key,
            replayed=self._replayed, client_address=state["client_address"],
            body=body if len(body) <= BODY_BYTES_MAX else b"", body_bytes=len(body),
            response_bytes=self._response_bytes,
        ))


def too_many(standing: Standing) -> TooMany:
    """Return the error of who asked more often than a policy allows."""
    policy = standing.policy
    return TooMany(
        f"More than {policy.quota} in {policy.window_seconds} seconds ({policy.name}).",
        retry_after_seconds=max(1, standing.wait_seconds), policy=policy.name,
    )


def _header(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            text: str = value.decode("latin-1")
            return text[:_KEY_CHARACTERS_MAX]
    return None
