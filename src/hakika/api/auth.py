"""Who is asking, and whether they may: each route names the scope that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hakika.api.entrance import too_many
from hakika.domain import callback
from hakika.domain.errors import Unauthenticated
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import keys
from hakika.services.runtime import Runtime

# What needs no key. Everything else does, wherever it stands.
OPEN = frozenset({callback.PATH + "{token}", "/healthz", "/readyz"})

_BEARER = HTTPBearer(auto_error=False, description="`Authorization: Bearer hk_…`")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="`X-API-Key: hk_…`")


async def runtime(request: Request) -> Runtime:
    """Return the running parts of this process.

    `async`, because FastAPI would call anything else in another thread, which costs more than it.
    """
    rt: Runtime = request.app.state.runtime
    return rt


Rt = Annotated[Runtime, Depends(runtime)]


async def _key(
    request: Request,
    rt: Rt,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> ApiKey:
    address, now = request.state.client_address, rt.ticks()
    try:
        key = await keys.authenticate(
            rt, _shown(bearer, header), address=address,
            suspect=rt.limits.is_suspect(address, now=now),
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


def _shown(bearer: HTTPAuthorizationCredentials | None, header: str | None) -> str:
    """Return the one key that a request shows. Raises: Unauthenticated."""
    texts = {text for text in (bearer and bearer.credentials, header) if text}
    if not texts:
        raise Unauthenticated("This request has no API key.")
    if len(texts) != 1:
        raise Unauthenticated("This request has two different API keys; send one.")
    return texts.pop()


_GUARDS: dict[Callable[..., Any], Scope] = {}


def may(scope: Scope) -> Callable[[ApiKey], Awaitable[ApiKey]]:
    """Return a dependency that gives the caller's key, once it is seen to have `scope`."""

    async def check(key: Annotated[ApiKey, Depends(_key)]) -> ApiKey:
        key.require(scope)
        return key

    _GUARDS[check] = scope
    return check


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
