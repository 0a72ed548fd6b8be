"""What stands before money out, and a float that is low: in answers and in events, alike."""

from __future__ import annotations

from pydantic import BaseModel, Field

from hakika.domain.stop import Why


class StopData(BaseModel):
    """What stands before money out."""

    key: str = Field(description="What it stops.", examples=["mer_01kaxb2m8ffh5r2b8v9n3d6w1c:live"])
    why: Why
    note: str | None = Field(description="What happened, and what to do.")
    stopped_by: str | None = Field(description="Null: Hakika itself.")
    stopped_at: str


class FloatLowData(BaseModel):
    """A float on which less is available than its merchant wants. Amounts are in shillings."""

    account: str = Field(examples=["float:600966:utility"])
    shortcode: str
    known: str
    reserved: str
    available: str
    low_below: str
