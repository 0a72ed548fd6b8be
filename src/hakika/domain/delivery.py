"""Deliveries: the telling of one event to one endpoint, the tries at it, and what an answer means.

Read `DeliveryState`, `Answer`, `judge`. When the next try is made stands in `retry.py`; what an
endpoint's failures mean for all of its deliveries in `health.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hakika.domain import retry
from hakika.domain.event import EventName
from hakika.domain.ids import DeliveryId, EndpointId, EventId

_HTTP_OK_MIN, _HTTP_OK_MAX = 200, 299
_HTTP_GONE = 410

# Too many requests; and what a proxy says whose server does not keep up.
_HTTP_OVERLOADED = frozenset({429, 502, 504})


class DeliveryState(StrEnum):
    """Where the telling of one event to one endpoint stands."""

    SCHEDULED = "scheduled"    # a try is due at next_attempt_at
    WAITING = "waiting"        # for its turn: the endpoint is held, busy, paced, or not yet there
    SENDING = "sending"        # a try is under way; due again at next_attempt_at, if nobody ends it
    SUCCEEDED = "succeeded"    # the endpoint answered 2xx
    EXHAUSTED = "exhausted"    # every try failed; the reason is kept
    DROPPED = "dropped"        # the endpoint was deleted or disabled


MISSED = frozenset({DeliveryState.EXHAUSTED, DeliveryState.DROPPED})


@dataclass(frozen=True, slots=True)
class Delivery:
    """The telling of one event to one endpoint."""

    id: DeliveryId
    event_id: EventId
    event_name: EventName
    endpoint_id: EndpointId
    state: DeliveryState
    attempts: int
    reason: str                        # what went wrong last; empty: nothing
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


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

    @property
    def overloaded(self) -> bool:
        """Say whether the endpoint has more than it can take just now."""
        return self.status in _HTTP_OVERLOADED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try as it was: what was sent, without secrets, and what came of it."""

    number: int                        # from 1
    started_at: datetime
    duration_ms: int | None            # None: it never came to an end that we noted
    url: str
    headers: Mapping[str, str]         # signatures and the merchant's own values are masked
    body: bytes
    answer: Answer


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a delivery stands after a try, and when the next one is due."""

    state: DeliveryState
    next_attempt_at: datetime | None = None


def judge(answer: Answer, *, tries: int, now: datetime, chance: float) -> Verdict:
    """Return what the answer to try number `tries` (from 1, since it was last asked for) means.

    `chance` is a random number in [0, 1).
    """
    if answer.accepted:
        return Verdict(DeliveryState.SUCCEEDED)
    if answer.gone:
        return Verdict(DeliveryState.DROPPED)
    due_at = retry.next_attempt_at(
        tries, now=now, chance=chance, retry_after_seconds=answer.retry_after_seconds,
    )
    if due_at is None:
        return Verdict(DeliveryState.EXHAUSTED)
    return Verdict(DeliveryState.SCHEDULED, due_at)
