"""A payout or refund as merchants read it: in the API and in the data of events, alike."""

from __future__ import annotations

from typing import Any

from hakika.domain.payment_data import CURRENCY, PROVIDER
from hakika.domain.payout import Payee, Payout, Purpose
from hakika.domain.refund import METHODS, refund_id
from hakika.domain.times import written


def payout_data(payout: Payout) -> dict[str, Any]:
    """Return `payout` as plain JSON values. Amounts are decimal texts in shillings."""
    failure = payout.failure
    return {
        "id": payout.id,
        "merchant_id": payout.merchant_id,
        "livemode": payout.livemode,
        "amount": str(payout.amount),
        "amount_sent": str(payout.amount_sent) if payout.amount_sent else None,
        "currency": CURRENCY,
        "provider": PROVIDER,
        "purpose": payout.purpose.value,
        "way": payout.way.value,
        "payee": payee_data(payout.payee),
        "shortcode": payout.shortcode.number,
        "reference": payout.reference or None,
        "remarks": payout.remarks or None,
        "status": payout.status.value,
        "held_for": list(payout.held_for),
        "failure_code": failure.code if failure else None,
        "failure_reason": failure.developer_message if failure else None,
        "daraja_code": failure.daraja_code if failure else None,
        "daraja_message": failure.daraja_message if failure else None,
        "retryable": failure.retryable if failure else None,
        "provider_ref": payout.conversation_id or None,
        "receipt": payout.receipt or None,
        "payment_id": payout.payment_id,
        "seller_id": payout.seller_id,
        "batch_id": payout.batch_id,
        "decided_by": payout.decided_by.value if payout.decided_by else None,
        "needs_review": payout.needs_review,
        "attempts": payout.attempts,
        "created_by": payout.created_by,
        "released_by": payout.released_by or None,
        "idempotency_key": payout.idempotency_key,
        "metadata": dict(payout.metadata),
        "created_at": written(payout.created_at),
        "updated_at": written(payout.updated_at),
        "completed_at": written(payout.completed_at) if payout.completed_at else None,
    }


def refund_data(payout: Payout) -> dict[str, Any]:
    """Return a refund as plain JSON values."""
    failure = payout.failure
    return {
        "id": refund_id(payout),
        "merchant_id": payout.merchant_id,
        "livemode": payout.livemode,
        "payment_id": payout.payment_id,
        "seller_id": payout.seller_id,
        "amount": str(payout.amount),
        "currency": CURRENCY,
        "provider": PROVIDER,
        "method": METHODS[payout.way].value,
        "reason": payout.remarks,
        "status": payout.status.value,
        "held_for": list(payout.held_for),
        "failure_code": failure.code if failure else None,
        "failure_reason": failure.developer_message if failure else None,
        "daraja_code": failure.daraja_code if failure else None,
        "daraja_message": failure.daraja_message if failure else None,
        "retryable": failure.retryable if failure else None,
        "provider_ref": payout.conversation_id or None,
        "receipt": payout.receipt or None,
        "original_receipt": payout.original_receipt or None,
        "decided_by": payout.decided_by.value if payout.decided_by else None,
        "needs_review": payout.needs_review,
        "created_by": payout.created_by,
        "idempotency_key": payout.idempotency_key,
        "created_at": written(payout.created_at),
        "updated_at": written(payout.updated_at),
        "completed_at": written(payout.completed_at) if payout.completed_at else None,
    }


def told_of(payout: Payout) -> tuple[str, dict[str, Any]]:
    """Return what an event of it is about, by the id and in the words that its merchant knows."""
    if payout.purpose is Purpose.REFUND:
        return refund_id(payout), refund_data(payout)
    return payout.id, payout_data(payout)


def payee_data(payee: Payee) -> dict[str, str | None]:
    """Return who gets the money as plain JSON values."""
    return {
        "phone": payee.phone.digits if payee.phone else None,
        "phone_masked": payee.phone.masked if payee.phone else None,
        "number": payee.number or None, "account": payee.account or None,
        "name": payee.name or None,
    }
