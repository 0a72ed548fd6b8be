"""What M-Pesa writes beside a movement: on a statement, and in answer to Transaction Status.

Taken from what public readers of real exports expect, as of November 2026: the reasons of pay
bills, the two words on settlements and the withdrawal to a bank are attested in several of them.
The words for tills and reversals are inferred.
"""

from hakika_simulator.ledger import ACCOUNT_NAMES, BANK, CHARGE_TO_TILL, WORKING, Movement
from hakika_simulator.people import full_name_of

SETTLEMENT = "Organization Settlement Account"
SERVICE_PROVIDER = "SP"


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
        return SERVICE_PROVIDER if movement.kind == "charge" else ""
    return f"{movement.phone[:5]}****{movement.phone[-3:]} - {full_name_of(movement.phone)}"


def _float_words(movement: Movement) -> str:
    if movement.reference == BANK:
        return "Agency Withdrawal of funds to Bank"
    if movement.cents < 0:
        return f"{ACCOUNT_NAMES[movement.account]} to {SETTLEMENT}"
    if movement.account == WORKING:
        return f"{SETTLEMENT} to Organization MMF Account"
    return f"{SETTLEMENT} to {ACCOUNT_NAMES[movement.account]}"
