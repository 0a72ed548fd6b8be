"""Which callbacks an operator's call brings, to where and when. Pure: nothing is sent here.

`faults.py` says what may go wrong, `callbacks.py` sends what this module plans.
"""

from dataclasses import dataclass, replace

from hakika_simulator.callback_plans import (
    GAP_REAL_SECONDS_MIN,
    GAP_SECONDS,
    LATENESS_SECONDS,
    PlannedCallback,
)
from hakika_simulator.clock import Clock
from hakika_simulator.envelopes import Answer, Conversation, result_body, timeout_body
from hakika_simulator.faults import TELLINGS, Fault
from hakika_simulator.numbers import Telling
from hakika_simulator.switches import Switches

RESULT_SECONDS = 1.0
RESULT_AFTER_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a result says, and what a false one says instead or first, if there is one."""

    true: Answer
    false: Answer | None = None


def plan_notice(conversation: Conversation, fault: Fault, *, at: float) -> list[PlannedCallback]:
    """Return the callback to the QueueTimeOutURL, if there is one, due at `at`."""
    if fault.queue_timeout is None:
        return []
    return [
        PlannedCallback(
            checkout_request_id=conversation.conversation_id,
            url=conversation.timeout_url,
            body=timeout_body(conversation),
            kind="timeout",
            due_at=at,
        )
    ]


def plan_results(
    conversation: Conversation,
    told: Told,
    fault: Fault,
    switches: Switches,
    clock: Clock,
    *,
    at: float,
    luck: float,
) -> list[PlannedCallback]:
    """Return the callbacks to the ResultURL, the first due at `at`.

    `luck` from 0 to 1 decides whether it falls under the share that is never told.
    """
    telling = TELLINGS[fault.telling]
    is_lost = fault.queue_timeout == "only" or telling is Telling.NEVER
    if is_lost or luck * 100 < switches.results_off:
        return []
    result = PlannedCallback(
        checkout_request_id=conversation.conversation_id,
        url=conversation.result_url,
        body=_body(conversation, told.true, switches),
        kind="result",
        due_at=at + clock.seconds(LATENESS_SECONDS.get(telling, 0.0)),
    )
    if told.false is None:
        copies = 3 if telling is Telling.THRICE else 1
        return [result, *[replace(result, kind="duplicate")] * (copies - 1)]
    false = replace(result, body=_body(conversation, told.false, switches), kind="failure")
    if telling is not Telling.AFTER_A_FAILURE:
        return [false]
    gap = max(clock.seconds(GAP_SECONDS), GAP_REAL_SECONDS_MIN)
    return [false, replace(result, due_at=result.due_at + gap)]


def _body(conversation: Conversation, answer: Answer, switches: Switches) -> str:
    return result_body(conversation, answer, spaced=switches.result_keys_spaced)
