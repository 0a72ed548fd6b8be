"""Every setting: its name, meaning, default and unit. docs/configuration.md is generated from here.

A setting comes from the environment as HAKIKA_<NAME>; every secret also as HAKIKA_<NAME>_FILE, the
path of a file that holds it. A HAKIKA_ variable that is not listed here stops the start, with a
suggestion: a mistyped setting must never be a silent default.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hakika.domain import tariff
from hakika.domain.tariff import TariffMalformed, Tariffs

PREFIX = "HAKIKA_"
SECRET_CHARACTERS_MIN = 32

TARIFFS_FILE = Path(__file__).with_name("tariffs.toml")

# The union of the two lists in circulation (daraja.md 7.5). Data, not truth: see callback_sources.
SAFARICOM_ADDRESSES = (
    "196.201.214.200/32", "196.201.214.206/32", "196.201.214.207/32", "196.201.214.208/32",
    "196.201.213.114/32", "196.201.213.44/32", "196.201.212.127/32", "196.201.212.129/32",
    "196.201.212.136/32", "196.201.212.138/32", "196.201.212.69/32", "196.201.212.74/32",
    "196.201.212.128/32", "196.201.212.132/32",
)

# Safaricom publishes this one for every developer's sandbox (daraja.md section 9).
SANDBOX_PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"

# Words that Safaricom refuses anywhere in a callback address, in any case (daraja.md 7.4).
BANNED_WORDS = ("mpesa", "m-pesa", "safaricom", "exe", "cmd", "sql", "query")

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~/-]*)?", re.ASCII)

Networks = Annotated[tuple[str, ...], NoDecode]


class SettingsInvalid(Exception):
    """The settings cannot be used. The message says which, why, and what to write instead."""


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    database_url: SecretStr = Field(
        SecretStr(""),
        description="A PostgreSQL 15+ to use, as postgresql://user:password@host/name. Left out: "
        "Hakika runs its own server in the data folder.",
    )
    data: Path = Field(
        Path("data"), description="The folder of the embedded database and the generated secret.",
    )
    secret: SecretStr = Field(
        SecretStr(""),
        description="At least 32 characters, kept safe and never changed: API keys and callback "
        "addresses depend on it. Left out: generated in the data folder.",
    )
    host: str = Field("127.0.0.1", description="The address that the API listens on.")
    port: int = Field(8700, ge=0, le=65535, description="The port that the API listens on; 0: any.")
    public_url: str = Field(
        "",
        description="The address at which Safaricom reaches this API, such as "
        "https://pay.example.co.ke. Must be https in live mode. Left out: the listening address, "
        "which only a simulator on this machine can reach.",
    )
    master_key: SecretStr = Field(
        SecretStr(""),
        description="The key that wraps the merchants' data keys: 32 bytes in base64, or kms: and "
        "what AWS KMS made of them (`hakika vault new-key` writes either). Left out: generated in "
        "the data folder.",
    )
    master_key_previous: SecretStr = Field(
        SecretStr(""),
        description="The master key before this one, until `hakika vault rotate` has ended.",
    )
    daraja_sandbox_url: str = Field(
        "https://sandbox.safaricom.co.ke", description="Daraja for test keys, or any double of it.",
    )
    simulator_url: str = Field(
        "",
        description="A simulated Daraja (`hakika simulate`) for merchants who have no sandbox "
        "credentials of their own; it needs no account at Safaricom. Left out: they share the "
        "sandbox app of the settings below.",
    )
    daraja_live_url: str = Field(
        "https://api.safaricom.co.ke", description="Daraja for live keys.",
    )
    sandbox_consumer_key: SecretStr = Field(
        SecretStr(""),
        description="The sandbox app's consumer key. A simulator takes any, also none.",
    )
    sandbox_consumer_secret: SecretStr = Field(
        SecretStr(""),
        description="The sandbox app's consumer secret. A simulator takes any, also none.",
    )
    sandbox_passkey: SecretStr = Field(
        SecretStr(SANDBOX_PASSKEY), description="The sandbox passkey; Safaricom's public one.",
    )
    sandbox_shortcode: str = Field("174379", description="The sandbox short code.")
    callback_sources: Literal["enforce", "log", "off"] = Field(
        "log",
        description="What to do with a callback from an address outside callback_networks: refuse "
        "it, log it, or nothing. Applies to live payments; sandbox callbacks come from anywhere.",
    )
    callback_networks: Networks = Field(
        SAFARICOM_ADDRESSES,
        description="Networks that Safaricom calls back from, comma-separated.",
    )
    trusted_proxies: Networks = Field(
        (),
        description="Networks of your own reverse proxies, comma-separated. Only from these is "
        "the header of the next setting read, from the right.",
    )
    proxy_header: Literal["x-forwarded-for", "forwarded", "x-real-ip"] = Field(
        "x-forwarded-for",
        description="The one header in which your proxies write where a request came from. The "
        "others are never read: a proxy that does not write them lets a stranger's pass.",
    )
    key_requests_per_minute: int = Field(
        6_000, ge=1,
        description="How many requests one API key may make in a minute, also all at once.",
    )
    address_requests_per_minute: int = Field(
        30_000, ge=1,
        description="How many requests may come from one address in a minute, also all at once. "
        "Safaricom's callbacks are never counted.",
    )
    failed_authentications_per_minute: int = Field(
        20, ge=1,
        description="How often one address may fail to show a good API key in a minute. Good keys "
        "are taken from it all the same.",
    )
    stray_callbacks_per_minute: int = Field(
        60, ge=1,
        description="How many callbacks to addresses that were never given out are kept in a "
        "minute from one sender outside callback_networks; from all of them ten times as many.",
    )
    unowned_log_lines_per_minute: int = Field(
        600, ge=1,
        description="How many requests of nobody, or refused by a limit, the request log takes up "
        "in a minute.",
    )
    connections_max: int = Field(
        1_000, ge=10,
        description="Connections to one API process. Of more, the quiet ones are closed; when none "
        "is quiet, requests are answered with 503, callbacks excepted.",
    )
    request_seconds_max: float = Field(
        15.0, gt=0,
        description="How long a caller may take to send one whole request, in seconds.",
    )
    webhook_allowed_networks: Networks = Field(
        (),
        description="Private networks that webhooks may reach all the same, comma-separated, such "
        "as 10.1.2.0/24. Everything private is refused otherwise.",
    )
    prompts_per_hour_max: int = Field(
        30, ge=1,
        description="How often a merchant may ask one phone in an hour: prompting strangers is "
        "abuse, and Safaricom blocks who does it.",
    )
    sandbox_queries_per_minute: float = Field(
        5.0, gt=0, description="Status queries a minute for a sandbox short code; Daraja allows 5.",
    )
    tariffs_file: Path | None = Field(
        None,
        description="A file of Safaricom's charges instead of the one that comes with Hakika, in "
        "its form: src/hakika/tariffs.toml. Left out: that one, which is not confirmed.",
    )
    live_queries_per_minute: float = Field(
        60.0, gt=0, description="Status queries a minute for one live short code.",
    )
    payouts_per_second: float = Field(
        2.0, gt=0,
        description="Orders a second to each API of one short code to begin with, before anything "
        "is known of what Daraja allows: Hakika finds that out by itself (docs/bulk.md).",
    )
    database_connections_max: int = Field(
        5, ge=2, description="Database connections of one process.",
    )
    worker_deliveries_max: int = Field(
        50, ge=2, le=100,
        description="Webhook deliveries that one worker sends at the same time; those that take "
        "longer than a second are not counted.",
    )
    webhook_rate_per_second: float | None = Field(
        None, gt=0,
        description="Webhooks a second to one endpoint, unless it has a rate of its own. Left out: "
        "as fast as it takes them, 8 at a time.",
    )
    stop_seconds_max: float = Field(
        35.0, gt=0,
        description="How long a graceful stop waits for what is running; a push may take 30 s.",
    )
    pace: float = Field(
        1.0, gt=0,
        description="How many times faster than real time the waits for Daraja run. Only for tests "
        "beside a simulator with --speed; no live credentials are taken then.",
    )
    metrics_networks: Networks = Field(
        ("127.0.0.0/8", "::1/128"),
        description="Networks that may read /metrics, comma-separated; for all others there is no "
        "such path. The address is that of the connection, or what a trusted proxy says.",
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535,
        description="The port on which `hakika worker` serves /metrics; 0: any. Left out: it does "
        "not. `serve`, `api` and `dev` serve it on their own port.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe log line that is written.",
    )

    @field_validator(
        "callback_networks", "metrics_networks", "trusted_proxies", "webhook_allowed_networks",
        mode="before",
    )
    @classmethod
    def _networks(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            return value
        return tuple(str(ip_network(str(part).strip())) for part in parts if str(part).strip())

    @field_validator("public_url")
    @classmethod
    def _fit_for_callbacks(cls, value: str) -> str:
        if not value:
            return value
        if not _PUBLIC_URL.fullmatch(value):
            raise ValueError("must be like https://pay.example.co.ke, without a query")
        banned = [word for word in BANNED_WORDS if word in value.lower()]
        if banned:
            raise ValueError(f"Safaricom calls no address with {banned[0]!r} in it; use another")
        return value

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) < SECRET_CHARACTERS_MIN:
            raise ValueError(f"must have at least {SECRET_CHARACTERS_MIN} characters")
        return value


def read_settings(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Return the settings of `environment` (default: this process's), with `overrides` above them.

    Raises:
        SettingsInvalid: an unknown HAKIKA_ variable, a value that cannot be used, or a secret file
            that cannot be read. The message names it and the way out.
    """
    names = dict(os.environ if environment is None else environment)
    given = {name: text for name, text in names.items() if name.startswith(PREFIX)}
    values: dict[str, object] = {}
    for name, text in given.items():
        field, value = _one(name, text)
        if field in values:
            raise SettingsInvalid(f"{name} and its twin (with or without _FILE) are set; keep one.")
        values[field] = value
    try:
        settings = Settings.model_validate(values | overrides)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise SettingsInvalid(f"{PREFIX}{field.upper()}: {first['msg']}.") from None
    if settings.tariffs_file is not None:
        read_tariffs(settings)
    return settings


