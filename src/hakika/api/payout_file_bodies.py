"""What callers of `/v1/payout-files` send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.inputs import cursor_of
from hakika.api.payout_data import PayeeData
from hakika.api.payout_file_data import PayoutFileData
from hakika.api.schemas import FieldProblem, Page


class FileQuery(BaseModel):
    """What a file does not say of itself. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    shortcode: str = Field("", max_length=10, description="Whose money. Left out: the default.")


class FilesQuery(BaseModel):
    """Which page of files. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("bat")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class RowsQuery(BaseModel):
    """Which page of rows. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: int = Field(0, ge=0, lt=2**31, description="`page.next` of the page before.")
    limit: int = Field(50, ge=1, le=500)
    wrong: bool = Field(False, description="Of the wrong rows alone.")


class RowErrors(BaseModel):
    """What is wrong with one row."""

    row: int = Field(description="As a person counts; the names of the columns are in one, too.")
    errors: list[FieldProblem]


class Objection(BaseModel):
    """What a rule for money that goes out says against a row, or against all of a file."""

    row: int | None = Field(description="null: against all of it.")
    code: str = Field(examples=["payout_limit"])
    message: str


class UploadedData(PayoutFileData):
    """A file that was just sent."""

    again: bool = Field(description="It had been sent before: nothing changed.")
    errors: list[RowErrors] = Field(description="Of the first wrong rows; /rows has them all.")
    against: list[Objection] = Field(
        description="What your own rules say against it now: it cannot be started so.",
    )
    float_is_known: bool | None = Field(
        description="Whether M-Pesa told in the last day what lies there; null: not looked at.",
    )


class RowData(BaseModel):
    """One row, and what became of it."""

    row: int
    status: str = Field(
        description="wrong, planned, refused, or the status of its payout.", examples=["completed"],
    )
    errors: list[FieldProblem]
    way: str | None
    amount: str | None
    payee: PayeeData | None
    reference: str | None
    remarks: str | None
    payout_id: str | None
    receipt: str | None
    failure_code: str | None
    failure_reason: str | None
    completed_at: str | None


class UploadedAnswer(BaseModel):
    """One file that was just sent."""

    success: Literal[True] = True
    data: UploadedData


class PayoutFileAnswer(BaseModel):
    """One file of payouts."""

    success: Literal[True] = True
    data: PayoutFileData


class PayoutFilesAnswer(BaseModel):
    """A page of files, newest first."""

    success: Literal[True] = True
    data: list[PayoutFileData]
    page: Page


class RowsAnswer(BaseModel):
    """A page of rows, in the order of the file."""

    success: Literal[True] = True
    data: list[RowData]
    page: Page
