"""What every request goes through: its id, and its body."""

from __future__ import annotations

import json
import re
import uuid
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from hakika.domain.errors import (
    BodyTooLarge,
    BodyUnreadable,
    EncodingUnsupported,
    FieldError,
    Invalid,
)

BODY_BYTES_MAX = 64 * 1024
DEPTH_MAX = 10

# What PostgreSQL keeps neither as text nor as JSON.
_UNFIT = re.compile(r"[\x00\ud800-\udfff]")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

Model = TypeVar("Model", bound=BaseModel)


class RequestId:
    """Gives each request an id: the caller's own X-Request-Id when it is fit, else a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with `request.state.request_id` set."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):  # on every line that is logged meanwhile
            await self._app(scope, receive, send_with_id)


async def read_bytes(request: Request, *, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Return the body.

    Raises:
        BodyTooLarge: longer than `bytes_max`. What was read is dropped; the rest is not read.
        EncodingUnsupported: it is compressed, and so may be any length.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise EncodingUnsupported(f"The body comes with Content-Encoding: {encoding[:40]}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise BodyTooLarge(f"The body is longer than {bytes_max} bytes.")
    request.state.body = bytes(body)  # for the request log
    return bytes(body)


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`, with every fraction as a Decimal.

    Raises:
        BodyUnreadable: not UTF-8, not JSON, not an object, NaN or Infinity, a field twice, a text
            that cannot be kept, or nested too deeply.
    """
    try:
        body = json.loads(
            raw.decode(), parse_float=Decimal, parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_twice,
        )
    except (ValueError, RecursionError) as error:
        raise BodyUnreadable(f"The body cannot be read as JSON: {error}.") from None
    if not isinstance(body, dict):
        raise BodyUnreadable("The body is JSON, but not an object.")
    _check_fit(body, levels=DEPTH_MAX)
    return body


def read_model(model: type[Model], body: dict[str, Any]) -> Model:
    """Return `body` as a `model`. Raises: Invalid, with one error for each wrong field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        errors = tuple(
            FieldError(
                ".".join(str(part) for part in each["loc"]), _code(each["type"]), each["msg"],
            )
            for each in error.errors()
        )
        message = errors[0].message if len(errors) == 1 else f"{len(errors)} fields are wrong."
        raise Invalid(message, errors=errors) from None


def _code(kind: str) -> str:
    """Return our name for pydantic's kind of error."""
    return {"extra_forbidden": "unknown_field", "missing": "missing_field"}.get(kind, kind)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands in it twice")
    return fields


def _check_fit(value: object, *, levels: int) -> None:
    """Raise BodyUnreadable for a text that cannot be kept, or for more than `levels` of nesting."""
    match value:
        case str() if _UNFIT.search(value):
            raise BodyUnreadable("The body has a NUL character, or half of a surrogate pair.")
        case dict() | list() if levels == 0:
            raise BodyUnreadable(f"The body is nested deeper than {DEPTH_MAX} levels.")
        case dict():
            for name, each in value.items():
                _check_fit(name, levels=levels)
                _check_fit(each, levels=levels - 1)
        case list():
            for each in value:
                _check_fit(each, levels=levels - 1)
