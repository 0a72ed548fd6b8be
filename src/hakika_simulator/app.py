"""The simulator as an ASGI app. This file is the index of everything it answers.

Serve it with `hakika_simulator.server.serving`: some faults need the connection itself, which
only that server hands over.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hakika_simulator import (
    account_balance,
    answers,
    asked,
    b2b,
    b2c,
    c2b,
    control,
    history,
    oauth,
    phone_page,
    planned_faults,
    portal,
    pull,
    reversals,
    statement_page,
    status,
    stk,
)
from hakika_simulator.refusals import Refused, TooFast
from hakika_simulator.server import serving
from hakika_simulator.settings import Settings
from hakika_simulator.simulation import build, simulation_of

STATIC = Path(__file__).parent / "static"

Endpoint = Callable[[Request], Awaitable[Response]]


def _daraja(path: str, endpoint: Endpoint, method: str = "POST") -> Route:
    """Return a route that is dead while Daraja is away."""

    async def answer(request: Request) -> Response:
        outage = simulation_of(request).outages.now
        if outage is not None:
            await request.body()
            return answers.during_outage(outage)
        return await endpoint(request)

    return Route(path, answer, methods=[method])


DARAJA = [
    _daraja("/oauth/v1/generate", oauth.generate, "GET"),
    _daraja("/mpesa/stkpush/v1/processrequest", stk.push),
    _daraja("/mpesa/stkpushquery/v1/query", stk.query),
    _daraja("/mpesa/c2b/v1/registerurl", c2b.register_v1),
    _daraja("/mpesa/c2b/v2/registerurl", c2b.register_v2),
    _daraja("/mpesa/c2b/v1/simulate", c2b.simulate),
    _daraja("/mpesa/c2b/v2/simulate", c2b.simulate),
    _daraja("/mpesa/b2c/v1/paymentrequest", b2c.pay_v1),
    _daraja("/mpesa/b2c/v3/paymentrequest", b2c.pay_v3),
    _daraja("/mpesa/b2b/v1/paymentrequest", b2b.pay),
    _daraja("/mpesa/reversal/v1/request", reversals.request_reversal),
    _daraja("/mpesa/transactionstatus/v1/query", status.query),
    _daraja("/mpesa/accountbalance/v1/query", account_balance.query),
    _daraja("/pulltransactions/v1/register", pull.register),
    _daraja("/pulltransactions/v1/query", pull.query),
]

PHONES = [
    Route("/", phone_page.go_to_index),
    Route("/phone", phone_page.show_index),
    Route("/phone/{number}", phone_page.show_phone),
    Route("/phone/{number}/screen", phone_page.show_screen),
    Route("/phone/{number}/pin", phone_page.enter_pin, methods=["POST"]),
    Route("/phone/{number}/cancel", phone_page.cancel, methods=["POST"]),
    Route("/phone/{number}/pay", phone_page.pay, methods=["POST"]),
    Mount("/static", StaticFiles(directory=STATIC)),
]

CONTROL = [
    Route("/healthz", control.health),
    Route("/_simulator/truth", control.show_truth),
    Route("/_simulator/settled", control.show_settled),
    Route("/_simulator/phone/{number}/pin", control.enter_pin, methods=["POST"]),
    Route("/_simulator/phone/{number}/cancel", control.cancel, methods=["POST"]),
    Route("/_simulator/phone/{number}/unlock", control.unlock, methods=["POST"]),
    Route("/_simulator/wallets/{number}", control.set_balance, methods=["POST"]),
    Route("/_simulator/switches", control.show_switches, methods=["GET"]),
    Route("/_simulator/switches", control.turn_switches, methods=["PUT"]),
    Route("/_simulator/clock", control.show_clock, methods=["GET"]),
    Route("/_simulator/clock", control.set_clock, methods=["PUT"]),
    Route("/_simulator/c2b", c2b.pay, methods=["POST"]),
    Route("/_simulator/c2b/urls/{shortcode}", c2b.delete_urls, methods=["DELETE"]),
    Route("/_simulator/history", history.add_history, methods=["POST"]),
    Route("/_simulator/portal/reversals", portal.reverse, methods=["POST"]),
    Route("/_simulator/portal/floats", portal.move_float, methods=["POST"]),
    Route("/_simulator/callbacks", control.show_callbacks),
    Route(
        "/_simulator/callbacks/{told_id}/repeat",
        control.repeat_callback,
        methods=["POST"],
    ),
    Route("/_simulator/outage", control.begin_outage, methods=["POST"]),
    Route("/_simulator/outage", control.end_outage, methods=["DELETE"]),
    Route("/_simulator/statements/{shortcode}", statement_page.export),
    Route("/_simulator/certificate", control.show_certificate),
    Route("/_simulator/operators/{name}", control.put_operator, methods=["PUT"]),
    Route("/_simulator/operators/{name}/unlock", control.unlock_operator, methods=["POST"]),
    Route("/_simulator/faults", planned_faults.plan, methods=["POST"]),
    Route("/_simulator/faults", planned_faults.show, methods=["GET"]),
    Route("/_simulator/faults", planned_faults.clear, methods=["DELETE"]),
    Route("/_simulator/forge", control.forge_callback, methods=["POST"]),
    Route("/_simulator/tokens/expire", control.expire_tokens, methods=["POST"]),
    Route("/_simulator/reset", control.reset, methods=["POST"]),
]


def create_app(settings: Settings) -> Starlette:
    """Return the app; it opens its storage now and starts its timers when served."""
    simulation = build(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with simulation.running():
            yield

    app = Starlette(
        routes=[*DARAJA, *PHONES, *CONTROL],
        lifespan=lifespan,
        exception_handlers={
            Refused: answers.answer_refusal,
            TooFast: answers.answer_too_fast,
            asked.Misasked: asked.answer_misasked,
            404: answers.answer_not_found,
            405: answers.answer_wrong_method,
        },
    )
    app.state.simulation = simulation
    return app


@asynccontextmanager
async def simulator(
    settings: Settings, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Run a simulator inside this event loop while inside, and give its base URL."""
    async with serving(create_app(settings), host=host, port=port) as url:
        yield url
