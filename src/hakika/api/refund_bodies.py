"""What callers of refunds send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from hakika.api.inputs import cursor_of, rule
from hakika.api.payout_bodies import Amount, Remarks
from hakika.api.payout_data import RefundData
from hakika.api.schemas import Page
from hakika.domain import ids
from hakika.domain.errors import Invalid
from hakika.domain.ids import PaymentId
from hakika.domain.payout import Status
from hakika.domain.refund import Method


def _payment_id(value: object) -> object:
    if not isinstance(value, str) or not ids.is_id(value, "pay"):
        raise Invalid(
            "This is not the id of a payment.", field="payment_id", code="payment_unknown",
        )
    return value


_PaymentId = Annotated[PaymentId, rule(_payment_id), WithJsonSchema({"type": "string"})]


class RefundRequest(BaseModel):
    """Give a payment back to its payer, whole or in part."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "payment_id": "pay_01kaxb2m8fe2tv5k0c3y7h9q4d", "reason": "Out of stock",
    }]})

    payment_id: _PaymentId
    amount: Annotated[
        Amount | None, Field(description="Left out: all that was not given back yet."),
    ] = None
    method: Method | None = Field(
        None, description="reversal: M-Pesa undoes the payment, whole. b2c: money is sent to the "
        "payer's phone. Left out: reversal of the whole, b2c of a part.",
    )
    reason: Annotated[
        Remarks | None, Field(description="What M-Pesa keeps beside the money."),
    ] = None


class RefundQuery(BaseModel):
    """How a list of refunds is narrowed. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    payment_id: Annotated[str, rule(_payment_id)] | None = None
    cursor: Annotated[str, cursor_of("ref")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class RefundAnswer(BaseModel):
    """One refund."""

    success: Literal[True] = True
    data: RefundData


class RefundsAnswer(BaseModel):
    """A page of refunds, newest first."""

    success: Literal[True] = True
    data: list[RefundData]
    page: Page
