"""What callers get: the answers of the API, as documented in /openapi.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.day_data import DayData, DiscrepancyData
from hakika.api.guard_data import FloatLowData, StopData
from hakika.api.payout_data import PayoutData, RefundData
from hakika.api.payout_file_data import PayoutFileData
from hakika.domain.dialect import Dialect
from hakika.domain.event import EventName

_PAYMENT_EXAMPLE = {
    "id": "pay_01kaxb2m8fe2tv5k0c3y7h9q4d", "merchant_id": "mer_01kaxb2m8ffh5r2b8v9n3d6w1c",
    "livemode": False, "amount": "500.00", "amount_received": "500.00",
    "amount_returned": "0.00", "currency": "KES",
    "provider": "mpesa", "phone": "254712345678", "customer_id": None,
    "seller_id": None, "platform_fee": None, "net_amount": None, "reference": "ORDER-1234",
    "description": "T-shirt", "status": "completed", "failure_code": None, "failure_reason": None,
    "daraja_code": None, "daraja_message": None, "retryable": None, "payer_message": None,
    "payer_message_sw": None, "provider_ref": "ws_CO_21112026090000123712345678",
    "receipt": "UKL7RT61SV", "confirmed_by": "stk_callback", "needs_review": False, "late": False,
    "late_action": None,
    "idempotency_key": "order-1234", "metadata": {"order": "1234"},
    "created_at": "2026-11-21T06:00:00.000000Z", "updated_at": "2026-11-21T06:00:21.000000Z",
    "completed_at": "2026-11-21T06:00:21.000000Z",
}


ENDPOINT_EXAMPLE: dict[str, Any] = {
    "id": "whe_01kaxb1q3vdm7c2j6f9h0r4t8w", "url": "https://shop.example.co.ke/webhooks",
    "events": ["payment.completed"], "dialect": "standard", "description": "The shop",
    "headers": {"x-tenant": "****"}, "rate_per_second": None, "livemode": False,
    "created_at": "2026-11-21T05:59:00.000000Z", "previous_secret_until": None,
    "failing_since": None, "held_until": None, "disabled_at": None, "disabled_reason": None,
}


def _shown_as(example: dict[str, Any]) -> ConfigDict:
    """Return the settings of an answer with an example of it."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class PaymentData(BaseModel):
    """A payment."""

    model_config = _shown_as(_PAYMENT_EXAMPLE)

    id: str
    merchant_id: str
    livemode: bool
    amount: str = Field(description="In shillings, as a decimal text.", examples=["500.00"])
    amount_received: str | None = Field(description="What came in; null until money did.")
    amount_returned: str = Field(description="How much of it went back to the payer.")
    currency: Literal["KES"]
    provider: Literal["mpesa"]
    source: Literal["stk", "c2b"] = Field(
        description="stk: the payer was asked. c2b: the payer paid unasked, from M-Pesa's menu.",
    )
    phone: str | None = Field(description="Null: the payer paid unasked, from a masked number.")
    phone_masked: str | None
    assigned_to: str | None = Field(description="What unasked money was assigned to.")
    customer_id: str | None
    seller_id: str | None = Field(description="Of a platform's: who collects.")
    platform_fee: str | None = Field(description="What of the amount the platform keeps.")
    net_amount: str | None = Field(description="What the seller is owed when it is paid.")
    reference: str
    description: str
    status: Literal["pending", "completed", "failed", "canceled", "unknown", "reversed"]
    failure_code: str | None = Field(description="Ours, stable: see docs/errors.md.")
    failure_reason: str | None = Field(description="For the developer.")
    daraja_code: str | None = Field(description="Safaricom's own code.", examples=["1032"])
    daraja_message: str | None = Field(description="Safaricom's own words.")
    retryable: bool | None = Field(description="The same may work later, with nothing mended.")
    payer_message: str | None = Field(description="Fit to be shown to the payer, in English.")
    payer_message_sw: str | None = Field(description="The same in Swahili.")
    provider_ref: str | None = Field(description="Daraja's CheckoutRequestID.")
    receipt: str | None = Field(description="M-Pesa's receipt.", examples=["UKL7RT61SV"])
    confirmed_by: str | None = Field(description="Which kind of fact decided.")
    needs_review: bool = Field(description="A person must look: facts contradict.")
    late: bool = Field(description="The money came after this was told to have failed.")
    late_action: Literal["fulfil", "hold", "refund"] | None = Field(
        description="What you had set for late money when it came: PATCH /v1/merchant.",
    )
    idempotency_key: str
    metadata: dict[str, str]
    created_at: str
    updated_at: str
    completed_at: str | None


