"""The test's own API under /_simulator/: look at the truth, play the payer, turn switches."""

from dataclasses import asdict, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator.asked import Misasked, body_of, moment_asked, number_from_text, phone_from
from hakika_simulator.callback_plans import PlannedCallback, forged_callback, genuine_callback
from hakika_simulator.callbacks import Reply
from hakika_simulator.clock import in_nairobi
from hakika_simulator.outages import CALLBACKS as OUTAGE_CALLBACKS
from hakika_simulator.outages import MODES as OUTAGE_MODES
from hakika_simulator.outages import Outage
from hakika_simulator.payments import Payment
from hakika_simulator.prompts import NoPrompt, PinUnreadable
from hakika_simulator.simulation import simulation_of
from hakika_simulator.switches import SwitchUnknown
from hakika_simulator.truth import truth
from hakika_simulator.wallets import TreasuryTooSmall

REPEATS_MAX = 100
CALLBACKS_LISTED = 1000


async def health(_: Request) -> Response:
    """GET /healthz."""
    return JSONResponse({"status": "ok"})


async def show_truth(request: Request) -> Response:
    """GET /_simulator/truth, filtered by ?checkout_request_id=, ?phone= and ?since=."""
    wanted = request.query_params
    return JSONResponse(
        truth(
            simulation_of(request),
            checkout_request_id=wanted.get("checkout_request_id"),
            phone=phone_from(wanted["phone"]) if "phone" in wanted else None,
            since=number_from_text(wanted["since"]) if "since" in wanted else None,
        )
    )


async def show_settled(request: Request) -> Response:
    """GET /_simulator/settled: all are 0 once nothing will happen by itself any more."""
    simulation = simulation_of(request)
    return JSONResponse(
        {
            "open_prompts": simulation.payments.count_open(),
            "open_c2b": simulation.arrivals.count_waiting(),
            "open_instructions": simulation.instructions.count_open(),
            "pending_callbacks": simulation.callbacks.count_pending(),
        }
    )


async def enter_pin(request: Request) -> Response:
    """POST /_simulator/phone/{number}/pin with {"pin": "1234"}."""
    phone = phone_from(request.path_params["number"])
    pin = (await body_of(request)).get("pin")
    try:
        payment = simulation_of(request).prompts.enter_pin(phone, str(pin))
    except PinUnreadable as problem:
        raise Misasked(422, str(problem)) from problem
    except NoPrompt as problem:
        raise Misasked(409, str(problem)) from problem
    return JSONResponse(_outcome(payment))


async def cancel(request: Request) -> Response:
    """POST /_simulator/phone/{number}/cancel."""
    try:
        payment = simulation_of(request).prompts.cancel(phone_from(request.path_params["number"]))
    except NoPrompt as problem:
        raise Misasked(409, str(problem)) from problem
    return JSONResponse(_outcome(payment))


async def unlock(request: Request) -> Response:
    """POST /_simulator/phone/{number}/unlock: forget wrong PINs."""
    phone = phone_from(request.path_params["number"])
    simulation_of(request).wallets.forget_wrong_pins(phone)
    return JSONResponse({"phone": phone})


async def set_balance(request: Request) -> Response:
    """POST /_simulator/wallets/{number} with {"balance_cents": …}; the treasury balances it."""
    simulation = simulation_of(request)
    phone = phone_from(request.path_params["number"])
    cents = (await body_of(request)).get("balance_cents")
    if type(cents) is not int or cents < 0:
        raise Misasked(422, "balance_cents must be a whole number, 0 or more")
    try:
        with simulation.storage.transaction():
            simulation.wallets.set_balance(phone, cents)
    except TreasuryTooSmall as problem:
        raise Misasked(422, str(problem)) from problem
    return JSONResponse({"phone": phone, "balance_cents": cents})


async def show_clock(request: Request) -> Response:
    """GET /_simulator/clock: M-Pesa's time, and how far it is ahead of real time."""
    clock = simulation_of(request).clock
    return JSONResponse(
        {
            "now": clock.now(),
            "nairobi": in_nairobi(clock.now()).isoformat(timespec="seconds"),
            "ahead_seconds": clock.ahead_seconds,
        }
    )


async def set_clock(request: Request) -> Response:
    """PUT /_simulator/clock with {"now": …}, {"forward_seconds": …}, or {} for real time."""
    simulation = simulation_of(request)
    body = await body_of(request)
    if "now" in body:
        simulation.set_clock(moment_asked(body["now"], "now"))
    elif "forward_seconds" in body:
        forward = number_from_text(str(body["forward_seconds"]))
        simulation.set_clock(simulation.clock.now() + forward)
    else:
        simulation.set_clock(simulation.clock.real_now())
    return await show_clock(request)


async def show_switches(request: Request) -> Response:
    """GET /_simulator/switches."""
    return JSONResponse(asdict(simulation_of(request).switchboard.now))


async def turn_switches(request: Request) -> Response:
    """PUT /_simulator/switches: those named change, the others stay."""
    switchboard = simulation_of(request).switchboard
    try:
        switchboard.turn(switchboard.now.changed(await body_of(request)))
    except SwitchUnknown as problem:
        raise Misasked(422, str(problem)) from problem
    return await show_switches(request)


async def show_callbacks(request: Request) -> Response:
    """GET /_simulator/callbacks: those sent, newest first, from ?since= and up to ?limit=."""
    wanted = request.query_params
    limit = int(number_from_text(wanted.get("limit", str(CALLBACKS_LISTED))))
    since = number_from_text(wanted.get("since", "0"))
    sent = simulation_of(request).callbacks.sent(since=since, limit=limit)
    return JSONResponse({"callbacks": sent})


