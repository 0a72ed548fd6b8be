"""The JSON that Daraja posts to a CallBackURL, to the byte (daraja.md 5.1), and forgeries of it."""

import json
from typing import Any

from hakika_simulator import results
from hakika_simulator.clock import stamp
from hakika_simulator.payments import Payment

# Daraja writes 1.00, which no JSON library writes: the mark is replaced in the finished text.
# It cannot occur elsewhere, since every other string in the body is ours.
AMOUNT_MARK = '"@amount@"'


def body_of(payment: Payment, *, masked_phone: bool) -> str:
    """Return the genuine callback of an ended push."""
    assert payment.result_code is not None
    if not payment.is_paid:
        return failure_body(payment, payment.result_code)
    assert payment.receipt is not None
    assert payment.finished_at is not None
    return _success_body(
        payment,
        receipt=payment.receipt,
        phone=_masked(payment.phone) if masked_phone else int(payment.phone),
        finished_at=payment.finished_at,
    )


def failure_body(payment: Payment, code: str) -> str:
    """Return a callback saying that the push ended without money, whatever the truth."""
    return json.dumps({"Body": {"stkCallback": _outcome(payment, code)}}, separators=(",", ":"))


def forged_body(payment: Payment, *, receipt: str, at: float) -> str:
    """Return what a forger would write who knows the push but not its receipt."""
    return _success_body(payment, receipt=receipt, phone=int(payment.phone), finished_at=at)


def same_in_other_clothes(body: str) -> str:
    """Return JSON of equal meaning with other white space and the fields in reverse order."""
    amount = body.partition('"Name":"Amount","Value":')[2].partition("}")[0]
    parsed: dict[str, Any] = json.loads(body)
    outcome = parsed["Body"]["stkCallback"]
    for item in outcome.get("CallbackMetadata", {}).get("Item", []):
        if item["Name"] == "Amount":
            item["Value"] = AMOUNT_MARK.strip('"')
    turned = {"Body": {"stkCallback": dict(reversed(outcome.items()))}}
    return json.dumps(turned, indent=2).replace(AMOUNT_MARK, amount)


def _success_body(payment: Payment, *, receipt: str, phone: int | str, finished_at: float) -> str:
    items = [
        {"Name": "Amount", "Value": AMOUNT_MARK.strip('"')},
        {"Name": "MpesaReceiptNumber", "Value": receipt},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": int(stamp(finished_at))},
        {"Name": "PhoneNumber", "Value": phone},
    ]
    outcome = _outcome(payment, results.PAID) | {"CallbackMetadata": {"Item": items}}
    text = json.dumps({"Body": {"stkCallback": outcome}}, separators=(",", ":"))
    shillings, cents = divmod(payment.amount_cents, 100)
    return text.replace(AMOUNT_MARK, f"{shillings}.{cents:02d}")


def _outcome(payment: Payment, code: str) -> dict[str, Any]:
    return {
        "MerchantRequestID": payment.merchant_request_id,
        "CheckoutRequestID": payment.checkout_request_id,
        "ResultCode": int(code) if code.isdigit() else code,
        "ResultDesc": results.text_of(code),
    }


def _masked(phone: str) -> str:
    return f"0{phone[3:9]}***"
