"""Statements beside money out: what we sent is booked once, the portal's reversals are heard."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from hakika.domain.ids import PayoutId
from hakika.domain.merchant import Scope
from hakika.domain.times import NAIROBI
from hakika.services import inquiries, ledger, providers, sending
from hakika.store import payouts
from tests.api.test_days import statement
from tests.api.test_money_out_kills import is_quiet
from tests.api.test_payouts import ended, paybill, send
from tests.api.test_refunds import ended as refunded
from tests.api.test_refunds import events, paid, plan, refund
from tests.api.test_statements import imported
from tests.api.world import WAIT_SECONDS_MAX, Shop

__all__ = ["paybill"]


def today() -> str:
    return f"{datetime.now(NAIROBI):%Y-%m-%d}"


def sums(shop: Shop) -> dict[str, int]:
    """Return debits less credits of each account, in shillings."""
    world = shop.world
    world.in_api(ledger.chain_all(world.rt))
    return Counter({
        row["account"]: (row["debits_cents"] - row["credits_cents"]) // 100
        for row in world.rows("select * from account_sums where merchant_id = %s", shop.merchant_id)
    })


async def reversed_on_the_portal(shop: Shop, receipt: str) -> str:
    async with shop.session.post(
        f"{shop.world.simulator}/_simulator/portal/reversals", json={"receipt": receipt},
    ) as answer:
        told: dict[str, Any] = await answer.json()
        assert answer.status == 200, told
    return str(told["receipt"])


async def test_what_we_sent_is_on_the_statement_and_in_the_books_once(shop: Shop, paybill: str):
    payment = await paid(shop, paybill)
    payout = await ended(shop, (await send(shop, shortcode=paybill)).data["id"])
    await refunded(shop, (await refund(shop, payment["id"])).data["id"])
    before = sums(shop)

    told = await imported(shop, await statement(shop, paybill, today()))

    after = sums(shop)
    assert payout["status"] == "completed"
    assert told["fates"]["matched"] == 3    # the collection, the payout, the reversal
    assert (after["payouts"], after["reversed"]) == (before["payouts"], before["reversed"])
    assert (before["payouts"], before["reversed"]) == (1_200, 500)


async def test_a_statement_that_is_faster_than_the_result_books_it_once(
    shop: Shop, paybill: str,
):
    """The result never comes; a status query brings the receipt that the statement told of."""
    await plan(shop, api="b2c", receiver="254712345678", telling="never")
    ordered = await send(shop, shortcode=paybill)
    await sent(shop, ordered.data["id"])
    told = await imported(shop, await statement(shop, paybill, today()))
    payout = await looked_at(shop, ordered.data["id"])
    after = sums(shop)

    assert told["fates"].get("matched", 0) == 0
    assert (payout["status"], payout["decided_by"]) == ("completed", "status")
    assert (after["payouts"], after[f"held:{paybill}:utility"]) == (1_200, 0)


async def test_a_reversal_on_the_portal_reverses_the_payment(shop: Shop, paybill: str):
    """T53: M-Pesa tells no program of it; the statement does."""
    payment = await paid(shop, paybill)
    receipt = await reversed_on_the_portal(shop, payment["receipt"])

    await imported(shop, await statement(shop, paybill, today()))

    after = (await shop.get(f"/v1/payments/{payment['id']}")).data
    facts = (await shop.get(f"/v1/payments/{payment['id']}/timeline")).data
    answer = await refund(shop, payment["id"])
    assert (after["status"], after["amount_returned"]) == ("reversed", "500.00")
    assert facts[-1]["details"]["receipt"] == receipt
    assert await events(shop) == ["payment.completed", "payment.reversed"]
    assert (answer.status, answer.body["code"]) == (409, "payment_not_refundable")


@pytest.mark.parametrize(("said", "status"), [
    ({"went": True, "receipt": "UKM1AB2CD3"}, "completed"), ({"went": False}, "failed"),
])
async def test_a_person_says_what_nobody_else_can(
    shop: Shop, paybill: str, said: dict[str, Any], status: str,
):
    """T5: an order between businesses whose answer got lost has no id to be asked by."""
    await plan(shop, api="b2b", receiver="888880", answer="reset", accepted=False)
    ordered = await send(shop, phone=None, paybill="888880", account="INV-7", shortcode=paybill)
    address = f"/v1/payouts/{ordered.data['id']}/resolve"
    await sent(shop, ordered.data["id"])
    second = await another_key(shop)

    own = await shop.send("POST", address, json=said)
    half = await shop.send("POST", address, json={"went": True}, key=second)
    resolved = await shop.send("POST", address, json=said, key=second)
    again = await shop.send("POST", address, json=said, key=second)

    assert (own.status, half.body["errors"][0]["code"]) == (403, "receipt_missing")
    assert (resolved.status, resolved.data["status"]) == (200, status)
    assert (again.status, again.body["code"]) == (409, "conflict")
    assert sums(shop)[f"held:{paybill}:working"] == 0


async def another_key(shop: Shop) -> str:
    made = await shop.send(
        "POST", "/v1/keys", json={"scopes": [Scope.PAYOUTS_READ, Scope.PAYOUTS_APPROVE]},
    )
    return str(made.data["api_key"])


async def looked_at(shop: Shop, payout_id: str) -> dict[str, Any]:
    """Ask M-Pesa about a payout at once, as a worker would a minute later; return its end."""
    world = shop.world

    async def ask() -> None:
        async with world.rt.store.transaction() as tx:
            payout = await payouts.lock(tx, PayoutId(payout_id))
        assert payout is not None
        provider = await providers.of_payout(world.rt, payout)
        assert provider is not None
        await inquiries.ask_about_order(world.rt, provider, payout)

    world.in_api(ask())
    return await ended(shop, payout_id)


async def sent(shop: Shop, payout_id: str) -> None:
    """Let a worker send a payout, and M-Pesa carry out what it has."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not (await shop.get(f"/v1/payouts/{payout_id}")).data["attempts"]:
            shop.world.in_api(sending.send_due(shop.world.rt))
        while not await is_quiet(shop):
            await asyncio.sleep(0.05)
