"""Our ids: a prefix that says what it is, and a UUIDv7 that sorts by time. A type each.

Written like `pay_01kaxb2m8fe2tv5k0c3y7h9q4d`: the 128 bits in Crockford's base 32, lower case.
Only `Runtime` mints them, because a clock and randomness are needed.
"""

from __future__ import annotations

import re
from typing import NewType

from hakika.domain.errors import NotFound

MerchantId = NewType("MerchantId", str)
KeyId = NewType("KeyId", str)
PaymentId = NewType("PaymentId", str)
EventId = NewType("EventId", str)
EndpointId = NewType("EndpointId", str)
DeliveryId = NewType("DeliveryId", int)  # counted by the database; written like the others
ProviderId = NewType("ProviderId", str)
CustomerId = NewType("CustomerId", str)
LoggedRequestId = NewType("LoggedRequestId", str)
RunId = NewType("RunId", str)
StatementId = NewType("StatementId", str)
DiscrepancyId = NewType("DiscrepancyId", str)
InquiryId = NewType("InquiryId", str)
ExportId = NewType("ExportId", str)
PayoutId = NewType("PayoutId", str)
RefundId = NewType("RefundId", str)  # a payout's, under another prefix
SellerId = NewType("SellerId", str)
BatchId = NewType("BatchId", str)
BeneficiaryId = NewType("BeneficiaryId", str)
FeePlanId = NewType("FeePlanId", str)

PREFIXES = {
    "MerchantId": "mer", "KeyId": "key", "PaymentId": "pay", "EventId": "evt",
    "EndpointId": "whe", "DeliveryId": "dlv", "ProviderId": "prv", "CustomerId": "cus",
    "LoggedRequestId": "req", "RunId": "run", "StatementId": "stm", "DiscrepancyId": "dsc",
    "InquiryId": "inq", "ExportId": "exp", "PayoutId": "pyo", "RefundId": "ref",
    "SellerId": "sel", "BatchId": "bat", "BeneficiaryId": "ben", "FeePlanId": "fee",
}

DELIVERIES_MAX = 2**63  # beyond what the database counts to

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_BODY = re.compile(rf"[0-7][{_CROCKFORD}]{{25}}", re.ASCII)
_LENGTH = 26
_RANDOM_AND_VERSION_BITS = 80  # of a UUIDv7, behind its time


def uuid7_bits(*, milliseconds: int, random_bits: int) -> int:
    """Return a UUIDv7 as an integer, from a Unix time and 74 random bits (RFC 9562, 5.7)."""
    rand_a = (random_bits >> 62) & 0xFFF
    rand_b = random_bits & ((1 << 62) - 1)
    time_bits = milliseconds << _RANDOM_AND_VERSION_BITS
    return time_bits | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b


def write(prefix: str, bits: int) -> str:
    """Return `bits` (128 of them) as an id with `prefix`."""
    digits = [_CROCKFORD[(bits >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def first_at(prefix: str, milliseconds: int) -> str:
    """Return what stands before every id that is minted at a Unix time or later."""
    return write(prefix, milliseconds << _RANDOM_AND_VERSION_BITS)


def is_id(text: str, prefix: str) -> bool:
    """Say whether `text` is written like an id with `prefix`."""
    head, _, body = text.partition("_")
    return head == prefix and _BODY.fullmatch(body) is not None


def payment_id(text: str) -> PaymentId:
    """Return `text` as a payment's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "pay"):
        raise NotFound(f"{text[:40]!r} is not the id of a payment.")
    return PaymentId(text)


def seller_id(text: str) -> SellerId:
    """Return `text` as a seller's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "sel"):
        raise NotFound(f"{text[:40]!r} is not the id of a seller.")
    return SellerId(text)


def customer_id(text: str) -> CustomerId:
    """Return `text` as a customer's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "cus"):
        raise NotFound(f"{text[:40]!r} is not the id of a customer.")
    return CustomerId(text)


def endpoint_id(text: str) -> EndpointId:
    """Return `text` as a webhook endpoint's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "whe"):
        raise NotFound(f"{text[:40]!r} is not the id of a webhook endpoint.")
    return EndpointId(text)


def key_id(text: str) -> KeyId:
    """Return `text` as an API key's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "key"):
        raise NotFound(f"{text[:40]!r} is not the id of an API key.")
    return KeyId(text)


def logged_request_id(text: str) -> LoggedRequestId:
    """Return `text` as the id of a logged request. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "req"):
        raise NotFound(f"{text[:40]!r} is not the id of a logged request.")
    return LoggedRequestId(text)


def statement_id(text: str) -> StatementId:
    """Return `text` as the id of a statement. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "stm"):
        raise NotFound(f"{text[:40]!r} is not the id of a statement.")
    return StatementId(text)


def discrepancy_id(text: str) -> DiscrepancyId:
    """Return `text` as the id of a discrepancy. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "dsc"):
        raise NotFound(f"{text[:40]!r} is not the id of a discrepancy.")
    return DiscrepancyId(text)


def inquiry_id(text: str) -> InquiryId:
    """Return `text` as an inquiry's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "inq"):
        raise NotFound(f"{text[:40]!r} is not the id of an inquiry.")
    return InquiryId(text)


def export_id(text: str) -> ExportId:
    """Return `text` as an export's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "exp"):
        raise NotFound(f"{text[:40]!r} is not the id of an export.")
    return ExportId(text)


def payout_id(text: str) -> PayoutId:
    """Return `text` as a payout's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "pyo"):
        raise NotFound(f"{text[:40]!r} is not the id of a payout.")
    return PayoutId(text)


def beneficiary_id(text: str) -> BeneficiaryId:
    """Return `text` as the id of a beneficiary. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "ben"):
        raise NotFound(f"{text[:40]!r} is not the id of a beneficiary.")
    return BeneficiaryId(text)


def refund_id(text: str) -> RefundId:
    """Return `text` as a refund's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "ref"):
        raise NotFound(f"{text[:40]!r} is not the id of a refund.")
    return RefundId(text)


def batch_id(text: str) -> BatchId:
    """Return `text` as the id of a file of payouts. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "bat"):
        raise NotFound(f"{text[:40]!r} is not the id of a file of payouts.")
    return BatchId(text)


def event_id(text: str) -> EventId:
    """Return `text` as an event's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "evt"):
        raise NotFound(f"{text[:40]!r} is not the id of an event.")
    return EventId(text)


def delivery_id(text: str) -> DeliveryId:
    """Return `text` as a delivery's id. Raises: NotFound, when it cannot be one."""
    if not is_id(text, "dlv") or (number := bits_of(text)) >= DELIVERIES_MAX:
        raise NotFound(f"{text[:40]!r} is not the id of a delivery.")
    return DeliveryId(number)


def written_delivery_id(delivery: DeliveryId) -> str:
    """Return the id of a delivery as its merchant knows it: `dlv_…`."""
    return write("dlv", delivery)


def bits_of(text: str) -> int:
    """Return the 128 bits of a well-written id, so that they can travel in another alphabet."""
    number = 0
    for digit in text.partition("_")[2]:
        number = (number << 5) | _CROCKFORD.index(digit)
    return number
