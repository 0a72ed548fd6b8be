"""What `GET /v1/search` gets and answers, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.inputs import cursor_of
from hakika.api.schemas import Page, PaymentData
from hakika.domain.search import QUERY_CHARACTERS_MAX, What


class SearchQuery(BaseModel):
    """What is searched for."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(
        min_length=1, max_length=QUERY_CHARACTERS_MAX,
        description="A receipt, a phone number in any spelling, an account reference, a checkout, "
        "merchant request or conversation id, a payment's id; or an amount with a day or a time of "
        "Nairobi: `1500 2026-11-03 14:05`, `KES 1,500 3 Nov 2:05 pm`.",
        examples=["1500 2026-11-03 14:05"],
    )
    cursor: Annotated[str, cursor_of("pay")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(20, ge=1, le=100)


class HitData(BaseModel):
    """A payment that was found."""

    found_by: list[What] = Field(description="What of it was in the text.")
    payment: PaymentData


class SearchAnswer(BaseModel):
    """What was found, newest first."""

    success: Literal[True] = True
    data: list[HitData]
    read_as: list[str] = Field(
        description="What the text was taken for, in words.", examples=[["a receipt"]],
    )
    hint: str | None = Field(description="What to try when nothing was found.")
    page: Page
