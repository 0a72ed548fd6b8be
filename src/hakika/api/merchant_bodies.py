"""What is sent and answered about a merchant's own affairs: credentials, keys, switch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hakika.api.inputs import NAMES_SOME, Moment, cursor_of
from hakika.api.schemas import Page
from hakika.domain.fact import LateAction
from hakika.domain.merchant import OVERLAP_SECONDS, OVERLAP_SECONDS_MAX, Scope
from hakika.domain.shortcode import Kind

_Secret = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[!-~]+$")]
_Url = Annotated[str, Field(max_length=2048)]


class MpesaCredentials(BaseModel):
    """What Safaricom gave you for one short code."""

    model_config = ConfigDict(extra="forbid")

    env: Literal["sandbox", "live"] = Field(
        description="Must be the mode of the key: sandbox for hk_test_…, live for hk_live_….",
    )
    consumer_key: _Secret
    consumer_secret: _Secret
    passkey: _Secret
    shortcode: str = Field(max_length=10, description="The paybill, or the till.")
    shortcode_type: Kind = Field(
        Kind.PAYBILL, description="A till also needs its store_number.",
    )
    store_number: str = Field("", max_length=10, description="A till's store (head office) number.")
    initiator: Annotated[str, Field(max_length=100)] = ""
    security_credential: Annotated[str, Field(max_length=2000)] = ""
    result_url: _Url = ""
    timeout_url: _Url = ""
    nominated_number: Annotated[str, Field(max_length=20)] = ""
    tariff: Annotated[str, Field(max_length=50)] | None = Field(
        None, description="By which Safaricom charges you: mgao, business_bouquet or "
        "customer_bouquet of a paybill, mauzo of a till. Left out: as it is; at first none, and "
        "then no charge is expected.",
    )
    default: bool | None = Field(
        None, description="Collects when a payment names no short code. Left out: as it is; the "
        "first one does. False is refused for the one that does: name another instead.",
    )


class ProviderRequest(BaseModel):
    """Put M-Pesa credentials."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "provider": "mpesa",
        "mpesa": {
            "env": "sandbox", "consumer_key": "your_consumer_key_from_daraja",
            "consumer_secret": "your_consumer_secret_from_daraja",
            "passkey": "your_passkey", "shortcode": "174379",
        },
    }]})

    provider: Literal["mpesa"]
    mpesa: MpesaCredentials


class ConfigSummary(BaseModel):
    """Credentials as they are shown: every secret masked."""

    env: Literal["sandbox", "live"]
    consumer_key: str = Field(examples=["****abcd"])
    consumer_secret: str = Field(examples=["****ef12"])
    passkey: str = Field(examples=["****c919"])
    shortcode: str
    shortcode_type: Kind
    store_number: str | None
    initiator: str | None
    security_credential: str | None
    result_url: str | None
    timeout_url: str | None
    nominated_number: str | None


class ProviderData(BaseModel):
    """One short code's way into Daraja."""

    id: str
    provider: Literal["mpesa"]
    livemode: bool
    config_summary: ConfigSummary
    tariff: str | None = Field(description="By which Safaricom charges you. Null: not told.")
    default: bool
    valid: bool | None = Field(
        description="Daraja gave a token for these. Null: it could not be asked.",
    )
    checked_at: str | None
    last_error: str | None = Field(description="What Daraja said, in words.")
    created_at: str
    updated_at: str


class ProviderAnswer(BaseModel):
    """One short code."""

    success: Literal[True] = True
    data: ProviderData


class ProvidersAnswer(BaseModel):
    """All short codes of this merchant and mode."""

    success: Literal[True] = True
    data: list[ProviderData]
    page: Page


class KeyRequest(BaseModel):
    """Make an API key."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "label": "shop till", "scopes": ["payments:read", "payments:write"],
        "allowed_networks": ["203.0.113.0/24"], "expires_at": "2027-12-31T00:00:00Z",
    }]})

    label: Annotated[str, Field(max_length=100)] = ""
    scopes: Annotated[list[Scope], NAMES_SOME] = Field(
        default_factory=list, min_length=1, description="Left out: all that the making key has.",
    )
    allowed_networks: Annotated[
        list[Annotated[str, Field(max_length=50)]],
        Field(max_length=50, description="Where it may be used from. Left out: as the making key."),
    ] = []
    expires_at: Moment | None = Field(
        None, description="When it ends: with the making key at the latest.",
    )


class KeyQuery(BaseModel):
    """Which page of the keys. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("key")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class OverlapRequest(BaseModel):
    """Replace something secret by a new one."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"overlap_seconds": 3600}]},
    )

    overlap_seconds: int = Field(
        OVERLAP_SECONDS, ge=0, le=OVERLAP_SECONDS_MAX,
        description="For how long the old one stays good beside the new.",
    )


class KeyData(BaseModel):
    """An API key, without the key itself."""

    id: str
    handle: str = Field(description="The part of the key that names it.")
    merchant_id: str
    seller_id: str | None = Field(description="Whose it is on a platform; null: its own.")
    livemode: bool
    scopes: list[Scope]
    label: str
    allowed_networks: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    replaced_by: str | None
    last_used_at: str | None = Field(description="To the minute.")


class NewKeyData(KeyData):
    """A new key, which is shown this once."""

    api_key: str = Field(examples=["hk_test_…"])


class KeyAnswer(BaseModel):
    """One key."""

    success: Literal[True] = True
    data: KeyData


class NewKeyAnswer(BaseModel):
    """A new key, which is shown this once."""

    success: Literal[True] = True
    data: NewKeyData


class KeysAnswer(BaseModel):
    """A page of the keys of this merchant and mode, newest first, dead ones too."""

    success: Literal[True] = True
    data: list[KeyData]
    page: Page


class CollectionsRequest(BaseModel):
    """Switch new live payments off or on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "enabled": False, "reason": "credentials exposed, being replaced",
    }]})

    enabled: bool
    reason: Annotated[str, Field(max_length=200)] = ""


class CollectionsData(BaseModel):
    """Whether new live payments are taken. Callbacks, checks and webhooks always go on."""

    enabled: bool
    reason: str | None
    stopped_at: str | None
    stopped_by: Literal["merchant", "operator"] | None = Field(
        description="operator: whoever runs this Hakika, for everybody. Only they switch it on.",
    )


class CollectionsAnswer(BaseModel):
    """Whether new live payments are taken."""

    success: Literal[True] = True
    data: CollectionsData


class MerchantChange(BaseModel):
    """Change what is set for a merchant, in the key's mode. What is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [
        {"late_money": "hold"},
    ]})

    late_money: LateAction | None = Field(
        None, description="fulfil: it is paid. hold: a person decides. refund: it is owed back; "
        "a person sends it.",
    )


class MerchantData(BaseModel):
    """The merchant of this key."""

    id: str
    name: str
    livemode: bool = Field(description="The mode of the key, for which the settings are.")
    late_money: LateAction = Field(
        description="What is to be done with money that comes after `failed` or `canceled`.",
    )
    created_at: str


class MerchantAnswer(BaseModel):
    """The merchant of this key."""

    success: Literal[True] = True
    data: MerchantData
