"""What callers of `/v1/exports` send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.inputs import Day, cursor_of
from hakika.api.schemas import Page
from hakika.domain.export import State, What
from hakika.sheets.exports import Format


class ExportRequest(BaseModel):
    """What to export."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "what": "payments", "format": "csv", "from": "2026-11-01", "to": "2026-11-30",
    }]})

    what: What
    format: Format
    first: Day | None = Field(
        None, alias="from", description="The first day, of Nairobi. Left out: from the beginning.",
    )
    last: Day | None = Field(
        None, alias="to", description="The last day, included. Left out: until now.",
    )
    reveal: bool = Field(
        False, strict=True,
        description="Show whole numbers of people. The key needs `audit:read`; each use is logged.",
    )


class ExportQuery(BaseModel):
    """Which page of the exports. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("exp")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class ExportData(BaseModel):
    """An export, and how far it is."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str
    what: What
    format: Format
    first: str | None = Field(alias="from")
    last: str | None = Field(alias="to")
    reveal: bool
    livemode: bool
    state: State
    rows: int = Field(description="Written so far.")
    rows_total: int | None = Field(description="As counted at the beginning; null: not yet.")
    percent: int = Field(ge=0, le=100)
    bytes: int | None
    created_at: str
    finished_at: str | None
    expires_at: str | None = Field(description="When it is dropped.")
    file: str | None = Field(description="Where to download it, once it is done.")


class ExportAnswer(BaseModel):
    """One export."""

    success: Literal[True] = True
    data: ExportData


class ExportsAnswer(BaseModel):
    """A page of exports, newest first."""

    success: Literal[True] = True
    data: list[ExportData]
    page: Page
