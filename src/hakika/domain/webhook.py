"""Webhook endpoints: where merchants want to be told, of what, in which dialect and how fast."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hakika.domain.dialect import MASK, Dialect
from hakika.domain.errors import Invalid
from hakika.domain.event import EventName
from hakika.domain.health import FINE, Health
from hakika.domain.ids import EndpointId, MerchantId, PaymentId, SellerId
from hakika.domain.times import written

ENDPOINTS_MAX = 16
DESCRIPTION_CHARACTERS_MAX = 200

# A merchant's own headers: enough for a gateway's tokens, and little beside what we send ourselves.
HEADERS_MAX = 16
HEADER_NAME_CHARACTERS_MAX = 64
HEADER_VALUE_CHARACTERS_MAX = 1000
HEADERS_CHARACTERS_MAX = 4000

RATE_MIN, RATE_MAX = 0.1, 1000.0

_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?", re.ASCII)

# What says where a message ends, where it goes or what it is: ours to write, or the connection's.
_RESERVED = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "content-type",
    "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade", "user-agent",
    "x-event-id", "x-event-type",
})
_RESERVED_BEGINNINGS = ("webhook-", "svix-", "x-payments-", "x-mpesa-gateway-")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a merchant wants to be told. `payment_id` is set for one payment's own address."""

    id: EndpointId
    merchant_id: MerchantId
    livemode: bool
    url: str
    events: frozenset[EventName]       # empty: all
    created_at: datetime
    secret: str = field(default="", repr=False)                # whsec_…; shown once
    dialect: Dialect = Dialect.STANDARD
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # the merchant's own
    rate_per_second: float | None = None                       # None: the instance's
    previous_secret: str = field(default="", repr=False)
    previous_until: datetime | None = None                     # till then it signs too
    payment_id: PaymentId | None = None
    seller_id: SellerId | None = None                          # it hears what is theirs alone
    health: Health = FINE
    disabled_at: datetime | None = None
    disabled_reason: str = ""

    def secrets(self, *, now: datetime) -> list[str]:
        """Return the secrets that sign at `now`, the newest first."""
        return secrets_at(self.secret, self.previous_secret, self.previous_until, now=now)


def secrets_at(
    newest: str, previous: str, previous_until: datetime | None, *, now: datetime,
) -> list[str]:
    """Return the secrets that sign at `now`, the newest first."""
    if previous and previous_until is not None and now < previous_until:
        return [newest, previous]
    return [newest]


def endpoint_data(endpoint: Endpoint) -> dict[str, Any]:
    """Return `endpoint` as its merchant reads it: no secret, and its own headers masked."""
    health = endpoint.health
    return {
        "id": endpoint.id, "url": endpoint.url, "livemode": endpoint.livemode,
        "events": sorted(name.value for name in endpoint.events),
        "dialect": endpoint.dialect.value, "description": endpoint.description,
        "headers": dict.fromkeys(endpoint.headers, MASK),
        "rate_per_second": endpoint.rate_per_second,
        "created_at": written(endpoint.created_at),
        "previous_secret_until": _written(endpoint.previous_until),
        "failing_since": _written(health.failing_since), "held_until": _written(health.held_until),
        "disabled_at": _written(endpoint.disabled_at),
        "disabled_reason": endpoint.disabled_reason or None,
    }


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a merchant's own headers, their names in lower case.

    Raises:
        Invalid: too many or too long, not fit for HTTP, or one that is not the merchant's to set.
    """
    if len(headers) > HEADERS_MAX:
        raise _headers_invalid(f"An endpoint may have {HEADERS_MAX} headers of its own.")
    checked: dict[str, str] = {}
    for written_name, value in headers.items():
        name = written_name.lower()
        if len(name) > HEADER_NAME_CHARACTERS_MAX or not _HEADER_NAME.fullmatch(name):
            raise _headers_invalid(f"{written_name[:80]!r} is not the name of a header.")
        if name in _RESERVED or name.startswith(_RESERVED_BEGINNINGS):
            raise _headers_invalid(f"The header {name} is ours to set.")
        if name in checked:
            raise _headers_invalid(f"The header {name} is there twice.")
        if len(value) > HEADER_VALUE_CHARACTERS_MAX or not _HEADER_VALUE.fullmatch(value):
            raise _headers_invalid(
                f"The value of {name} must be 1 to {HEADER_VALUE_CHARACTERS_MAX} plain characters.",
            )
        checked[name] = value
    if sum(len(name) + len(value) for name, value in checked.items()) > HEADERS_CHARACTERS_MAX:
        raise _headers_invalid(f"All headers have {HEADERS_CHARACTERS_MAX} characters at most.")
    return checked


def check_rate(rate: float | None) -> float | None:
    """Return how many deliveries a second an endpoint wants at most. Raises: Invalid."""
    if rate is not None and not RATE_MIN <= rate <= RATE_MAX:
        raise Invalid(
            f"The rate is {RATE_MIN:g} to {RATE_MAX:g} deliveries a second.",
            field="rate_per_second", code="rate_invalid",
        )
    return rate


def _headers_invalid(message: str) -> Invalid:
    return Invalid(message, field="headers", code="headers_invalid")


def _written(when: datetime | None) -> str | None:
    return written(when) if when else None
