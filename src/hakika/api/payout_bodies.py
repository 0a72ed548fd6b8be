"""What callers of payouts send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, WithJsonSchema

from hakika.api.inputs import Metadata, Phone, Receipt, SellerName, cursor_of, one_of, rule
from hakika.api.payout_data import PayoutData
from hakika.api.schemas import Page
from hakika.domain import money, payout_order
from hakika.domain.money import Money
from hakika.domain.payout import Status
from hakika.domain.payout_order import (
    ACCOUNT_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    PHONE_SHILLINGS_MAX,
    REFERENCE_CHARACTERS_MAX,
    REMARKS_CHARACTERS_MAX,
    REMARKS_CHARACTERS_MIN,
)

Amount = Annotated[
    Money, rule(money.parse),
    WithJsonSchema({
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": PHONE_SHILLINGS_MAX}, {"type": "string"},
        ],
        "description": "Whole shillings; to a phone 10 to 250000: 1200 or \"1200.00\".",
    }),
]
PayeeNumber = Annotated[
    str, rule(payout_order.read_number),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{5,7}$"}),
]
PayeeAccount = Annotated[
    str, rule(payout_order.read_account),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": ACCOUNT_CHARACTERS_MAX}),
]
PayeeName = Annotated[
    str, rule(payout_order.read_name),
    WithJsonSchema({"type": "string", "maxLength": NAME_CHARACTERS_MAX}),
]
_Reference = Annotated[
    str, rule(payout_order.read_reference),
    WithJsonSchema({"type": "string", "maxLength": REFERENCE_CHARACTERS_MAX}),
]
Remarks = Annotated[
    str, rule(payout_order.read_remarks),
    WithJsonSchema({
        "type": "string", "minLength": REMARKS_CHARACTERS_MIN, "maxLength": REMARKS_CHARACTERS_MAX,
    }),
]


class PayoutRequest(BaseModel):
    """Send money to one payee: a phone, a paybill, a till, or a short code's Utility account."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "amount": 1200, "currency": "KES", "phone": "0712345678", "name": "Jane",
        "reference": "wages-2026-11", "remarks": "Wages of November",
    }]})

    amount: Amount
    currency: Annotated[Literal["KES"], one_of("currency", "KES")] = "KES"
    phone: Annotated[Phone | None, Field(description="A person, by B2C.")] = None
    paybill: Annotated[PayeeNumber | None, Field(description="A business, by B2B.")] = None
    account: Annotated[PayeeAccount | None, Field(description="What the paybill is told.")] = None
    till: Annotated[PayeeNumber | None, Field(description="A business, by B2B.")] = None
    top_up: Annotated[
        PayeeNumber | None,
        Field(description="A short code whose Utility account is filled, by B2B."),
    ] = None
    name: Annotated[PayeeName, Field(description="The payee, as you know them.")] = ""
    reference: Annotated[
        _Reference, Field(description="Your own; M-Pesa does not see it."),
    ] = ""
    remarks: Annotated[
        Remarks | None, Field(description="What M-Pesa keeps beside the money."),
    ] = None
    metadata: Metadata = {}
    shortcode: StrictStr = Field(
        "", max_length=10, description="Whose money. Left out: the default.",
    )


class ResolveRequest(BaseModel):
    """Say what you saw on M-Pesa's portal of money that nobody knows the end of."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "went": True, "receipt": "UKM1AB2CD3", "note": "Seen on the portal",
    }]})

    went: StrictBool = Field(description="Whether the money went.")
    receipt: Receipt | None = Field(None, description="Under which receipt, if it went.")
    note: StrictStr = Field("", max_length=200)


class PayoutQuery(BaseModel):
    """How a list of payouts is narrowed. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    seller: SellerName | None = None
    cursor: Annotated[str, cursor_of("pyo")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class PayoutAnswer(BaseModel):
    """One payout."""

    success: Literal[True] = True
    data: PayoutData


class NewPayoutData(PayoutData):
    """Money that is to go out, as it is just ordered."""

    float: Literal["known", "unknown"] | None = Field(
        description="Whether M-Pesa told a balance within the last day, so that it is sure to "
        "suffice. Null: this repeats an earlier request.",
    )


class NewPayoutAnswer(BaseModel):
    """One payout, just ordered."""

    success: Literal[True] = True
    data: NewPayoutData


class PayoutsAnswer(BaseModel):
    """A page of payouts, newest first."""

    success: Literal[True] = True
    data: list[PayoutData]
    page: Page


class PayoutFactData(BaseModel):
    """One thing that was heard about a payout."""

    sequence: int
    heard_at: str
    fact: str = Field(description="What was heard.", examples=["accepted"])
    source: str = Field(description="Who said it.", examples=["result"])
    state: str = Field(description="The payout's state after it.")
    details: dict[str, Any]
    link: str = Field(description="Hash of this fact and of the one before.")


class PayoutTimelineAnswer(BaseModel):
    """Everything that was heard about a payout, oldest first."""

    success: Literal[True] = True
    data: list[PayoutFactData]
