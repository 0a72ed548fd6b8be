"""`/metrics`: for those who may read it. For everybody else there is no such path.

It is a layer and no route, so that "no such path" is the very answer that any other path gets, for
each method, and so that it is in no document.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from fastapi import FastAPI, Request, Response
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from hakika.api import errors
from hakika.api.requests import RequestId, client_address, is_in
from hakika.api.telemetry import NO_TELEMETRY_OF_ITS_OWN
from hakika.services.gauges import CONTENT_TYPE, Page
from hakika.services.telemetry import Telemetry
from hakika.settings import Settings

PATH = "/metrics"

# Whoever passes a request on for somebody else says so in one of these.
_PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-real-ip")

_ROUTE = SimpleNamespace(path=PATH)


class Metrics:
    """Answers `/metrics` for peers in HAKIKA_METRICS_NETWORKS, and passes on all else."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, settings: Settings) -> None:
        self._app, self._page = app, Page(telemetry)
        self._networks, self._proxies = settings.metrics_networks, settings.trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http" or scope["path"] != PATH or not self._is_welcome(scope):
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        answer = Response(await self._page.render(), media_type=CONTENT_TYPE)
        await answer(scope, receive, send)

    def _is_welcome(self, scope: Scope) -> bool:
        request = Request(scope)
        return request.method in {"GET", "HEAD"} and may_read(
            request, self._networks, trusted_proxies=self._proxies,
        )


def may_read(
    request: Request, networks: Sequence[str], *, trusted_proxies: Sequence[str],
) -> bool:
    """Say whether a request comes from one of `networks`.

    What comes through a proxy that is not named among the trusted ones is refused, though the proxy
    be on this machine: else the whole internet would be on this machine.
    """
    peer = request.client.host if request.client else ""
    if not is_in(peer, trusted_proxies) and any(name in request.headers for name in _PASSED_ON):
        return False
    return is_in(client_address(request, trusted_proxies), networks)


def create_metrics_app(settings: Settings, telemetry: Telemetry) -> FastAPI:
    """Return an application with nothing but `/metrics`, for a process without the API."""
    app = FastAPI(
        openapi_url=None, telemetry=NO_TELEMETRY_OF_ITS_OWN,
        middleware=[
            Middleware(RequestId), Middleware(errors.CatchEverything),
            Middleware(Metrics, telemetry=telemetry, settings=settings),
        ],
    )
    errors.install(app)
    return app
