"""Money that goes out, on the wire: orders to phones, pay bills and tills, and their results.

B2C, B2B and Reversal (daraja.md 5.4, 5.6 and 5.10, Daraja 3.0 portal, scraped December 2025). An
order is a `Question`: it is taken at once (`DarajaClient.order`) and answered later in a `Result`
envelope (`read_order_result`). What a result's code means is in `envelope_results.py`.

Of all orders only B2C v3 knows one that it has had before, by the OriginatorConversationID that is
ours. Every other that is sent twice is done twice (T3, T5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from hakika.daraja.envelopes import DONE, Addresses, Operator, Question, Result, read_result
from hakika.daraja.values import amount_of, balance_of, charge_of, name_of, receipt_of, time_of
from hakika.domain.errors import Invalid
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Way
from hakika.domain.payout_order import (
    ACCOUNT_CHARACTERS_MAX,
    PHONE_SHILLINGS_MAX,
    PHONE_SHILLINGS_MIN,
    REMARKS_CHARACTERS_MAX,
    REMARKS_CHARACTERS_MIN,
)

B2C_V3_PATH = "/mpesa/b2c/v3/paymentrequest"
B2C_V1_PATH = "/mpesa/b2c/v1/paymentrequest"
B2B_PATH = "/mpesa/b2b/v1/paymentrequest"
REVERSAL_PATH = "/mpesa/reversal/v1/request"

OCCASION_MAX = 100

B2B_COMMANDS: Mapping[Way, str] = {
    Way.PAYBILL: "BusinessPayBill",
    Way.TILL: "BusinessBuyGoods",
    Way.TOP_UP: "BusinessPayToBulk",
}

# What PartyB is. Safaricom documents 4 for all; a shop in production sends 2 for a till. The wrong
# one fails with SFC_IC0003 and moves no money, so it may be tried (daraja.md 13, row 5).
SHORTCODE_TYPE = "4"
_REVERSAL_TYPE = "11"    # what a reversal's ReceiverParty is called, whatever it is

_OUR_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_NUMBER = re.compile(r"[0-9]{5,7}", re.ASCII)
_TYPE = re.compile(r"[0-9]{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Order:
    """What every order says. `remarks` and `occasion` are kept by M-Pesa beside the money."""

    shortcode: str               # whose money it is: a pay bill's number, of a till its store's
    operator: Operator
    addresses: Addresses
    amount: Money
    remarks: str = field(repr=False)
    occasion: str = field(default="", repr=False)


def b2c_order(order: Order, *, payee: Msisdn, originator_conversation_id: str) -> Question:
    """Return the order to pay a person, by B2C v3. The same id again is refused as a duplicate.

    Raises:
        Invalid: `amount` is not 10 to 250,000 whole shillings, or a text does not fit.
    """
    assert _OUR_ID.fullmatch(originator_conversation_id), "without an id it could be paid twice"
    fields = {"OriginatorConversationID": originator_conversation_id, **_b2c(order, payee)}
    return _question(order, B2C_V3_PATH, fields | _occasion(order, "Occassion"))


def b2c_v1_order(order: Order, *, payee: Msisdn) -> Question:
    """Return the order to pay a person, by B2C v1, which knows no duplicates.

    Only where v3 was refused (`b2c_v3_not_allowed`). Raises: Invalid, as `b2c_order` does.
    """
    return _question(order, B2C_V1_PATH, _b2c(order, payee) | _occasion(order, "Occasion"))


def b2b_order(
    order: Order, *, way: Way, number: str, account_reference: str = "",
    receiver_type: str = SHORTCODE_TYPE,
) -> Question:
    """Return the order to pay a pay bill, a till, or the Utility account of a short code.

    `number` is theirs; a pay bill must be told an account. Nothing protects against a second one.

    Raises:
        Invalid: `amount` is not of whole shillings, or a number or text does not fit.
    """
    assert way in B2B_COMMANDS, f"{way} is not an order between businesses"
    if not _NUMBER.fullmatch(number):
        raise _unfit("number", "A pay bill, till or short code has 5 to 7 digits.")
    if not _TYPE.fullmatch(receiver_type):
        raise _unfit("receiver_type", "A receiver's type is a number of one or two digits.")
    return _question(order, B2B_PATH, {
        "Initiator": order.operator.name,
        "CommandID": B2B_COMMANDS[way],
        "SenderIdentifierType": SHORTCODE_TYPE,
        "RecieverIdentifierType": receiver_type,      # (sic): spelt rightly it is refused
        "Amount": _shillings(order.amount),
        "PartyA": int(order.shortcode),
        "PartyB": int(number),
        **_account(way, account_reference),
    } | _occasion(order, "Occassion"))


def reversal_order(order: Order, *, receipt: str) -> Question:
    """Return the order to give a collection back to its payer. `amount` is all of it.

    M-Pesa documents no part of one (T50). A second order for the receipt ends in R000001.

    Raises:
        Invalid: `amount` is not of whole shillings, or the receipt or a text does not fit.
    """
    if receipt_of(receipt) != receipt or not receipt:
        raise _unfit("receipt", "That is no receipt of M-Pesa's.")
    return _question(order, REVERSAL_PATH, {
        "Initiator": order.operator.name,
        "CommandID": "TransactionReversal",
        "TransactionID": receipt,
        "Amount": _shillings(order.amount),
        "ReceiverParty": int(order.shortcode),
        "RecieverIdentifierType": _REVERSAL_TYPE,     # (sic): spelt rightly it is refused
    } | _occasion(order, "Occasion"))


def _question(order: Order, path: str, fields: Mapping[str, object]) -> Question:
    """Return the order with what all have. The API says how the operator's name is called."""
    _check_text(
        "remarks", order.remarks, least=REMARKS_CHARACTERS_MIN, most=REMARKS_CHARACTERS_MAX,
    )
    body = orjson.dumps({
        **fields,
        "SecurityCredential": order.operator.credential,
        "Remarks": order.remarks,
        "QueueTimeOutURL": order.addresses.timeout_url,
        "ResultURL": order.addresses.result_url,
    })
    return Question(path, body, order.operator.credential)


