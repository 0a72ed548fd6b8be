"""Events as merchants read them: one shape for webhooks and for the list."""

from __future__ import annotations

from datetime import UTC, datetime

from hakika.domain.event import Event, EventName, envelope
from hakika.domain.ids import EventId, MerchantId, PaymentId

NOON = datetime(2026, 3, 2, 12, 0, 0, 5, tzinfo=UTC)
EVENT = Event(
    EventId("evt_1"), MerchantId("mer_1"), livemode=False, name=EventName.PAYMENT_COMPLETED,
    sequence=7, subject_id=PaymentId("pay_1"), data={"id": "pay_1"}, created_at=NOON,
)


def test_an_event_carries_all_a_merchant_needs_to_act_and_to_order():
    """The number puts it in order, the whole payment saves a second request."""
    assert envelope(EVENT) == {
        "id": "evt_1", "type": "payment.completed", "sequence": 7, "livemode": False,
        "timestamp": "2026-03-02T12:00:00.000005Z", "data": {"id": "pay_1"},
    }


def test_the_names_of_events_never_change():
    """Merchants have written them into their programs."""
    assert [name.value for name in EventName] == [
        "payment.completed", "payment.failed", "payment.canceled", "payment.unknown",
        "payment.reversed", "payment.needs_review", "refund.completed", "refund.failed",
        "refund.needs_approval", "refund.needs_review", "payout.completed", "payout.failed",
        "payout.reversed", "payout.pending_manual", "payout.needs_approval",
        "payout.needs_review", "payouts.stopped", "payouts.resumed", "float.low",
        "payout_file.completed", "customer.created", "customer.updated", "customer.deleted",
        "endpoint.disabled", "reconciliation.discrepancy", "day.closed",
    ]
