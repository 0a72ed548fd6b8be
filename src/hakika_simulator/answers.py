"""HTTP answers as Daraja gives them on good and bad days (daraja.md 4.1, shapes E1 to E8)."""

import asyncio
import json
import socket
import struct

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from hakika_simulator.numbers import Answer
from hakika_simulator.outages import Outage
from hakika_simulator.refusals import (
    Refused,
    TooFast,
    failed,
    internal_error,
    invalid_field,
    invalid_token,
)
from hakika_simulator.server import transport_of
from hakika_simulator.simulation import simulation_of

HANG_SECONDS = 90.0  # real seconds: a client's patience does not run faster
HUGE_BYTES = 10 * 1024 * 1024
ENVELOPE = {
    "Envelope": {
        "Body": {
            "Fault": {
                "faultcode": "soap:Server",
                "faultstring": "Execution of ServiceCallout SC-SearchURL failed. Reason:"
                " ResponseCode 503 is treated as error",
                "detail": {"source": {"errorcode": "steps.servicecallout.ExecutionFailed"}},
            }
        }
    }
}
FIREWALL_PAGE = (
    '<html style="height:100%"><head><META NAME="ROBOTS" CONTENT="NOINDEX, NOFOLLOW"></head>'
    '<body style="margin:0px;height:100%">Request unsuccessful. Incapsula incident ID:'
    " 1215000420241014-94308920931847437</body></html>"
)
ACCEPTED = "Success. Request accepted for processing"
IDS = ("CheckoutRequestID", "ConversationID")


async def answer_refusal(request: Request, refusal: Exception) -> Response:
    """Answer a request with the refusal it ran into."""
    assert isinstance(refusal, Refused)
    return _e1(request, refusal.status, refusal.code, refusal.message)


async def answer_too_fast(_: Request, problem: Exception) -> Response:
    """Answer an app that calls operators' APIs faster than it may."""
    assert isinstance(problem, TooFast)
    return spike_arrest(calls=problem.per_second, seconds=1, burst=problem.burst)


async def answer_not_found(request: Request, _: Exception) -> Response:
    """Answer for a path that does not exist."""
    return _e1(request, 404, "404.001.01", "Resource not found")


async def answer_wrong_method(request: Request, _: Exception) -> Response:
    """Answer for a path that exists, called with another verb."""
    return _e1(request, 405, "405.001", "Method Not Allowed")


def outage_page(status: int) -> Response:
    """Return the web page that the firewall in front of Daraja answers with."""
    return HTMLResponse(FIREWALL_PAGE, status)


def spike_arrest(*, calls: float = 5, seconds: int = 60, burst: float = 1) -> Response:
    """Return the gateway's 429, which tells the limit that was passed."""
    text = (
        f"Spike arrest violation. Allowed rate : MessageRate{{messagesPerPeriod={calls:g},"
        f" periodInMicroseconds={seconds * 1_000_000}, maxBurstMessageCount={burst:.1f}}}"
    )
    detail = {"errorcode": "policies.ratelimit.SpikeArrestViolation"}
    return JSONResponse({"fault": {"faultstring": text, "detail": detail}}, 429)


def during_outage(outage: Outage) -> Response:
    """Return what every endpoint says while Daraja is away."""
    return Disconnection(reset=True) if outage.mode == "refuse" else outage_page(503)


def push_outage(mode: str) -> Response:
    """Return what every push gets while the switch `push_outage` is on."""
    match mode:
        case "refuse":
            return Disconnection(reset=True)
        case "hang":
            return Silence(None, then=outage_page(503))
        case _:
            return outage_page(503)


def answer_unexecuted(answer: Answer) -> Response:
    """Return the answer to a call that is not executed, or so it says.

    Raises:
        Refused: the answer is a plain refusal.
    """
    match answer:
        case Answer.CLOSED:
            return Disconnection(reset=False)
        case Answer.SPIKE_ARREST:
            return spike_arrest()
        case Answer.RESPONSE_CODE_1:
            refused = "The request could not be accepted"
            return JSONResponse({"ResponseCode": "1", "ResponseDescription": refused})
        case Answer.ENVELOPE:
            return JSONResponse(ENVELOPE, 500)
        case Answer.FORBIDDEN_HTML:
            return outage_page(403)
        case Answer.EMPTY:
            return Response(status_code=500)
        case _:
            raise _refusal(answer)


def answer_executed(answer: Answer, ack: dict[str, str]) -> Response:
    """Return the answer to a call that was executed, whose good answer would be `ack`."""
    match answer:
        case Answer.RESET:
            return Disconnection(reset=True)
        case Answer.OUTAGE_HTML:
            return outage_page(503)
        case Answer.HTML:
            return outage_page(200)
        case Answer.HANG:
            return Silence(HANG_SECONDS, then=JSONResponse(ack))
        case _:
            return Response(_ack_body(answer, ack), 200, media_type="application/json")


def _refusal(answer: Answer) -> Refused:
    match answer:
        case Answer.BUSY:
            text = "System is busy. Please try again in few minutes."
            return Refused(500, "500.003.02", text)
        case Answer.QUOTA:
            return Refused(500, "500.003.03", "Quota Violation")
        case Answer.MAINTENANCE:
            return Refused(500, "500.002.1001", "Service is currently under maintenance")
        case Answer.INTERNAL_ERROR:
            return internal_error()
        case Answer.REFUSED:
            return invalid_field("PartyB")
        case Answer.NO_MERCHANT:
            return failed("Merchant does not exist")
        case _:
            assert answer is Answer.STALE_TOKEN, answer
            return invalid_token()


def _ack_body(answer: Answer, ack: dict[str, str]) -> str:
    good = json.dumps(ack)
    match answer:
        case Answer.TRUNCATED:
            return good[: len(good) // 2]
        case Answer.HUGE:
            return json.dumps(ack | {"CustomerMessage": ACCEPTED.ljust(HUGE_BYTES, ".")})
        case Answer.WITHOUT_ID:
            return json.dumps({k: v for k, v in ack.items() if k not in IDS})
        case _:
            return good


def _e1(request: Request, status: int, code: str, message: str) -> Response:
    request_id = simulation_of(request).identifiers.gateway_request_id()
    body = {"requestId": request_id, "errorCode": code, "errorMessage": message}
    return JSONResponse(body, status)


class Disconnection(Response):
    """An end without an answer: not one byte is sent back. A reset, or an orderly close."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the connection, and return once the server knows, lest it answer 500 itself."""
        transport = transport_of(scope)
        if self._reset:
            _linger_not(transport.get_extra_info("socket").fileno())
        transport.abort()
        await _disconnected(receive)


class Silence(Response):
    """No answer for `seconds`, or until the caller hangs up if None; then another answer."""

    def __init__(self, seconds: float | None, *, then: Response) -> None:
        super().__init__()
        self._seconds = seconds
        self._then = then

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer whoever is still there."""
        try:
            async with asyncio.timeout(self._seconds):
                await _disconnected(receive)
        except TimeoutError:
            await self._then(scope, receive, send)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _linger_not(descriptor: int) -> None:
    """Make the kernel send RST, not FIN, when the socket behind `descriptor` is closed."""
    with socket.socket(fileno=socket.dup(descriptor)) as twin:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
