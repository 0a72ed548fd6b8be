"""What every request goes through: its id, and its body."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
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


def refuse_repeated(request: Request) -> None:
    """Raise Invalid when a parameter stands in the address twice: no route takes one twice.

    The framework would take the last of them in silence: a list of completed and failed payments
    that has the failed ones alone.
    """
    if not request.scope["query_string"]:
        return
    counted = Counter(name for name, _ in request.query_params.multi_items())
    repeated = sorted(name for name, count in counted.items() if count > 1)
    if repeated:
        raise Invalid(
            f"These parameters are there more than once: {', '.join(repeated)}.",
            hint="Give each parameter once; ask once for each value.",
            errors=tuple(
                FieldError(name, "repeated_parameter", "It is taken once.") for name in repeated
            ),
        )


async def read_bytes(
    request: Request, *, bytes_max: int = BODY_BYTES_MAX, is_logged: bool = True,
) -> bytes:
    """Return the body; the request log keeps it too, unless it is a file.

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
            most = _length(bytes_max)
            raise BodyTooLarge(
                f"The body is longer than {most}.", hint=f"Send at most {most}.",
            )
    if is_logged:
        request.state.body = bytes(body)
    return bytes(body)


def _length(count: int) -> str:
    mib, rest = divmod(count, 1024 * 1024)
    return f"{mib} MiB" if mib and not rest else f"{count // 1024} KiB"


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
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
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
        errors = field_errors(error.errors())
        named = ", ".join(each.field for each in errors)
        raise Invalid(
            errors[0].message if len(errors) == 1 else f"{len(errors)} fields are wrong: {named}.",
            errors=errors,
        ) from None


def field_errors(
    found: Iterable[Mapping[str, Any]], *, what: str = "field",
) -> tuple[FieldError, ...]:
    """Return pydantic's errors in our words; each message names its field."""
    return tuple(_field_error(each, what=what) for each in found)


def _field_error(each: Mapping[str, Any], *, what: str) -> FieldError:
    name = ".".join(str(part) for part in each["loc"])
    match each["type"]:
        case "missing":
            return FieldError(name, f"missing_{what}", f"The {what} {name} is missing.")
        case "extra_forbidden":
            return FieldError(name, f"unknown_{what}", f"There is no {what} {name} here.")
        case kind if "message" in each.get("ctx", {}):
            return FieldError(name, kind, each["msg"])  # a rule of ours: a sentence already
        case kind:
            return FieldError(name, kind, f"{name}: {each['msg']}.")


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
            raise _too_deep()
        case dict():
            for name, each in value.items():
                _check_fit(name, levels=levels)
                _check_fit(each, levels=levels - 1)
        case list():
            for each in value:
                _check_fit(each, levels=levels - 1)


def _too_deep() -> BodyUnreadable:
    return BodyUnreadable(f"The body is nested deeper than {DEPTH_MAX} levels.")
