"""Reversal: a payment goes back to its payer (daraja.md 5.10).

What M-Pesa says to another amount than the payment's is documented nowhere: here it is result 25,
and nothing moves.
"""

from starlette.requests import Request
from starlette.responses import Response

from hakika_simulator.commands import instruct
from hakika_simulator.conversations import body_from
from hakika_simulator.fields import RECEIPT, Fields
from hakika_simulator.instructions import Command
from hakika_simulator.questions import OCCASION_LENGTH_MAX, read_question
from hakika_simulator.refusals import invalid_field, invalid_token
from hakika_simulator.simulation import simulation_of

TYPES = {"RecieverIdentifierType": "11"}  # as spelt by Daraja
REMARKS_LENGTH_MIN = 2


async def request_reversal(request: Request) -> Response:
    """POST /mpesa/reversal/v1/request."""
    simulation = simulation_of(request)
    fields = Fields(await body_from(request, "reversal", invalid_token), invalid_field)
    question = read_question(
        fields,
        command="TransactionReversal",
        production=simulation.settings.production,
        party="ReceiverParty",
        types=TYPES,
        remarks_length_min=REMARKS_LENGTH_MIN,
    )
    command = Command(
        api="reversal",
        question=question,
        receiver=fields.text("TransactionID", RECEIPT),
        cents=fields.cents("Amount"),
        occasion=fields.optional("Occasion", OCCASION_LENGTH_MAX),
    )
    return await instruct(simulation, command)
