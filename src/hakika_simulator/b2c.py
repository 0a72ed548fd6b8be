"""B2C: a business pays a person (daraja.md 5.4).

v3 takes an OriginatorConversationID of the caller's and never takes it twice, whatever became of
the first. v1 has no such field: each call is a new payout.
"""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hakika_simulator.commands import instruct
from hakika_simulator.conversations import body_from
from hakika_simulator.fields import Fields
from hakika_simulator.instructions import Command
from hakika_simulator.numbers import NUMBER
from hakika_simulator.questions import OCCASION_LENGTH_MAX, read_question
from hakika_simulator.refusals import invalid_field, invalid_token_of_balance, not_authorized
from hakika_simulator.simulation import Simulation, simulation_of

COMMANDS = "BusinessPayment|SalaryPayment|PromotionPayment"
ORIGINATOR = re.compile("[A-Za-z0-9_-]{1,36}")
REMARKS_LENGTH_MIN = 2


async def pay_v3(request: Request) -> Response:
    """POST /mpesa/b2c/v3/paymentrequest."""
    simulation = simulation_of(request)
    body = await body_from(request, "b2c", invalid_token_of_balance)
    command = _read(simulation, body, occasion="Occassion", is_v3=True)
    if simulation.switchboard.now.b2c_v3_refused:
        raise not_authorized()
    return await instruct(simulation, command)


async def pay_v1(request: Request) -> Response:
    """POST /mpesa/b2c/v1/paymentrequest: a new payout each time."""
    simulation = simulation_of(request)
    body = await body_from(request, "b2c", invalid_token_of_balance)
    return await instruct(simulation, _read(simulation, body, occasion="Occasion", is_v3=False))


def _read(simulation: Simulation, body: dict[str, Any], *, occasion: str, is_v3: bool) -> Command:
    fields = Fields(body, invalid_field)
    question = read_question(
        fields,
        command=COMMANDS,
        production=simulation.settings.production,
        initiator="InitiatorName",
        types={},
        remarks_length_min=REMARKS_LENGTH_MIN,
    )
    return Command(
        api="b2c",
        question=question,
        receiver=fields.text("PartyB", NUMBER),
        cents=fields.cents("Amount"),
        occasion=fields.optional(occasion, OCCASION_LENGTH_MAX),
        originator_id=fields.text("OriginatorConversationID", ORIGINATOR) if is_v3 else None,
    )
