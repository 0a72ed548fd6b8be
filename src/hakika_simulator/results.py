"""How a push ends: M-Pesa's result codes and their texts (daraja.md 6.1), codes as strings.

A text ending differently in the field than here is no reason to change a client: compare codes.
"""

PAID = "0"
NOT_ENOUGH_MONEY = "1"
SAME_PAYMENT_AGAIN = "17"
PROMPT_NOT_SENT = "1025"
CANCELED = "1032"
NO_ANSWER = "1037"
WRONG_PIN = "2001"
STORE_IS_NOT_TILL = "2002"
STILL_PROCESSING = "4999"
PIN_LOCKED = "8006"
WRONG_RECEIVER = "SFC_IC0003"

TEXTS = {
    PAID: "The service request is processed successfully.",
    NOT_ENOUGH_MONEY: "The balance is insufficient for the transaction.",
    "2": "Declined due to limit rule: less than the minimum transaction amount.",
    "3": "Declined due to limit rule: greater than the maximum transaction amount.",
    "4": "Declined due to limit rule: would exceed daily transfer limit.",
    "8": "Declined due to limit rule: would exceed the maximum balance.",
    SAME_PAYMENT_AGAIN: "Rule limited.",
    "20": "Unresolved initiator.",
    "21": "The initiator is not allowed to initiate this request.",
    "26": "System busy. Traffic blocking condition in place.",
    "1001": "Unable to lock subscriber, a transaction is already in process for the current"
    " subscriber",
    "1019": "Transaction has expired.",
    PROMPT_NOT_SENT: "An error occurred while sending a push request.",
    "1031": "STK push timeout",
    CANCELED: "Request cancelled by user",
    "1036": "SMSC ACK timeout",
    NO_ANSWER: "DS timeout user cannot be reached.",
    WRONG_PIN: "The initiator information is invalid.",
    STORE_IS_NOT_TILL: "Agent number and store number entered do not match.",
    "2006": "The account status does not allow this transaction.",
    "2028": "The request is not permitted according to product assignment.",
    "2029": "The request failed due to unresolved reason type.",
    STILL_PROCESSING: "The transaction is still under processing",
    PIN_LOCKED: "The security credential is locked.",
    "9999": "An error occurred while sending a push request.",
    WRONG_RECEIVER: "The operator does not exist.",
}


def text_of(code: str) -> str:
    """Return what M-Pesa says with `code`; a plain sentence for a code nobody documented."""
    return TEXTS.get(code, "The service request failed.")
