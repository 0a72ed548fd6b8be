"""What the older gateway's doors take and give, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from hakika.api.inputs import Phone, rule
from hakika.domain import money
from hakika.domain.errors import Invalid
from hakika.domain.money import Money

SHILLINGS_MAX = 150_000
REFERENCE_CHARACTERS_MAX = 40
DESCRIPTION_CHARACTERS_MAX = 60


def _amount(value: Any) -> Money:
    amount = money.parse_payment_amount(value)
    if amount > Money.shillings(SHILLINGS_MAX):
        raise Invalid(
            f"The amount is above this door's KES {SHILLINGS_MAX:,}.", field="amount",
            code="amount_too_large",
        )
    return amount


def _words(characters_max: int) -> Any:
    return StringConstraints(min_length=1, max_length=characters_max, strip_whitespace=True)


class StkPushRequest(BaseModel):
    """Ask a payer for money, as the older gateway was asked. What it did not know is ignored."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "amount": 100, "phone": "254712345678", "reference": "ORDER-1234",
        "description": "T-shirt",
    }]})

    amount: Annotated[
        Money, rule(_amount),
        WithJsonSchema({
            "type": "integer", "minimum": 1, "maximum": SHILLINGS_MAX,
            "description": "Whole shillings.",
        }),
    ]
    phone: Annotated[Phone, Field(description="2547XXXXXXXX, 07XXXXXXXX or 01XXXXXXXX.")]
    reference: Annotated[str, _words(REFERENCE_CHARACTERS_MAX)] = Field(
        description="Your own. When M-Pesa cannot take it, the payer sees one that stands for it.",
    )
    description: Annotated[str, _words(DESCRIPTION_CHARACTERS_MAX)] = Field(
        description="The payer sees what fits of it.",
    )


class Pushed(BaseModel):
    """The prompt is on its way."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "success": True, "transaction_id": "pay_01kaxb2m8fe2tv5k0c3y7h9q4d",
        "merchant_request_id": "29115-34620561-1",
        "checkout_request_id": "ws_CO_21112026090000123712345678",
        "customer_message": "Success. Request accepted for processing", "amount": 100,
        "platform_fee": 1.5, "net_amount": 98.5, "status": "pending",
        "poll_url": "/api/v1/transactions/pay_01kaxb2m8fe2tv5k0c3y7h9q4d",
    }]})

    success: Literal[True] = True
    transaction_id: str
    merchant_request_id: str | None = Field(description="Null: Daraja did not say.")
    checkout_request_id: str | None = Field(description="Null: Daraja did not say.")
    customer_message: str
    amount: float = Field(description="In shillings.")
    platform_fee: float = Field(description="In shillings; 0 without a fee plan.")
    net_amount: float = Field(description="In shillings.")
    status: Literal["pending", "success", "failed"]
    poll_url: str


class Transaction(BaseModel):
    """A payment, as the older gateway told of it."""

    id: str
    reference: str
    amount: float
    platform_fee: float
    net_amount: float
    status: Literal["pending", "success", "failed"]
    mpesa_receipt_number: str | None
    result_code: str | None = Field(description="Null: there is no outcome yet.")
    result_desc: str | None
    completed_at: str | None


class TransactionAnswer(BaseModel):
    """One transaction."""

    transaction: Transaction


class GatewayError(BaseModel):
    """An error, as the older gateway told of it."""

    model_config = ConfigDict(extra="forbid")

    error: str = Field(description="One sentence.")
    hint: str = Field(description="What to do next.")
    detail: str = Field(description="Daraja's words or the fields, our code and the request's id.")