def _b2c(order: Order, payee: Msisdn) -> dict[str, object]:
    return {
        "InitiatorName": order.operator.name,         # elsewhere it is called Initiator
        "CommandID": "BusinessPayment",
        "Amount": _shillings(order.amount, least=PHONE_SHILLINGS_MIN, most=PHONE_SHILLINGS_MAX),
        "PartyA": int(order.shortcode),
        "PartyB": int(payee.digits),
    }


def _account(way: Way, reference: str) -> dict[str, object]:
    if reference or way is Way.PAYBILL:
        _check_text("account_reference", reference, least=1, most=ACCOUNT_CHARACTERS_MAX)
    return {"AccountReference": reference} if reference else {}


def _occasion(order: Order, name: str) -> dict[str, object]:
    """Return the occasion under this API's spelling of it; nothing when there is none."""
    if not order.occasion:
        return {}
    _check_text("occasion", order.occasion, least=1, most=OCCASION_MAX)
    return {name: order.occasion}


def _shillings(amount: Money, *, least: int = 1, most: int | None = None) -> int:
    shillings = amount.whole_shillings()
    if shillings < least:
        raise Invalid(
            f"{amount} is below the smallest amount that can be sent this way, KES {least}.",
            field="amount", code="amount_too_small",
        )
    if most is not None and shillings > most:
        raise Invalid(
            f"The amount is above the largest that can be sent this way, KES {most:,}.",
            field="amount", code="amount_too_large",
        )
    return shillings


def _check_text(name: str, text: str, *, least: int, most: int) -> None:
    """Refuse what does not fit. Nothing is ever cut: what is alike when cut is mistaken (T13)."""
    if len(text.strip()) < least or len(text) > most or not text.isprintable():
        raise _unfit(name, f"It has {least} to {most} printable characters, on one line.")


