"""What callers of `/v1/requests` send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.inputs import Moment, cursor_of, fit_for_search
from hakika.api.schemas import Page


class RequestQuery(BaseModel):
    """How the log is narrowed. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    route: Annotated[str, fit_for_search()] | None = Field(
        None, max_length=200, description="The template, such as /v1/payments/{payment_id}.",
    )
    status: int | None = Field(None, ge=100, le=599, description="The answer's HTTP status.")
    key: Annotated[str, fit_for_search()] | None = Field(
        None, max_length=64, description="The id of an API key, key_….",
    )
    since: Moment | None = Field(None, description="Started at or after (RFC 3339).")
    until: Moment | None = Field(None, description="Started before (RFC 3339).")
    idempotency_key: Annotated[str, fit_for_search()] | None = Field(
        None, max_length=255, min_length=1, description="A whole Idempotency-Key.",
    )
    request_id: Annotated[str, fit_for_search()] | None = Field(
        None, max_length=64, min_length=1, description="A whole X-Request-Id.",
    )
    cursor: Annotated[str, cursor_of("req")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class RequestData(BaseModel):
    """One request, with everything hidden in it that is a secret or names a person."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "id": "req_01kaxb2m8fe2tv5k0c3y7h9q4d", "request_id": "9f0c6b1c7c8e4f2fb1d6a5e4c3b2a190",
        "started_at": "2026-11-21T06:00:00.000000Z", "livemode": False,
        "key_id": "key_01kaxb2m8ffh5r2b8v9n3d6w1c", "method": "POST", "route": "/v1/payments",
        "path": "/v1/payments", "query": {}, "status": 202, "error_code": None,
        "duration_ms": 61.204, "idempotency_key": "order-1234", "replayed": False,
        "client_address": "203.0.113.7",
        "body": {
            "amount": 500, "currency": "KES", "provider": "mpesa", "phone": "2547••••5678",
        },
        "body_bytes": 74, "response_bytes": 871,
    }]})

    id: str
    request_id: str = Field(description="The X-Request-Id of the answer.")
    started_at: str
    livemode: bool
    key_id: str
    method: str
    route: str = Field(description="The template of the path.")
    path: str
    query: dict[str, Any]
    status: int | None = Field(description="Null: the caller hung up before there was an answer.")
    error_code: str | None = Field(description="The `code` of the problem: see docs/errors.md.")
    duration_ms: float
    idempotency_key: str | None
    replayed: bool = Field(description="The answer was one given before.")
    client_address: str
    body: Any = Field(description="Null: none, longer than 8 KiB, or no JSON.")
    body_bytes: int
    response_bytes: int | None


class RequestAnswer(BaseModel):
    """One request."""

    success: Literal[True] = True
    data: RequestData


class RequestsAnswer(BaseModel):
    """A page of requests, newest first."""

    success: Literal[True] = True
    data: list[RequestData]
    page: Page
