"""A payout in the words of the older gateway, `mpesa-gateway`: success, failed or by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hakika.domain.gateway_data import as_number, gateway_status, outcome

BY_HAND = "pending_manual"

_BY_HAND = "Funds received. The payout account is settled by hand."


def payout_in_gateway_words(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` of a payout as that gateway told its callers of one.

    `transaction_id` is the payment that it settles, where it is of one alone.
    """
    payee, is_by_hand = data["payee"], data["status"] == BY_HAND
    code, words = outcome(data)
    return {
        "payout_id": data["id"], "transaction_id": data["payment_id"],
        "reference": data["reference"], "amount": as_number(data["amount"]),
        "phone": payee["phone"], "account": payee["number"], "account_name": payee["name"],
        "account_reference": payee["account"],
        "status": BY_HAND if is_by_hand else gateway_status(data["status"]),
        "mpesa_receipt": data["receipt"], "mpesa_receipt_number": data["receipt"],
        "result_code": code, "result_desc": _BY_HAND if is_by_hand else words,
        "metadata": data["metadata"], "completed_at": data["completed_at"],
    }
