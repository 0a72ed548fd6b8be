"""Calls that are answered twice: an ack at once, and the result later at a ResultURL.

Transaction Status and Account Balance are such calls (daraja.md 5.8, 5.9, 6.2, 7.2). Every id is
fresh: the result bears those of its ack. What a QueueTimeOutURL gets is documented nowhere; here
it is a `Result` whose ResultType 1 says that more may come.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import JSONResponse, Response

from hakika_simulator import results
from hakika_simulator.callback_plans import PlannedCallback
from hakika_simulator.fields import SHORTCODE, Fields
from hakika_simulator.refusals import Refused
from hakika_simulator.simulation import Simulation

RESULT_SECONDS = 1.0
RESULT_AFTER_TIMEOUT_SECONDS = 5.0
NAME_LENGTH_MAX = 100
REMARKS_LENGTH_MAX = 100
CREDENTIAL_LENGTH_MAX = 1000
IDENTIFIER_TYPES = re.compile("[124]")
ACCEPTED = "Accept the service request successfully."
TIMEOUT_ADDRESS = "https://internalapi.safaricom.co.ke/mpesa/abresults/v1/submit"


@dataclass(frozen=True, slots=True)
class Question:
    """What both calls have in common."""

    initiator: str
    credential: str
    shortcode: str
    result_url: str
    timeout_url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A result's own part: a code, and the parameters if all went well."""

    code: str
    parameters: tuple[dict[str, Any], ...] = ()
    reference: dict[str, Any] | None = None
    text: str | None = None


def read_question(
    body: dict[str, Any], *, command: str, refuse: Callable[[str], Refused], production: bool
) -> Question:
    """Return what a body asks.

    Raises:
        Refused: a field is wrong; nothing was asked.
    """
    fields = Fields(body, refuse)
    initiator = fields.short("Initiator", NAME_LENGTH_MAX)
    credential = fields.short("SecurityCredential", CREDENTIAL_LENGTH_MAX)
    fields.text("CommandID", re.compile(command))
    shortcode = fields.text("PartyA", SHORTCODE)
    fields.text("IdentifierType", IDENTIFIER_TYPES)
    result_url = fields.url("ResultURL", production=production)
    timeout_url = fields.url("QueueTimeOutURL", production=production)
    fields.short("Remarks", REMARKS_LENGTH_MAX)
    return Question(initiator, credential, shortcode, result_url, timeout_url)


def converse(
    simulation: Simulation, question: Question, answer: Callable[[], Answer], *, in_strings: bool
) -> Response:
    """Acknowledge a question and have its result sent, a second from now.

    `answer` is asked only if the operator may ask. `in_strings` writes codes as JSON strings.
    """
    now = simulation.clock.now()
    originator_id = simulation.identifiers.gateway_request_id()
    conversation_id = simulation.identifiers.conversation_id(now)
    forced = simulation.switchboard.now.result_code
    with simulation.storage.transaction():
        checked = simulation.operators.check(question.initiator, question.credential)
        code = checked if checked != results.PAID or forced is None else forced
        found = answer() if code == results.PAID else Answer(code)
        envelope = {
            "ResultType": 0,
            "ResultCode": int(found.code) if found.code.isdigit() else found.code,
            "ResultDesc": found.text or results.text_of_operator_call(found.code),
            "OriginatorConversationID": originator_id,
            "ConversationID": conversation_id,
            "TransactionID": simulation.identifiers.placeholder_receipt(now),
        }
        if in_strings and found.code == results.PAID:
            envelope |= {"ResultType": "0", "ResultCode": "0"}
        told = PlannedCallback(
            checkout_request_id=conversation_id,
            url=question.result_url,
            body=_body(envelope, found, spaced=simulation.switchboard.now.result_keys_spaced),
            kind="result",
            due_at=now + simulation.clock.seconds(RESULT_SECONDS),
        )
        kept = simulation.callbacks.keep(_planned(simulation, question, told, envelope))
    simulation.callbacks.arm(kept)
    return JSONResponse(
        {
            "OriginatorConversationID": originator_id,
            "ConversationID": conversation_id,
            "ResponseCode": "0",
            "ResponseDescription": ACCEPTED,
        }
    )


def _planned(
    simulation: Simulation, question: Question, told: PlannedCallback, envelope: dict[str, Any]
) -> list[PlannedCallback]:
    switch = simulation.switchboard.now.queue_timeout
    if switch is None:
        return [told]
    waiting = envelope | {
        "ResultType": 1,
        "ResultCode": int(results.TRAFFIC_BLOCKED),
        "ResultDesc": results.text_of_operator_call(results.TRAFFIC_BLOCKED),
    }
    notice = replace(
        told,
        url=question.timeout_url,
        body=json.dumps({"Result": waiting}, separators=(",", ":")),
        kind="timeout",
    )
    if switch == "only":
        return [notice]
    later = told.due_at + simulation.clock.seconds(RESULT_AFTER_TIMEOUT_SECONDS)
    return [notice, replace(told, due_at=later)]


def _body(envelope: dict[str, Any], answer: Answer, *, spaced: bool) -> str:
    told = dict(envelope)
    if answer.parameters:
        listed = [_spaced(item) if spaced else item for item in answer.parameters]
        told["ResultParameters"] = {"ResultParameter": listed}
    told["ReferenceData"] = {
        "ReferenceItem": answer.reference
        or {"Key": "QueueTimeoutURL", "Value": TIMEOUT_ADDRESS}
    }
    return json.dumps({"Result": told}, separators=(",", ":"))


def _spaced(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item whose key is written in words, as older payloads have it."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", item["Key"])
    return item | {"Key": words}
