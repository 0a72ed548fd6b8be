"""The private truth as JSON: what really happened, for tests that check a merchant's books."""

from typing import Any

from hakika_simulator.arrivals import Arrival
from hakika_simulator.instructions import Instruction
from hakika_simulator.ledger import Movement
from hakika_simulator.payments import Payment
from hakika_simulator.simulation import Simulation


def truth(
    simulation: Simulation,
    *,
    checkout_request_id: str | None,
    phone: str | None,
    since: float | None,
) -> dict[str, Any]:
    """Return all money, and the pushes and receipts that fit. Times are seconds since 1970."""
    payments = simulation.payments.matching(
        checkout_request_id=checkout_request_id, phone=phone, since=since
    )
    sent = simulation.callbacks.sent_for(payment.checkout_request_id for payment in payments)
    instructions = simulation.instructions.matching(receiver=phone, since=since)
    told = simulation.callbacks.sent_for(each.conversation_id for each in instructions)
    orders = [
        (each.api, _instruction_told(each) | {"callbacks_sent": told[each.conversation_id]})
        for each in instructions
    ]
    accounts = simulation.balances.shortcodes()
    return {
        "now": simulation.clock.now(),
        "sum_cents": simulation.balances.sum_cents(),
        "wallets": simulation.balances.wallets(),
        "shortcodes": {code: sum(held.values()) for code, held in accounts.items()},
        "accounts": accounts,
        "payments": [
            _payment_told(payment) | {"callbacks_sent": sent[payment.checkout_request_id]}
            for payment in payments
        ],
        "c2b": [
            _arrival_told(arrival)
            for arrival in simulation.arrivals.since(since or 0.0, phone=phone)
        ],
        "payouts": [order for api, order in orders if api != "reversal"],
        "reversals": [
            order | {"original_receipt": order["receiver"]}
            for api, order in orders
            if api == "reversal"
        ],
        "receipts": [
            _movement_told(movement)
            for movement in simulation.ledger.matching(phone=phone, since=since)
        ],
    }


def _arrival_told(arrival: Arrival) -> dict[str, Any]:
    return {
        "receipt": arrival.receipt,
        "shortcode": arrival.shortcode,
        "phone": arrival.phone,
        "amount_cents": arrival.cents,
        "account": arrival.reference,
        "state": arrival.state,
        "reason": arrival.reason,
        "started_at": arrival.started_at,
        "finished_at": arrival.finished_at,
    }


def _movement_told(movement: Movement) -> dict[str, Any]:
    return {
        "receipt": movement.receipt,
        "kind": movement.kind,
        "shortcode": movement.shortcode,
        "account": movement.account,
        "cents": movement.cents,
        "phone": movement.phone,
        "reference": movement.reference,
        "started_at": movement.started_at,
        "at": movement.at,
        "linked": movement.linked,
        "other_party": movement.other_party,
    }


def _instruction_told(instruction: Instruction) -> dict[str, Any]:
    return {
        "conversation_id": instruction.conversation_id,
        "originator_conversation_id": instruction.originator_id,
        "told_originator_conversation_id": instruction.told_originator_id,
        "kind": instruction.api,
        "command": instruction.command,
        "shortcode": instruction.shortcode,
        "receiver": instruction.receiver,
        "amount_cents": instruction.cents,
        "charge_cents": instruction.charge_cents,
        "reference": instruction.reference,
        "result_url": instruction.result_url,
        "state": instruction.state,
        "result_code": instruction.result_code,
        "receipt": instruction.receipt,
        "asked_times": instruction.asked_times,
        "asked_at": instruction.asked_at,
        "finished_at": instruction.finished_at,
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
