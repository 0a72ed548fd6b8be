"""M-Pesa Express: the push that asks a payer for the PIN, and the query for its outcome."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator import answers, results
from hakika_simulator.clock import in_nairobi
from hakika_simulator.fields import json_body
from hakika_simulator.numbers import NOT_EXECUTED, Answer, Query, Telling, behaviour_of
from hakika_simulator.oauth import consumer_key_of
from hakika_simulator.orders import Order, read_credentials, read_order
from hakika_simulator.payments import Payment
from hakika_simulator.rates import MINUTE_SECONDS
from hakika_simulator.refusals import (
    WRONG_CREDENTIALS,
    being_processed,
    invalid_field,
    wrong_credentials,
)
from hakika_simulator.simulation import Simulation, simulation_of

QUERY_TOO_EARLY_SECONDS = 2.0
UNDER_PROCESSING_SECONDS = 60.0
QUERY_ACCEPTED = "The service request has been accepted successsfully"  # as spelt by Daraja


async def push(request: Request) -> Response:
    """POST /mpesa/stkpush/v1/processrequest: ask a payer to pay."""
    simulation = simulation_of(request)
    switches = simulation.switchboard.now
    if switches.push_outage is not None:
        await request.body()
        return answers.push_outage(switches.push_outage)
    consumer_key_of(request)
    order = read_order(
        await json_body(request),
        now=in_nairobi(simulation.clock.real_now()),
        production=simulation.settings.production,
    )
    if order.has_wrong_passkey and not switches.wrong_passkey_accepted:
        raise wrong_credentials()
    return await _execute(simulation, order)


async def query(request: Request) -> Response:
    """POST /mpesa/stkpushquery/v1/query: how did a push end?"""
    simulation = simulation_of(request)
    consumer_key = consumer_key_of(request)
    limit = simulation.switchboard.now.query_limit_per_minute
    now = simulation.clock.now()
    if limit is not None:
        turn = simulation.clock.seconds(MINUTE_SECONDS / limit)
        if not simulation.rates.admits(consumer_key, every_seconds=turn, now=now):
            return answers.spike_arrest()
    body = await json_body(request)
    shortcode, has_wrong_passkey = read_credentials(
        body, now=in_nairobi(simulation.clock.real_now())
    )
    if has_wrong_passkey and not simulation.switchboard.now.wrong_passkey_accepted:
        raise wrong_credentials()
    payment = simulation.payments.find(str(body.get("CheckoutRequestID")))
    too_early = now - simulation.clock.seconds(QUERY_TOO_EARLY_SECONDS)
    if payment is None or payment.shortcode != shortcode or payment.pushed_at > too_early:
        raise invalid_field("CheckoutRequestID")
    code, text = _outcome_told(simulation, payment, now)
    return JSONResponse(
        {
            "ResponseCode": "0",
            "ResponseDescription": QUERY_ACCEPTED,
            "MerchantRequestID": payment.merchant_request_id,
            "CheckoutRequestID": payment.checkout_request_id,
            "ResultCode": code,
            "ResultDesc": text,
        }
    )


async def _execute(simulation: Simulation, order: Order) -> Response:
    behaviour = behaviour_of(order.phone)
    answer = behaviour.answer
    if answer is Answer.STALE_TOKEN and order.phone in simulation.answered_stale:
        simulation.answered_stale.remove(order.phone)
        answer = Answer.ACK
    elif answer is Answer.STALE_TOKEN:
        simulation.answered_stale.add(order.phone)
    if answer in NOT_EXECUTED:
        return answers.answer_unexecuted(answer)
    payment = simulation.prompts.open(order)
    if payment.is_open and behaviour.telling is Telling.BEFORE_ANSWER:
        await simulation.prompts.end_and_tell(payment)
    return answers.answer_executed(answer, _ack(payment))


def _ack(payment: Payment) -> dict[str, str]:
    return {
        "MerchantRequestID": payment.merchant_request_id,
        "CheckoutRequestID": payment.checkout_request_id,
        "ResponseCode": "0",
        "ResponseDescription": answers.ACCEPTED,
        "CustomerMessage": answers.ACCEPTED,
    }


def _outcome_told(simulation: Simulation, payment: Payment, now: float) -> tuple[str, str]:
    """Return the code and text that a query answers, true or not.

    Raises:
        Refused: the push is still being processed, or so the query says.
    """
    match behaviour_of(payment.phone).query:
        case Query.UNDER_PROCESSING_FOR_A_MINUTE:
            if now < payment.pushed_at + simulation.clock.seconds(UNDER_PROCESSING_SECONDS):
                return results.STILL_PROCESSING, results.text_of(results.STILL_PROCESSING)
        case Query.PROCESSED_UNTIL_TOLD:
            if not simulation.callbacks.was_told(payment.checkout_request_id):
                raise being_processed()
        case Query.TRUE:
            pass
    if payment.is_open:
        raise being_processed()
    assert payment.result_code is not None
    if payment.is_paid and simulation.switchboard.now.query_denies_paid_push:
        return results.CANCELED, results.text_of(results.CANCELED)
    if payment.has_wrong_passkey:
        return results.STILL_PROCESSING, WRONG_CREDENTIALS
    return payment.result_code, results.text_of(payment.result_code)
