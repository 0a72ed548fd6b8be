"""Transaction Status and Account Balance on the wire: two questions, and their later answers.

Both are asked under an API operator's name and answered in a `Result` envelope, whose parameters
are a list, one object or nothing, and whose keys waver in case, spaces and number (daraja.md 5.8,
5.9 and 7.6, Daraja 3.0 portal). A result's code says whether the question was answered; what was
found is in its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from hakika.daraja.strict_json import Unreadable, object_at, read_json, text_at, word_at
from hakika.daraja.values import amount_of, balance_of, receipt_of, time_of
from hakika.daraja.wire import ACCEPTED_CODE
from hakika.domain.inquiry import StatusSaid
from hakika.domain.money import Money

STATUS_PATH = "/mpesa/transactionstatus/v1/query"
BALANCE_PATH = "/mpesa/accountbalance/v1/query"

DONE = "0"

_REMARKS = "Hakika asks"
_SHORTCODE_TYPE = "4"
_MORE_TO_COME = "1"     # ResultType (daraja.md 6.2)
_CURRENCY = "KES"
_COLUMNS_MIN = 3        # Name|Currency|Current, and more


@dataclass(frozen=True, slots=True)
class Operator:
    """The API operator under whose name is asked; the credential is its encrypted password."""

    name: str
    credential: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where M-Pesa answers. Both hold a token that a forger would need."""

    result_url: str = field(repr=False)
    timeout_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Question:
    """A request whose answer comes later. `secret` is in the body, and in no log."""

    path: str
    body: bytes = field(repr=False)
    secret: str = field(repr=False)


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


@dataclass(frozen=True, slots=True)
class Taken:
    """Daraja took a question and gave it ids. Nothing is answered yet."""

    conversation_id: str
    originator_conversation_id: str
    response_text: str


def read_taken(raw: bytes) -> Taken | None:
    """Return the ids of a question that Daraja took; None when it does not plainly say so."""
    try:
        fields = object_at(read_json(raw))
    except Unreadable:
        return None
    conversation_id = word_at(fields, "conversationid")
    is_error = text_at(fields, "errorcode")
    if text_at(fields, "responsecode") != ACCEPTED_CODE or is_error or not conversation_id:
        return None
    originator = word_at(
        fields, "originatorconversationid", "originatorcoversationid", "originatorconverstionid",
    )
    return Taken(conversation_id, originator, text_at(fields, "responsedescription"))


@dataclass(frozen=True, slots=True)
class Result:
    """A `Result` envelope. `items` are its parameters by folded key, each with all its values."""

    conversation_id: str
    code: str
    is_final: bool                 # False: M-Pesa will say more (T29)
    items: Mapping[str, Sequence[object]] = field(repr=False)


def read_result(raw: bytes) -> Result:
    """Return the result in `raw`. Store `raw` first: what cannot be read is still evidence.

    Raises:
        Unreadable: not the documented shape, or ambiguous.
    """
    fields = object_at(read_json(raw), "result")
    conversation_id, code = word_at(fields, "conversationid"), word_at(fields, "resultcode")
    if not conversation_id or not code:
        raise Unreadable("the result has no ConversationID or no ResultCode")
    listed = object_at(fields, "resultparameters").get("resultparameter")
    return Result(
        conversation_id, code, text_at(fields, "resulttype") != _MORE_TO_COME, _items(listed),
    )


def conversation_in(raw: bytes) -> str:
    """Return the ConversationID in a queue's notice, whose shape nobody documents, or ""."""
    try:
        value = read_json(raw)
    except Unreadable:
        return ""
    return word_at(object_at(value, "result") or object_at(value), "conversationid")


def read_status(result: Result) -> StatusSaid:
    """Return what a result says of a transaction.

    Raises:
        Unreadable: an amount in digits that no gateway writes.
    """
    debit, credit = _parties(result.items)
    return StatusSaid(
        status=_text(result, "transactionstatus"), receipt=receipt_of(_only(result, "receiptno")),
        amount=amount_of(_only(result, "amount")),
        happened_at=time_of(_only(result, "finalisedtime"))
        or time_of(_only(result, "initiatedtime")),
        reason_type=_text(result, "reasontype"), debit_party=debit, credit_party=credit,
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
    told = _text(result, "accountbalance").replace("&amp;", "&")
    accounts = [_account(each) for each in told.split("&")]
    if len({name for name, _ in accounts}) != len(accounts):
        raise Unreadable("the balance names an account twice")
    return Balances(accounts, time_of(_only(result, "bocompletedtime")))


def _account(text: str) -> tuple[str, Money]:
    name, *rest = (each.strip() for each in text.split("|"))
    amount = balance_of(rest[1]) if len(rest) >= _COLUMNS_MIN - 1 else None
    if not name or amount is None or rest[0] != _CURRENCY:
        raise Unreadable("the balance has an account that cannot be read")
    return name, amount


def _items(listed: object) -> Mapping[str, Sequence[object]]:
    items: dict[str, list[object]] = {}
    for each in listed if isinstance(listed, list) else [listed]:
        fields = object_at(each)
        key = "".join(text_at(fields, "key").split()).lower()
        if fields.get("value") is not None:
            items.setdefault(key, []).append(fields["value"])
    return items


def _only(result: Result, key: str) -> object:
    """Return the one value of a key; None when there is none, or several that differ."""
    values = result.items.get(key, ())
    return values[0] if values and all(each == values[0] for each in values) else None


def _text(result: Result, key: str) -> str:
    return _as_text(_only(result, key))


def _as_text(value: object) -> str:
    return text_at({"": value}, "")
