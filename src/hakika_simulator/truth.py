"""The private truth as JSON: what really happened, for tests that check a merchant's books."""

from typing import Any

from hakika_simulator.payments import Payment
from hakika_simulator.simulation import Simulation


def truth(
    simulation: Simulation,
    *,
    checkout_request_id: str | None,
    phone: str | None,
    since: float | None,
) -> dict[str, Any]:
    """Return all money and the pushes that fit the filters. Times are seconds since 1970."""
    payments = simulation.payments.matching(
        checkout_request_id=checkout_request_id, phone=phone, since=since
    )
    sent = simulation.callbacks.sent_for(payment.checkout_request_id for payment in payments)
    return {
        "sum_cents": simulation.wallets.sum_cents(),
        "wallets": simulation.wallets.balances(("payer", "treasury")),
        "shortcodes": simulation.wallets.balances(("shortcode", "shortcode")),
        "payments": [
            _payment_told(payment) | {"callbacks_sent": sent[payment.checkout_request_id]}
            for payment in payments
        ],
    }


def _payment_told(payment: Payment) -> dict[str, Any]:
    return {
        "receipt": payment.receipt,
        "checkout_request_id": payment.checkout_request_id,
        "merchant_request_id": payment.merchant_request_id,
        "shortcode": payment.shortcode,
        "till": payment.receiver if payment.is_to_till else None,
        "phone": payment.phone,
        "amount_cents": payment.amount_cents,
        "ordered_cents": payment.ordered_cents,
        "account_reference": payment.account_reference,
        "result_code": payment.result_code,
        "state": payment.state,
        "pushed_at": payment.pushed_at,
        "finished_at": payment.finished_at,
        "callback_url": payment.callback_url,
    }
