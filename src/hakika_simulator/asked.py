"""Reading what a test asks of the control API, and refusing what makes no sense."""

import json
import math
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator.clock import moment_from
from hakika_simulator.fields import SHORTCODE
from hakika_simulator.numbers import number_from


class Misasked(ValueError):
    """The control API cannot do that: `status` and the message say why."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


async def answer_misasked(_: Request, problem: Exception) -> Response:
    """Answer a request that the control API cannot serve."""
    assert isinstance(problem, Misasked)
    return JSONResponse({"error": str(problem)}, problem.status)


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object sent; an empty one if there is no body."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        parsed = json.loads(raw)
    except ValueError:
        raise Misasked(400, "the body is not JSON") from None
    if not isinstance(parsed, dict):
        raise Misasked(400, "the body is not a JSON object")
    return parsed


def phone_from(typed: object) -> str:
    """Return the twelve digits of a Kenyan number in any usual spelling."""
    phone = number_from(str(typed))
    if phone is None:
        raise Misasked(422, f"{typed} is not a Kenyan mobile number")
    return phone


def shortcode_from(value: object) -> str:
    """Return a short code, given as text or as a number."""
    text = str(value)
    if not SHORTCODE.fullmatch(text):
        raise Misasked(422, f"{value} is not a short code")
    return text


def cents_asked(value: object, name: str) -> int:
    """Return whole cents above 0."""
    if type(value) is not int or value <= 0:
        raise Misasked(422, f"{name} must be a whole number above 0")
    return value


def moment_asked(value: object, name: str) -> float:
    """Return seconds since 1970, given as such or as ISO 8601 (Nairobi's if without an offset)."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    try:
        return moment_from(str(value))
    except ValueError:
        raise Misasked(422, f"{name} must be seconds since 1970 or an ISO 8601 time") from None


def number_from_text(text: str) -> float:
    """Return a number that came in an address."""
    try:
        number = float(text)
    except ValueError:
        raise Misasked(422, f"{text} is not a number") from None
    if not math.isfinite(number):
        raise Misasked(422, f"{text} is not a number")
    return number
