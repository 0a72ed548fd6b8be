"""Webhooks: endpoints, deliveries, the signature, and what an answer means for the next try.

The signature is that of Standard Webhooks (standardwebhooks.com, specification 1.0.0): the base64
of HMAC-SHA256 over `{id}.{timestamp}.{body}` under the bytes behind `whsec_`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hakika.domain.event import EventName
from hakika.domain.ids import DeliveryId, EndpointId, EventId, MerchantId, PaymentId

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
ENDPOINTS_MAX = 16

_HTTP_OK_MIN, _HTTP_OK_MAX = 200, 299
_HTTP_GONE = 410


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a merchant wants to be told. `payment_id` is set for one payment's own address."""

    id: EndpointId
    merchant_id: MerchantId
    livemode: bool
    url: str
    secret: str                        # whsec_…; shown once
    events: frozenset[EventName]       # empty: all
    created_at: datetime
    payment_id: PaymentId | None = None
    disabled_at: datetime | None = None
    disabled_reason: str = ""

    def wants(self, name: EventName) -> bool:
        """Say whether this endpoint is to be told of `name`."""
        return self.disabled_at is None and (not self.events or name in self.events)

    def __repr__(self) -> str:
        return f"Endpoint({self.id}, {self.url!r})"


class DeliveryState(StrEnum):
    """Where the telling of one event to one endpoint stands."""

    SCHEDULED = "scheduled"    # a try is due at next_attempt_at
    SUCCEEDED = "succeeded"    # the endpoint answered 2xx
    EXHAUSTED = "exhausted"    # every try failed; the reason is kept
    DROPPED = "dropped"        # the endpoint was deleted, or answered 410 Gone


@dataclass(frozen=True, slots=True)
class Delivery:
    """The telling of one event to one endpoint."""

    id: DeliveryId
    event_id: EventId
    event_created_at: datetime         # half of the event's key: events are kept by month
    endpoint_id: EndpointId
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST. `status` is None when nothing readable came back."""

    status: int | None
    error: str = ""
    body: bytes = b""
    duration_ms: int = 0
    retry_after_seconds: int | None = None

    @property
    def accepted(self) -> bool:
        """Say whether the merchant has it: any 2xx, and nothing else."""
        return self.status is not None and _HTTP_OK_MIN <= self.status <= _HTTP_OK_MAX

    @property
    def gone(self) -> bool:
        """Say whether the endpoint asked never to be called again."""
        return self.status == _HTTP_GONE


def mint_secret(random_bytes: bytes) -> str:
    """Return `whsec_…` from 32 random bytes."""
    assert len(random_bytes) == SECRET_BYTES
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature` for one POST: "v1," and the base64 of the HMAC."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(secret: str, *, message_id: str, now: datetime, body: bytes) -> Mapping[str, str]:
    """Return the headers of one POST, under the standard's names and under Svix's."""
    timestamp = int(now.timestamp())
    signature = sign(secret, message_id=message_id, timestamp=timestamp, body=body)
    values = {"id": message_id, "timestamp": str(timestamp), "signature": signature}
    return {
        "content-type": "application/json",
        **{f"webhook-{name}": value for name, value in values.items()},
        **{f"svix-{name}": value for name, value in values.items()},
    }
