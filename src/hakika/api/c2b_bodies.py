"""What is sent and answered about payers' own payments, and which of them are let in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.schemas import Page
from hakika.domain.shortcode import WhenUnheard
from hakika.domain.validation import Rule, WhenUndecided

_Shortcode = Annotated[str, Field(max_length=10, description="Left out: the default.")]


class C2bRequest(BaseModel):
    """Have M-Pesa tell Hakika of payments that nobody asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "shortcode": "600966", "when_unheard": "Completed",
    }]})

    shortcode: _Shortcode = ""
    when_unheard: WhenUnheard = Field(
        WhenUnheard.COMPLETED,
        description="What M-Pesa does with a payment when Hakika does not answer in time.",
    )


class C2bData(BaseModel):
    """The addresses that M-Pesa calls. Keep them to yourself: who knows them can pretend."""

    shortcode: str
    when_unheard: WhenUnheard
    confirmation_url: str
    validation_url: str


class C2bAnswer(BaseModel):
    """They are registered."""

    success: Literal[True] = True
    data: C2bData


class ValidationRequest(BaseModel):
    """Set which of the payers' own payments are let in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "shortcode": "600966", "rule": "open_payment", "when_undecided": "refuse",
    }]})

    shortcode: _Shortcode = ""
    rule: Rule = Field(
        description="accept_all: all. known_reference: its reference is of a payment that was "
        "asked for, or of a customer. open_payment: reference and amount are those of a payment "
        "that is not paid yet. callback: what your program says.",
    )
    callback_url: str = Field(
        "", max_length=2048,
        description="Where your program is asked, for the rule callback: it has 2 seconds to "
        'answer {"accept": true}, or false with a reason.',
    )
    when_undecided: WhenUndecided = Field(
        WhenUndecided.ACCEPT,
        description="What M-Pesa is told when the rule could not be applied in time.",
    )


class LetInData(BaseModel):
    """Which of the payers' own payments are let in at one short code."""

    shortcode: str
    rule: Rule
    callback_url: str | None
    when_undecided: WhenUndecided
    version_seen: Literal[1, 2] | None = Field(
        description="Of C2B, by the last confirmation whose payer's number could tell. Hakika "
        "registers version 2.",
    )
    advice: str | None = Field(description="What to do about it, if anything.")


class LetInAnswer(BaseModel):
    """One short code."""

    success: Literal[True] = True
    data: LetInData


class LetInsAnswer(BaseModel):
    """All short codes of this merchant and mode."""

    success: Literal[True] = True
    data: list[LetInData]
    page: Page
