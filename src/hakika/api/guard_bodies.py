"""What callers of rules, beneficiaries, stops and floats send and get, as /openapi.json says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, WithJsonSchema

from hakika.api.guard_data import StopData
from hakika.api.inputs import Phone, cursor_of, rule
from hakika.api.payout_bodies import PayeeAccount, PayeeName, PayeeNumber
from hakika.api.payout_data import PayeeData
from hakika.api.schemas import Page
from hakika.domain import guard
from hakika.services.stops import NOTE_CHARACTERS_MAX

# Money, or None: its own schema would be left over in /openapi.json.
_Limit = Annotated[
    Any, rule(guard.read_limit),
    WithJsonSchema({
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}, {"type": "null"}],
        "description": "In shillings. Null: no limit.",
    }),
]
_Least = Annotated[
    Any, rule(guard.read_least),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}),
]


class RulesRequest(BaseModel):
    """Rules to be changed; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "each_max": "50000.00", "day_max": "400000.00", "approval_above": "10000.00",
    }]})

    each_max: _Limit = Field(None, description="Of one payout.")
    payee_day_max: _Limit = Field(None, description="To one payee in 24 hours.")
    hour_max: _Limit = Field(None, description="Altogether in an hour.")
    day_max: _Limit = Field(None, description="Altogether in 24 hours.")
    approval_above: _Limit = Field(
        None, description="Above this to one payee in 24 hours, or in one file, a second person "
        "lets it go. 0: always. Null: never.",
    )
    only_listed: StrictBool = Field(False, description="Pay listed beneficiaries alone.")
    cool_off_hours: StrictInt = Field(
        24, ge=0, le=guard.COOL_OFF_HOURS_MAX, description="Until a new beneficiary may be paid.",
    )
    burst_max: StrictInt | None = Field(
        None, ge=1, le=guard.BURST_MAX,
        description="More acts than this in `burst_minutes` freeze: payouts asked one by one, and "
        "files started. Null: none do.",
    )
    burst_minutes: StrictInt = Field(10, ge=1, le=guard.BURST_MINUTES_MAX)
    freezes_on_change: StrictBool = Field(
        True, description="New keys, other credentials and looser rules freeze money out.",
    )
    float_low: dict[Annotated[str, Field(pattern="^[0-9]{5,7}$")], _Least] = Field(
        {}, max_length=50, description="By short code: below how much `float.low` is told.",
    )


class RulesData(BaseModel):
    """All rules of this merchant and mode, set or by default."""

    each_max: str | None
    payee_day_max: str | None
    hour_max: str | None
    day_max: str | None
    approval_above: str | None
    only_listed: bool
    cool_off_hours: int
    burst_max: int | None
    burst_minutes: int
    freezes_on_change: bool
    float_low: dict[str, str]


class RulesAnswer(BaseModel):
    """The rules."""

    success: Literal[True] = True
    data: RulesData


class ChangesQuery(BaseModel):
    """Which page of changes."""

    model_config = ConfigDict(extra="forbid")

    cursor: int | None = Field(
        None, ge=1, lt=2**62, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class ChangeData(BaseModel):
    """Who changed what guards the money."""

    id: str
    what: str = Field(examples=["rules_changed"])
    who: str | None = Field(description="A key, or `the machine`; null: Hakika itself.")
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    note: str | None
    changed_at: str


class ChangesAnswer(BaseModel):
    """A page of changes, newest first."""

    success: Literal[True] = True
    data: list[ChangeData]
    page: Page


class BeneficiaryRequest(BaseModel):
    """List one payee: a phone, a paybill with its account, a till or a short code to top up."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "phone": "0712345678", "name": "Jane",
    }]})

    phone: Phone | None = None
    paybill: PayeeNumber | None = None
    account: PayeeAccount | None = None
    till: PayeeNumber | None = None
    top_up: PayeeNumber | None = None
    name: PayeeName = ""


class BeneficiaryQuery(BaseModel):
    """Which page of beneficiaries."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("ben")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class BeneficiaryData(BaseModel):
    """A listed payee."""

    id: str
    payee: PayeeData
    added_at: str
    added_by: str
    usable_from: str = Field(description="Until then a payout to it waits.")


class BeneficiaryAnswer(BaseModel):
    """One beneficiary."""

    success: Literal[True] = True
    data: BeneficiaryData


class BeneficiariesAnswer(BaseModel):
    """A page of beneficiaries, newest first."""

    success: Literal[True] = True
    data: list[BeneficiaryData]
    page: Page


class FreezeRequest(BaseModel):
    """Stop all money out of this merchant and mode."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "note": "Nobody knows who ordered the last three.",
    }]})

    note: str = Field("", max_length=NOTE_CHARACTERS_MAX, description="For people.")


class StopAnswer(BaseModel):
    """One stop."""

    success: Literal[True] = True
    data: StopData


class StopsAnswer(BaseModel):
    """All stops, oldest first."""

    success: Literal[True] = True
    data: list[StopData]
    page: Page


class FloatData(BaseModel):
    """One account that money leaves. Amounts are decimal texts in shillings."""

    account: str = Field(examples=["float:600966:utility"])
    shortcode: str
    place: Literal["utility", "merchant", "working"]
    state: Literal["known", "stale", "never_told"] = Field(
        description="known: M-Pesa told a balance within the last day.",
    )
    told: str | None = Field(description="By M-Pesa.")
    told_at: str | None
    known: str | None = Field(description="What M-Pesa told, and what the books moved since.")
    reserved: str = Field(description="Let go, and not left yet.")
    available: str | None = Field(description="known less reserved.")
    ready: str = Field(description="Of what is reserved: not sent yet.")
    held: str = Field(description="Waits for a person, or for time; not reserved.")
    short_by: str | None = Field(description="What is missing for all that is held.")
    runs_out_at: str | None = Field(
        description="At the pace of the last 24 hours. Null: it does not, or nobody knows.",
    )
    low_below: str | None
    is_low: bool | None


class FloatsAnswer(BaseModel):
    """Every account that money leaves."""

    success: Literal[True] = True
    data: list[FloatData]
    page: Page
