"""What `GET /v1/payments/{id}/evidence` gets and answers, as documented in /openapi.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.ledger_bodies import Entry
from hakika.api.schemas import PaymentData

Form = Literal["json", "pdf"]


class EvidenceQuery(BaseModel):
    """How the evidence is shown."""

    model_config = ConfigDict(extra="forbid")

    format: Form | None = Field(
        None, description="`json` or `pdf`. Left out: as the header Accept says, or JSON.",
    )
    reveal: bool = Field(
        False, description="Show bodies as they came, with numbers and names. Each use is logged.",
    )


class FactEvidence(BaseModel):
    """One thing that was heard, with the body as it came."""

    sequence: int
    heard_at: str
    fact: str
    source: str
    state: str
    details: dict[str, Any]
    raw: str = Field(description="The whole body; numbers of people hidden unless revealed.")
    raw_sha256: str = Field(description="Of the body as it came, as it is in the chain.")
    link: str


class WitnessEvidence(BaseModel):
    """What another source said of the same receipt."""

    receipt: str
    source: str
    amount: str
    happened_at: str
    heard_at: str


class DeliveryEvidence(BaseModel):
    """Who was told, and what came of it."""

    id: str
    endpoint_id: str
    state: str
    attempts: int
    finished_at: str | None
    reason: str | None


class EventEvidence(BaseModel):
    """What the merchant was told."""

    id: str
    type: str
    sequence: int | None
    timestamp: str
    deliveries: list[DeliveryEvidence]


class ChainEvidence(BaseModel):
    """Whether the facts are as they were heard."""

    is_whole: bool
    breaches: list[str]
    first: str = Field(description="The hash of what was asked.")
    last: str = Field(description="The hash of the newest fact.")


class EvidenceData(BaseModel):
    """Everything that is known of a payment."""

    payment: PaymentData
    facts: list[FactEvidence]
    chain: ChainEvidence
    entries: list[Entry]
    witnesses: list[WitnessEvidence]
    events: list[EventEvidence]
    revealed: bool


class EvidenceAnswer(BaseModel):
    """The pack."""

    success: Literal[True] = True
    data: EvidenceData
