"""What a ResultCode means for an STK push: the callback's and the query's, one row a code.

The payouts' and reversals' codes are in `envelope_results.py`: the same number means another thing
there (2001 is the payer's wrong PIN here, and our own operator's password there).

Source: daraja.md 6.1, which names Safaricom's page or the observer of each row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hakika.daraja import words
from hakika.daraja.words import Words
from hakika.domain.fact import Reason

SUCCESS = "0"


@dataclass(frozen=True, slots=True)
class StkResult:
    """One ResultCode of an STK push.

    `is_final` speaks of a callback; a query may settle only what `settles_by_query` allows, and
    only once the prompt is dead. `retryable`: the same request may work later, nothing mended.
    """

    daraja_code: str
    code: str                       # ours, stable, documented
    text: str                       # Safaricom's
    meaning: str
    words: Words
    developer_message: str
    is_final: bool = True
    retryable: bool = False
    settles_by_query: bool = False

    @property
    def is_paid(self) -> bool:
        """Say whether this is the one code that means money."""
        return self.daraja_code == SUCCESS

    @property
    def is_canceled(self) -> bool:
        """Say whether the payer (or the handset's own timeout) turned the prompt away."""
        return self.code == "payer_canceled"

    def reason(self) -> Reason:
        """Return the row as the reason of a payment that ended, or hangs, without money."""
        return Reason(
            code=self.code,
            daraja_code=self.daraja_code,
            developer_message=self.developer_message,
            payer_message=self.words.en,
            payer_message_sw=self.words.sw,
            daraja_message=self.text,
            retryable=self.retryable,
        )


def stk_result(code: str, text: str = "") -> StkResult:
    """Return the row for `code`; a code that nobody listed gets a row that decides nothing.

    `text` is Safaricom's ResultDesc. It matters for 4999 alone, where "Wrong credentials" is a
    mistake in our set-up and everything else means "still under way".
    """
    if code == STILL_PROCESSING.daraja_code and "wrong credentials" in text.lower():
        return WRONG_CREDENTIALS
    return STK_RESULTS.get(code) or replace(UNLISTED, daraja_code=code)


STILL_PROCESSING = StkResult(
    "4999", "still_processing", "The transaction is still under processing",
    "The payer has not answered yet, or M-Pesa has not finished.", words.WAITING,
    "Not a verdict. Nothing to do: Hakika keeps asking.",
    is_final=False,
)

WRONG_CREDENTIALS = StkResult(
    "4999", "wrong_credentials", "Wrong credentials",
    "The passkey and the short code do not belong together; the prompt was probably never shown.",
    words.CHECKING,
    "Check the passkey and the short code of these credentials: Daraja accepted the push and says "
    "only now that they do not match. The payment stays open until it is certain.",
    is_final=False,
)

UNLISTED = StkResult(
    "", "unlisted_result", "", "A code that Safaricom has not documented.", words.CHECKING,
    "Daraja gave a result code that is in no list, so it decides nothing. Hakika keeps asking; "
    "look at the raw answer and tell us about the code.",
    is_final=False,
)

_ROWS = (
    StkResult(
        SUCCESS, "paid", "The service request is processed successfully.",
        "The payer paid.", words.PAID,
        "Credit only with a receipt and the exact amount.",
    ),
    StkResult(
        "1", "insufficient_funds", "The balance is insufficient for the transaction.",
        "The payer lacks funds, and Fuliza declined.", words.NO_FUNDS,
        "Nothing to mend. Let the payer top up and ask again.",
        retryable=True, settles_by_query=True,
    ),
    StkResult(
        "2", "amount_too_small", "Declined due to limit rule",
        "Below M-Pesa's minimum of KES 1.", words.TOO_SMALL,
        "Ask for a larger amount.",
        settles_by_query=True,
    ),
    StkResult(
        "3", "amount_too_large",
        "The transaction amount is greater than the maximum transaction amount",
        "Above M-Pesa's maximum for one payment.", words.TOO_LARGE,
        "Ask for KES 250,000 or less.",
        settles_by_query=True,
    ),
    StkResult(
        "4", "daily_limit", "The transaction would exceed daily transfer limit",
        "The payer has sent KES 500,000 today.", words.DAILY_LIMIT,
        "Nothing to mend. The payer can pay tomorrow, or in another way.",
        retryable=True, settles_by_query=True,
    ),
    StkResult(
        "8", "receiver_full", "The transaction would exceed the maximum balance",
        "The receiving paybill or till is full.", words.RECEIVER_FULL,
        "Move money out of the short code on the M-Pesa portal; until then every payment fails.",
        settles_by_query=True,
    ),
    StkResult(
        "17", "repeated_too_soon", "Rule limited.",
        "The same amount was asked of the same payer within two minutes.", words.TOO_SOON,
        "Look for the earlier payment of the same amount first: it may have been paid. Ask again "
        "after two minutes, and only when the earlier one is settled.",
        retryable=True,
    ),
    StkResult(
        "20", "operator_unknown", "Unresolved initiator",
        "An operator code, not expected for a prompt.", words.NOT_STARTED,
        "Check the operator name on the M-Pesa portal.",
    ),
    StkResult(
        "21", "operator_not_allowed",
        "The initiator is not allowed to initiate this request",
        "An operator code, not expected for a prompt.", words.NOT_STARTED,
        "Check the operator's roles on the M-Pesa portal.",
    ),
    StkResult(
        "26", "mpesa_busy", "System busy. Traffic blocking.",
        "M-Pesa is overloaded; the payment may still go through.", words.BUSY_CHECKING,
        "Not a verdict. Hakika keeps asking; do not send another prompt.",
        is_final=False,
    ),
    StkResult(
        "1001", "payer_busy",
        "Unable to lock subscriber, a transaction is already in process for the current subscriber",
        "Another M-Pesa session is open on the payer's line. It may be an earlier prompt of ours.",
        words.OTHER_PROMPT_OPEN,
        "Wait at least a minute, and until any earlier prompt to this payer is settled.",
        retryable=True,
    ),
    StkResult(
        "1019", "expired", "Transaction has expired.",
        "M-Pesa did not process the request in time.", words.EXPIRED,
        "Nothing to mend. Ask again.",
        retryable=True, settles_by_query=True,
    ),
    StkResult(
        "1025", "prompt_not_sent", "An error occurred while sending a push request.",
        "The prompt's text is over 182 characters, or sending it failed for a moment.",
        words.PROMPT_NOT_SENT,
        "Shorten the reference if this repeats; the organisation's name counts too.",
        retryable=True,
    ),
    StkResult(
        "1031", "payer_unreachable", "STK push timeout",
        "As 1037; seen with Lipa na Bonga.", words.UNREACHABLE_PHONE,
        "Nothing to mend. Ask again once the payer has the phone at hand.",
        retryable=True,
    ),
    StkResult(
        "1032", "payer_canceled", "Request cancelled by user",
        "The payer pressed cancel, or the handset let the prompt go.", words.CANCELED,
        "Never ask again by yourself; let the payer choose to.",
        retryable=True, settles_by_query=True,
    ),
    StkResult(
        "1036", "payer_unreachable", "SMSC ACK timeout",
        "The network did not confirm that the prompt was delivered.", words.UNREACHABLE_PHONE,
        "Nothing to mend. Ask again once the payer has the phone at hand.",
        retryable=True,
    ),
    StkResult(
        "1037", "payer_unreachable", "DS timeout user cannot be reached.",
        "The phone is off, without signal or busy, has an old SIM, or the prompt was ignored.",
        words.UNREACHABLE_PHONE,
        "Nothing to mend. Ask again once the payer has the phone at hand. A late success can "
        "still come, and then it wins.",
        retryable=True, settles_by_query=True,
    ),
    StkResult(
        "2001", "wrong_pin", "The initiator information is invalid.",
        "The payer typed a wrong PIN.", words.WRONG_PIN,
        "Nothing to mend. Do not show Safaricom's text: it speaks of an initiator.",
        retryable=True, settles_by_query=True,
    ),
    StkResult(
        "2002", "wrong_shortcode", "Agent number and store number entered do not match",
        "The till and its store number do not belong together.", words.NOT_STARTED,
        "Give the till with its own store (head office) number; both are on the go-live letter.",
        settles_by_query=True,
    ),
    StkResult(
        "2006", "account_inactive", "The account status does not allow this transaction",
        "The payer's account, or the short code, is not active.", words.ACCOUNT_INACTIVE,
        "If it happens to every payer, ask Safaricom about the state of the short code.",
        settles_by_query=True,
    ),
    StkResult(
        "2028", "product_not_assigned",
        "The request is not permitted according to product assignment",
        "The short code lacks the product, or its kind is wrong.", words.NOT_STARTED,
        "Check whether the short code is a paybill or a till, and that Safaricom enabled M-Pesa "
        "Express for it.",
        settles_by_query=True,
    ),
    StkResult(
        "2029", "wrong_transaction_type",
        "The transaction failed due to unresolved reason type",
        "A paybill request for a till, or the reverse.", words.NOT_STARTED,
        "Check whether the short code is a paybill or a till.",
        settles_by_query=True,
    ),
    STILL_PROCESSING,
    StkResult(
        "8006", "pin_locked", "The security credential is locked",
        "The payer's PIN is locked after wrong tries.", words.PIN_LOCKED,
        "Nothing to mend. The payer has to unlock the PIN with Safaricom.",
        settles_by_query=True,
    ),
    StkResult(
        "9999", "prompt_failed", "An error occurred while sending a push request.",
        "Used for several things, cancelling among them.", words.WRONG_CHECKING,
        "Not a verdict. Hakika keeps asking. Shorten the reference if this repeats.",
        is_final=False,
    ),
    StkResult(
        "SFC_IC0003", "receiver_unknown", "The operator does not exist.",
        "The short code's kind, or the receiving number, is wrong.", words.NOT_STARTED,
        "Check the short code, the till and store pair, and whether it is a paybill or a till.",
        settles_by_query=True,
    ),
)

STK_RESULTS: Mapping[str, StkResult] = {row.daraja_code: row for row in _ROWS}
