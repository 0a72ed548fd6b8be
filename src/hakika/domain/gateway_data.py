"""A payment in the words of the older gateway whose doors are kept: `/api/v1`, `mpesa-gateway`.

It knew three statuses and took amounts for numbers. What it had no word for is told as the status
on which its callers do the least harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hakika.domain.account_reference import own_reference
from hakika.domain.payment import Payment
from hakika.domain.payment_data import payment_data

POLL_PATH = "/api/v1/transactions/"

SUCCESS_DESCRIPTION = "The service request is processed successfully."

# Whatever is not here is pending: nobody knows yet, or only a person can tell.
_STATUS = {"completed": "success", "failed": "failed", "canceled": "failed", "reversed": "failed"}

_TAKEN = "Success. Request accepted for processing"
_UNHEARD = "The request may be on the phone. Read the transaction to see what became of it."
_REVERSED = "The payment was completed and has been reversed since."


def gateway_status(status: str) -> str:
    """Return the gateway's word for a status of ours: pending, success or failed."""
    return _STATUS.get(status, "pending")


def pushed_data(payment: Payment) -> dict[str, Any]:
    """Return the answer to a request for a prompt."""
    data = payment_data(payment)
    taken = payment.checkout_request_id
    return {
        "success": True, "transaction_id": payment.id,
        "merchant_request_id": payment.merchant_request_id or None,
        "checkout_request_id": taken or None,
        "customer_message": data["payer_message"] or (_TAKEN if taken else _UNHEARD),
        **_amounts(data), "status": gateway_status(data["status"]),
        "poll_url": POLL_PATH + payment.id,
    }


def transaction_data(payment: Payment) -> dict[str, Any]:
    """Return a payment as the gateway's transaction."""
    data = payment_data(payment)
    code, words = outcome(data)
    return {
        "id": payment.id, "reference": own_reference(data), **_amounts(data),
        "status": gateway_status(data["status"]), "mpesa_receipt_number": data["receipt"],
        "result_code": code, "result_desc": words, "completed_at": data["completed_at"],
    }


def outcome(data: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return Safaricom's result code and words; both None while there is no outcome."""
    match data["status"]:
        case "completed":
            return "0", SUCCESS_DESCRIPTION
        case "failed" | "canceled":
            return data["daraja_code"] or None, data["daraja_message"] or data["failure_reason"]
        case "reversed":
            return None, _REVERSED
        case _:
            return None, None


def _amounts(data: Mapping[str, Any]) -> dict[str, int | float]:
    """Return the amount, the platform's fee and the rest, as numbers of shillings."""
    fee, net = data.get("platform_fee") or "0.00", data.get("net_amount") or data["amount"]
    return {
        "amount": as_number(data["amount"]), "platform_fee": as_number(fee),
        "net_amount": as_number(net),
    }


def as_number(shillings: str) -> int | float:
    """Return a decimal text as JSON's number. Nothing is ever counted with it."""
    exact = Decimal(shillings)
    return int(exact) if exact == exact.to_integral_value() else float(exact)
