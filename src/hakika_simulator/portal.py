"""What people do on M-Pesa's own web portal, of which no program is told: no callback goes out."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator.asked import Misasked, body_of, cents_asked, moment_asked, shortcode_from
from hakika_simulator.ledger import CannotMove, NoSuchReceipt
from hakika_simulator.simulation import Simulation, simulation_of


async def reverse(request: Request) -> Response:
    """POST /_simulator/portal/reversals with {"receipt": …} and maybe {"at": …}."""
    simulation = simulation_of(request)
    body = await body_of(request)
    receipt = str(body.get("receipt"))
    try:
        with simulation.storage.transaction():
            reversal = simulation.ledger.reverse(receipt, at=_at(simulation, body))
            simulation.messages.write_reversal(reversal)
    except NoSuchReceipt as problem:
        raise Misasked(404, str(problem)) from problem
    except CannotMove as problem:
        raise Misasked(409, str(problem)) from problem
    return JSONResponse({"receipt": reversal.receipt, "linked": receipt})


async def move_float(request: Request) -> Response:
    """POST /_simulator/portal/floats with {"shortcode", "from", "to", "amount_cents"}, maybe "at".

    From utility, merchant or working to working, utility, charges_paid or bank, and from bank to
    utility or working.
    """
    simulation = simulation_of(request)
    body = await body_of(request)
    shortcode = shortcode_from(body.get("shortcode"))
    cents = cents_asked(body.get("amount_cents"), "amount_cents")
    giver, taker = str(body.get("from")), str(body.get("to"))
    try:
        with simulation.storage.transaction():
            receipt = simulation.ledger.move_float(
                shortcode, giver, taker, cents, at=_at(simulation, body)
            )
    except CannotMove as problem:
        raise Misasked(409, str(problem)) from problem
    return JSONResponse({"receipt": receipt})


def _at(simulation: Simulation, body: dict[str, object]) -> float:
    return moment_asked(body["at"], "at") if "at" in body else simulation.clock.now()
