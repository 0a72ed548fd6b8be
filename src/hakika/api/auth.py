"""Who is asking, and whether they may: each route names the scope that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hakika.domain.errors import Unauthenticated
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import merchants
from hakika.services.runtime import Runtime

_BEARER = HTTPBearer(auto_error=False, description="`Authorization: Bearer hk_…`")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="`X-API-Key: hk_…`")


def runtime(request: Request) -> Runtime:
    """Return the running parts of this process."""
    rt: Runtime = request.app.state.runtime
    return rt


Rt = Annotated[Runtime, Depends(runtime)]


async def _key(
    rt: Rt,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> ApiKey:
    if not (bearer and bearer.credentials) and not header:
        raise Unauthenticated("This request has no API key.")
    texts = {text for text in (bearer and bearer.credentials, header) if text}
    if len(texts) != 1:
        raise Unauthenticated("This request has two different API keys; send one.")
    key = await merchants.authenticate(rt, texts.pop())
    rt.account(livemode=key.livemode)
    return key


def may(scope: Scope) -> Callable[[ApiKey], Awaitable[ApiKey]]:
    """Return a dependency that gives the caller's key, once it is seen to have `scope`."""

    async def check(key: Annotated[ApiKey, Depends(_key)]) -> ApiKey:
        key.require(scope)
        return key

    return check
