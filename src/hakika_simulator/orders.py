"""Reading a push's body: each field checked as the gateway checks it, in the gateway's order.

Sources: daraja.md 5.1 (fields), 3.2 (password).
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hakika_simulator import results
from hakika_simulator.clock import EAT
from hakika_simulator.fields import SHORTCODE, Fields
from hakika_simulator.numbers import NUMBER
from hakika_simulator.refusals import invalid_field
from hakika_simulator.settings import SANDBOX_PASSKEY

TIMESTAMP = re.compile(r"\d{14}")
ACCOUNT_REFERENCE_LENGTH_MAX = 12
DESCRIPTION_LENGTH_MAX = 13
PAYBILL = "CustomerPayBillOnline"
TILL = "CustomerBuyGoodsOnline"
# Working clients send UTC as well as East Africa Time, so only another day is refused.
TIMESTAMP_OFF_MAX = timedelta(days=1)


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
    fields = Fields(body, invalid_field)
    transaction_type = fields.text("TransactionType", re.compile(f"{PAYBILL}|{TILL}"))
    amount = fields.shillings("Amount")
    fields.text("PartyA", NUMBER)
    receiver = fields.text("PartyB", SHORTCODE)
    phone = fields.text("PhoneNumber", NUMBER)
    callback_url = fields.url("CallBackURL", production=production)
    reference = fields.short("AccountReference", ACCOUNT_REFERENCE_LENGTH_MAX)
    if body.get("TransactionDesc") not in (None, ""):
        fields.short("TransactionDesc", DESCRIPTION_LENGTH_MAX)
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
    fields = Fields(body, invalid_field)
    shortcode = fields.text("BusinessShortCode", SHORTCODE)
    password = _password(body)
    timestamp = fields.text("Timestamp", TIMESTAMP)
    if not _is_recent(timestamp, now):
        raise invalid_field("Timestamp")
    return shortcode, password != f"{shortcode}{SANDBOX_PASSKEY}{timestamp}"


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
