"""What every request in an operator's name shares on the wire, whatever it asks or orders.

It is taken at once, with ids, and answered later in a `Result` envelope, whose parameters are a
list, one object or nothing, and whose keys waver in case, spaces and number (daraja.md 5.4 to 5.10
and 7.6, Daraja 3.0 portal). Questions are in `inquiries.py`, orders in `payouts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hakika.daraja.strict_json import Unreadable, object_at, read_json, text_at, word_at
from hakika.daraja.wire import ACCEPTED_CODE

DONE = "0"

_MORE_TO_COME = "1"     # ResultType (daraja.md 6.2)
_ORIGINATOR = (
    "originatorconversationid", "originatorcoversationid", "originatorconverstionid",
)


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


@dataclass(frozen=True, slots=True)
class Taken:
    """Daraja took a request and gave it ids. Nothing is answered yet, and no money has moved."""

    conversation_id: str
    originator_conversation_id: str
    response_text: str
    raw: bytes = field(repr=False)


def read_taken(raw: bytes) -> Taken | None:
    """Return the ids of a request that Daraja took; None when it does not plainly say so."""
    try:
        fields = object_at(read_json(raw))
    except Unreadable:
        return None
    conversation_id = word_at(fields, "conversationid")
    is_error = text_at(fields, "errorcode")
    if text_at(fields, "responsecode") != ACCEPTED_CODE or is_error or not conversation_id:
        return None
    return Taken(
        conversation_id, word_at(fields, *_ORIGINATOR), text_at(fields, "responsedescription"), raw,
    )


@dataclass(frozen=True, slots=True)
class Ids:
    """The two ids of a request, as far as they are told: "" for none."""

    conversation_id: str = ""
    originator_conversation_id: str = ""


_WHOLE_ID = re.compile(rb'"ConversationID"\s*:\s*"(AG_[0-9A-Za-z_]{1,61})"')
_WHOLE_ORIGINATOR = re.compile(rb'"OriginatorConversationID"\s*:\s*"([0-9A-Za-z_-]{1,64})"')


def ids_in(raw: bytes) -> Ids:
    """Return the ids in an answer of any kind, even one that is cut or cannot be read.

    With them a status query can still find out what became of an order.
    """
    try:
        fields = object_at(read_json(raw))
    except Unreadable:
        return Ids(_only_one(_WHOLE_ID, raw), _only_one(_WHOLE_ORIGINATOR, raw))
    return Ids(word_at(fields, "conversationid"), word_at(fields, *_ORIGINATOR))


def _only_one(pattern: re.Pattern[bytes], raw: bytes) -> str:
    found = set(pattern.findall(raw))
    return found.pop().decode() if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class Result:
    """A `Result` envelope. `items` are its parameters by folded key, each with all its values."""

    conversation_id: str
    originator_conversation_id: str
    code: str
    is_final: bool                 # False: M-Pesa will say more (T29)
    transaction_id: str            # proves nothing: failures carry one too (T27)
    items: Mapping[str, Sequence[object]] = field(repr=False)

    def value(self, *keys: str) -> object:
        """Return the one value of these keys; None when there is none, or several that differ."""
        values = [value for key in keys for value in self.items.get(key, ())]
        return values[0] if values and all(each == values[0] for each in values) else None

    def text(self, *keys: str) -> str:
        """Return the one value of these keys as a printable line, or ""."""
        return text_at({"": self.value(*keys)}, "")


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
        conversation_id=conversation_id,
        originator_conversation_id=word_at(fields, *_ORIGINATOR),
        code=code,
        is_final=text_at(fields, "resulttype") != _MORE_TO_COME,
        transaction_id=word_at(fields, "transactionid"),
        items=_items(listed),
    )


def conversation_in(raw: bytes) -> str:
    """Return the ConversationID in a queue's notice, whose shape nobody documents, or ""."""
    try:
        value = read_json(raw)
    except Unreadable:
        return ""
    return word_at(object_at(value, "result") or object_at(value), "conversationid")


def _items(listed: object) -> Mapping[str, Sequence[object]]:
    items: dict[str, list[object]] = {}
    for each in listed if isinstance(listed, list) else [listed]:
        fields = object_at(each)
        key = "".join(text_at(fields, "key").split()).lower()
        if fields.get("value") is not None:
            items.setdefault(key, []).append(fields["value"])
    return items
