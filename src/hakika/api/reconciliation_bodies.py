"""What callers of reconciliation send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.inputs import cursor_of
from hakika.api.schemas import Page


class ShortcodeRequest(BaseModel):
    """Which short code is meant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "shortcode": "600966",
    }]})

    shortcode: str = Field("", max_length=10, description="Left out: the default.")


class RunQuery(BaseModel):
    """Which page of runs. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("run")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class RunData(BaseModel):
    """One reading of M-Pesa's own list."""

    id: str
    livemode: bool
    shortcode: str
    source: Literal["pull"]
    since: str
    until: str
    rows: int = Field(description="What M-Pesa listed in this time.")
    synced: int = Field(description="Payments that were open and are completed now.")
    skipped: int = Field(description="Receipts that were known.")
    not_found: int = Field(description="Money nobody had asked for: payments of their own now.")
    undecided: int = Field(description="Money that may be of several payments: judged again soon.")
    error: str | None = Field(description="Why the list could not be read whole; read again soon.")
    started_at: str
    finished_at: str


class RunAnswer(BaseModel):
    """One run."""

    success: Literal[True] = True
    data: RunData


class RunsAnswer(BaseModel):
    """A page of runs, newest first."""

    success: Literal[True] = True
    data: list[RunData]
    page: Page


class PullData(BaseModel):
    """A short code whose collections M-Pesa lists."""

    shortcode: str
    registered: Literal[True] = True


class PullAnswer(BaseModel):
    """It is registered."""

    success: Literal[True] = True
    data: PullData
