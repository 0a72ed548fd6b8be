"""What callers of `/v1/reconciliation/statements` get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.inputs import cursor_of
from hakika.api.schemas import Page


class ImportQuery(BaseModel):
    """What a file does not say of itself. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    shortcode: str = Field("", max_length=10, description="When the file does not name it.")
    account: str = Field(
        "", max_length=40, examples=["Utility Account"],
        description="When the file does not name it. Left out: the one of collections.",
    )


class StatementQuery(BaseModel):
    """Which page of statements. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("stm")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class LineQuery(BaseModel):
    """Which page of lines. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: int = Field(0, ge=0, lt=2**31, description="`page.next` of the page before.")
    limit: int = Field(50, ge=1, le=100)


class StatementData(BaseModel):
    """A statement that was imported whole."""

    id: str
    livemode: bool
    shortcode: str
    account: str = Field(examples=["float:600966:utility"])
    file: Literal["csv", "xlsx", "pdf"]
    sha256: str = Field(description="Of the file.")
    lines: int = Field(description="Of the file.")
    new: int = Field(description="Lines that no file had told of before.")
    fates: dict[str, int] = Field(
        description="What came of the new lines by now; in a list: when each file was imported.",
    )
    starts_at: str | None = Field(description="Its period, when the file tells it.")
    ends_at: str | None = Field(
        description="Its period's end; or when the file was made, when that was before.",
    )
    first_at: str
    last_at: str
    opening: str | None
    closing: str | None
    imported_at: str
    again: bool = Field(description="The same file was imported before: nothing changed.")


class StatementAnswer(BaseModel):
    """One statement."""

    success: Literal[True] = True
    data: StatementData


class StatementsAnswer(BaseModel):
    """A page of statements, newest first."""

    success: Literal[True] = True
    data: list[StatementData]
    page: Page


class LineData(BaseModel):
    """One line, and what came of it by now."""

    place: int = Field(description="The line of the file.")
    receipt: str
    completed_at: str
    kind: str
    amount: str = Field(description="Negative: withdrawn.")
    balance: str | None
    linked_receipt: str | None
    reason_type: str
    details: str = Field(description="Numbers and names of people are hidden.")
    fate: str
    words: str = Field(description="Why, for a person of finance.")
    payment_id: str | None


class LinesAnswer(BaseModel):
    """A page of the lines that this file was the first to tell of, in its order."""

    success: Literal[True] = True
    data: list[LineData]
    page: Page
