"""Account Balance: what is on each account of a short code (daraja.md 5.9)."""

from starlette.requests import Request
from starlette.responses import Response

from hakika_simulator import results
from hakika_simulator.clock import stamp
from hakika_simulator.conversations import body_from, converse
from hakika_simulator.envelopes import Answer
from hakika_simulator.fields import Fields
from hakika_simulator.ledger import ACCOUNT_NAMES
from hakika_simulator.questions import read_question
from hakika_simulator.refusals import invalid_field, invalid_token_of_balance
from hakika_simulator.simulation import Simulation, simulation_of
from hakika_simulator.sms import plain_shillings

EMPTY_ACCOUNT = "Organization Settlement Account"


async def query(request: Request) -> Response:
    """POST /mpesa/accountbalance/v1/query."""
    simulation = simulation_of(request)
    fields = Fields(await body_from(request, "balance", invalid_token_of_balance), invalid_field)
    question = read_question(
        fields, command="AccountBalance", production=simulation.settings.production
    )

    def answer() -> Answer:
        told = _told(simulation, question.shortcode)
        return Answer(
            results.PAID,
            (
                {"Key": "AccountBalance", "Value": told},
                {"Key": "BOCompletedTime", "Value": stamp(simulation.clock.now())},
            ),
            in_strings=True,
        )

    return await converse(simulation, "balance", question, answer)


def _told(simulation: Simulation, shortcode: str) -> str:
    """Return every account as `Name|KES|current|available|reserved|uncleared`, joined by &.

    The accounts of a store are those of its tills together.
    """
    codes = simulation.ledger.codes_of(shortcode)
    held = {
        name: sum(simulation.ledger.balance_cents(code, account) for code in codes)
        for account, name in ACCOUNT_NAMES.items()
    }
    return "&".join(
        f"{name}|KES|{plain_shillings(cents)}|{plain_shillings(cents)}|0.00|0.00"
        for name, cents in (held | {EMPTY_ACCOUNT: 0}).items()
    )
