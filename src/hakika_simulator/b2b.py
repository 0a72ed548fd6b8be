"""B2B: a business pays a pay bill or a till, or fills another short code's Utility (daraja.md 5.6).

Each call is a new payout. The field that says what kind of number the receiver is must be spelt
as Safaricom spells it; a till is 4 as documented, or 2 as a shop in production sends. Anything
else is accepted and ends with SFC_IC0003.
"""

from starlette.requests import Request
from starlette.responses import Response

from hakika_simulator import results
from hakika_simulator.commands import instruct
from hakika_simulator.conversations import body_from
from hakika_simulator.fields import SHORTCODE, Fields
from hakika_simulator.instructions import Command
from hakika_simulator.numbers import NUMBER
from hakika_simulator.questions import OCCASION_LENGTH_MAX, read_question
from hakika_simulator.refusals import invalid_field, invalid_token
from hakika_simulator.simulation import simulation_of

TO_PAYBILL, TO_TILL, TO_BULK = "BusinessPayBill", "BusinessBuyGoods", "BusinessPayToBulk"
REFERENCE_LENGTH_MAX = 13
RECEIVER_TYPE = "RecieverIdentifierType"  # as spelt by Daraja
TYPES = {"SenderIdentifierType": "4", RECEIVER_TYPE: r"\d{1,2}"}
RECEIVER_TYPES = {TO_PAYBILL: ("4",), TO_TILL: ("4", "2"), TO_BULK: ("4",)}


async def pay(request: Request) -> Response:
    """POST /mpesa/b2b/v1/paymentrequest."""
    simulation = simulation_of(request)
    fields = Fields(await body_from(request, "b2b", invalid_token), invalid_field)
    question = read_question(
        fields,
        command="|".join(RECEIVER_TYPES),
        production=simulation.settings.production,
        types=TYPES,
    )
    if fields.body.get("Requester") not in (None, ""):
        fields.text("Requester", NUMBER)
    read_reference = fields.short if question.command == TO_PAYBILL else fields.optional
    is_right_type = str(fields.body[RECEIVER_TYPE]) in RECEIVER_TYPES[question.command]
    command = Command(
        api="b2b",
        question=question,
        receiver=fields.text("PartyB", SHORTCODE),
        cents=fields.cents("Amount"),
        reference=read_reference("AccountReference", REFERENCE_LENGTH_MAX),
        occasion=fields.optional("Occassion", OCCASION_LENGTH_MAX),
        misdirected=None if is_right_type else results.WRONG_RECEIVER,
    )
    return await instruct(simulation, command)
