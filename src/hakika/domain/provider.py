"""A merchant's way into Daraja: one short code with the secrets of its app, in one mode."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hakika.domain.errors import Invalid
from hakika.domain.ids import MerchantId, ProviderId
from hakika.domain.shortcode import Shortcode
from hakika.domain.times import written
from hakika.domain.validation import EVERYTHING, Terms

NAME = "mpesa"

# What a secret is shown as: enough to recognise which one it is, too little to guess it.
MASK = "****"
_SHOWN, _SHOWN_OF_MIN = 4, 12


@dataclass(frozen=True, slots=True)
class Secrets:
    """What Safaricom gave the merchant. Kept sealed; shown masked; its repr shows nothing."""

    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    passkey: str = field(repr=False)
    initiator: str = field(default="", repr=False)            # for reversals and status queries
    security_credential: str = field(default="", repr=False)  # its encrypted password


@dataclass(frozen=True, slots=True)
class Provider:
    """One short code of a merchant in one mode. All times are UTC."""

    id: ProviderId
    merchant_id: MerchantId
    livemode: bool
    shortcode: Shortcode
    secrets: Secrets
    is_default: bool                     # collects when a request names no short code
    created_at: datetime
    updated_at: datetime
    result_url: str = ""
    timeout_url: str = ""
    nominated_number: str = ""
    terms: Terms = EVERYTHING            # which of its payers' own payments are let in
    tariff: str = ""                     # what Safaricom charges by; empty: nothing is assumed
    c2b_version: int | None = None       # of the last confirmation whose payer could tell it
    b2c_version: int = 3                 # 1: Safaricom refused v3, which alone knows duplicates
    valid: bool | None = None            # None: Daraja could not be asked yet
    checked_at: datetime | None = None
    last_error: str = ""


def is_changed(before: Provider, after: Provider, *, is_mended: bool = False) -> bool:
    """Say whether money would leave by another API operator, or another contact be told of it.

    Where M-Pesa had refused the operator (`is_mended`), a new password alone is no change: that is
    how it is mended.
    """
    was, now = before.secrets, after.secrets
    had_operator = bool(was.initiator and was.security_credential)
    is_other = was.initiator != now.initiator or (
        was.security_credential != now.security_credential and not is_mended
    )
    contacts = before.nominated_number, after.nominated_number
    return (had_operator and is_other) or (bool(contacts[0]) and contacts[0] != contacts[1])


def masked(secret: str) -> str:
    """Return `secret` as it may be shown: its last four characters at most."""
    if not secret:
        return ""
    return MASK + (secret[-_SHOWN:] if len(secret) >= _SHOWN_OF_MIN else "")


def refuse_masked(**values: str) -> None:
    """Raise Invalid when a value is one that we masked, sent back to us as if it were real."""
    for name, value in values.items():
        if value.startswith(MASK):
            raise Invalid(
                f"{name} is masked: it is how we show a secret, not the secret itself.",
                field=f"mpesa.{name}", code="secret_masked",
                hint="Send the secrets as Safaricom gave them.",
            )


def provider_data(provider: Provider) -> dict[str, Any]:
    """Return `provider` as merchants read it: every secret masked."""
    secrets, shortcode = provider.secrets, provider.shortcode
    return {
        "id": provider.id,
        "provider": NAME,
        "livemode": provider.livemode,
        "config_summary": {
            "env": "live" if provider.livemode else "sandbox",
            "consumer_key": masked(secrets.consumer_key),
            "consumer_secret": masked(secrets.consumer_secret),
            "passkey": masked(secrets.passkey),
            "shortcode": shortcode.number,
            "shortcode_type": shortcode.kind.value,
            "store_number": shortcode.store_number or None,
            "initiator": masked(secrets.initiator) or None,
            "security_credential": masked(secrets.security_credential) or None,
            "result_url": provider.result_url or None,
            "timeout_url": provider.timeout_url or None,
            "nominated_number": masked(provider.nominated_number) or None,
        },
        "tariff": provider.tariff or None,
        "default": provider.is_default,
        "valid": provider.valid,
        "checked_at": written(provider.checked_at) if provider.checked_at else None,
        "last_error": provider.last_error or None,
        "created_at": written(provider.created_at),
        "updated_at": written(provider.updated_at),
    }