def read_tariffs(settings: Settings) -> Tariffs:
    """Return Safaricom's charges: the operator's file, or the one that comes with Hakika.

    Raises:
        SettingsInvalid: the file cannot be read, or says what cannot be. The message says which.
    """
    path = settings.tariffs_file or TARIFFS_FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        return tariff.parse(data)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TariffMalformed) as error:
        raise SettingsInvalid(f"{PREFIX}TARIFFS_FILE: {path}: {error}.") from error


def _one(name: str, text: str) -> tuple[str, object]:
    """Return the field and value of one variable, read from its file when it names one."""
    field = name.removeprefix(PREFIX).lower()
    if field in Settings.model_fields:
        return field, text
    secret = field.removesuffix("_file")
    if field.endswith("_file") and secret in secrets():
        try:
            return secret, Path(text).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsInvalid(f"{name}: cannot read {text}: {error}.") from error
    known = [PREFIX + each.upper() for each in Settings.model_fields]
    close = difflib.get_close_matches(name, known, n=1)
    way_out = f"Did you mean {close[0]}?" if close else "See docs/configuration.md."
    raise SettingsInvalid(f"{name} is not a setting. {way_out}")


def secrets() -> frozenset[str]:
    """Return the names of the settings that are secret."""
    return frozenset(
        name for name, field in Settings.model_fields.items() if field.annotation is SecretStr
    )
