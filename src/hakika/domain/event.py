"""What merchants may be told: the names of events. Each tells of one committed change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from hakika.domain.ids import EventId, MerchantId


class EventName(StrEnum):
    """The names, as endpoints select them."""

    PAYMENT_COMPLETED = "payment.completed"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_CANCELED = "payment.canceled"
    PAYMENT_UNKNOWN = "payment.unknown"
    PAYMENT_REVERSED = "payment.reversed"
    PAYMENT_NEEDS_REVIEW = "payment.needs_review"
    REFUND_COMPLETED = "refund.completed"
    REFUND_FAILED = "refund.failed"
    REFUND_NEEDS_APPROVAL = "refund.needs_approval"
    REFUND_NEEDS_REVIEW = "refund.needs_review"
    PAYOUT_COMPLETED = "payout.completed"
    PAYOUT_FAILED = "payout.failed"
    PAYOUT_REVERSED = "payout.reversed"
    PAYOUT_PENDING_MANUAL = "payout.pending_manual"
    PAYOUT_NEEDS_APPROVAL = "payout.needs_approval"
    PAYOUT_NEEDS_REVIEW = "payout.needs_review"
    PAYOUTS_STOPPED = "payouts.stopped"
    PAYOUTS_RESUMED = "payouts.resumed"
    FLOAT_LOW = "float.low"
    PAYOUT_FILE_COMPLETED = "payout_file.completed"
    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_UPDATED = "customer.updated"
    CUSTOMER_DELETED = "customer.deleted"
    ENDPOINT_DISABLED = "endpoint.disabled"
    DISCREPANCY = "reconciliation.discrepancy"
    DAY_CLOSED = "day.closed"


# Sent to one endpoint when its merchant tries it: no event of theirs, so without a sequence.
TEST: Final = "endpoint.test"


@dataclass(frozen=True, slots=True)
class Event:
    """One event as merchants see it. `sequence` is gap-free per merchant and mode, from 1."""

    id: EventId
    merchant_id: MerchantId
    livemode: bool
    name: EventName | Literal["endpoint.test"]
    sequence: int | None        # None until it is first needed: see store/events.py
    subject_id: str             # what it tells of: pay_…, cus_…, whe_…
    data: Mapping[str, Any]     # the subject as it was when the event was committed
    created_at: datetime


def envelope(event: Event) -> dict[str, Any]:
    """Return the event as it is listed by the API and posted in the standard dialect."""
    return {
        "id": event.id,
        "type": event.name,
        "sequence": event.sequence,
        "livemode": event.livemode,
        "timestamp": event.created_at.isoformat().replace("+00:00", "Z"),
        "data": event.data,
    }
