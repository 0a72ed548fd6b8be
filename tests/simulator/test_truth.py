"""The private truth: money moves, none is made or lost, and tests can ask about it."""

import asyncio

import pytest

from tests.simulator.world import PAYS, PERSON, SHORTCODE, Daraja, Merchant

SUM_CENTS = 10**15


async def test_the_sum_stays_whatever_happens_at_once(daraja: Daraja, merchant: Merchant) -> None:
    """A hundred and fifty pushes in parallel, some paid, some not, some with faults."""
    numbers = [PAYS, "254700001032", "254711000002", "254711000011", "254711000009"]
    people = [f"2547123000{number:02d}" for number in range(25)]
    await daraja.turn(payers_answer_seconds=1)
    await asyncio.gather(*(daraja.pushed(phone, amount=7) for phone in [*numbers * 25, *people]))
    await daraja.settled()

    truth = await daraja.truth()
    held = sum(truth["wallets"].values()) + sum(truth["shortcodes"].values())
    paid = [payment for payment in truth["payments"] if payment["state"] == "paid"]
    assert truth["sum_cents"] == held == SUM_CENTS
    assert len(paid) == 125
    assert truth["shortcodes"][SHORTCODE] == sum(payment["amount_cents"] for payment in paid)
    assert len({payment["receipt"] for payment in paid}) == 125


async def test_a_payment_is_told_in_full(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed()
    await daraja.settled()

    payment = await daraja.payment(pushed)
    assert payment["pushed_at"] < payment.pop("finished_at") <= payment["callbacks_sent"][0]["at"]
    assert len(payment.pop("receipt")) == 10
    assert payment == payment | {
        "checkout_request_id": pushed,
        "shortcode": SHORTCODE,
        "till": None,
        "phone": PAYS,
        "amount_cents": 50_000,
        "ordered_cents": 50_000,
        "account_reference": "INV-1",
        "result_code": "0",
        "state": "paid",
        "callback_url": merchant.url,
    }


async def test_the_truth_can_be_filtered(daraja: Daraja) -> None:
    first = await daraja.pushed("254700001032")
    second = await daraja.pushed(PAYS)
    await daraja.settled()

    async def ids(**filters: str) -> list[str]:
        found = (await daraja.truth(**filters))["payments"]
        return [payment["checkout_request_id"] for payment in found]

    since = str((await daraja.payment(second))["pushed_at"])
    assert await ids() == [first, second]
    assert await ids(phone="0708374149") == [second]
    assert await ids(checkout_request_id=first) == [first]
    assert await ids(since=since) == [second]
    assert await ids(since=since, checkout_request_id=first) == []


async def test_a_payer_short_of_money_ends_with_1(daraja: Daraja) -> None:
    await daraja.control("POST", f"wallets/{PERSON}", {"balance_cents": 49_999})
    await daraja.pushed(PERSON, amount=500)
    ended = (await daraja.control("POST", f"phone/{PERSON}/pin", {"pin": "1234"})).json

    truth = await daraja.truth()
    assert (ended["state"], ended["result_code"]) == ("failed", "1")
    assert truth["wallets"][PERSON] == 49_999
    assert truth["sum_cents"] == SUM_CENTS


@pytest.mark.parametrize("cents", [-1, 1.5, "1", None, 10**15 + 1])
async def test_a_wallet_cannot_hold_just_anything(daraja: Daraja, cents: object) -> None:
    answer = await daraja.control("POST", f"wallets/{PERSON}", {"balance_cents": cents})

    assert answer.status == 422
    assert (await daraja.truth())["sum_cents"] == SUM_CENTS


async def test_a_reset_leaves_nothing(daraja: Daraja) -> None:
    await daraja.pushed(PERSON)
    await daraja.turn(push_outage="503html")
    await daraja.control("POST", "reset")

    truth = await daraja.truth()
    assert (truth["payments"], truth["wallets"]) == ([], {"treasury": SUM_CENTS})
    assert (await daraja.control("GET", "switches")).json["push_outage"] is None
    assert (await daraja.control("GET", "settled")).json == {
        "open_c2b": 0,
        "open_instructions": 0,
        "open_prompts": 0,
        "pending_callbacks": 0,
    }


async def test_it_says_that_it_is_well(daraja: Daraja) -> None:
    answer = await daraja.call("GET", "/healthz")

    assert (answer.status, answer.json) == (200, {"status": "ok"})
