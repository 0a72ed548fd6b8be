"""C2B on the wire: what is sent to register addresses, and what a payer's own payment tells.

Every value comes as a text. A confirmation has no result code: the money is there already
(daraja.md 5.3, Daraja 3.0 portal).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import orjson

from hakika.daraja.strict_json import Unreadable, object_at, read_json, text_at
from hakika.daraja.values import amount_of, receipt_of, time_of
from hakika.domain import msisdn
from hakika.domain.errors import Invalid
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.shortcode import WhenUnheard

REGISTER_PATH = "/mpesa/c2b/v2/registerurl"


@dataclass(frozen=True, slots=True)
class Registration:
    """What we send so that M-Pesa tells of payments that nobody asked for."""

    ShortCode: str
    ResponseType: WhenUnheard
    ConfirmationURL: str = field(repr=False)     # both hold the token a forger would need
    ValidationURL: str = field(repr=False)

    def body(self) -> bytes:
        """Return the JSON to send."""
        return orjson.dumps({name: getattr(self, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class C2bMessage:
    """A payment as its validation or confirmation tells of it. Whatever cannot be read is empty."""

    receipt: str
    amount: Money
    shortcode: str
    paid_at: datetime | None                     # UTC
    reference: str = field(repr=False)           # as the payer typed it: hostile text
    payer: Msisdn | None                         # None: masked, hashed, or absent
    payer_masked: str = ""
    payer_name: str = field(default="", repr=False)


def read_message(raw: bytes) -> C2bMessage:
    """Return what is in a validation or a confirmation. Store `raw` first.

    Raises:
        Unreadable: no receipt, no amount, or no short code that can be read.
    """
    fields = object_at(read_json(raw))
    receipt = receipt_of(fields.get("transid"))
    amount = amount_of(fields.get("transamount"))
    shortcode = text_at(fields, "businessshortcode")
    if not receipt or amount is None or not shortcode:
        raise Unreadable("the payment has no TransID, TransAmount or BusinessShortCode")
    payer, masked = _payer(text_at(fields, "msisdn"))
    names = (text_at(fields, name) for name in ("firstname", "middlename", "lastname"))
    return C2bMessage(
        receipt, amount, shortcode, time_of(fields.get("transtime")),
        text_at(fields, "billrefnumber"), payer, masked,
        " ".join(name for name in names if name),
    )


def _payer(text: str) -> tuple[Msisdn | None, str]:
    try:
        return msisdn.parse(text), ""
    except Invalid:
        return None, text
