"""What a ResultCode means in a Result envelope: payouts, reversals, status and balance.

A table of its own, because numbers are shared with STK pushes and meanings are not (daraja.md 6.3).
`person` in the words is the payee, or the payer whose payment is given back.

Source: daraja.md 6.2, which names Safaricom's page or the observer of each row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hakika.daraja import words
from hakika.daraja.envelopes import DONE
from hakika.daraja.words import Words
from hakika.domain.fact import Reason
from hakika.domain.payout_verdict import Sense

_DUPLICATE = "15"

_CONFIRM_FIRST = (
    "Not a verdict: money may have moved. Confirm by a status query before anything is sent again."
)
_FIX_REQUEST = "Mend the named value; nothing was moved."


@dataclass(frozen=True, slots=True)
class EnvelopeResult:
    """One ResultCode of a Result envelope.

    Not final means that money may have moved: confirm, never resend. `retryable`: the same order
    may work later, with a new id, when what the developer message names is done.
    """

    daraja_code: str
    code: str
    text: str
    meaning: str
    words: Words
    developer_message: str
    is_final: bool = True
    retryable: bool = False

    @property
    def sense(self) -> Sense:
        """What the code says of an order of money."""
        if self.daraja_code == DONE:
            return Sense.DONE
        if self.daraja_code == _DUPLICATE:
            return Sense.DUPLICATE
        return Sense.ENDED if self.is_final else Sense.UNDECIDED

    def reason(self) -> Reason:
        """Return the row as the reason why the money did not move, or may not have."""
        return Reason(
            code=self.code,
            daraja_code=self.daraja_code,
            developer_message=self.developer_message,
            payer_message=self.words.en,
            payer_message_sw=self.words.sw,
            daraja_message=self.text,
            retryable=self.retryable,
        )


def envelope_result(code: str) -> EnvelopeResult:
    """Return the row for `code`; a code that nobody listed gets a row that decides nothing."""
    return ENVELOPE_RESULTS.get(code) or replace(UNLISTED, daraja_code=code)


UNLISTED = EnvelopeResult(
    "", "unlisted_result", "", "A code that Safaricom has not documented.", words.SENDING_CHECKED,
    _CONFIRM_FIRST, is_final=False,
)


def _unsure(daraja_code: str, code: str, text: str, meaning: str) -> EnvelopeResult:
    return EnvelopeResult(
        daraja_code, code, text, meaning, words.SENDING_CHECKED, _CONFIRM_FIRST, is_final=False,
    )


def _ended(daraja_code: str, code: str, text: str, meaning: str, to_do: str) -> EnvelopeResult:
    return EnvelopeResult(daraja_code, code, text, meaning, words.NOT_SENT, to_do)


_ROWS = (
    EnvelopeResult(
        "0", "done", "The service request is processed successfully.",
        "Done. For a status query only: the question was answered, read TransactionStatus.",
        words.DONE, "Nothing to do.",
    ),
    EnvelopeResult(
        "1", "insufficient_funds", "The balance is insufficient for the transaction.",
        "The Utility account (payout) or the short code (reversal) is short of money.",
        words.NOT_SENT,
        "Fund the Utility account, then send a new order.",
        retryable=True,
    ),
    _ended("2", "amount_too_small", "Declined due to limit rule: less than the minimum",
           "Below the minimum, KES 10 for a payout.", "Send at least KES 10."),
    _ended("3", "amount_too_large", "Declined due to limit rule: greater than the maximum",
           "Above the maximum, KES 250,000.", "Send KES 250,000 or less in one order."),
    EnvelopeResult(
        "4", "daily_limit", "The transaction would exceed daily transfer limit",
        "Usually the recipient's KES 500,000 a day.", words.PAYEE_DAILY_LIMIT,
        "Send a new order tomorrow.",
        retryable=True,
    ),
    _ended("5", "balance_below_minimum", "The transaction would go below the minimum balance",
           "The account must keep a minimum.", "Fund the account, or send less."),
    _ended("6", "primary_party_unknown", "Unresolved primary party",
           "A wrong number or account set-up.", "Check the short code that sends."),
    _ended("7", "receiver_unknown", "Unresolved receiver party",
           "A wrong number or account set-up.", "Check the number that receives."),
    EnvelopeResult(
        "8", "receiver_full", "The transaction would exceed the maximum balance",
        "The recipient's wallet would hold more than KES 500,000.", words.PAYEE_FULL,
        "Ask the recipient to make room, then send a new order.",
        retryable=True,
    ),
    _ended("11", "debit_party_inactive", "Debit party in invalid state",
           "The paying account is not active.", "Call Safaricom about the short code."),
    EnvelopeResult(
        "12", "credit_party_inactive", "Credit party in invalid state",
        "The receiving account is not active.", words.PAYEE_INACTIVE,
        "Ask the recipient to call Safaricom.",
    ),
    _ended("13", "debit_account_unknown", "Unresolved debit account",
           "A wrong number or account set-up.", "Check the short code that sends."),
    _ended("14", "credit_account_unknown", "Unresolved credit account",
           "A wrong number or account set-up.", "Check the account that receives."),
    EnvelopeResult(
        "15", "duplicate", "Duplicate detected",
        "This OriginatorConversationID was seen before: the original stands.",
        words.SENDING_CHECKED,
        "Never send again. Confirm what became of the original order.",
        is_final=False,
    ),
    _unsure("17", "internal_failure", "Internal failure", "A catch-all of M-Pesa's."),
    _ended("18", "operator_credential_refused", "Initiator credential check failure",
           "A wrong operator password, or wrongly encrypted.",
           "Stop all calls with this operator and mend its credential: more tries lock it."),
    _unsure("19", "sequencing_failure", "Message sequencing failure", "M-Pesa lost the order."),
    _ended("20", "operator_unknown", "Unresolved initiator",
           "No operator has this name.", "Mend the operator's name."),
    _ended("21", "operator_not_allowed",
           "The initiator is not allowed to initiate this request",
           "The operator lacks the role.", "Give the operator its role on the M-Pesa portal."),
    _ended("22", "operator_inactive", "Initiator to receiver permission failure",
           "The operator is not active.", "Activate the operator on the M-Pesa portal."),
    _ended("24", "parameter_missing", "Missing mandatory parameter",
           "The request lacks a value.", _FIX_REQUEST),
    _ended("25", "parameter_invalid", "Invalid parameter",
           "A value is malformed; in the sandbox also a status query's usual answer.",
           _FIX_REQUEST),
    _unsure("26", "mpesa_busy", "Traffic blocking, the system is too busy",
            "M-Pesa is overloaded."),
    _ended("29", "command_invalid", "Invalid command",
           "Daraja does not know the CommandID.", _FIX_REQUEST),
    _ended("2001", "operator_credential_refused", "The initiator information is invalid.",
           "The operator's name, password or certificate is wrong.",
           "Stop all calls with this operator and mend its credential: more tries lock it."),
    _ended("2006", "account_inactive", "The account status does not allow this transaction",
           "The short code is not active.", "Call Safaricom about the short code."),
    _ended("2028", "product_not_assigned",
           "The request is not permitted according to product assignment",
           "The short code lacks the product.", "Ask Safaricom to enable the product."),
    EnvelopeResult(
        "2040", "receiver_unregistered", "Credit party customer type not supported",
        "The recipient is not a registered M-Pesa customer.", words.PAYEE_UNREGISTERED,
        "Ask the recipient to register, or pay in another way.",
    ),
    _ended("8006", "operator_locked", "The security credential is locked.",
           "The API operator is locked after wrong tries.",
           "Stop all calls with this operator; a Business Administrator unlocks it."),
    _ended("SFC_IC0003", "receiver_unknown", "The operator does not exist.",
           "The recipient's number is invalid.", "Check the number that receives."),
    _ended("TP40153", "operator_not_allowed", "Initiator not in the organisation",
           "The operator is of another organisation, or lacks permission.",
           "Check the operator and its organisation on the M-Pesa portal."),
    EnvelopeResult(
        "R000001", "already_reversed", "The transaction has already been reversed.",
        "An earlier reversal was done.", words.ALREADY_GIVEN_BACK,
        "Check the earlier reversal; count this as done only when it is seen completed.",
        is_final=False,
    ),
    EnvelopeResult(
        "R000002", "transaction_unknown", "The OriginalTransactionID is invalid.",
        "The receipt is unknown, or of another short code.", words.CANNOT_GIVE_BACK,
        "Check the receipt and the short code that received it.",
    ),
    _unsure("100000000", "cached", "Request was cached, waiting for resending",
            "M-Pesa itself will send it again: a second order would pay twice."),
    _unsure("100000001", "mpesa_overloaded", "System overload", "M-Pesa is overloaded."),
    _unsure("100000002", "throttled", "Throttling error", "Too many requests at once."),
    _unsure("100000004", "mpesa_internal_error", "Internal server error", "M-Pesa failed."),
    _ended("100000005", "parameter_invalid", "Invalid input value",
           "A value is malformed.", _FIX_REQUEST),
    _unsure("100000007", "mpesa_abnormal", "Service status abnormal", "M-Pesa is unwell."),
    _unsure("100000009", "mpesa_api_abnormal", "API status abnormal", "M-Pesa is unwell."),
    _ended("100000010", "operator_not_allowed", "Insufficient permissions",
           "The app or the operator may not do this.", "Ask Safaricom for the permission."),
    _unsure("100000011", "throttled", "Exceeded rate limit", "Too many requests at once."),
)

ENVELOPE_RESULTS: Mapping[str, EnvelopeResult] = {row.daraja_code: row for row in _ROWS}
