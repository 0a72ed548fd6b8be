"""Closed days and discrepancies, as answers and events tell of them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from hakika.domain.discrepancy import Kind


class DiscrepancyData(BaseModel):
    """One thing that differs, or that a person must look at."""

    id: str
    livemode: bool
    kind: Kind
    state: Literal["open", "resolved"]
    day: str
    shortcode: str
    receipt: str | None
    payment_id: str | None
    words: str
    ours: str | None = Field(description="What the books have.")
    theirs: str | None = Field(description="What M-Pesa has.")
    assigned_to: str | None
    resolution: str | None
    resolved_by: str | None
    found_at: str
    resolved_at: str | None


class Moved(BaseModel):
    """How often and how much was moved for one reason."""

    move: str
    count: int
    amount: str


class Sources(BaseModel):
    """Which of M-Pesa's records a short code's day was held against."""

    shortcode: str
    listed_to: str | None = Field(description="Up to when M-Pesa's own list covers the day.")
    balances: list[str] = Field(
        description="Accounts whose balance, as M-Pesa tells it, was held against the books.",
    )
    stated: list[str] = Field(description="The accounts whose statement covers the day.")


class DayData(BaseModel):
    """A day of Nairobi as it was closed last."""

    day: str
    livemode: bool
    result: Literal["green", "red"]
    number: int = Field(description="Of this closing; the newest of a day counts.")
    closed_at: str
    open: int = Field(description="Differences that nobody has settled.")
    found: int = Field(description="All differences of the day, settled ones too.")
    moved: list[Moved]
    shortcodes: list[Sources]
    checkpoint: str = Field(description="The SHA-256 of the signed checkpoint.")
