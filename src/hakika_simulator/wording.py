"""What M-Pesa writes beside a movement: on a statement, and in answer to Transaction Status.

Taken from what public readers of real exports expect, as of November 2026: the reasons of pay
bills and of B2C, the charge on payouts, the two words on settlements and the withdrawal to a bank
are attested in several of them. The words for tills, reversals, B2B and deposits are inferred.
"""

from hakika_simulator.ledger import (
    ACCOUNT_NAMES,
    BANK,
    CHARGE_OF_PAYOUT,
    CHARGE_TO_TILL,
    WORKING,
    Movement,
)
from hakika_simulator.people import full_name_of

SETTLEMENT = "Organization Settlement Account"
SERVICE_PROVIDER = "SP"
REASONS_OF_COMMANDS = {
    "BusinessPayment": "Business Payment to Customer via API",
    "SalaryPayment": "Salary Payment via API",
    "PromotionPayment": "Promotion Payment via API",
    "BusinessPayBill": "Business Pay Bill via API",
    "BusinessBuyGoods": "Business Buy Goods via API",
    "BusinessPayToBulk": "B2C Account Top Up via API",
    "TransactionReversal": "Transaction Reversal",
}


def reason_of(kind: str, *, is_to_till: bool) -> str:
    """Return the reason type of a payment, a charge or a reversal."""
    match kind:
        case "reversal":
            return "Transaction Reversal"
        case "stk":
            return "Buy Goods Online" if is_to_till else "Pay Bill Online"
        case _:
            return "Customer Merchant Payment" if is_to_till else "Pay Utility"


def details_and_reason(movement: Movement) -> tuple[str, str]:
    """Return a line's Details and its Reason Type."""
    is_to_till = movement.is_to_till
    match movement.kind:
        case "float":
            words = _float_words(movement)
            return words, words
        case "b2c" | "b2b":
            return _payout_words(movement)
        case "charge" if movement.reference == CHARGE_OF_PAYOUT:
            return CHARGE_OF_PAYOUT, CHARGE_OF_PAYOUT
        case "charge":
            is_to_till = movement.reference == CHARGE_TO_TILL
            return movement.reference, reason_of("c2b", is_to_till=is_to_till)
        case "reversal":
            text = f"Reversal of {movement.linked} to {other_party(movement)}"
            return text, reason_of("reversal", is_to_till=is_to_till)
        case _:
            online = " Online" if movement.kind == "stk" else ""
            verb = f"Merchant Payment{online}" if is_to_till else f"Pay Bill{online}"
            account = "" if is_to_till else f" Acc. {movement.reference}"
            text = f"{verb} from {other_party(movement)}{account}"
            return text, reason_of(movement.kind, is_to_till=is_to_till)


def other_party(movement: Movement) -> str:
    """Return who gave or got the money, as masked as real exports have it."""
    if movement.phone is None:
        return SERVICE_PROVIDER if movement.kind == "charge" else movement.other_party or ""
    return f"{movement.phone[:5]}****{movement.phone[-3:]} - {full_name_of(movement.phone)}"


def _payout_words(movement: Movement) -> tuple[str, str]:
    assert movement.command is not None
    reason = REASONS_OF_COMMANDS[movement.command]
    way = "from" if movement.cents > 0 else "to"
    account = f" Acc. {movement.reference}" if movement.reference else ""
    return f"{reason} {way} {other_party(movement)}{account}", reason


def _float_words(movement: Movement) -> str:
    if movement.reference == BANK:
        came_in = movement.cents > 0
        return "Deposit of funds from Bank" if came_in else "Agency Withdrawal of funds to Bank"
    if movement.cents < 0:
        return f"{ACCOUNT_NAMES[movement.account]} to {SETTLEMENT}"
    if movement.account == WORKING:
        return f"{SETTLEMENT} to Organization MMF Account"
    return f"{SETTLEMENT} to {ACCOUNT_NAMES[movement.account]}"
