"""Against a double that somebody else wrote: daraja-mock, from the package index.

Our own servers share our reading of the documents; this one does not.
"""

from __future__ import annotations

import json
import logging
import socket
from dataclasses import dataclass

import pytest
from daraja_mock import DarajaMock

from hakika.daraja.client import DarajaClient, QueryOutcome, open_session
from hakika.daraja.results import stk_result
from hakika.daraja.token import MemoryTokenCache, TokenSource
from hakika.domain import shortcode
from hakika.domain.money import Money
from tests.daraja.scripted import CALLBACK_URL, PAYER, Clock, credentials


@dataclass(frozen=True)
class Double:
    """The mock and where it listens."""

    mock: DarajaMock
    url: str


@pytest.fixture(scope="module")
def double() -> Double:
    """The mock on a free port; its thread ends with the process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    double = DarajaMock()
    return Double(double, double.run_thread(port=port))


@pytest.mark.parametrize(("code", "outcome", "ours"), [
    (0, QueryOutcome.PAID, "paid"),
    (1, QueryOutcome.FAILED, "insufficient_funds"),
    (1032, QueryOutcome.FAILED, "payer_canceled"),
    (1037, QueryOutcome.FAILED, "payer_unreachable"),
    (4999, QueryOutcome.PENDING, "still_processing"),
])
async def test_token_push_and_query(
    double: Double, code: int, outcome: QueryOutcome, ours: str,
):
    """The whole conversation, with each outcome that the mock knows."""
    double.mock.reset().set_stk_result(code)
    known = credentials(double.url, shortcode=shortcode.paybill("174379"))
    clock = Clock()
    async with open_session() as session:
        tokens = TokenSource(session, MemoryTokenCache(clock), clock, lambda: 0.0)
        client = DarajaClient(session, tokens, clock)
        accepted = await client.stk_push(
            known, amount=Money.shillings(1), payer=PAYER, reference="HK1", description="Test",
            callback_url=CALLBACK_URL,
        )
        answer = await client.stk_query(known, accepted.checkout_request_id)

    assert json.loads(accepted.raw)["CheckoutRequestID"] == accepted.checkout_request_id
    assert (answer.outcome, stk_result(answer.result_code).code) == (outcome, ours)
    asked = [(each["method"], each["path"]) for each in double.mock.request_log()]
    assert asked == [
        ("GET", "/oauth/v1/generate"), ("POST", "/mpesa/stkpush/v1/processrequest"),
        ("POST", "/mpesa/stkpushquery/v1/query"),
    ]
    assert double.mock.request_log()[1]["body"]["PhoneNumber"] == 254708374149
