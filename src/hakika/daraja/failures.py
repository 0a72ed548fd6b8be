"""What an answer means that is no acceptance: refused, unreachable, duplicate or silent.

`failure` is for a push and for questions, `order_failure` for money that goes out, where a second
order is a second payment: there only what the gateway itself refused was not done. Both first read
`error_of`. Codes and texts are in `answers.py`.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from hakika.daraja import words
from hakika.daraja.answers import (
    B2C_V3_NOT_ALLOWED,
    GATEWAY_FAMILIES,
    THROTTLED_SECONDS,
    UNREADABLE_ANSWER,
    AnswerClass,
    AnswerError,
    answer_error,
)
from hakika.daraja.envelopes import Taken, ids_in, read_taken
from hakika.daraja.errors import DarajaDuplicate, DarajaRefused, DarajaSilent, DarajaUnreachable
from hakika.daraja.payouts import B2C_V3_PATH
from hakika.daraja.strict_json import Unreadable
from hakika.daraja.transport import Answer
from hakika.daraja.wire import ACCEPTED_CODE, StkAck, checkout_request_id_in, read_answer
from hakika.domain.fact import Reason

# A connection that could not be made is tried again soon: nothing hangs on it.
UNREACHABLE_SECONDS = 5


def taken(answer: Answer) -> Taken | None:
    """Return the ids of a question or an order that Daraja plainly took, else None."""
    return read_taken(answer.body) if answer.is_success and answer.complete else None


def failure(answer: Answer) -> DarajaRefused | DarajaUnreachable | DarajaSilent:
    """Return what an answer to a push or a question means that is no acceptance."""
    error = error_of(answer)
    match error.kind:
        case AnswerClass.REFUSED | AnswerClass.AUTH | AnswerClass.BUSY_SUBSCRIBER:
            return DarajaRefused(error.reason(), answer.status, answer.body)
        case AnswerClass.THROTTLED:
            return DarajaUnreachable(
                error.reason(), wait(answer, error), answer.body, rest_seconds=_rest(answer, error),
            )
        case _:
            return _silent(answer, error)


def order_failure(
    answer: Answer, path: str,
) -> DarajaRefused | DarajaUnreachable | DarajaDuplicate | DarajaSilent:
    """Return what an answer to an order of money means that is no acceptance (daraja.md 4.2)."""
    error = error_of(answer)
    if read(answer).response_code == ACCEPTED_CODE:
        error = UNREADABLE_ANSWER  # it says yes, and whatever else it says is no plain no
    match error.kind:
        case AnswerClass.REFUSED | AnswerClass.AUTH if _is_of_the_gateway(answer, error):
            reason = _of_order(error, path).reason()
            return DarajaRefused(reason, answer.status, answer.body)
        case AnswerClass.THROTTLED:
            return DarajaUnreachable(
                error.reason(), wait(answer, error), answer.body, rest_seconds=_rest(answer, error),
            )
        case AnswerClass.DUPLICATE:
            return DarajaDuplicate(error.reason(), answer.status, answer.body)
        case _:
            return _silent(answer, error)


def _is_of_the_gateway(answer: Answer, error: AnswerError) -> bool:
    """Say whether M-Pesa never saw the order. What a 500 may mean of one, nobody has written."""
    is_client_error = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return (answer.is_success or is_client_error) and (
        error.kind is AnswerClass.AUTH or error.daraja_code.startswith(GATEWAY_FAMILIES)
    )


def _of_order(error: AnswerError, path: str) -> AnswerError:
    """Return a refusal in the words of an order: the table's are about a payment."""
    if path == B2C_V3_PATH and error.daraja_code == B2C_V3_NOT_ALLOWED.daraja_code:
        return B2C_V3_NOT_ALLOWED
    return replace(error, words=words.NOT_SENT)


def _silent(answer: Answer, error: AnswerError) -> DarajaSilent:
    ids = ids_in(answer.body)
    return DarajaSilent(
        answer.body, note=f"{error.code} (HTTP {answer.status})",
        conversation_id=ids.conversation_id,
        originator_conversation_id=ids.originator_conversation_id,
        retry_after_seconds=wait(answer, error) if error.kind is AnswerClass.BUSY else 0,
        rest_seconds=_rest(answer, error),
    )


def error_of(answer: Answer) -> AnswerError:
    """Return what an answer means as an error. A 2xx that is no error is UNKNOWN here."""
    ack = read(answer)
    if ack.checkout_request_id or ids_in(answer.body).conversation_id:
        return UNREADABLE_ANSWER  # M-Pesa knows it: then it is no refusal, whatever it says
    return answer_error(ack.error_code, ack.error_text, answer.status)


def read(answer: Answer) -> StkAck:
    """Return the answer's fields; of one that cannot be read, at most the id that it holds."""
    if answer.complete:
        try:
            return read_answer(answer.body)
        except Unreadable:
            pass  # an HTML page, nothing, half an answer: judged by its status below
    return StkAck(checkout_request_id=checkout_request_id_in(answer.body))


def wait(answer: Answer, error: AnswerError) -> int:
    """Return how long to wait in seconds: what the gateway asks for, or the table's usual."""
    return answer.retry_after_seconds or error.retry_after_seconds or THROTTLED_SECONDS


def _rest(answer: Answer, error: AnswerError) -> int | None:
    """Return how long the gateway wants to be left alone; 0: it does not say; None: no matter.

    A spike is over as soon as fewer come; a quota has to be waited for.
    """
    if error.kind not in {AnswerClass.THROTTLED, AnswerClass.BUSY}:
        return None
    is_quota = error.retry_after_seconds > THROTTLED_SECONDS
    return answer.retry_after_seconds or (error.retry_after_seconds if is_quota else 0)


def unreachable(what: str) -> DarajaUnreachable:
    """Return the failure of a request that never left, for want of `what`."""
    return DarajaUnreachable(
        unheard("daraja_unreachable", what, said=words.NOT_STARTED_RETRY), UNREACHABLE_SECONDS,
    )


def unheard(code: str, what: str, *, said: words.Words = words.CHECKING) -> Reason:
    """Return the reason of a request that Daraja did not answer."""
    return Reason(
        code=code,
        daraja_code="",
        developer_message=f"Daraja gave no answer: {what}.",
        payer_message=said.en,
        payer_message_sw=said.sw,
    )
