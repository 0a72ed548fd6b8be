"""Daraja away: dead endpoints, silent callbacks, and payers who go on paying."""

import asyncio

import aiohttp
import pytest

from tests.simulator.test_c2b import PAYBILL, pay, register
from tests.simulator.world import PAYS, Daraja, Merchant, basic


async def away(daraja: Daraja, **how: object) -> None:
    answer = await daraja.control("POST", "outage", how)
    assert answer.status == 200


ENDPOINTS = [
    "/mpesa/stkpush/v1/processrequest",
    "/mpesa/stkpushquery/v1/query",
    "/mpesa/c2b/v2/registerurl",
    "/mpesa/transactionstatus/v1/query",
    "/mpesa/accountbalance/v1/query",
    "/pulltransactions/v1/query",
]


async def test_every_endpoint_is_dead(daraja: Daraja) -> None:
    await away(daraja, mode="503html")
    answers = [await daraja.call("POST", path, json={}) for path in ENDPOINTS]
    token = await daraja.ask_token(basic("key", "secret"))

    assert {(answer.status, "Incapsula" in answer.text) for answer in [*answers, token]} == {
        (503, True)
    }


async def test_connections_may_be_reset_instead(daraja: Daraja) -> None:
    await away(daraja)

    with pytest.raises(aiohttp.ClientError):
        await daraja.push()


@pytest.mark.parametrize(("callbacks", "told"), [("drop", 0), ("flush", 2)])
async def test_callbacks_are_dropped_or_sent_at_the_end(
    daraja: Daraja, merchant: Merchant, callbacks: str, told: int
) -> None:
    """A push from before the outage, and a payment in the middle of it."""
    await register(daraja)
    await daraja.turn(callback_delay_seconds=5)
    pushed = await daraja.pushed(PAYS)
    await away(daraja, callbacks=callbacks)
    ended = await pay(daraja)
    while (await daraja.payment(pushed))["state"] == "open":
        await asyncio.sleep(0.01)
    if callbacks == "drop":
        await daraja.settled()
    else:
        await asyncio.sleep(0.2)
    assert merchant.heard == []
    await daraja.control("DELETE", "outage")
    await daraja.settled()

    assert ended["state"] == "completed"
    assert len(merchant.heard) == told
    assert (await daraja.push("254712345600")).status == 200


async def test_an_outage_ends_by_itself(daraja: Daraja) -> None:
    await away(daraja, mode="503html")
    during = await daraja.push()
    await away(daraja, seconds=10, mode="503html")
    async with asyncio.timeout(5):
        while (await daraja.push()).status != 200:
            await asyncio.sleep(0.02)

    assert during.status == 503


async def test_nobody_can_be_asked_for_validation_meanwhile(
    daraja: Daraja, merchant: Merchant
) -> None:
    await register(daraja, ResponseType="Cancelled")
    await daraja.turn(external_validation=[PAYBILL])
    await away(daraja, callbacks="flush")
    ended = await pay(daraja)

    assert (ended["state"], merchant.heard) == ("declined", [])


@pytest.mark.parametrize("how", [{"mode": "hang"}, {"callbacks": "keep"}, {"seconds": "x"}])
async def test_an_outage_that_cannot_be_is_refused(daraja: Daraja, how) -> None:
    assert (await daraja.control("POST", "outage", how)).status == 422
    assert (await daraja.push()).status == 200
