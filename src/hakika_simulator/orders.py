"""Reading a push's body: each field checked as the gateway checks it, in the gateway's order.

Sources: daraja.md 5.1 (fields), 3.2 (password), 7.4 (callback URLs).
"""

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from hakika_simulator import results
from hakika_simulator.clock import EAT
from hakika_simulator.numbers import NUMBER
from hakika_simulator.refusals import invalid_field
from hakika_simulator.settings import SANDBOX_PASSKEY

SHORTCODE = re.compile(r"\d{5,7}")
TIMESTAMP = re.compile(r"\d{14}")
AMOUNT_SHILLINGS_MAX = 250_000
ACCOUNT_REFERENCE_LENGTH_MAX = 12
DESCRIPTION_LENGTH_MAX = 13
PAYBILL = "CustomerPayBillOnline"
TILL = "CustomerBuyGoodsOnline"
# Working clients send UTC as well as East Africa Time, so only another day is refused.
TIMESTAMP_OFF_MAX = timedelta(days=1)
BANNED_WORDS = re.compile(r"m-?pesa|safaricom|exe|cmd|sql|sequel|quer(y|ies)", re.IGNORECASE)
TUNNELS = re.compile(r"ngrok|mockbin|requestbin", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Order:
    """A push that may be executed."""

    shortcode: str
    receiver: str
    phone: str
    amount_cents: int
    account_reference: str
    callback_url: str
    misdirected: str | None  # the result code, if PartyB cannot take money this way
    has_wrong_passkey: bool


def read_order(body: dict[str, Any], *, now: datetime, production: bool) -> Order:
    """Return the order in a push's body.

    Raises:
        Refused: a field is wrong; nothing was executed.
    """
    shortcode, has_wrong_passkey = read_credentials(body, now=now)
    transaction_type = _text(body, "TransactionType", re.compile(f"{PAYBILL}|{TILL}"))
    amount = _shillings(body)
    _text(body, "PartyA", NUMBER)
    receiver = _text(body, "PartyB", SHORTCODE)
    phone = _text(body, "PhoneNumber", NUMBER)
    callback_url = body.get("CallBackURL")
    if not isinstance(callback_url, str) or not _may_be_called(callback_url, production):
        raise invalid_field("CallBackURL")
    reference = _short(body, "AccountReference", ACCOUNT_REFERENCE_LENGTH_MAX)
    if body.get("TransactionDesc") not in (None, ""):
        _short(body, "TransactionDesc", DESCRIPTION_LENGTH_MAX)
    return Order(
        shortcode=shortcode,
        receiver=receiver,
        phone=phone,
        amount_cents=amount * 100,
        account_reference=reference,
        callback_url=callback_url,
        misdirected=_misdirection(transaction_type, shortcode, receiver),
        has_wrong_passkey=has_wrong_passkey,
    )


def read_credentials(body: dict[str, Any], *, now: datetime) -> tuple[str, bool]:
    """Return the short code, and whether the password was made with another passkey.

    Raises:
        Refused: a field is wrong.
    """
    shortcode = _text(body, "BusinessShortCode", SHORTCODE)
    password = _password(body)
    timestamp = _text(body, "Timestamp", TIMESTAMP)
    if not _is_recent(timestamp, now):
        raise invalid_field("Timestamp")
    return shortcode, password != f"{shortcode}{SANDBOX_PASSKEY}{timestamp}"


def _text(body: dict[str, Any], field: str, shape: re.Pattern[str]) -> str:
    value = body.get(field)
    text = str(value) if type(value) in (str, int) else ""
    if not shape.fullmatch(text):
        raise invalid_field(field)
    return text


def _short(body: dict[str, Any], field: str, length_max: int) -> str:
    value = body.get(field)
    text = str(value).strip() if type(value) in (str, int) else ""
    if not 0 < len(text) <= length_max:
        raise invalid_field(field)
    return text


def _shillings(body: dict[str, Any]) -> int:
    amount = int(_text(body, "Amount", re.compile(r"[0-9]{1,9}")))
    if not 1 <= amount <= AMOUNT_SHILLINGS_MAX:
        raise invalid_field("Amount")
    return amount


def _password(body: dict[str, Any]) -> str:
    value = body.get("Password")
    if not isinstance(value, str) or not value:
        raise invalid_field("Password")
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""  # no base64 of ours: as wrong as any other password


def _is_recent(timestamp: str, now: datetime) -> bool:
    try:
        told = datetime.strptime(timestamp, "%Y%m%d%H%M%S").replace(tzinfo=EAT)
    except ValueError:
        return False
    return abs(now - told) <= TIMESTAMP_OFF_MAX


def _misdirection(transaction_type: str, shortcode: str, receiver: str) -> str | None:
    """Return how M-Pesa ends a push to the wrong PartyB: it accepts it first."""
    if transaction_type == PAYBILL and receiver != shortcode:
        return results.WRONG_RECEIVER
    if transaction_type == TILL and receiver == shortcode:
        return results.STORE_IS_NOT_TILL
    return None


def _may_be_called(url: str, production: bool) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host or BANNED_WORDS.search(host + parts.path):
        return False
    return not production or (parts.scheme == "https" and _is_public(host))


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        local = host.endswith((".localhost", ".local", ".internal"))
        return "." in host and not local and not TUNNELS.search(host)
