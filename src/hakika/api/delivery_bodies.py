"""What is asked of and answered by the routes of deliveries, as in /openapi.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.schemas import Page
from hakika.api.webhook_bodies import HeardData, SentData
from hakika.domain.delivery import DeliveryState
from hakika.domain.event import EventName

_DELIVERY_EXAMPLE: dict[str, Any] = {
    "id": "dlv_00000000000000000000000012", "event_id": "evt_01kaxb37j2e4n9x6s0a5t8k1yz",
    "event": "payment.completed", "endpoint_id": "whe_01kaxb1q3vdm7c2j6f9h0r4t8w",
    "state": "scheduled", "attempts": 1,
    "reason": "The endpoint answered 500; only 200 to 299 counts as received.",
    "next_attempt_at": "2026-11-21T06:00:26.000000Z", "created_at": "2026-11-21T06:00:21.000000Z",
    "finished_at": None,
}


class DeliveryQuery(BaseModel):
    """How a list of deliveries is narrowed. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    endpoint: str | None = Field(None, max_length=40, description="The id of an endpoint.")
    event: str | None = Field(
        None, max_length=40,
        description="The id of an event. Also finds what went to a payment's own address.",
    )
    state: DeliveryState | None = None
    cursor: str | None = Field(
        None, max_length=40, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class DeliveryData(BaseModel):
    """The telling of one event to one endpoint."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DELIVERY_EXAMPLE]})

    id: str
    event_id: str
    event: EventName
    endpoint_id: str
    state: DeliveryState
    attempts: int = Field(description="Tries so far.")
    reason: str | None = Field(description="What went wrong last, in a sentence.")
    next_attempt_at: str | None = Field(description="When the next try is due.")
    created_at: str
    finished_at: str | None


class AttemptData(BaseModel):
    """One try: what was posted, and what came of it."""

    number: int = Field(description="From 1.")
    started_at: str
    duration_ms: int | None = Field(description="Null: it never came to an end that we know of.")
    error: str | None = Field(description="What went wrong, in a sentence.")
    request: SentData
    answer: HeardData


class DeliveryWithAttemptsData(DeliveryData):
    """A delivery with the tries at it."""

    attempts_made: list[AttemptData] = Field(description="The newest 100, oldest first.")


class DeliveryAnswer(BaseModel):
    """One delivery."""

    success: Literal[True] = True
    data: DeliveryData


class DeliveryWithAttemptsAnswer(BaseModel):
    """One delivery, with the tries at it."""

    success: Literal[True] = True
    data: DeliveryWithAttemptsData


class DeliveriesAnswer(BaseModel):
    """A page of deliveries, those of the newest events first."""

    success: Literal[True] = True
    data: list[DeliveryData]
    page: Page
