"""Errors on the wire: RFC 9457 problem+json. The only place that knows HTTP status codes.

One shape for everything that goes wrong, so that a caller writes one handler. What we did not
expect becomes a 500 that tells nothing but its request id; the log has the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from hakika.api import gateway_errors
from hakika.api.answer import Answer
from hakika.api.requests import field_errors
from hakika.api.telemetry import route_of
from hakika.domain.errors import (
    BodyTooLarge,
    Conflict,
    EncodingUnsupported,
    FieldError,
    Forbidden,
    HakikaError,
    IdempotencyKeyInProgress,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
    ProviderRefused,
    TooMany,
    Unauthenticated,
    Unavailable,
)

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"

# Where a type of problem is registered that is not ours alone.
_TYPES = {TooMany.code: "https://iana.org/assignments/http-problem-types#quota-exceeded"}

# The first class that fits gives the status: leaves stand before their parents.
_STATUS: Sequence[tuple[type[HakikaError], HTTPStatus]] = (
    (BodyTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (EncodingUnsupported, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (IdempotencyKeyReused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Invalid, HTTPStatus.BAD_REQUEST),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (ProviderRefused, HTTPStatus.BAD_GATEWAY),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)

# No other conflict passes by itself: there the hint says what to do.
_IN_PROGRESS_RETRY_SECONDS = 1


def problem(
    request: Request, status: HTTPStatus, *, code: str, detail: str, hint: str = "",
    errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """Return a problem: `code` is stable, `detail` is for people, `hint` is the way out."""
    request.state.error_code = code
    if request.url.path.startswith(gateway_errors.PREFIX):
        return gateway_errors.gateway_problem(
            status, code=code, message=detail, hint=hint, errors=errors, headers=headers,
            request_id=request.state.request_id, extra=extra or {},
        )
    body = problem_fields(
        status, code=code, detail=detail, hint=hint, instance=request.url.path,
        request_id=request.state.request_id, errors=errors,
    )
    return Answer(body | dict(extra or {}), status, headers=headers, media_type=PROBLEM_JSON)


def problem_fields(
    status: HTTPStatus, *, code: str, detail: str, hint: str, instance: str, request_id: str,
    errors: Sequence[FieldError] = (),
) -> dict[str, Any]:
    """Return the fields that every problem has."""
    return {
        "type": _TYPES.get(code, f"urn:hakika:error:{code}"), "title": status.phrase,
        "status": status.value, "detail": detail, "instance": instance, "success": False,
        "code": code, "error": status.phrase, "hint": hint,
        "errors": [
            {"field": each.field, "code": each.code, "message": each.message} for each in errors
        ],
        "request_id": request_id,
    }


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem."""
    app.add_exception_handler(HakikaError, _known)
    app.add_exception_handler(RequestValidationError, _query_invalid)
    app.add_exception_handler(HTTPException, _http)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, HakikaError)
    return problem_of(request, error)


def problem_of(request: Request, error: HakikaError) -> Response:
    """Return the answer that an error on purpose becomes."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    headers = {}
    if isinstance(error, TooMany | Unavailable):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, IdempotencyKeyInProgress):
        headers["Retry-After"] = str(_IN_PROGRESS_RETRY_SECONDS)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    extra: Mapping[str, Any] = {}
    if isinstance(error, TooMany):
        extra = {"violated-policies": [error.policy]}
    if isinstance(error, ProviderRefused):
        extra = {"daraja": error.daraja, "data": None}
    return problem(
        request, status, code=error.code, detail=error.message, hint=error.hint, headers=headers,
        errors=error.errors if isinstance(error, Invalid) else (), extra=extra,
    )


async def _query_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = field_errors(
        [each | {"loc": each["loc"][1:]} for each in error.errors()], what="parameter",
    )
    named = ", ".join(each.field for each in errors)
    return problem(
        request, HTTPStatus.BAD_REQUEST, code=Invalid.code, errors=errors,
        detail=errors[0].message if len(errors) == 1
        else f"These parameters cannot be taken: {named}.",
        hint="Mend the named parameters and send the request again.",
    )


async def _http(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    hints = {
        HTTPStatus.NOT_FOUND: "See /docs for every path.",
        HTTPStatus.METHOD_NOT_ALLOWED: "See /docs for the methods of this path.",
    }
    return problem(
        request, status, code=status.name.lower(), detail=f"{request.method} {request.url.path}",
        hint=hints.get(status, ""), headers=error.headers,
    )


class CatchEverything:
    """The outermost layer: an error that nobody expected becomes a 500, and a line in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting_send(message: Any) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except ClientDisconnect:
            return  # the caller hung up, or was cut off, before the request was all here
        except Exception:
            log.exception("unexpected_error", route=route_of(scope))
            if started:
                raise  # half an answer is out; only closing the connection tells the truth now
            answer = problem(
                Request(scope), HTTPStatus.INTERNAL_SERVER_ERROR, code="internal_error",
                detail="Something went wrong here. It was logged under this request id.",
                hint="Send the same request with the same Idempotency-Key: nothing is done twice.",
            )
            await answer(scope, receive, send)
