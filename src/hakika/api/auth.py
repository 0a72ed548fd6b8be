"""Who is asking, and whether they may: each route names the scope that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from fastapi.security.utils import get_authorization_scheme_param

from hakika.api.entrance import too_many
from hakika.api.requests import refuse_repeated
from hakika.domain.errors import Unauthenticated
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import keys
from hakika.services.runtime import Runtime

# What needs no key. Everything else does, wherever it stands; callbacks have a door of their own.
OPEN = frozenset({"/healthz", "/readyz"})

# The two ways to show a key, as the OpenAPI document describes them.
SCHEMES = {
    "HTTPBearer": {
        "type": "http", "scheme": "bearer", "description": "`Authorization: Bearer hk_…`",
    },
    "APIKeyHeader": {
        "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`X-API-Key: hk_…`",
    },
}


def running(request: Request) -> Runtime:
    """Return the running parts of this process."""
    rt: Runtime = request.app.state.runtime
    return rt


async def _runtime(request: Request) -> Runtime:
    """Do as `running`: FastAPI calls what is not `async` in another thread, which costs more."""
    return running(request)


Rt = Annotated[Runtime, Depends(_runtime)]


async def _authenticated(request: Request) -> ApiKey:
    """Return the key that a request shows, counted against its quota.

    It reads the headers by itself: the framework's own dependencies for it, one for each header,
    took a sixth of a payment's whole request.
    """
    rt, address = running(request), request.state.client_address
    now = rt.ticks()
    try:
        key = await keys.authenticate(
            rt, _shown(request), address=address, suspect=rt.limits.is_suspect(address, now=now),
        )
    except Unauthenticated:
        if not (standing := rt.limits.failed(address, now=now)).is_within:
            raise too_many(standing) from None  # the same for every key that is not good
        raise
    request.state.api_key = key
    request.state.standing = standing = rt.limits.by_key.spend(key.id, now=now)
    if not standing.is_within:
        raise too_many(standing)
    return key


def _shown(request: Request) -> str:
    """Return the one key that a request shows. Raises: Unauthenticated."""
    scheme, bearer = get_authorization_scheme_param(request.headers.get("authorization"))
    texts = {request.headers.get("x-api-key", ""), bearer if scheme.lower() == "bearer" else ""}
    texts.discard("")
    if not texts:
        raise Unauthenticated("This request has no API key.")
    if len(texts) != 1:
        raise Unauthenticated("This request has two different API keys; send one.")
    return texts.pop()


_GUARDS: dict[Callable[..., Any], Scope] = {}
_FOR_SELLERS: set[Callable[..., Any]] = set()


def may(scope: Scope, *, sellers: bool = False) -> Callable[[Request], Awaitable[ApiKey]]:
    """Return a dependency that gives the caller's key, once it is seen to have `scope`.

    Every route of the API has one, so what is refused of all of them is refused here. Only a route
    that says `sellers` takes a seller's key, and then shows it nothing but what is that seller's.
    """

    async def check(request: Request) -> ApiKey:
        key = await _authenticated(request)
        if not sellers:
            key.require_platform()
        key.require(scope)
        refuse_repeated(request)
        return key

    _GUARDS[check] = scope
    if sellers:
        _FOR_SELLERS.add(check)
    return check


def for_sellers(routers: Iterable[APIRouter]) -> set[tuple[str, str]]:
    """Return the routes that a seller's key may use, by method and path."""
    return {
        (method, route.path) for router in routers for route in router.routes
        if isinstance(route, APIRoute)
        and any(each.call in _FOR_SELLERS for each in route.dependant.dependencies)
        for method in route.methods or ()
    }


def scopes(routers: Iterable[APIRouter]) -> dict[tuple[str, str], Scope]:
    """Return the scope that each route of the API needs, by method and path.

    A route that names none, and is not in OPEN, stops the start: who forgot it has opened a door.
    """
    needed: dict[tuple[str, str], Scope] = {}
    for route in (route for router in routers for route in router.routes):
        assert isinstance(route, APIRoute), f"{route} is not a route that can name a scope"
        if route.path in OPEN:
            continue
        asked = [each.call for each in route.dependant.dependencies]
        found = [_GUARDS[call] for call in asked if call is not None and call in _GUARDS]
        assert len(found) == 1, f"{route.path} names {len(found)} scopes; each route names one"
        needed |= {(method, route.path): found[0] for method in route.methods or ()}
    return needed
