"""How an event is written and signed for an endpoint: three dialects, each a pure function.

- `standard`: Standard Webhooks (standardwebhooks.com, specification 1.0.0), under its own names and
  under Svix's: the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}` under the bytes behind
  `whsec_`.
- `payments-service` and `mpesa-gateway`: the bodies, names and signatures of two older gateways, so
  that receivers written for them stay as they are. The secret is used as it is written.

While a secret is being changed there are two, the newest first. `standard` carries both signatures
in one header. The other two have room for one: theirs is made with the *old* secret until its time
is over, so that no receiver fails before it is changed, and a header `…-Next` carries the new one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from hakika.domain.account_reference import own_reference
from hakika.domain.event import Event, EventName, envelope
from hakika.domain.gateway_data import gateway_status, outcome
from hakika.domain.gateway_payouts import payout_in_gateway_words

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
MASK = "****"
CONTENT_TYPE = {"content-type": "application/json"}

# Names that no older receiver knows are sent as they are; but a payer's "no" was a failure to all.
_OLD_NAMES: Mapping[str, str] = {EventName.PAYMENT_CANCELED: "payment.failed"}
_GATEWAY_NAMES: Mapping[str, str] = {
    **_OLD_NAMES, EventName.PAYMENT_COMPLETED: "payment.success",
    EventName.PAYOUT_COMPLETED: "payout.success",
}
_OLD_STATUS = {"canceled": "failed"}


class Dialect(StrEnum):
    """How an endpoint wants events written."""

    STANDARD = "standard"
    PAYMENTS_SERVICE = "payments-service"
    MPESA_GATEWAY = "mpesa-gateway"


@dataclass(frozen=True, slots=True)
class Message:
    """One POST: its headers, in lower case, and its body. Its repr shows neither."""

    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Message({len(self.body)} bytes)"


def mint_secret(random_bytes: bytes) -> str:
    """Return `whsec_…` from 32 random bytes."""
    assert len(random_bytes) == SECRET_BYTES
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def write(dialect: Dialect, event: Event, *, secrets: Sequence[str], now: datetime) -> Message:
    """Return `event` as `dialect` has it, signed at `now` with each of `secrets`, newest first."""
    match dialect:
        case Dialect.STANDARD:
            return _standard(event, secrets, now)
        case Dialect.PAYMENTS_SERVICE:
            return _payments_service(event, secrets, now)
        case Dialect.MPESA_GATEWAY:
            return _mpesa_gateway(event, secrets)


def masked(
    dialect: Dialect, event: Event, *, now: datetime, own: Iterable[str] = (),
) -> Message:
    """Return what was posted at `now`, with a mask for each signature and each `own` header."""
    message = write(dialect, event, secrets=[SECRET_PREFIX], now=now)
    headers = {
        name: MASK if "signature" in name else value for name, value in message.headers.items()
    }
    return Message(dict.fromkeys(own, MASK) | headers | CONTENT_TYPE, message.body)


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature of Standard Webhooks: "v1," and the base64 of the HMAC."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _standard(event: Event, secrets: Sequence[str], now: datetime) -> Message:
    body = _json(envelope(event))
    return Message(standard_headers(event.id, body, secrets=secrets, now=now), body)


def standard_headers(
    message_id: str, body: bytes, *, secrets: Sequence[str], now: datetime,
) -> dict[str, str]:
    """Return the headers of Standard Webhooks, under both names, for whatever is posted."""
    timestamp = int(now.timestamp())
    signature = " ".join(
        sign(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in secrets
    )
    values = {"id": message_id, "timestamp": str(timestamp), "signature": signature}
    return {
        **{f"webhook-{name}": value for name, value in values.items()},
        **{f"svix-{name}": value for name, value in values.items()},
    }


def _payments_service(event: Event, secrets: Sequence[str], now: datetime) -> Message:
    name = _OLD_NAMES.get(event.name, event.name)
    body = _json({"type": name, "data": _payments_service_data(event)})
    timestamp = str(int(now.timestamp()))
    signatures = [f"sha256={_hex(secret, timestamp.encode() + b'.' + body)}" for secret in secrets]
    return Message({
        "x-event-type": name, "x-event-id": event.id, "x-payments-timestamp": timestamp,
        **_old_and_next("x-payments-signature", signatures),
    }, body)


def _payments_service_data(event: Event) -> dict[str, Any]:
    data = {"event_id": event.id, "sequence": event.sequence, **event.data}
    if event.subject_id.startswith("pay_"):
        data["payment_id"] = data.pop("id")
        data["status"] = _OLD_STATUS.get(data["status"], data["status"])
    return data


def _mpesa_gateway(event: Event, secrets: Sequence[str]) -> Message:
    name = _GATEWAY_NAMES.get(event.name, event.name)
    body = _json({"event": name, "data": _gateway_data(event)})
    return Message({
        "x-mpesa-gateway-event": name, "x-mpesa-gateway-delivery": event.id,
        **_old_and_next("x-mpesa-gateway-signature", [_hex(secret, body) for secret in secrets]),
    }, body)


def _gateway_data(event: Event) -> dict[str, Any]:
    data = event.data
    known = {"event_id": event.id, "sequence": event.sequence, "livemode": event.livemode}
    if event.subject_id.startswith("pyo_"):
        return {**known, **payout_in_gateway_words(data)}
    if not event.subject_id.startswith("pay_"):
        return {**known, **data}
    code, words = outcome(data)
    return {
        **known,
        "transaction_id": data["id"], "reference": own_reference(data), "phone": data["phone"],
        "amount": int(data["amount"].partition(".")[0]),
        "status": gateway_status(data["status"]),
        "mpesa_receipt": data["receipt"], "mpesa_receipt_number": data["receipt"],
        "checkout_request_id": data["provider_ref"],
        "result_code": code, "result_desc": words,
        "metadata": data["metadata"], "completed_at": data["completed_at"],
    }


def _old_and_next(header: str, signatures: Sequence[str]) -> dict[str, str]:
    """Return the one header of a dialect: made with the old secret while there is one."""
    newest, *older = signatures
    return {header: older[0], f"{header}-next": newest} if older else {header: newest}


def _hex(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, hashlib.sha256).hex()


def _json(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value)
