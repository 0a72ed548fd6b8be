"""Errors as the older gateway's callers read them: `{"error", "hint", "detail"}`, under `/api/v1/`.

Its table knows 400, 401, 404, 500 and 502. What fits one of them is told so; the rest keeps our own
status, because a caller who knows none of them still sees a failure, and when to ask again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from hakika.api.answer import Answer
from hakika.domain.errors import FieldError, LiveModeUnavailable, PromptIsOpen, ProviderUnreachable

PREFIX = "/api/v1/"

# Safaricom refuses a second prompt itself; who is refused by us is told as who is refused by them.
_BY_CODE: Mapping[str, HTTPStatus] = {
    LiveModeUnavailable.code: HTTPStatus.BAD_REQUEST,
    ProviderUnreachable.code: HTTPStatus.BAD_GATEWAY,
    PromptIsOpen.code: HTTPStatus.BAD_GATEWAY,
}
_BY_STATUS: Mapping[HTTPStatus, HTTPStatus] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
}


def gateway_problem(
    status: HTTPStatus, *, code: str, message: str, hint: str, request_id: str,
    errors: Sequence[FieldError], headers: Mapping[str, str] | None, extra: Mapping[str, Any],
) -> Answer:
    """Return a problem in the gateway's shape. `error` is a sentence, `detail` for who looks up."""
    told = _BY_CODE.get(code, _BY_STATUS.get(status, status))
    return Answer(
        {
            "error": message, "hint": hint,
            "detail": "; ".join([*_particulars(errors, extra), f"{code}, request {request_id}"]),
        },
        told, headers=headers,
    )


def _particulars(errors: Sequence[FieldError], extra: Mapping[str, Any]) -> list[str]:
    daraja = extra.get("daraja")
    said = [f"Daraja {daraja['code']}: {daraja['message']}"] if daraja else []
    return said + [f"{each.field}: {each.code}, {each.message}" for each in errors]
