"""What callers of `/v1/ledger` and `/v1/balance` send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.schemas import Page


class NoQuery(BaseModel):
    """Nothing narrows this. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class EntryQuery(BaseModel):
    """Which page of the books. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: int = Field(0, ge=0, lt=2**63, description="`page.next` of the page before.")
    limit: int = Field(50, ge=1, le=100)


class Entry(BaseModel):
    """One posting: an amount moved from the account `credit` to the account `debit`."""

    sequence: int = Field(description="Its number: 1, 2, 3 … without gaps, for each mode.")
    move: str = Field(description="Why the money moved: `collection`, `clearing`, `correction`.")
    debit: str = Field(examples=["float:600966:utility"])
    credit: str = Field(examples=["collected"])
    amount: str = Field(examples=["500.00"])
    currency: Literal["KES"] = "KES"
    shortcode: str
    receipt: str
    payment_id: str | None = Field(description="null: of a statement's line, of no payment")
    happened_at: str = Field(description="When M-Pesa moved the money, where it said so.")
    posted_at: str
    link: str = Field(description="The hash of this posting and of the one before it.")


class Account(BaseModel):
    """One account, and all that was ever moved on it."""

    account: str = Field(examples=["float:600966:utility"])
    counted: Literal["debit", "credit"] = Field(
        description="Which side makes its balance grow.",
    )
    debits: str
    credits: str
    balance: str
    currency: Literal["KES"] = "KES"


class Float(BaseModel):
    """What lies at M-Pesa on one short code, by the books."""

    shortcode: str
    places: dict[str, str] = Field(examples=[{"utility": "1500.00"}])


class Balance(BaseModel):
    """Where a merchant stands, by the books."""

    currency: Literal["KES"] = "KES"
    float: list[Float]
    collected: str
    suspense: str = Field(description="Money that came and that nobody has explained yet.")
    awaiting_receipt: str = Field(
        description="Of completed payments that are not in the books yet: M-Pesa says that they "
        "were paid, and not with which receipt.",
    )


class EntriesAnswer(BaseModel):
    """A page of the books, in order."""

    success: Literal[True] = True
    data: list[Entry]
    page: Page


class AccountsAnswer(BaseModel):
    """All accounts."""

    success: Literal[True] = True
    data: list[Account]


class BalanceAnswer(BaseModel):
    """The balance."""

    success: Literal[True] = True
    data: Balance
