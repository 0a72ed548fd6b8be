"""The layer that times each request, and opens its span: by the route's template, never its path.

A path may hold the token of a callback, and a query the number of a payer.
"""

from __future__ import annotations

from time import perf_counter

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hakika.services.telemetry import Telemetry
from hakika.services.tracing import Traces

# The path of nothing that we have: each would be a series of its own.
UNMATCHED = "unmatched"

# Anybody may send any word as a method.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"

# Load balancers and Prometheus ask for these all day long; as traces they would only be in the way.
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})

_SERVER_ERROR_MIN = 500

# FastAPI would make spans of its own as soon as there is any tracer: with the whole path in them,
# the query, and the messages of exceptions.
NO_TELEMETRY_OF_ITS_OWN = TelemetryConfig(
    tracing=False, metrics=False, logs=False, auto_configure=False,
)


class Observed:
    """Notes method, route, status and time of each request."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), "none"  # none: the connection broke before an answer

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        traces = self._telemetry.traces
        try:
            if traces is None or scope["path"] in UNTRACED:
                await self._app(scope, receive, noting_send)
            else:
                await self._traced(traces, scope, receive, noting_send)
        finally:
            self._telemetry.http(
                perf_counter() - started, method=method_of(scope), route=route_of(scope),
                status=status,
            )

    async def _traced(self, traces: Traces, scope: Scope, receive: Receive, send: Send) -> None:
        method = method_of(scope)
        with traces.span(
            method, {"request_id": scope["state"]["request_id"]},
            kind=SpanKind.SERVER, caller=traces.caller(Headers(scope=scope)),
        ) as span:

            async def noting_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= _SERVER_ERROR_MIN:
                        span.set_attribute("error.type", str(message["status"]))
                await send(message)

            try:
                await self._app(scope, receive, noting_send)
            finally:
                span.update_name(f"{method} {route_of(scope)}")
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", route_of(scope))


def route_of(scope: Scope) -> str:
    """Return the template of a request's route, such as `/v1/payments/{payment_id}`."""
    path: str = getattr(scope.get("route"), "path", UNMATCHED)
    return path


def method_of(scope: Scope) -> str:
    """Return the method of a request, if it is a usual one."""
    return scope["method"] if scope["method"] in METHODS else OTHER
