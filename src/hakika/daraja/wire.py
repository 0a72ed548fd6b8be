"""What we send to Daraja and what it sends us, exactly as documented, and read tolerantly.

The push and its answer, the status query and its answer, and the callback. What a result *means* is
in `results.py`. Sources: daraja.md 5.1, 5.2 and 7.6, which name Safaricom's pages (scraped December
2025) and the observer of every oddity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from hakika.daraja.credentials import (
    Credentials,
    password_and_timestamp,
)
from hakika.daraja.results import SUCCESS, StkResult, stk_result
from hakika.daraja.strict_json import Unreadable, object_at, read_json, text_at, word_at
from hakika.daraja.values import amount_of, receipt_of, time_of
from hakika.domain.money import PAYMENT_SHILLINGS_MAX, PAYMENT_SHILLINGS_MIN, Money
from hakika.domain.msisdn import Msisdn

__all__ = [
    "StkAck", "StkCallback", "StkPush", "StkQuery", "Unreadable", "checkout_request_id_in",
    "read_answer", "read_stk_callback", "stk_push", "stk_query",
]

STK_PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
STK_QUERY_PATH = "/mpesa/stkpushquery/v1/query"

ACCEPTED_CODE = "0"

# Safaricom's limits; other signs than these have made pushes fail without a word (daraja.md 5.1).
_REFERENCE = re.compile(r"[A-Za-z0-9 .-]{1,12}")
_DESCRIPTION = re.compile(r"[A-Za-z0-9 .-]{0,13}")

_OLD_PREFIX = re.compile(r"^\[[^\]]{0,20}\]\s*")  # "[STK_CB - ]", "[MpesaCB - ]"


@dataclass(frozen=True, slots=True)
class StkPush:
    """What we send to ask a payer for the PIN. Numbers go as JSON numbers: pushes whose PartyA was
    a string have been seen to end in 1037 without a prompt.
    """

    BusinessShortCode: int
    Password: str = field(repr=False)
    Timestamp: str
    TransactionType: str
    Amount: int                                  # whole shillings
    PartyA: int = field(repr=False)              # the payer
    PartyB: int
    PhoneNumber: int = field(repr=False)         # the phone that rings
    CallBackURL: str = field(repr=False)         # holds the token that a forger would need
    AccountReference: str                        # shown on the phone
    TransactionDesc: str

    def body(self) -> bytes:
        """Return the JSON to send. An empty description is left out: it alone is optional."""
        fields = _fields(self)
        if not self.TransactionDesc:
            del fields["TransactionDesc"]
        return orjson.dumps(fields)


def stk_push(
    credentials: Credentials, *, amount: Money, payer: Msisdn, reference: str, description: str,
    callback_url: str, now: datetime,
) -> StkPush:
    """Return the push. Its values were checked where they came in; here they are only asserted."""
    shillings = amount.whole_shillings()
    assert PAYMENT_SHILLINGS_MIN <= shillings <= PAYMENT_SHILLINGS_MAX
    assert _REFERENCE.fullmatch(reference), "a reference is never cut or cleaned here (trap T13)"
    assert _DESCRIPTION.fullmatch(description)
    assert callback_url.startswith(("https://", "http://"))
    password, timestamp = password_and_timestamp(credentials, now)
    shortcode = credentials.shortcode
    return StkPush(
        BusinessShortCode=int(shortcode.business_short_code),
        Password=password,
        Timestamp=timestamp,
        TransactionType=shortcode.transaction_type,
        Amount=shillings,
        PartyA=int(payer.digits),
        PartyB=int(shortcode.party_b),
        PhoneNumber=int(payer.digits),
        CallBackURL=callback_url,
        AccountReference=reference,
        TransactionDesc=description,
    )


@dataclass(frozen=True, slots=True)
class StkQuery:
    """What we send to ask what became of a push."""

    BusinessShortCode: int
    Password: str = field(repr=False)
    Timestamp: str
    CheckoutRequestID: str = field(repr=False)   # holds the payer's last nine digits

    def body(self) -> bytes:
        """Return the JSON to send."""
        return orjson.dumps(_fields(self))


def _fields(message: StkPush | StkQuery) -> dict[str, int | str]:
    return {name: getattr(message, name) for name in message.__slots__}


def stk_query(credentials: Credentials, checkout_request_id: str, *, now: datetime) -> StkQuery:
    """Return the query, with a password and timestamp of its own."""
    password, timestamp = password_and_timestamp(credentials, now)
    return StkQuery(
        BusinessShortCode=int(credentials.shortcode.business_short_code),
        Password=password,
        Timestamp=timestamp,
        CheckoutRequestID=checkout_request_id,
    )


@dataclass(frozen=True, slots=True)
class StkAck:
    """Daraja's answer to a push or a query, as far as it could be read. Any text may be empty.

    `error_code` and `error_text` come from whichever of the documented shapes E1 to E8 it had.
    """

    response_code: str = ""
    merchant_request_id: str = ""
    checkout_request_id: str = field(default="", repr=False)
    error_code: str = ""
    error_text: str = field(default="", repr=False)
    result_code: str = ""      # of a query only
    result_text: str = field(default="", repr=False)

    @property
    def is_accepted(self) -> bool:
        """Say whether Daraja took the push: code "0" and an id. Nobody has paid yet."""
        return (
            self.response_code == ACCEPTED_CODE
            and bool(self.checkout_request_id)
            and not self.error_code
        )

    @property
    def is_answered(self) -> bool:
        """Say whether this answers a query: code "0" and a ResultCode, which says the outcome."""
        return (
            self.response_code == ACCEPTED_CODE
            and bool(self.result_code)
            and not self.error_code
        )


def read_answer(raw: bytes) -> StkAck:
    """Return what can be read of a synchronous answer, whatever its content type said.

    Raises:
        Unreadable: no JSON object. An HTML page, an empty or cut body: nobody knows what happened.
    """
    value = read_json(raw)
    if not isinstance(value, dict):
        raise Unreadable("the answer is not a JSON object")
    fields = object_at(value)
    fault = object_at(fields, "fault")                          # E3, the gateway's own
    soap = object_at(fields, "envelope", "body", "fault")       # E4
    return StkAck(
        response_code=text_at(fields, "responsecode"),
        merchant_request_id=word_at(fields, "merchantrequestid"),
        checkout_request_id=word_at(fields, "checkoutrequestid"),
        error_code=(
            word_at(fields, "errorcode", "code", "rescode")
            or word_at(object_at(fault, "detail"), "errorcode")
            or word_at(object_at(soap, "detail", "source"), "errorcode")
        ),
        error_text=(
            text_at(fields, "errormessage", "message", "resmsg")
            or text_at(fault, "faultstring")
            or text_at(soap, "faultstring")
        ),
        result_code=word_at(fields, "resultcode"),
        result_text=text_at(fields, "resultdesc"),
    )


_WHOLE_ID = re.compile(rb'"CheckoutRequestID"\s*:\s*"(ws_CO_[0-9A-Za-z_]{1,58})"')


def checkout_request_id_in(raw: bytes) -> str:
    """Return the id that a cut or otherwise unreadable answer holds whole, or "".

    With it a status query can still find out what became of a push.
    """
    found = set(_WHOLE_ID.findall(raw))
    return found.pop().decode() if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class StkCallback:
    """Safaricom's word on a push. Unsigned: believe it only at the address made for this payment.

    The payer's phone is not read on purpose: masked or absent since March 2026, and never a key.
    """

    merchant_request_id: str
    checkout_request_id: str = field(repr=False)
    result_code: str
    result_text: str = field(repr=False)
    result: StkResult
    receipt: str = ""                # "": no money, or a success whose receipt cannot be read
    amount: Money | None = None      # as received; None when it cannot be read
    paid_at: datetime | None = None  # UTC; None when it cannot be read, which never blocks a credit


def read_stk_callback(raw: bytes) -> StkCallback:
    """Return the callback in `raw`. Store `raw` first: what cannot be read is still evidence.

    Raises:
        Unreadable: not the documented shape, or ambiguous. Nothing else, whatever the bytes are.
    """
    fields = object_at(read_json(raw), "body", "stkcallback")
    checkout_request_id = word_at(fields, "checkoutrequestid")
    result_code = word_at(fields, "resultcode")
    if not checkout_request_id or not result_code:
        raise Unreadable("the callback has no CheckoutRequestID or no ResultCode")
    result_text = _OLD_PREFIX.sub("", text_at(fields, "resultdesc"))
    items = _items(object_at(fields, "callbackmetadata").get("item"))
    paid = result_code == SUCCESS
    return StkCallback(
        merchant_request_id=word_at(fields, "merchantrequestid"),
        checkout_request_id=checkout_request_id,
        result_code=result_code,
        result_text=result_text,
        result=stk_result(result_code, result_text),
        receipt=receipt_of(items.get("mpesareceiptnumber")) if paid else "",
        amount=amount_of(items.get("amount")) if paid else None,
        paid_at=time_of(items.get("transactiondate")) if paid else None,
    )


def _items(value: object) -> Mapping[str, object]:
    """Return the metadata items by folded name; one with two different values is left out."""
    listed: Sequence[object] = value if isinstance(value, list) else [value]
    items: dict[str, object] = {}
    for item in listed:
        fields = object_at(item)
        name = text_at(fields, "name").replace(" ", "").lower()
        said = fields.get("value")
        if said is not None:
            items[name] = said if items.get(name, said) == said else _AMBIGUOUS
    return items


_AMBIGUOUS = object()  # equal to nothing, so a third value does not bring a name back
