"""A payment as merchants read it: in the API's answers and in the data of events, alike."""

from __future__ import annotations

from typing import Any

from hakika.domain.payment import Payment
from hakika.domain.times import written

CURRENCY = "KES"
PROVIDER = "mpesa"


def kept_key(key: str, seller_id: str | None) -> str:
    """Return a caller's idempotency key as it is kept: two sellers of a platform may use one."""
    return f"{seller_id} {key}" if seller_id else key


def own_key(kept: str, seller_id: str | None) -> str:
    """Return an idempotency key as its caller wrote it."""
    return kept.removeprefix(f"{seller_id} ") if seller_id else kept


def payment_data(payment: Payment) -> dict[str, Any]:
    """Return `payment` as plain JSON values. Amounts are decimal texts in shillings."""
    failure = payment.failure
    return {
        "id": payment.id,
        "merchant_id": payment.merchant_id,
        "livemode": payment.livemode,
        "amount": str(payment.amount),
        "amount_received": str(payment.amount_received) if payment.amount_received else None,
        "amount_returned": str(payment.amount_returned),
        "currency": CURRENCY,
        "provider": PROVIDER,
        "source": payment.origin.value,
        "phone": payment.payer.digits if payment.payer else None,
        "phone_masked": payment.payer.masked if payment.payer else payment.payer_masked or None,
        "assigned_to": payment.assigned_to or None,
        "customer_id": payment.customer_id,
        "seller_id": payment.seller_id,
        "platform_fee": str(payment.platform_fee) if payment.seller_id else None,
        "net_amount": str(payment.net_amount) if payment.seller_id else None,
        "reference": payment.reference,
        "description": payment.description,
        "status": payment.status.value,
        "failure_code": failure.code if failure else None,
        "failure_reason": failure.developer_message if failure else None,
        "daraja_code": failure.daraja_code if failure else None,
        "daraja_message": failure.daraja_message if failure else None,
        "retryable": failure.retryable if failure else None,
        "payer_message": failure.payer_message if failure else None,
        "payer_message_sw": failure.payer_message_sw if failure else None,
        "provider_ref": payment.checkout_request_id or None,
        "receipt": payment.receipt or None,
        "confirmed_by": payment.confirmed_by.value if payment.confirmed_by else None,
        "needs_review": payment.needs_review,
        "late": payment.late,
        "late_action": payment.late_action.value if payment.late_action else None,
        "idempotency_key": own_key(payment.idempotency_key, payment.seller_id),
        "metadata": dict(payment.metadata),
        "created_at": written(payment.created_at),
        "updated_at": written(payment.updated_at),
        "completed_at": written(payment.completed_at) if payment.completed_at else None,
    }
