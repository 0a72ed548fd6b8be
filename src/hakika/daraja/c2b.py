"""C2B on the wire: what is sent to register addresses, and what a payer's own payment tells.

Every value comes as a text. A confirmation has no result code: the money is there already
(daraja.md 5.3, Daraja 3.0 portal).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from hakika.daraja.strict_json import Unreadable, object_at, read_json, text_at
from hakika.daraja.values import amount_of, payer_of, receipt_of, time_of
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.shortcode import WhenUnheard
from hakika.domain.validation import Refused

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


# How a validation is answered with a no: the code selects what the payer is told (daraja.md 5.3).
REFUSALS: Mapping[Refused, str] = {
    Refused.PHONE: "C2B00011", Refused.REFERENCE: "C2B00012", Refused.AMOUNT: "C2B00013",
    Refused.KYC: "C2B00014", Refused.SHORTCODE: "C2B00015", Refused.OTHER: "C2B00016",
}


def refusal(refused: Refused) -> dict[str, str]:
    """Return the body that answers a validation with a no."""
    return {"ResultCode": REFUSALS[refused], "ResultDesc": "Rejected"}


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
    payer_hash: str = field(default="", repr=False)
    payer_name: str = field(default="", repr=False)

    @property
    def version(self) -> int | None:
        """Of C2B, by how the payer's number comes: 1 hashed or whole, 2 masked; None: not told."""
        if self.payer is not None or self.payer_hash:
            return 1
        return 2 if self.payer_masked else None


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
    payer = payer_of(text_at(fields, "msisdn"))
    names = (text_at(fields, name) for name in ("firstname", "middlename", "lastname"))
    return C2bMessage(
        receipt, amount, shortcode, time_of(fields.get("transtime")),
        text_at(fields, "billrefnumber"), payer.whole, payer.masked, payer.hashed,
        " ".join(name for name in names if name),
    )
