"""The numbers that end with a result code: the right status, reason and words for the payer."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import Shop

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("shop")]

# Written from daraja.md 6.1, apart from the tables that are tested.
ENDS = {
    "1": ("failed", "insufficient_funds", "enough money"),
    "17": ("failed", "repeated_too_soon", "two minutes"),
    "1019": ("failed", "expired", "expired"),
    "1025": ("failed", "prompt_not_sent", "phone"),
    "1032": ("canceled", "payer_canceled", "cancel"),
    "1037": ("failed", "payer_unreachable", "reach your phone"),
    "2001": ("failed", "wrong_pin", "PIN"),
    "8006": ("failed", "pin_locked", "locked"),
}


@pytest.mark.parametrize("code", ENDS)
async def test_a_result_code_ends_as_documented(shop: Shop, code: str):
    """Daraja's codes are precise; a merchant who shows "payment failed" loses the sale."""
    status, failure_code, words = ENDS[code]
    _, body = await shop.world.ask(shop.api, f"25470000{int(code):04d}", key=f"code-{code}")

    payment = await shop.world.settled(shop.api, body["data"]["id"])
    await shop.world.told(payment["id"], f"payment.{status}")

    assert (payment["status"], payment["failure_code"]) == (status, failure_code)
    assert payment["daraja_code"] == code
    assert words in payment["payer_message"]
    assert payment["payer_message_sw"]
    assert payment["receipt"] is None


@pytest.mark.parametrize("code", ["9999", "4999", "0026"])
async def test_a_code_that_decides_nothing_is_never_called_failed(shop: Shop, code: str):
    """M-Pesa itself is not sure; the payer may still be charged."""
    _, body = await shop.world.ask(shop.api, f"25470000{code}", key=f"code-{code}")

    payment = await shop.world.settled(shop.api, body["data"]["id"])

    assert payment["status"] == "unknown"
