"""What is sent to and answered by the routes of webhook endpoints, as in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.inputs import NAMES_SOME, Moment
from hakika.api.schemas import ENDPOINT_EXAMPLE, EndpointData, Page
from hakika.domain.dialect import Dialect
from hakika.domain.event import EventName
from hakika.domain.webhook import (
    DESCRIPTION_CHARACTERS_MAX,
    HEADERS_MAX,
    RATE_MAX,
    RATE_MIN,
)

_URL = Annotated[str, Field(max_length=2048, description="Public; https with a live key.")]
_EVENTS = Annotated[
    list[EventName], NAMES_SOME, Field(min_length=1, description="Which events to send."),
]
_DIALECT = Annotated[Dialect, Field(description="How events are written and signed.")]
_DESCRIPTION = Annotated[str, Field(max_length=DESCRIPTION_CHARACTERS_MAX)]
_HEADERS = Annotated[
    dict[str, str],
    Field(
        max_length=HEADERS_MAX,
        description="Your own headers, sent with every webhook; their values are kept sealed.",
    ),
]
_RATE = Annotated[
    float | None,
    Field(
        ge=RATE_MIN, le=RATE_MAX,
        description="Webhooks a second at most. Null: as the instance is set.",
    ),
]


class EndpointRequest(BaseModel):
    """Register a webhook endpoint."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "url": "https://shop.example.co.ke/webhooks", "events": ["payment.completed"],
    }]})

    url: _URL
    events: _EVENTS = Field(
        default_factory=list, description="Which events to send. Left out: all, also later ones.",
    )
    dialect: _DIALECT = Dialect.STANDARD
    description: _DESCRIPTION = ""
    headers: _HEADERS = {}
    rate_per_second: _RATE = None


class EndpointChange(BaseModel):
    """Change a webhook endpoint. What is left out stays as it is.

    Null removes `description`, `headers` and `rate_per_second`; `events` null means all events,
    also later ones. No other field can be null.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "url": "https://shop.example.co.ke/webhooks/v2", "enabled": True,
    }]})

    # Nobody reads these defaults, and /openapi.json does not show what a factory would make.
    url: _URL = Field(default_factory=str)
    events: _EVENTS | None = None
    dialect: _DIALECT = Field(default_factory=lambda: Dialect.STANDARD)
    description: _DESCRIPTION | None = None
    headers: _HEADERS | None = None
    rate_per_second: _RATE = None
    enabled: bool = Field(
        default_factory=bool, description="False: send nothing. True: send again, after a failure.",
    )

    def said(self) -> dict[str, Any]:
        """Return the fields that are to be changed; one that is removed has its empty value."""
        empty = {"description": "", "headers": {}, "events": ()}
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            name: empty.get(name) if value is None else value for name, value in given.items()
        }


class WebhookRequest(BaseModel):
    """Set the one webhook address of a merchant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "webhook_url": "https://shop.example.co.ke/webhooks",
    }]})

    webhook_url: Annotated[str, Field(max_length=2048)]


class RecoveryRequest(BaseModel):
    """Ask for what an endpoint missed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"since": "2026-11-20T06:00:00Z"}]},
    )

    since: Annotated[Moment, Field(description="Of the events since then (RFC 3339).")]


class EndpointAnswer(BaseModel):
    """One endpoint."""

    success: Literal[True] = True
    data: EndpointData


class EndpointsAnswer(BaseModel):
    """All endpoints."""

    success: Literal[True] = True
    data: list[EndpointData]
    page: Page


class NewEndpointData(EndpointData):
    """A webhook endpoint with its new secret, which is shown this once."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        ENDPOINT_EXAMPLE | {"secret": "whsec_…", "webhook_secret": "whsec_…"},
    ]})

    secret: str = Field(examples=["whsec_…"])
    webhook_secret: str = Field(description="The same secret, under its other name.")


class NewEndpointAnswer(BaseModel):
    """An endpoint with a new secret."""

    success: Literal[True] = True
    data: NewEndpointData


class SentData(BaseModel):
    """What was posted. Signatures and the values of your own headers are masked."""

    url: str
    headers: dict[str, str]
    body: str


class HeardData(BaseModel):
    """What came back."""

    status: int | None = Field(description="Null: no answer came.")
    body: str = Field(description="Its first 20,000 bytes.")


class TestEventData(BaseModel):
    """A test event, and what came of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "accepted": True, "duration_ms": 41, "error": None,
        "request": {
            "url": "https://shop.example.co.ke/webhooks",
            "headers": {"webhook-id": "evt_01kaxb37j2e4n9x6s0a5t8k1yz"}, "body": "{…}",
        },
        "answer": {"status": 200, "body": "ok"},
    }]})

    accepted: bool = Field(description="It answered 2xx in time.")
    duration_ms: int
    error: str | None = Field(description="What went wrong, in a sentence.")
    request: SentData
    answer: HeardData


class TestEventAnswer(BaseModel):
    """What came of a test event."""

    success: Literal[True] = True
    data: TestEventData


class RecoveryData(BaseModel):
    """How much an endpoint had missed."""

    recovered: int = Field(description="Events that are sent again, in their turn.")


class RecoveryAnswer(BaseModel):
    """How much an endpoint had missed."""

    success: Literal[True] = True
    data: RecoveryData


def sent(url: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return what was posted, as `SentData`."""
    return {"url": url, "headers": headers, "body": body.decode(errors="replace")}
