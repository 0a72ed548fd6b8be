"""The control API's /_simulator/faults: what the next calls under an operator's name meet."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator.asked import Misasked, body_of
from hakika_simulator.faults import APIS, FaultUnknown, fault_from
from hakika_simulator.simulation import simulation_of


async def plan(request: Request) -> Response:
    """POST /_simulator/faults with what the next call that fits meets; it is used up by it.

    Which calls: "api" is b2c, b2b, reversal, status or balance, "receiver" the payee's phone or
    short code, or the receipt to reverse; left out, any will do. "times" is how many calls, 1 if
    left out, all of them if null. What they meet: see `Fault` in faults.py.
    """
    body = await body_of(request)
    api, receiver, times = body.pop("api", None), body.pop("receiver", None), body.pop("times", 1)
    if api is not None and api not in APIS:
        raise Misasked(422, f"api is one of {', '.join(APIS)}")
    if times is not None and (type(times) is not int or times < 1):
        raise Misasked(422, "times must be a whole number above 0, or null")
    try:
        fault = fault_from(body)
    except FaultUnknown as problem:
        raise Misasked(422, str(problem)) from problem
    wanted = None if receiver is None else str(receiver)
    simulation_of(request).faults.plan(fault, api=api, receiver=wanted, times=times)
    return await show(request)


async def show(request: Request) -> Response:
    """GET /_simulator/faults: those still planned, oldest first."""
    return _told(simulation_of(request).faults.all_planned())


async def clear(request: Request) -> Response:
    """DELETE /_simulator/faults: none is planned any more."""
    simulation_of(request).faults.reset()
    return _told([])


def _told(planned: list[dict[str, Any]]) -> Response:
    return JSONResponse({"faults": planned})
