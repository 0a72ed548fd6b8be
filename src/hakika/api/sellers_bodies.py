"""What callers send and get about a platform's sellers, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema

from hakika.api.inputs import CustomerName, Moment, Phone, SellerName, cursor_of, rule
from hakika.api.schemas import Page
from hakika.domain import money
from hakika.domain.bank import BANKS
from hakika.domain.fee import BASIS_POINTS_WHOLE, Bearer, FeeRefund
from hakika.domain.seller import AccountKind, PayoutAccount, Schedule
from hakika.services.settlements import NOTE_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX

# Not `Money`: named several times in one body, that would stand in the document by itself.
Shillings = Annotated[
    Any, rule(money.parse),
    WithJsonSchema({
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}],
        "description": "In shillings: 5 or \"2.50\".",
    }),
]


class AccountRequest(BaseModel):
    """Where a seller's money goes."""

    model_config = ConfigDict(extra="forbid")

    type: AccountKind
    phone: Phone | None = None
    number: str = Field(
        "", max_length=40, description="Of a paybill or till; of a bank: of the account.",
    )
    account: str = Field("", max_length=13, description="What the paybill is told.")
    bank: str = Field(
        "", max_length=60, description="Its clearing code, such as 68, or its name.",
    )
    holder: CustomerName = Field("", description="Whose account it is at the bank.")

    def read(self) -> PayoutAccount:
        """Return it as the domain has it, not yet checked."""
        return PayoutAccount(
            self.type, self.phone, self.number, self.account, self.bank, self.holder,
        )


class SellerRequest(BaseModel):
    """Make a seller."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "name": "Mama Njeri", "payout_account": {"type": "phone", "phone": "0712345678"},
        "settlement": "per_payment", "fee_refund": "keep",
    }]})

    name: CustomerName
    payout_account: AccountRequest | None = Field(
        None, description="Where its money goes. Without one it cannot collect.",
    )
    settlement: Schedule = Schedule.ON_DEMAND
    fee_refund: FeeRefund = Field(
        FeeRefund.KEEP, description="What becomes of the fee when a payment is given back.",
    )
    automatic_b2b: StrictBool = Field(
        False, description="Pay its paybill or till by B2B. Off: it waits for an operator.",
    )


class SellerChange(BaseModel):
    """Change a seller. What is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "settlement": "daily",
    }]})

    name: CustomerName = ""
    payout_account: AccountRequest | None = None
    settlement: Schedule = Schedule.ON_DEMAND
    fee_refund: FeeRefund = FeeRefund.KEEP
    automatic_b2b: StrictBool = False

    def said(self) -> dict[str, Any]:
        """Return what is said, by the names of a seller's fields."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        if "payout_account" in said:
            account = said.pop("payout_account")
            said["account"] = account and account.read()
        if "settlement" in said:
            said["schedule"] = said.pop("settlement")
        return said


class SellerQuery(BaseModel):
    """Which page of the sellers. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("sel")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class AccountData(BaseModel):
    """Where a seller's money goes."""

    type: AccountKind
    phone: str | None
    number: str | None
    account: str | None
    bank: str | None = Field(description=f"One of {', '.join(BANKS)}.")
    bank_name: str | None
    holder: str | None


class SellerData(BaseModel):
    """Whoever collects through a platform's short code."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "id": "sel_01kaxb2m8fe2tv5k0c3y7h9q4d", "merchant_id": "mer_01kaxb2m8ffh5r2b8v9n3d6w1c",
        "livemode": False, "name": "Mama Njeri", "payout_account": {
            "type": "phone", "phone": "254712345678", "number": None, "account": None,
            "bank": None, "bank_name": None, "holder": None,
        },
        "settlement": "per_payment", "fee_refund": "keep", "automatic_b2b": False,
        "next_settlement_at": None, "created_at": "2026-11-22T06:00:00.000000Z",
        "updated_at": "2026-11-22T06:00:00.000000Z",
    }]})

    id: str
    merchant_id: str
    livemode: bool
    name: str
    payout_account: AccountData | None
    settlement: Schedule
    fee_refund: FeeRefund
    automatic_b2b: bool
    next_settlement_at: str | None = Field(description="Of who is settled daily.")
    created_at: str
    updated_at: str


class SellerAnswer(BaseModel):
    """One seller."""

    success: Literal[True] = True
    data: SellerData


class SellersAnswer(BaseModel):
    """A page of sellers, newest first."""

    success: Literal[True] = True
    data: list[SellerData]
    page: Page


class OwedData(BaseModel):
    """What a platform owes a seller, in shillings."""

    seller_id: str
    currency: Literal["KES"]
    owed: str = Field(description="And not on its way. Below nothing: the seller owes it.")
    on_its_way: str = Field(description="Settlements that are made and have not ended.")
    settled: str = Field(description="Settlements that are completed.")


class OwedAnswer(BaseModel):
    """What is owed to a seller."""

    success: Literal[True] = True
    data: OwedData


class RecordRequest(BaseModel):
    """Say that a payout was sent by hand."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "reference": "FT26327XK8Q1", "note": "Equity online, by Wanjiku",
    }]})

    reference: str = Field(
        min_length=1, max_length=REFERENCE_CHARACTERS_MAX, pattern=r"^[!-~]+( [!-~]+)*$",
        description="What the bank calls the transfer. One transfer is recorded once.",
    )
    note: str = Field("", max_length=NOTE_CHARACTERS_MAX)


class FeePlanRequest(BaseModel):
    """Say what the platform keeps of what sellers collect, from a day on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "basis_points": 150, "fixed": 0, "minimum": 1, "maximum": 500, "bearer": "seller",
    }]})

    seller_id: SellerName | None = Field(
        None, description="For one seller. Left out: for all who have none of their own.",
    )
    basis_points: int = Field(
        0, strict=True, ge=0, le=BASIS_POINTS_WHOLE, description="150 is 1.5 percent.",
    )
    fixed: Shillings | None = None
    minimum: Shillings | None = None
    maximum: Shillings | None = None
    bearer: Bearer = Field(
        Bearer.SELLER, description="payer: it is asked for on top, rounded up to whole shillings.",
    )
    since: Moment | None = Field(None, alias="from", description="Left out: from now on.")


class FeePlanQuery(BaseModel):
    """Which page of the fee plans. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    seller: SellerName | None = None
    cursor: Annotated[str, cursor_of("fee")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class FeePlanData(BaseModel):
    """What the platform keeps of what sellers collect."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str
    livemode: bool
    seller_id: str | None
    basis_points: int
    fixed: str
    minimum: str
    maximum: str | None
    bearer: Bearer
    since: str = Field(alias="from")
    created_at: str


class FeePlanAnswer(BaseModel):
    """One fee plan."""

    success: Literal[True] = True
    data: FeePlanData


class FeePlansAnswer(BaseModel):
    """A page of fee plans, newest first."""

    success: Literal[True] = True
    data: list[FeePlanData]
    page: Page
