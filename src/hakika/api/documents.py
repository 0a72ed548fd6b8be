"""What /openapi.json says of requests and answers that routes read and write by themselves."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hakika.api.auth import OPEN, SCHEMES
from hakika.api.c2b_bodies import C2bRequest, ValidationRequest
from hakika.api.customers_bodies import CustomerChange, CustomerRequest
from hakika.api.day_bodies import Assignment, Resolution
from hakika.api.exports_bodies import ExportRequest
from hakika.api.express_bodies import ExpressRequest
from hakika.api.gateway_bodies import GatewayError, StkPushRequest
from hakika.api.guard_bodies import BeneficiaryRequest, FreezeRequest, RulesRequest
from hakika.api.inputs import AssignRequest, PaymentRequest
from hakika.api.inquiries_bodies import InquiryRequest
from hakika.api.merchant_bodies import (
    CollectionsRequest,
    KeyRequest,
    MerchantChange,
    OverlapRequest,
    ProviderRequest,
)
from hakika.api.payout_bodies import PayoutRequest, ResolveRequest
from hakika.api.reconciliation_bodies import ShortcodeRequest
from hakika.api.refund_bodies import RefundRequest
from hakika.api.schemas import Problem, QuotaProblem, RefusalProblem
from hakika.api.sellers_bodies import (
    FeePlanRequest,
    RecordRequest,
    SellerChange,
    SellerRequest,
)
from hakika.api.webhook_bodies import (
    EndpointChange,
    EndpointRequest,
    RecoveryRequest,
    WebhookRequest,
)

_REF = "#/components/schemas/{model}"
_BY_REFERENCE = (
    Assignment, AssignRequest, BeneficiaryRequest, C2bRequest, CollectionsRequest, CustomerChange,
    CustomerRequest, EndpointChange, EndpointRequest, ExportRequest, ExpressRequest, FeePlanRequest,
    FreezeRequest, GatewayError, InquiryRequest, KeyRequest, MerchantChange, OverlapRequest,
    PaymentRequest, PayoutRequest, Problem, ProviderRequest, QuotaProblem, RecordRequest,
    RecoveryRequest, RefundRequest, RefusalProblem, Resolution, ResolveRequest, RulesRequest,
    SellerChange, SellerRequest, ShortcodeRequest, StkPushRequest, ValidationRequest,
    WebhookRequest,
)

_PROBLEMS = {
    400: "The request cannot be taken as it is; `errors` names the fields.",
    401: "No API key, or none that is known and alive.",
    403: "The key lacks the scope, or its mode is not served here.",
    404: "No such thing for this key.",
    409: "True, but not now: `code` says what stands in the way.",
    413: "The body is too large.",
    415: "The body is compressed.",
    422: "The Idempotency-Key was used before with another body.",
    429: "More than is allowed in this time. Ask again after Retry-After seconds.",
    502: "Daraja refused; `daraja` says what it means. The payment is failed.",
    503: "Not now: nothing was done, or nothing was sent. Ask again after Retry-After seconds.",
}

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": True,
    "schema": {"type": "string", "maxLength": 255}, "example": "order-1234",
    "description": "Unique to this order. The same key never charges twice.",
}
# Of the older doors, whose callers never had to send one.
_OPTIONAL_KEY = _IDEMPOTENCY_KEY | {"required": False}

def answers(
    model: type[BaseModel] | None, status: HTTPStatus, *problems: int,
    problem: type[BaseModel] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """Return the documented answers of a route: its success, and the problems it can have.

    503 is among them unsaid: nothing works without the database. So is 429 where a key is needed,
    415 where a body is read, and 400, because a proxy may say of any request what nobody can read.
    `problem` is what the problems of an older door look like.
    """
    documented: dict[int | str, dict[str, Any]] = {
        status.value: {"description": status.phrase} | ({"model": model} if model else {}),
    }
    for each in sorted({*problems, *_unsaid(problems)}):
        documented[each] = {
            "description": _PROBLEMS[each],
            "content": {"application/json" if problem else "application/problem+json": {
                "schema": {"$ref": _REF.format(
                    model=problem.__name__ if problem else _problem_of(each),
                )},
            }},
        }
    return documented


def _unsaid(problems: tuple[int, ...]) -> set[int]:
    unsaid = {HTTPStatus.SERVICE_UNAVAILABLE.value}
    if HTTPStatus.UNAUTHORIZED in problems:
        unsaid |= {HTTPStatus.BAD_REQUEST.value, HTTPStatus.TOO_MANY_REQUESTS.value}
    if HTTPStatus.REQUEST_ENTITY_TOO_LARGE in problems:
        unsaid.add(HTTPStatus.UNSUPPORTED_MEDIA_TYPE.value)
    return unsaid


def _problem_of(status: int) -> str:
    kinds = {429: QuotaProblem, 502: RefusalProblem}
    return kinds.get(status, Problem).__name__


def body_of(
    model: type[BaseModel], *, idempotent: bool = False, key_is_optional: bool = False,
) -> dict[str, Any]:
    """Return the documented request of a route that reads its body by itself."""
    reference = {"$ref": _REF.format(model=model.__name__)}
    documented: dict[str, Any] = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}},
    }
    if idempotent or key_is_optional:
        documented["parameters"] = [_OPTIONAL_KEY if key_is_optional else _IDEMPOTENCY_KEY]
    return documented


def file_body() -> dict[str, Any]:
    """Return the documented request of a route that takes a file as it is."""
    return {"requestBody": {"required": True, "content": {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    }}}


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the whole document: what the framework knows, and the schemas that it cannot."""
    document = get_openapi(
        title="Hakika", version=app.version, description=app.description, routes=app.routes,
    )
    _, extra = models_json_schema(
        [(model, "validation") for model in _BY_REFERENCE], ref_template=_REF,
    )
    document["components"]["schemas"] |= extra["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):  # the framework's own problem
        document["components"]["schemas"].pop(unused, None)
    document["components"]["securitySchemes"] = SCHEMES
    for path, methods in document["paths"].items():
        for operation in methods.values():
            operation["responses"].pop("422" if not _reads_key(operation) else "", None)
            if path not in OPEN:
                operation["security"] = [{name: []} for name in SCHEMES]
    return document


def _reads_key(operation: dict[str, Any]) -> bool:
    """Say whether an operation has an idempotency key, and so a 422 of its own."""
    return any(
        each in operation.get("parameters", []) for each in (_IDEMPOTENCY_KEY, _OPTIONAL_KEY)
    )
