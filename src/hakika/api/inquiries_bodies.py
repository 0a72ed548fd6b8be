"""What callers of inquiries send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hakika.api.inputs import Receipt, cursor_of
from hakika.api.schemas import Page
from hakika.domain.inquiry import Kind, Outcome, State


class InquiryRequest(BaseModel):
    """Ask M-Pesa what became of a receipt, or of an order: name one of the two."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "receipt": "UKL7RT61SV", "shortcode": "600966",
    }]})

    receipt: Receipt | None = None
    conversation_id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")] | None = Field(
        None, description="The OriginatorConversationID of the order.",
    )
    shortcode: str = Field("", max_length=10, description="Left out: the default.")


class InquiryQuery(BaseModel):
    """Which page of inquiries. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("inq")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class AccountTold(BaseModel):
    """One account of a short code, as M-Pesa tells of it."""

    name: str = Field(examples=["Utility Account"])
    account: str | None = Field(
        description="The account of the books. Null: the books have none for it.",
    )
    amount: str = Field(description="May be negative: charges paid are.")


class InquiryData(BaseModel):
    """A question to M-Pesa, and how far its answer has come."""

    id: str
    kind: Kind
    livemode: bool
    shortcode: str
    state: State = Field(
        description="asked: nothing was heard yet. silent: M-Pesa did not say whether it took the "
        "question. timed_out: it waited too long in M-Pesa's queue. Both may still be answered.",
    )
    receipt: str | None
    payment_id: str | None = Field(description="The payment that got this receipt's money.")
    asked_conversation_id: str | None
    conversation_id: str | None = Field(description="M-Pesa's id of the question.")
    answer: str | None = Field(description="In words.")
    outcome: Outcome | None = Field(description="What became of the receipt.")
    transaction_status: str | None = Field(description="The same in M-Pesa's own word.")
    amount: str | None
    reason_type: str | None
    result_code: str | None = Field(description="Why M-Pesa did not answer.")
    accounts: list[AccountTold] | None = Field(description="Of a balance.")
    asked_at: str
    answered_at: str | None


class InquiryAnswer(BaseModel):
    """One inquiry."""

    success: Literal[True] = True
    data: InquiryData


class InquiriesAnswer(BaseModel):
    """A page of inquiries, newest first."""

    success: Literal[True] = True
    data: list[InquiryData]
    page: Page


class TakenData(BaseModel):
    """What Daraja says at once. Null: nothing that can be read, and it may answer all the same."""

    OriginatorConversationID: str | None
    ConversationID: str | None
    ResponseCode: str | None
    ResponseDescription: str | None
    inquiry_id: str = Field(description="Read the answer there: GET /v1/inquiries/{inquiry_id}.")


class TakenAnswer(BaseModel):
    """M-Pesa is asked. This is no answer yet."""

    success: Literal[True] = True
    data: TakenData
