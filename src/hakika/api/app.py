"""The JSON door, as an index: the routes, and the layers that every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI
from fastapi_swagger import patch_fastapi  # type: ignore[import-untyped]
from starlette.middleware import Middleware

import hakika
from hakika.api import (
    auth,
    c2b,
    callbacks,
    customers,
    days,
    deliveries,
    discrepancies,
    documents,
    errors,
    events,
    evidence,
    exports,
    express,
    gateway,
    guards,
    health,
    hearsay,
    inquiries,
    keys,
    ledger,
    merchant,
    payments,
    payout_files,
    payouts,
    reconciliation,
    refunds,
    request_log,
    search,
    sellers,
    statements,
    webhooks,
)
from hakika.api.entrance import Entrance
from hakika.api.metrics import Metrics
from hakika.api.requests import RequestId
from hakika.api.telemetry import NO_TELEMETRY_OF_ITS_OWN, Observed
from hakika.services import beside
from hakika.services.killpoints import Watcher, nobody_watches
from hakika.services.runtime import open_runtime
from hakika.services.telemetry import Telemetry
from hakika.settings import Settings

ROUTERS = tuple(
    door.router for door in (
        payments, payouts, payout_files, refunds, guards, sellers, evidence, customers, ledger,
        events, webhooks, deliveries, merchant, c2b, keys, reconciliation, statements, days,
        discrepancies, inquiries, search, exports, request_log, gateway, express, health,
    )
)

DESCRIPTION = (
    "Collect M-Pesa payments with certainty. Authenticate with `Authorization: Bearer hk_…` or "
    "`X-API-Key`. Every error is a problem+json with a stable `code` and a `hint`."
)


def create_app(
    settings: Settings, *, public_url: str, passing: Watcher = nobody_watches,
    telemetry: Telemetry | None = None,
) -> FastAPI:
    """Return the application. It opens its own running parts when it starts.

    `public_url` is where Safaricom reaches it, unless the settings say. `telemetry` is the
    process's own.
    """
    telemetry = telemetry or Telemetry()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_runtime(
            settings, public_url=public_url, passing=passing, telemetry=telemetry, part="api",
        ) as rt:
            app.state.runtime = rt
            async with beside.kept_up(rt):
                yield

    app = FastAPI(
        title="Hakika", version=hakika.__version__, description=DESCRIPTION, lifespan=lifespan,
        docs_url=None, redoc_url=None, swagger_ui_oauth2_redirect_url=None,
        routes=[callbacks.ROUTE, *hearsay.ROUTES], redirect_slashes=False,
        telemetry=NO_TELEMETRY_OF_ITS_OWN,
        middleware=[
            Middleware(RequestId), Middleware(Observed, telemetry=telemetry),
            Middleware(Entrance), Middleware(errors.CatchEverything),
            Middleware(Metrics, telemetry=telemetry, settings=settings),
        ],
    )
    errors.install(app)
    auth.scopes(ROUTERS)  # stops the start when a route is open to everybody
    for router in ROUTERS:
        app.include_router(router)
    patch_fastapi(app, docs_url="/docs")
    app.openapi = cache(lambda: documents.openapi(app))  # type: ignore[method-assign]
    return app
