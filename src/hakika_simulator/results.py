"""How things end: M-Pesa's result codes and their texts (daraja.md 6.1, 6.2), codes as strings.

The codes of pushes and those of operators' calls are two lists: 2001 and 8006 are a payer's PIN
in the one and an operator's password in the other.

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

TOO_LITTLE, TOO_MUCH = "2", "3"
RECEIVER_FULL = "8"
NO_SUCH_OPERATOR = "20"
INVALID_PARAMETERS = "25"
TRAFFIC_BLOCKED = "26"
WRONG_CREDENTIAL = "2001"
OPERATOR_LOCKED = "8006"
REVERSED_BEFORE = "R000001"
NO_SUCH_ORIGINAL = "R000002"

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

OPERATOR_CALL_TEXTS = {
    PAID: TEXTS[PAID],
    NOT_ENOUGH_MONEY: TEXTS[NOT_ENOUGH_MONEY],
    TOO_LITTLE: TEXTS[TOO_LITTLE],
    TOO_MUCH: TEXTS[TOO_MUCH],
    "4": TEXTS["4"],
    RECEIVER_FULL: TEXTS[RECEIVER_FULL],
    "11": "The DebitParty is in an invalid state.",
    "12": "The CreditParty is in an invalid state.",
    "15": "Duplicate detected.",
    "17": "Internal failure.",
    "18": "Initiator credential check failure.",
    "19": "Message sequencing failure.",
    NO_SUCH_OPERATOR: TEXTS[NO_SUCH_OPERATOR],
    "21": TEXTS["21"],
    "22": "Initiator to receiver permission failure.",
    INVALID_PARAMETERS: "The format of parameter null is invalid.",
    TRAFFIC_BLOCKED: TEXTS[TRAFFIC_BLOCKED],
    WRONG_CREDENTIAL: "The initiator information is invalid.",
    "2006": TEXTS["2006"],
    "2028": TEXTS["2028"],
    "2040": "Credit Party customer type (Unregistered or Registered Customer) can't be supported by"
    " the service.",
    OPERATOR_LOCKED: "The security credential is locked.",
    "100000000": "Request was cached, waiting for resending.",
    WRONG_RECEIVER: "The operator does not exist.",
    REVERSED_BEFORE: "The transaction has already been reversed.",
    NO_SUCH_ORIGINAL: "The OriginalTransactionID is invalid.",
}


def text_of(code: str) -> str:
    """Return what M-Pesa says with `code`; a plain sentence for a code nobody documented."""
    return TEXTS.get(code, "The service request failed.")


def text_of_operator_call(code: str) -> str:
    """Return what M-Pesa says with `code` in answer to an operator's call."""
    return OPERATOR_CALL_TEXTS.get(code, "The service request failed.")
