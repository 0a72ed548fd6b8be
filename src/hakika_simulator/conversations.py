"""Calls that are answered twice: an ack at once, and the result later at a ResultURL.

All calls under an operator's name are such: here are those that ask something (Transaction
Status, Account Balance; daraja.md 5.8, 5.9), and what they share with those that move money
(`commands.py`): the limit on their rate, and the ack. Every id is fresh: the result bears those
of its ack.
"""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hakika_simulator import answers, results
from hakika_simulator.envelopes import Answer, Conversation
from hakika_simulator.faults import ANSWERS, NO_FAULT, Fault
from hakika_simulator.fields import json_body
from hakika_simulator.numbers import NOT_EXECUTED
from hakika_simulator.numbers import Answer as Reaction
from hakika_simulator.oauth import consumer_key_of
from hakika_simulator.questions import Question
from hakika_simulator.refusals import Refused, TooFast, spike_arrested
from hakika_simulator.result_plans import (
    RESULT_AFTER_TIMEOUT_SECONDS,
    RESULT_SECONDS,
    Told,
    plan_notice,
    plan_results,
)
from hakika_simulator.simulation import Simulation, simulation_of

ACCEPTED = "Accept the service request successfully."


async def body_from(request: Request, api: str, stale: Callable[[], Refused]) -> dict[str, Any]:
    """Return the body of an operator's call, if its app may call now.

    Raises:
        Refused: its token is no good, or it calls too fast.
        TooFast: the same, to be answered 429.
    """
    simulation = simulation_of(request)
    app = consumer_key_of(request, stale)
    body = await json_body(request)
    switches = simulation.switchboard.now
    if switches.calls_per_second is None:
        return body
    per_second, burst = switches.calls_per_second, switches.calls_burst
    now = simulation.clock.real_now()
    if simulation.call_rates.admits(app, api, per_second=per_second, burst=burst, now=now):
        return body
    if switches.spike_answer == "429":
        raise TooFast(per_second=per_second, burst=burst)
    raise spike_arrested()


async def converse(
    simulation: Simulation,
    api: str,
    question: Question,
    answer: Callable[[], Answer],
    *,
    originator_id: str | None = None,
) -> Response:
    """Acknowledge a question and have its result sent, a second from now.

    `answer` is asked only if the operator may ask. An `originator_id` takes the place of a fresh
    one.
    """
    now = simulation.clock.now()
    fault = simulation.faults.planned(api, None) or NO_FAULT
    fault = fault.filled_by(simulation.switchboard.now)
    conversation = Conversation(
        conversation_id=simulation.identifiers.conversation_id(now),
        originator_id=originator_id or simulation.identifiers.gateway_request_id(),
        result_url=question.result_url,
        timeout_url=question.timeout_url,
        placeholder=simulation.identifiers.placeholder_receipt(now),
    )
    if fault.is_accepted:
        with simulation.storage.transaction():
            checked = simulation.operators.check(question.initiator, question.credential)
            if checked == results.PAID:
                forced = fault.result_code
                told = Told(answer(), None if forced is None else Answer(forced))
            else:
                told = Told(Answer(checked))
            kept = simulation.callbacks.keep(_plan(simulation, conversation, told, fault, now))
        if fault.is_told_before_answer:
            await simulation.callbacks.wait_for(kept)
        else:
            simulation.callbacks.arm(kept)
    return acknowledge(simulation, fault, conversation.conversation_id, conversation.originator_id)


def acknowledge(
    simulation: Simulation, fault: Fault, conversation_id: str, originator_id: str
) -> Response:
    """Return what the caller gets to read, whatever became of the call.

    Raises:
        Refused: a refusal is what the fault has the caller read.
    """
    ack = {
        "ConversationID": conversation_id,
        "OriginatorConversationID": originator_id,
        "ResponseCode": "0",
        "ResponseDescription": ACCEPTED,
    }
    reaction = ANSWERS[fault.answer]
    luck = simulation.identifiers.chance(f"answer {conversation_id}")
    if reaction is Reaction.ACK and luck * 100 < simulation.switchboard.now.answers_off:
        reaction = Reaction.RESET
    if reaction in NOT_EXECUTED:
        return answers.answer_unexecuted(reaction)
    return answers.answer_executed(reaction, ack)


def _plan(
    simulation: Simulation, conversation: Conversation, told: Told, fault: Fault, now: float
) -> list[Any]:
    clock = simulation.clock
    at = now + clock.seconds(RESULT_SECONDS if fault.seconds is None else fault.seconds)
    queued = RESULT_AFTER_TIMEOUT_SECONDS if fault.queue_timeout is not None else 0.0
    planned = plan_results(
        conversation,
        told,
        fault,
        simulation.switchboard.now,
        clock,
        at=at + clock.seconds(queued),
        luck=simulation.identifiers.chance(f"result {conversation.conversation_id}"),
    )
    return plan_notice(conversation, fault, at=at) + planned
