"""A payout in the words of the older gateway, `mpesa-gateway`: success, failed or by hand."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Whatever is not here is pending: nobody knows yet, or only a person can tell.
_STATUS = {
    "completed": "success", "failed": "failed", "canceled": "failed", "reversed": "failed",
    "pending_manual": "pending_manual",
}

_DONE = "The service request is processed successfully."
_BY_HAND = "Funds received. The payout account is settled by hand."


def payout_in_gateway_words(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` of a payout as that gateway told its callers of one.

    `transaction_id` is the payment that it settles, where it is of one alone.
    """
    payee, status = data["payee"], data["status"]
    by_hand = status == "pending_manual"
    return {
        "payout_id": data["id"], "transaction_id": data["payment_id"],
        "reference": data["reference"], "amount": _number(data["amount"]),
        "phone": payee["phone"], "account": payee["number"], "account_name": payee["name"],
        "account_reference": payee["account"], "status": _STATUS.get(status, "pending"),
        "mpesa_receipt": data["receipt"], "mpesa_receipt_number": data["receipt"],
        "result_code": "0" if status == "completed" else data["daraja_code"] or None,
        "result_desc": _BY_HAND if by_hand else _words(data),
        "metadata": data["metadata"], "completed_at": data["completed_at"],
    }


def _words(data: Mapping[str, Any]) -> str | None:
    if data["status"] == "completed":
        return _DONE
    words: str | None = data["daraja_message"] or data["failure_reason"]
    return words


def _number(shillings: str) -> int | float:
    """Return a decimal text as JSON's number. Nothing is ever counted with it."""
    exact = Decimal(shillings)
    return int(exact) if exact == exact.to_integral_value() else float(exact)
