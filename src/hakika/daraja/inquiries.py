"""Transaction Status and Account Balance on the wire: two questions, and their later answers.

Both are asked under an API operator's name and answered in a `Result` envelope (`envelopes.py`;
daraja.md 5.8 and 5.9, Daraja 3.0 portal). A result's code says whether the question was answered;
what was found is in its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from hakika.daraja.envelopes import (
    DONE,
    Addresses,
    Operator,
    Question,
    Result,
    Taken,
    conversation_in,
    read_result,
    read_taken,
)
from hakika.daraja.strict_json import Unreadable, text_at
from hakika.daraja.values import amount_of, balance_of, receipt_of, time_of
from hakika.domain.inquiry import StatusSaid
from hakika.domain.money import Money

__all__ = [
    "DONE", "Addresses", "Balances", "Operator", "Question", "Result", "Taken", "balance_question",
    "conversation_in", "read_balances", "read_result", "read_status", "read_taken",
    "status_question",
]

STATUS_PATH = "/mpesa/transactionstatus/v1/query"
BALANCE_PATH = "/mpesa/accountbalance/v1/query"

_REMARKS = "Hakika asks"
_SHORTCODE_TYPE = "4"
_CURRENCY = "KES"
_COLUMNS_MIN = 3        # Name|Currency|Current, and more


def status_question(
    shortcode: str, operator: Operator, addresses: Addresses, *, receipt: str = "",
    conversation_id: str = "",
) -> Question:
    """Return the question what became of a receipt, or of the order with a conversation id.

    The id goes under its old name and its new one: M-Pesa ignores what it does not know.
    """
    about = {"TransactionID": receipt} if receipt else {
        "OriginalConversationID": conversation_id, "OriginatorConversationID": conversation_id,
    }
    return _question(STATUS_PATH, "TransactionStatusQuery", shortcode, operator, addresses, about)


def balance_question(shortcode: str, operator: Operator, addresses: Addresses) -> Question:
    """Return the question what lies on every account of a short code."""
    return _question(BALANCE_PATH, "AccountBalance", shortcode, operator, addresses, {})


def _question(
    path: str, command: str, shortcode: str, operator: Operator, addresses: Addresses,
    about: Mapping[str, str],
) -> Question:
    body = orjson.dumps({
        "Initiator": operator.name, "SecurityCredential": operator.credential,
        "CommandID": command, "PartyA": shortcode, "IdentifierType": _SHORTCODE_TYPE,
        "ResultURL": addresses.result_url, "QueueTimeOutURL": addresses.timeout_url,
        "Remarks": _REMARKS, **about,
    })
    return Question(path, body, operator.credential)


def read_status(result: Result) -> StatusSaid:
    """Return what a result says of a transaction.

    Raises:
        Unreadable: an amount in digits that no gateway writes.
    """
    debit, credit = _parties(result.items)
    return StatusSaid(
        status=result.text("transactionstatus"), receipt=receipt_of(result.value("receiptno")),
        amount=amount_of(result.value("amount")),
        happened_at=time_of(result.value("finalisedtime"))
        or time_of(result.value("initiatedtime")),
        reason_type=result.text("reasontype"),
        originator_conversation_id=result.text("originatorconversationid"),
        conversation_id=result.text("conversationid"), debit_party=debit, credit_party=credit,
    )


def _parties(items: Mapping[str, Sequence[object]]) -> tuple[str, str]:
    """Return who gave and who got. In Safaricom's own sample both go by the giver's key. (T24)"""
    debits, credits_ = items.get("debitpartyname", ()), items.get("creditpartyname", ())
    match len(debits), len(credits_):
        case 1, 1:
            return _as_text(debits[0]), _as_text(credits_[0])
        case 2, 0:
            return _as_text(debits[0]), _as_text(debits[1])
        case _:
            return "", ""


@dataclass(frozen=True, slots=True)
class Balances:
    """What M-Pesa says lies on each account, by its own names."""

    accounts: Sequence[tuple[str, Money]]
    completed_at: datetime | None             # UTC, by M-Pesa's clock


def read_balances(result: Result) -> Balances:
    """Return the accounts of a balance answer, "Working Account|KES|700000.00|…&Utility Account|…".

    Raises:
        Unreadable: no account can be read, or one that cannot stands among them: half a balance
            would look like a loss.
    """
    told = result.text("accountbalance").replace("&amp;", "&")
    accounts = [_account(each) for each in told.split("&")]
    if len({name for name, _ in accounts}) != len(accounts):
        raise Unreadable("the balance names an account twice")
    return Balances(accounts, time_of(result.value("bocompletedtime")))


def _account(text: str) -> tuple[str, Money]:
    name, *rest = (each.strip() for each in text.split("|"))
    amount = balance_of(rest[1]) if len(rest) >= _COLUMNS_MIN - 1 else None
    if not name or amount is None or rest[0] != _CURRENCY:
        raise Unreadable("the balance has an account that cannot be read")
    return name, amount


def _as_text(value: object) -> str:
    return text_at({"": value}, "")
