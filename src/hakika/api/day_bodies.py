"""What callers of closed days and discrepancies send and get, as documented in /openapi.json."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hakika.api.day_data import DayData, DiscrepancyData
from hakika.api.inputs import Day, cursor_of
from hakika.api.schemas import Page
from hakika.domain.discrepancy import Kind


class Form(StrEnum):
    """What a report is written as."""

    JSON = "json"
    XLSX = "xlsx"
    PDF = "pdf"


class DayQuery(BaseModel):
    """Which page of days. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: Day | None = Field(None, description="`page.next` of the page before.")
    limit: int = Field(31, ge=1, le=100)


class ReportQuery(BaseModel):
    """How the report is written. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    format: Form = Form.JSON


class DiscrepancyQuery(BaseModel):
    """Which discrepancies. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["open", "resolved"] | None = None
    kind: Kind | None = None
    day: Day | None = None
    cursor: Annotated[str, cursor_of("dsc")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


Words = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class Assignment(BaseModel):
    """Who looks into a discrepancy."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "assigned_to": "Wanjiku",
    }]})

    assigned_to: Annotated[str, StringConstraints(max_length=100, strip_whitespace=True)] = Field(
        description="A name of your own; empty for nobody. Numbers of people are hidden.",
    )


class Resolution(BaseModel):
    """Why a discrepancy is settled."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "reason": "Reversed at the counter on the customer's word; receipt in the folder.",
    }]})

    reason: Words = Field(
        description="What you found and did. It is in the day's report, numbers of people hidden.",
    )


class DiscrepancyAnswer(BaseModel):
    """One discrepancy."""

    success: Literal[True] = True
    data: DiscrepancyData


class DiscrepanciesAnswer(BaseModel):
    """A page of discrepancies, newest first."""

    success: Literal[True] = True
    data: list[DiscrepancyData]
    page: Page


class DayAnswer(BaseModel):
    """One day."""

    success: Literal[True] = True
    data: DayData


class DaysAnswer(BaseModel):
    """A page of closed days, the last one first."""

    success: Literal[True] = True
    data: list[DayData]
    page: Page


class ReportDocument(BaseModel):
    """A day's report: `hakika verify-report` proves it without Hakika's database."""

    format: Literal["hakika-day-report/1"]
    checkpoint: dict[str, Any]
    signature: str
    public_key: str
    summary: dict[str, Any]
    movements: list[dict[str, Any]]


class SigningKey(BaseModel):
    """What checkpoints are signed with."""

    algorithm: Literal["Ed25519"] = "Ed25519"
    public_key: str = Field(description="32 bytes in hex.")
    fingerprint: str = Field(description="To compare by eye.")


class SigningKeyAnswer(BaseModel):
    """The public key."""

    success: Literal[True] = True
    data: SigningKey
