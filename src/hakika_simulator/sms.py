"""What M-Pesa writes to the payer: the prompt's question and the messages afterwards."""

from hakika_simulator import results
from hakika_simulator.clock import in_nairobi
from hakika_simulator.ledger import Movement
from hakika_simulator.payments import Payment

PROMPT_LENGTH_MAX = 182  # M-Pesa refuses to send a longer prompt: result 1025


def shillings(cents: int) -> str:
    """Return cents as people read money: 1,500.00."""
    return f"{cents // 100:,}.{cents % 100:02d}"


def plain_shillings(cents: int) -> str:
    """Return cents as machines write money: 1500.00, -3.50."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def question(
    *, organisation: str, amount_cents: int, account_reference: str, is_to_till: bool
) -> str:
    """Return the prompt's text."""
    asked = f"Do you want to pay KES {shillings(amount_cents)} to {organisation}"
    return f"{asked}?" if is_to_till else f"{asked} Account no. {account_reference}?"


def message_after(payment: Payment, *, organisation: str, balance_cents: int) -> str | None:
    """Return the message that the payer gets when `payment` has ended, or None for silence."""
    amount = shillings(payment.amount_cents)
    match payment.result_code:
        case results.PAID:
            return _confirmation(payment, organisation, balance_cents)
        case results.NOT_ENOUGH_MONEY:
            return (
                f"Failed. You do not have enough money in your M-PESA account to pay Ksh{amount} to"
                f" {organisation}. Your M-PESA balance is Ksh{shillings(balance_cents)}."
            )
        case results.WRONG_PIN:
            return "Failed. You have entered the wrong M-PESA PIN. Please try again."
        case results.PIN_LOCKED:
            return "Failed. Your M-PESA PIN is locked after three wrong PINs. Call 100 for help."
        case _:
            return None


def message_of_payment(
    receipt: str,
    *,
    organisation: str,
    amount_cents: int,
    account: str | None,
    at: float,
    balance_cents: int,
) -> str:
    """Return the message about a payment that was made; a till's has no account."""
    whom = organisation if account is None else f"{organisation} for account {account}"
    verb = "paid" if account is None else "sent"
    return (
        f"{receipt} Confirmed. Ksh{shillings(amount_cents)} {verb} to {whom} on {_when(at)}."
        f" New M-PESA balance is Ksh{shillings(balance_cents)}. Transaction cost, Ksh0.00."
    )


def message_of_payout(payout: Movement, *, organisation: str, balance_cents: int) -> str:
    """Return the message about money that a business sent."""
    return (
        f"{payout.receipt} Confirmed. You have received Ksh{shillings(-payout.cents)} from"
        f" {payout.shortcode} - {organisation} on {_when(payout.at)}. New M-PESA balance is"
        f" Ksh{shillings(balance_cents)}."
    )


def message_of_reversal(reversal: Movement, *, balance_cents: int) -> str:
    """Return the message about a payment that came back."""
    return (
        f"{reversal.receipt} Confirmed. Transaction {reversal.linked} has been reversed on"
        f" {_when(reversal.at)} and Ksh{shillings(-reversal.cents)} is credited to your M-PESA"
        f" account. New M-PESA account balance is Ksh{shillings(balance_cents)}."
    )


def _confirmation(payment: Payment, organisation: str, balance_cents: int) -> str:
    assert payment.finished_at is not None
    assert payment.receipt is not None
    return message_of_payment(
        payment.receipt,
        organisation=organisation,
        amount_cents=payment.amount_cents,
        account=None if payment.is_to_till else payment.account_reference,
        at=payment.finished_at,
        balance_cents=balance_cents,
    )


def _when(at: float) -> str:
    when = in_nairobi(at)
    clock = when.strftime("%I:%M %p").lstrip("0")
    return f"{when.day}/{when.month}/{when:%y} at {clock}"
