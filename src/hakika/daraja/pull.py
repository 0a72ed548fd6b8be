"""Pull Transactions on the wire: what a short code collected in the last 48 hours.

A page is a list in a list; nothing is the text "[[]]" (daraja.md 5.11, Daraja 3.0 portal). Times
end in Z and are Nairobi's. Everything that is not plainly rows or plainly nothing is a failure:
taken for "no payments", it would hide money.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from hakika.daraja.strict_json import Unreadable, object_at, read_json, text_at
from hakika.daraja.values import amount_of, payer_of, receipt_of
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.times import NAIROBI

REGISTER_PATH = "/pulltransactions/v1/register"
QUERY_PATH = "/pulltransactions/v1/query"

REGISTERED = frozenset({"1000", "1001"})  # 1001: it was before, which is as good
_ANSWERED = frozenset({"1000", "1001"})   # 1001: nothing in this time
_TIME = "%Y-%m-%d %H:%M:%S"
_TIMES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", _TIME)


@dataclass(frozen=True, slots=True)
class PullRow:
    """One collection as M-Pesa lists it. `reference` and `payer` are personal."""

    receipt: str
    amount: Money
    happened_at: datetime | None                 # UTC; None when it cannot be read
    reference: str = field(repr=False)
    payer: Msisdn | None = field(repr=False)
    payer_masked: str = field(default="", repr=False)
    payer_hash: str = field(default="", repr=False)
    raw: bytes = field(default=b"", repr=False)


def registration(shortcode: str, *, nominated_number: str, callback_url: str) -> bytes:
    """Return what is sent to have a short code's collections listed."""
    return orjson.dumps({
        "ShortCode": shortcode, "RequestType": "Pull", "NominatedNumber": nominated_number,
        "CallBackURL": callback_url,
    })


def query(shortcode: str, *, since: datetime, until: datetime, offset: int) -> bytes:
    """Return what is sent for a page of rows, from the `offset`-th on."""
    return orjson.dumps({
        "ShortCode": shortcode, "StartDate": f"{since.astimezone(NAIROBI):{_TIME}}",
        "EndDate": f"{until.astimezone(NAIROBI):{_TIME}}", "OffSetValue": str(offset),
    })


def is_registered(raw: bytes) -> bool:
    """Say whether an answer says that the short code is registered, now or before."""
    try:
        fields = object_at(read_json(raw))
    except Unreadable:
        return False
    return text_at(fields, "responsestatus", "responsecode") in REGISTERED


def read_page(raw: bytes) -> Sequence[PullRow]:
    """Return the rows of a page; none at its end.

    Raises:
        Unreadable: an error, or anything else that is neither rows nor plainly nothing.
    """
    fields = object_at(read_json(raw))
    if text_at(fields, "errorcode") or text_at(fields, "responsecode") not in _ANSWERED:
        raise Unreadable("the page is an error")
    found = fields.get("response")
    if isinstance(found, str):
        found = _inner(found)
    if not isinstance(found, list):
        raise Unreadable("the page has no rows and does not say that there are none")
    return [_row(each) for each in _flat(found)]


def _inner(text: str) -> object:
    try:
        inner: object = json.loads(text)
    except ValueError:
        raise Unreadable("the page has rows that cannot be read") from None
    if inner not in ([], [[]]):
        raise Unreadable("the page has rows that cannot be read")
    return inner


def _flat(found: list[object]) -> list[object]:
    flat: list[object] = []
    for each in found:
        flat += each if isinstance(each, list) else [each]
    return flat


def _row(value: object) -> PullRow:
    fields = object_at(value)
    receipt = receipt_of(fields.get("transactionid"))
    amount = amount_of(fields.get("amount"))
    if not receipt or amount is None:
        raise Unreadable("a row has no receipt or no amount that can be read")
    payer = payer_of(text_at(fields, "msisdn"))
    return PullRow(
        receipt, amount, _time(text_at(fields, "trxdate")), text_at(fields, "billreference"),
        payer.whole, payer.masked, payer.hashed, raw=_raw(fields),
    )


def _raw(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, default=str).encode()


def _time(text: str) -> datetime | None:
    for form in _TIMES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=NAIROBI).astimezone(UTC)
        except ValueError:
            continue
    return None
