"""What ResultURLs and QueueTimeOutURLs get to read: one envelope for every operator's call.

Source: daraja.md 6.2. What a QueueTimeOutURL gets is documented nowhere; here it is a `Result`
whose ResultType 1 says that more may come.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from hakika_simulator import results

TIMEOUT_ADDRESS = "https://internalapi.safaricom.co.ke/mpesa/abresults/v1/submit"
TIMEOUT_ITEM = {"Key": "QueueTimeoutURL", "Value": TIMEOUT_ADDRESS}

Items = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One call: the ids that its result bears, and where its result goes."""

    conversation_id: str
    originator_id: str
    result_url: str
    timeout_url: str
    placeholder: str  # the TransactionID of a result that has no receipt


@dataclass(frozen=True, slots=True)
class Answer:
    """A result's own part: a code, and what comes with it.

    A single dict instead of a tuple makes a lone object of what else is a list.
    """

    code: str
    parameters: Items | dict[str, Any] = ()
    reference: Items | dict[str, Any] = ()
    text: str | None = None
    transaction_id: str | None = None
    in_strings: bool = False  # codes as JSON strings


def result_body(conversation: Conversation, answer: Answer, *, spaced: bool) -> str:
    """Return a result; `spaced` writes parameters' keys in words, as older payloads have them."""
    code = answer.code
    told = _envelope(conversation) | {
        "ResultType": "0" if answer.in_strings else 0,
        "ResultCode": int(code) if code.isdigit() and not answer.in_strings else code,
        "ResultDesc": answer.text or results.text_of_operator_call(code),
        "TransactionID": answer.transaction_id or conversation.placeholder,
    }
    if answer.parameters:
        told["ResultParameters"] = {"ResultParameter": _listed(answer.parameters, spaced=spaced)}
    told["ReferenceData"] = {
        "ReferenceItem": _listed(answer.reference or TIMEOUT_ITEM, spaced=False)
    }
    return _written(told)


def timeout_body(conversation: Conversation) -> str:
    """Return the notice that a call waits in a queue for too long."""
    code = results.TRAFFIC_BLOCKED
    told = _envelope(conversation) | {
        "ResultType": 1,
        "ResultCode": int(code),
        "ResultDesc": results.text_of_operator_call(code),
    }
    return _written(told)


def _envelope(conversation: Conversation) -> dict[str, Any]:
    return {
        "ResultType": 0,
        "ResultCode": 0,
        "ResultDesc": "",
        "OriginatorConversationID": conversation.originator_id,
        "ConversationID": conversation.conversation_id,
        "TransactionID": conversation.placeholder,
    }


def _listed(items: Items | dict[str, Any], *, spaced: bool) -> Any:
    if isinstance(items, dict):
        return _spaced(items) if spaced else items
    return [_spaced(item) if spaced else item for item in items]


def _spaced(item: dict[str, Any]) -> dict[str, Any]:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", item["Key"])
    return item | {"Key": words}


def _written(told: dict[str, Any]) -> str:
    return json.dumps({"Result": told}, separators=(",", ":"))
