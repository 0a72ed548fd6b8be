"""Payouts and refunds as callers get them, in answers and in events."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.domain.payout import Purpose, Status, Way
from hakika.domain.refund import Method


class PayeeData(BaseModel):
    """Who gets the money."""

    phone: str | None
    phone_masked: str | None
    number: str | None = Field(description="Of a paybill, a till or a short code.")
    account: str | None
    name: str | None


class PayoutData(BaseModel):
    """Money that goes out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "id": "pyo_01kaxb2m8fe2tv5k0c3y7h9q4d", "merchant_id": "mer_01kaxb2m8ffh5r2b8v9n3d6w1c",
        "livemode": False, "amount": "1200.00", "amount_sent": "1200.00", "currency": "KES",
        "provider": "mpesa", "purpose": "payout", "way": "phone",
        "payee": {
            "phone": "254712345678", "phone_masked": "2547••••5678", "number": None,
            "account": None, "name": "Jane",
        },
        "shortcode": "600966", "reference": "wages-2026-11", "remarks": "Wages of November",
        "status": "completed", "held_for": [], "failure_code": None, "failure_reason": None,
        "daraja_code": None, "daraja_message": None, "retryable": None,
        "provider_ref": "AG_20261122_0000123456789abcdef", "receipt": "UKM1AB2CD3",
        "payment_id": None, "seller_id": None, "batch_id": None, "decided_by": "result",
        "needs_review": False, "attempts": 1,
        "created_by": "key_01kaxb2m8fe2tv5k0c3y7h9q4d",
        "released_by": "key_01kaxb2m8fe2tv5k0c3y7h9q4d", "idempotency_key": "wages-2026-11-jane",
        "metadata": {}, "created_at": "2026-11-22T06:00:00.000000Z",
        "updated_at": "2026-11-22T06:00:09.000000Z", "completed_at": "2026-11-22T06:00:09.000000Z",
    }]})

    id: str
    merchant_id: str
    livemode: bool
    amount: str = Field(description="In shillings, as a decimal text.", examples=["1200.00"])
    amount_sent: str | None = Field(description="What went; null: nothing yet.")
    currency: Literal["KES"]
    provider: Literal["mpesa"]
    purpose: Purpose
    way: Way
    payee: PayeeData
    shortcode: str = Field(description="Whose money.")
    reference: str | None
    remarks: str | None
    status: Status = Field(
        description="unknown: it may have happened; it is being found out and never sent again by "
        "another order.",
    )
    held_for: list[str] = Field(description="Why it was not let go at once.")
    failure_code: str | None = Field(description="Ours, stable: see docs/errors.md.")
    failure_reason: str | None
    daraja_code: str | None = Field(description="Safaricom's own code.")
    daraja_message: str | None
    retryable: bool | None = Field(description="A new payout may work later.")
    provider_ref: str | None = Field(description="Daraja's ConversationID.")
    receipt: str | None
    payment_id: str | None
    seller_id: str | None
    batch_id: str | None
    decided_by: str | None = Field(description="Which kind of fact decided.")
    needs_review: bool = Field(description="A person must look.")
    attempts: int = Field(description="Orders sent to M-Pesa.")
    created_by: str
    released_by: str | None
    idempotency_key: str
    metadata: dict[str, str]
    created_at: str
    updated_at: str
    completed_at: str | None


class RefundData(BaseModel):
    """Money that goes back to a payer."""

    id: str = Field(examples=["ref_01kaxb2m8fe2tv5k0c3y7h9q4d"])
    merchant_id: str
    livemode: bool
    payment_id: str
    seller_id: str | None
    amount: str = Field(description="In shillings, as a decimal text.", examples=["500.00"])
    currency: Literal["KES"]
    provider: Literal["mpesa"]
    method: Method
    reason: str
    status: Status = Field(
        description="unknown: it may have happened; it is being found out, and no other refund of "
        "the payment is made meanwhile.",
    )
    held_for: list[str]
    failure_code: str | None = Field(description="Ours, stable: see docs/errors.md.")
    failure_reason: str | None
    daraja_code: str | None = Field(description="Safaricom's own code.", examples=["R000002"])
    daraja_message: str | None
    retryable: bool | None = Field(description="A new refund may work later.")
    provider_ref: str | None = Field(description="Daraja's ConversationID.")
    receipt: str | None = Field(description="Of the money that went back.")
    original_receipt: str | None = Field(description="What a reversal undoes.")
    decided_by: str | None = Field(description="Which kind of fact decided.")
    needs_review: bool = Field(description="A person must look.")
    created_by: str
    idempotency_key: str
    created_at: str
    updated_at: str
    completed_at: str | None
