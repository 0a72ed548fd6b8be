"""What the door of an older hosted service takes and gives, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

from hakika.api.inputs import (
    Amount,
    CustomerEmail,
    CustomerName,
    MetadataName,
    Phone,
    fit_customer_id,
    rule,
)
from hakika.domain import customer
from hakika.domain.account_reference import CHARACTERS_MAX, DESCRIPTION_CHARACTERS_MAX
from hakika.domain.errors import Invalid
from hakika.domain.ids import CustomerId

_TEXT_CHARACTERS_MAX = 500


def _texts(value: Any) -> Any:
    """Return metadata with its numbers and its yes and no written out: ours are all texts."""
    if not isinstance(value, dict):
        return value  # pydantic says what is wrong with it
    written: dict[str, Any] = {}
    for name, each in value.items():
        text = str(each).lower() if isinstance(each, bool) else str(each)
        if isinstance(each, dict | list) or each is None or len(text) > _TEXT_CHARACTERS_MAX:
            raise Invalid(
                f"A value of metadata is a text, a number, true or false, of "
                f"{_TEXT_CHARACTERS_MAX} characters at most.",
                field="metadata", code="metadata_invalid",
            )
        written[name] = text
    return written


LooseMetadata = Annotated[
    dict[MetadataName, str], Field(max_length=customer.METADATA_KEYS_MAX), rule(_texts),
    WithJsonSchema({
        "type": "object", "maxProperties": customer.METADATA_KEYS_MAX,
        "propertyNames": {"minLength": 1, "maxLength": 40},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    }),
]


class ExpressRequest(BaseModel):
    """Ask a payer for money, as the older service was asked."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel,
        json_schema_extra={"examples": [{
            "phoneNumber": "254712345678", "amount": 100, "description": "Order 1001",
            "accountReference": "ORDER1001",
        }]},
    )

    amount: Annotated[Amount, Field(description="In SHILLINGS: 100 is KES 100.")]
    description: Annotated[str, StringConstraints(
        min_length=1, max_length=DESCRIPTION_CHARACTERS_MAX, strip_whitespace=True,
    )]
    phone_number: Phone | None = Field(
        None, description="The payer. Left out: the phone of the customer.",
    )
    account_reference: Annotated[
        str, StringConstraints(max_length=CHARACTERS_MAX, pattern="^[A-Za-z0-9]*$"),
    ] = Field("", description="Left out: one is made.")
    customer_id: Annotated[CustomerId, rule(fit_customer_id)] | None = Field(
        None, description="One of your customers.",
    )
    customer_name: CustomerName = ""
    customer_email: CustomerEmail = ""
    customer_description: Annotated[str, StringConstraints(max_length=255)] = ""
    customer_metadata: LooseMetadata = {}
    metadata: LooseMetadata = {}

    @property
    def tells_of_a_customer(self) -> bool:
        """Say whether a customer is to be found by the phone, or made of what is said here."""
        return bool(
            self.customer_name or self.customer_email or self.customer_description
            or self.customer_metadata
        )


class ExpressAnswer(BaseModel):
    """The prompt is on its way."""

    model_config = ConfigDict(
        alias_generator=to_camel, serialize_by_alias=True,
        json_schema_extra={"examples": [{
            "paymentId": "pay_01kaxb2m8fe2tv5k0c3y7h9q4d",
            "transactionId": "ws_CO_21112026090000123712345678", "customerId": None,
            "phoneNumber": "254712345678", "amount": 100, "currency": "KES", "status": "pending",
            "description": "Order 1001", "accountReference": "ORDER1001",
            "environment": "sandbox", "timestamp": "2026-11-21T06:00:00.000000Z",
            "message": "Payment request sent to customer",
        }]},
    )

    payment_id: str
    transaction_id: str = Field(
        description="Daraja's CheckoutRequestID; where it told none, the payment's id. "
        "GET /v1/payments/{id} takes either.",
    )
    customer_id: str | None
    phone_number: str
    amount: int = Field(description="In SHILLINGS.")
    currency: Literal["KES"]
    status: Literal["pending", "completed", "failed", "canceled", "unknown", "reversed"]
    description: str
    account_reference: str
    environment: Literal["sandbox", "production"]
    timestamp: str
    message: str