def _unfit(name: str, message: str) -> Invalid:
    return Invalid(message, field=name, code=f"{name}_invalid")


@dataclass(frozen=True, slots=True)
class OrderResult:
    """M-Pesa's word on an order. Unsigned: believe it only at the address made for this order.

    What `code` says is in `envelope_results.envelope_result(code).sense`. Nothing counts that is
    not `is_final`.
    """

    conversation_id: str
    originator_conversation_id: str           # as told: often another than ours (daraja.md 5.4)
    code: str
    is_final: bool                            # ResultType; False: M-Pesa will say more (T29)
    receipt: str = ""                         # only of a final code 0; "": none, or unreadable
    amount: Money | None = None               # None when it is not told, or cannot be read
    happened_at: datetime | None = None       # UTC
    payee_name: str = field(default="", repr=False)
    charge: Money | None = None               # Safaricom's; None: it was not told
    original_receipt: str = ""                # of a reversal: what it gave back
    available: Mapping[str, Money] = field(default_factory=dict)   # by M-Pesa's name of the account


def read_order_result(raw: bytes) -> OrderResult:
    """Return the result in `raw`. Store `raw` first: what cannot be read is still evidence.

    A part that cannot be read is left out, so that it never hides that money went.

    Raises:
        Unreadable: not the documented shape, ambiguous, or an amount in digits that no gateway
            writes. Nothing else, whatever the bytes are.
    """
    result = read_result(raw)
    return OrderResult(
        conversation_id=result.conversation_id,
        originator_conversation_id=result.originator_conversation_id,
        code=result.code,
        is_final=result.is_final,
        receipt=_receipt(result) if result.code == DONE and result.is_final else "",
        amount=amount_of(result.value("transactionamount", "amount")),
        happened_at=_happened_at(result),
        payee_name=name_of(
            result.text("receiverpartypublicname") or result.text("creditpartypublicname")
        ),
        charge=charge_of(result.value("debitpartycharges")) or charge_of(result.value("charge")),
        original_receipt=receipt_of(result.value("originaltransactionid")),
        available=_available(result),
    )


def _happened_at(result: Result) -> datetime | None:
    """Return when it ended: each API has a key of its own for it."""
    return (
        time_of(result.value("transactioncompleteddatetime"))
        or time_of(result.value("transcompletedtime"))
        or time_of(result.value("bocompletedtime"))
    )


def _receipt(result: Result) -> str:
    """Return the receipt; "" when two are told that differ: which is true is not ours to choose."""
    told = {
        receipt_of(each)
        for each in (result.transaction_id, *result.items.get("transactionreceipt", ()))
    }
    # Of a reversal: what it gave back is not its own receipt, and is in the books already.
    told -= {"", receipt_of(result.value("originaltransactionid"))}
    return told.pop() if len(told) == 1 else ""


# B2C tells what is left as numbers, under keys of its own.
_B2C_ACCOUNTS = {
    "b2cutilityaccountavailablefunds": "Utility Account",
    "b2cworkingaccountavailablefunds": "Working Account",
    "b2cchargespaidaccountavailablefunds": "Charges Paid Account",
}
_ACCOUNT_KEYS = ("debitpartyaffectedaccountbalance", "debitaccountbalance")
_AVAILABLE_COLUMN = 3     # Name|Currency|Current|Available|Reserved|Uncleared


def _available(result: Result) -> Mapping[str, Money]:
    """Return what is left on our accounts, as far as it is told. Never proof of a payout (T57)."""
    told = {name: result.text(key) for key, name in _B2C_ACCOUNTS.items()}
    for key in _ACCOUNT_KEYS:
        columns = [each.strip() for each in result.text(key).split("|")]
        if len(columns) > _AVAILABLE_COLUMN and columns[0] and columns[1] == "KES":
            told[columns[0]] = columns[_AVAILABLE_COLUMN]
    amounts = {name: balance_of(text) for name, text in told.items()}
    return {name: amount for name, amount in amounts.items() if amount is not None}
