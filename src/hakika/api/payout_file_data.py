"""A file of payouts as the API answers it and as events tell it, for /openapi.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class WaitingFor(BaseModel):
    """Why the rest of a started file cannot become payouts now."""

    code: str = Field(examples=["payout_limit"])
    message: str


class PayoutFileData(BaseModel):
    """A file of payouts: the plan before it is started, and how far it is after."""

    id: str = Field(examples=["bat_01kaxb2m8fe2tv5k0c3y7h9q4d"])
    merchant_id: str
    livemode: bool
    status: Literal[
        "wrong", "planned", "started", "paused", "canceling", "canceled", "completed",
    ]
    sha256: str = Field(description="Of the file: the same bytes again are this file.")
    shortcode: str = Field(description="Whose money.")
    rows: int
    rows_wrong: int = Field(description="While there is one, the file cannot be started.")
    total: str = Field(description="Of the right rows, in shillings.", examples=["125000.00"])
    charges: str = Field(description="Safaricom's, besides, as far as they are known.")
    charges_unknown_rows: int = Field(description="Rows of which they are not known.")
    needs_approval: bool = Field(
        description="Somebody else than its sender must start it, with payouts:approve.",
    )
    rows_made: int = Field(description="That are payouts by now.")
    rows_unsent: int = Field(description="Of a started file: that still wait.")
    counts: dict[str, int] = Field(
        description="Its payouts by status, and the rows that a rule refused.",
        examples=[{"completed": 420, "pending": 12}],
    )
    waiting_for: WaitingFor | None = Field(
        description="The rule of your own, or the float, for which its other rows wait now.",
    )
    rate: float = Field(description="Orders a second in the last minute.")
    seconds_left: int | None = Field(description="Until all are sent, at this rate.")
    created_by: str
    created_at: str
    started_by: str | None
    started_at: str | None
    ended_at: str | None = Field(description="When its last row ended.")
