"""`/metrics`: for those who may read it. For everybody else there is no such path.

It is a layer and no route, so that "no such path" is the very answer that any other path gets, for
each method, and so that it is in no document.
"""

from __future__ import annotations

from types import SimpleNamespace

from fastapi import FastAPI, Request, Response
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from hakika.api import errors
from hakika.api.addresses import client_address, is_in
from hakika.api.requests import RequestId
from hakika.api.telemetry import NO_TELEMETRY_OF_ITS_OWN
from hakika.domain.errors import ForwardedMalformed
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
        self._settings = settings

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
        return request.method in {"GET", "HEAD"} and may_read(request, self._settings)


def may_read(request: Request, settings: Settings) -> bool:
    """Say whether a request comes from one of the settings' networks.

    What comes through a proxy that is not named among the trusted ones is refused, though the proxy
    be on this machine: else the whole internet would be on this machine.
    """
    peer = request.client.host if request.client else ""
    is_passed_on = any(name in request.headers for name in _PASSED_ON)
    if is_passed_on and not is_in(peer, settings.trusted_proxies):
        return False
    try:
        return is_in(client_address(request, settings), settings.metrics_networks)
    except ForwardedMalformed:
        return False


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