async def repeat_callback(request: Request) -> Response:
    """POST /_simulator/callbacks/{id}/repeat with {"times": n}, all at once.

    The id is a push's checkout request id, the receipt of a confirmation, or the conversation id
    of a result: each is sent again as it was.
    """
    simulation = simulation_of(request)
    told_id = request.path_params["told_id"]
    times = (await body_of(request)).get("times", 1)
    if type(times) is not int or not 1 <= times <= REPEATS_MAX:
        raise Misasked(422, f"times must be from 1 to {REPEATS_MAX}")
    payment = simulation.payments.find(told_id)
    if payment is None:
        told = simulation.callbacks.last_about(told_id)
    elif payment.is_open:
        raise Misasked(409, "the push is still open: there is nothing to tell yet")
    else:
        told = genuine_callback(payment, simulation.switchboard.now, at=simulation.clock.now())
    if told is None:
        raise Misasked(404, f"nothing was told about {told_id}")
    return await _sent_now(request, [replace(told, kind="duplicate")] * times)


async def forge_callback(request: Request) -> Response:
    """POST /_simulator/forge with checkout_request_id, callback_url, or both.

    The forgery tells of success with a receipt that M-Pesa never gave. It goes to the push's own
    URL unless `callback_url` names another; without a push, it names one that never was.
    """
    simulation = simulation_of(request)
    body = await body_of(request)
    now = simulation.clock.now()
    if "checkout_request_id" in body:
        payment = _payment(request, str(body["checkout_request_id"]))
    else:
        payment = _payment_that_never_was(now)
    url = body.get("callback_url", payment.callback_url)
    if not isinstance(url, str) or not url:
        raise Misasked(422, "name a checkout_request_id or a callback_url")
    return await _sent_now(request, [forged_callback(payment, url, at=now)])


async def begin_outage(request: Request) -> Response:
    """POST /_simulator/outage with {"seconds", "mode", "callbacks"}: Daraja is away from now on.

    For `seconds` (told ones), or until it is ended if there are none. `mode` is refuse (a reset)
    or 503html; `callbacks` that fall due are lost (drop) or sent at the end (flush).
    """
    simulation = simulation_of(request)
    body = await body_of(request)
    mode, callbacks = body.get("mode", "refuse"), body.get("callbacks", "drop")
    if mode not in OUTAGE_MODES or callbacks not in OUTAGE_CALLBACKS:
        raise Misasked(422, "mode is refuse or 503html, callbacks is drop or flush")
    told = body.get("seconds")
    seconds = None if told is None else simulation.clock.seconds(number_from_text(str(told)))
    simulation.outages.begin(Outage(mode, callbacks), real_seconds=seconds)
    return JSONResponse({})


async def end_outage(request: Request) -> Response:
    """DELETE /_simulator/outage: Daraja is back, if it was away."""
    simulation_of(request).outages.end()
    return JSONResponse({})


async def show_certificate(request: Request) -> Response:
    """GET /_simulator/certificate: what operators' passwords are to be encrypted with, as PEM."""
    certificate = simulation_of(request).operators.certificate()
    return Response(certificate, media_type="application/x-pem-file")


async def put_operator(request: Request) -> Response:
    """PUT /_simulator/operators/{name} with {"password": …}: new, or with a new password."""
    password = (await body_of(request)).get("password")
    if not isinstance(password, str) or not password:
        raise Misasked(422, "password must be a text")
    simulation_of(request).operators.put(request.path_params["name"], password)
    return JSONResponse({})


async def unlock_operator(request: Request) -> Response:
    """POST /_simulator/operators/{name}/unlock: forget wrong passwords."""
    name = request.path_params["name"]
    if not simulation_of(request).operators.unlock(name):
        raise Misasked(404, f"there is no operator {name}")
    return JSONResponse({})


async def expire_tokens(request: Request) -> Response:
    """POST /_simulator/tokens/expire: every token is stale from now on."""
    simulation_of(request).tokens.expire_all()
    return JSONResponse({})


async def reset(request: Request) -> Response:
    """POST /_simulator/reset: no pushes, no messages, all money back, switches as at the start."""
    simulation_of(request).reset()
    return JSONResponse({})


async def _sent_now(request: Request, planned: list[PlannedCallback]) -> Response:
    replies = await simulation_of(request).callbacks.send_now(planned)
    return JSONResponse({"callbacks": [_reply_told(reply) for reply in replies]})


def _reply_told(reply: Reply) -> dict[str, Any]:
    return {"status": reply.status, "problem": reply.problem}


def _outcome(payment: Payment) -> dict[str, Any]:
    return {
        "checkout_request_id": payment.checkout_request_id,
        "state": payment.state,
        "result_code": payment.result_code,
        "receipt": payment.receipt,
    }


def _payment(request: Request, checkout_request_id: str) -> Payment:
    payment = simulation_of(request).payments.find(checkout_request_id)
    if payment is None:
        raise Misasked(404, f"no push has the id {checkout_request_id}")
    return payment


def _payment_that_never_was(now: float) -> Payment:
    return Payment(
        checkout_request_id="ws_CO_01012026000000000700000000",
        merchant_request_id="0000-4000-9000-0000000000000000",
        shortcode="174379",
        receiver="174379",
        phone="254700000000",
        ordered_cents=100,
        amount_cents=100,
        account_reference="FORGED",
        callback_url="",
        asks_payer=False,
        pushed_at=now,
        due_at=now,
        due_code="0",
        state="open",
        result_code=None,
        receipt=None,
        finished_at=None,
    )