class PaymentAnswer(BaseModel):
    """One payment."""

    success: Literal[True] = True
    data: PaymentData


class Page(BaseModel):
    """Where a list goes on: pass `next` as `cursor`. Null: this was the last page."""

    next: str | None


class PaymentsAnswer(BaseModel):
    """A page of payments, newest first."""

    success: Literal[True] = True
    data: list[PaymentData]
    page: Page


class FactData(BaseModel):
    """One thing that was heard about a payment."""

    model_config = _shown_as({
        "sequence": 3, "heard_at": "2026-11-21T06:00:21.000000Z", "fact": "paid",
        "source": "stk_callback", "state": "completed",
        "details": {"receipt": "UKL7RT61SV", "amount_cents": 50000},
        "link": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4",
    })

    sequence: int
    heard_at: str
    fact: str = Field(description="What was heard.", examples=["accepted"])
    source: str = Field(description="Who said it.", examples=["stk_callback"])
    state: str = Field(description="Where the payment stood after it.")
    details: dict[str, Any]
    link: str = Field(description="The hash that chains it to the fact before it.")


class TimelineAnswer(BaseModel):
    """A page of everything heard about a payment, oldest first."""

    success: Literal[True] = True
    data: list[FactData]
    page: Page


CUSTOMER_EXAMPLE = {
    "id": "cus_01kaxb5w0qf7n2d8s4v6y1m3tz", "merchant_id": "mer_01kaxb2m8ffh5r2b8v9n3d6w1c",
    "livemode": False, "name": "Wanjiku Kamau", "phone": "254712345678",
    "email": "wanjiku@example.com", "reference": "MEMBER-77", "metadata": {"tier": "gold"},
    "created_at": "2026-11-21T06:00:00.000000Z", "updated_at": "2026-11-21T06:00:00.000000Z",
}


class CustomerData(BaseModel):
    """A customer: what a merchant has on record about a person who pays."""

    model_config = _shown_as(CUSTOMER_EXAMPLE)

    id: str
    merchant_id: str
    livemode: bool
    name: str | None
    phone: str | None
    email: str | None
    reference: str | None = Field(description="The merchant's own id of this person.")
    metadata: dict[str, str]
    created_at: str
    updated_at: str


class IdOnly(BaseModel):
    """What is left of a customer who was deleted, in each of its events."""

    model_config = ConfigDict(extra="forbid")

    id: str


class EndpointData(BaseModel):
    """A webhook endpoint."""

    model_config = _shown_as(ENDPOINT_EXAMPLE)

    id: str
    url: str
    events: list[EventName] = Field(description="Which events are sent. Empty: all.")
    dialect: Dialect
    description: str
    headers: dict[str, str] = Field(description="Your own headers; their values are masked.")
    rate_per_second: float | None = Field(description="Null: the instance's own rate.")
    livemode: bool
    created_at: str
    previous_secret_until: str | None = Field(
        description="Until then the secret before this one signs too.",
    )
    failing_since: str | None = Field(description="The first failure since it last answered well.")
    held_until: str | None = Field(description="It fails: nothing is sent before.")
    disabled_at: str | None
    disabled_reason: str | None


class EventData(BaseModel):
    """One event, exactly as it is posted to webhook endpoints."""

    model_config = _shown_as({
        "id": "evt_01kaxb37j2e4n9x6s0a5t8k1yz", "type": "payment.completed", "sequence": 1,
        "livemode": False, "timestamp": "2026-11-21T06:00:21.000000Z", "data": _PAYMENT_EXAMPLE,
    })

    id: str
    type: EventName
    sequence: int = Field(description="Gap-free per merchant and mode.")
    livemode: bool
    timestamp: str
    data: (
        PaymentData | PayoutData | RefundData | PayoutFileData | CustomerData | EndpointData
        | DiscrepancyData | DayData | StopData | FloatLowData | IdOnly
    )


class EventsAnswer(BaseModel):
    """Events in order. Ask again with `after` = the last `sequence`."""

    success: Literal[True] = True
    data: list[EventData]
    page: Page


