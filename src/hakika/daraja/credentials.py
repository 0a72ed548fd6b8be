"""What proves to Daraja that we are the business: keys, passkey, and the password made of it.

Source: daraja.md 3.1 and 3.2; traps T10, T11 and T60.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from hakika.domain.errors import Invalid
from hakika.domain.shortcode import SANDBOX_NUMBER, Shortcode
from hakika.domain.times import NAIROBI

TIME_FORMAT = "%Y%m%d%H%M%S"

SANDBOX_HOST = "sandbox.safaricom.co.ke"
PRODUCTION_HOST = "api.safaricom.co.ke"

# Published by Safaricom to every developer: no secret, and never the key to live money.
SANDBOX_PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """One short code's way into one Daraja app. Its repr shows no secret."""

    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    passkey: str = field(repr=False)
    shortcode: Shortcode
    base_url: str       # https://api.safaricom.co.ke, or where a simulator listens
    livemode: bool

    @property
    def host(self) -> str:
        """The host and port that is asked, in lower case."""
        return urlsplit(self.base_url).netloc.lower()

    def url(self, path: str) -> str:
        """Return the address of `path` ("/mpesa/…") under the base URL."""
        return self.base_url.rstrip("/") + path


def password_and_timestamp(credentials: Credentials, now: datetime) -> tuple[str, str]:
    """Return Daraja's Password and the very Timestamp that is inside it, in Nairobi time.

    Built together from one reading of the clock: two readings across a second's edge are refused
    as "Wrong credentials".
    """
    assert now.tzinfo is not None, "a time without a zone would be read as Nairobi's"
    timestamp = now.astimezone(NAIROBI).strftime(TIME_FORMAT)
    parts = credentials.shortcode.business_short_code + credentials.passkey + timestamp
    return base64.b64encode(parts.encode()).decode(), timestamp


def check_live(credentials: Credentials) -> None:
    """Return when mode and values agree; call it wherever credentials are taken in.

    Raises:
        Invalid: a sandbox value in live mode (pushes would be "accepted" and no prompt shown), a
            live password over plain http, or Safaricom's production host in test mode (a test
            would ring real phones). Use the values of the go-live letter for live mode, and only
            there.
    """
    url = urlsplit(credentials.base_url)
    host = (url.hostname or "").rstrip(".")
    if url.scheme not in {"http", "https"} or not host or url.username is not None:
        raise _wrong("base_url", "The base URL has to be like https://api.safaricom.co.ke.")
    if not credentials.livemode:
        if host == PRODUCTION_HOST:
            raise _wrong("base_url", "Test mode may not use Safaricom's production host.")
        return
    if url.scheme == "http" and host not in LOOPBACK:
        raise _wrong("base_url", "Live mode needs https.")
    if host == SANDBOX_HOST:
        raise _wrong("base_url", "Live mode may not use Safaricom's sandbox host.")
    if credentials.passkey == SANDBOX_PASSKEY:
        raise _wrong("passkey", "This is the sandbox's public passkey; live mode needs your own.")
    shortcode = credentials.shortcode
    if SANDBOX_NUMBER in {shortcode.number, shortcode.store_number}:
        raise _wrong("shortcode", f"{SANDBOX_NUMBER} is the sandbox's short code; use your own.")


def _wrong(name: str, message: str) -> Invalid:
    return Invalid(message, field=name, code="credentials_mixed")