class AliveData(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class AliveAnswer(BaseModel):
    """The process answers."""

    success: Literal[True] = True
    data: AliveData


class QueueData(BaseModel):
    """How many webhooks are to be delivered."""

    due: int = Field(description="To be sent now.")
    parked: int = Field(description="Their time has not come.")
    running: int = Field(description="A worker is at them.")
    waiting: int = Field(description="For their turn at an endpoint that fails or is busy.")
    oldest_due_seconds: float = Field(description="For how long the oldest has been due.")


class ReadyData(BaseModel):
    """The process can do its work."""

    status: Literal["ready"]
    queue: QueueData


class ReadyAnswer(BaseModel):
    """The process can do its work."""

    success: Literal[True] = True
    data: ReadyData


class FieldProblem(BaseModel):
    """One field that cannot be taken."""

    field: str
    code: str
    message: str


_PROBLEM_EXAMPLE: dict[str, Any] = {
    "type": "urn:hakika:error:invalid_request", "title": "Bad Request", "status": 400,
    "detail": "1.50 has cents; M-Pesa moves whole shillings. Nothing was rounded.",
    "instance": "/v1/payments", "success": False, "code": "invalid_request",
    "error": "Bad Request", "hint": "Mend the named fields and send the request again.",
    "errors": [{
        "field": "amount", "code": "amount_has_cents",
        "message": "1.50 has cents; M-Pesa moves whole shillings. Nothing was rounded.",
    }],
    "request_id": "9f0c6b1c7c8e4f2fb1d6a5e4c3b2a190",
}


class Problem(BaseModel):
    """What went wrong (RFC 9457), and the way out."""

    model_config = _shown_as(_PROBLEM_EXAMPLE)

    type: str
    title: str
    status: int
    detail: str
    instance: str
    success: Literal[False] = False
    code: str
    error: str
    hint: str
    errors: list[FieldProblem]
    request_id: str


class QuotaProblem(Problem):
    """More than a policy allows (draft-ietf-httpapi-ratelimit-headers). Wait for Retry-After."""

    model_config = _shown_as(_PROBLEM_EXAMPLE | {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Too Many Requests", "status": 429, "error": "Too Many Requests",
        "detail": "More than 6000 in 60 seconds (key).", "code": "quota_exceeded", "errors": [],
        "hint": "Wait for Retry-After seconds.", "violated-policies": ["key"],
    }) | ConfigDict(serialize_by_alias=True)

    violated_policies: list[str] = Field(alias="violated-policies")


class DarajaRefusal(BaseModel):
    """What Daraja said, and what it means."""

    code: str | None = Field(examples=["400.002.02"])
    message: str | None = Field(description="Safaricom's own words.")
    meaning: str = Field(description="For the developer.")
    payer_message: str
    retryable: bool = Field(description="The same may work later, with nothing mended.")


class RefusalProblem(Problem):
    """Daraja refused it. Of a payment: it is failed, and nobody was asked."""

    model_config = _shown_as(_PROBLEM_EXAMPLE | {
        "type": "urn:hakika:error:daraja_refused", "title": "Bad Gateway", "status": 502,
        "detail": "Daraja refused to make the prompt: The short code is not known.",
        "code": "daraja_refused", "error": "Bad Gateway", "errors": [],
        "hint": "Mend what Daraja names, then use a new Idempotency-Key.",
        "daraja": {
            "code": "500.001.1001", "message": "Merchant does not exist",
            "meaning": "The short code is not known.", "retryable": False,
            "payer_message": "We could not start the payment. Please contact the business.",
        },
        "data": _PAYMENT_EXAMPLE | {
            "status": "failed", "amount_received": None, "receipt": None, "completed_at": None,
            "confirmed_by": "daraja", "failure_code": "shortcode_unknown",
            "failure_reason": "The short code is not known.", "daraja_code": "500.001.1001",
            "daraja_message": "Merchant does not exist", "retryable": False,
            "payer_message": "We could not start the payment. Please contact the business.",
            "payer_message_sw": "Hatukuweza kuanzisha malipo. Wasiliana na biashara.",
            "provider_ref": None,
        },
    })

    daraja: DarajaRefusal
    data: PaymentData | None = Field(None, description="The payment, if it was one.")
