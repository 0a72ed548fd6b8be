"""What goes wrong with operators' calls, call by call: planned, by payee, or by switch."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from hakika_simulator.payees import PAYEES, PAYEES_PREFIX
from tests.simulator.orders import (
    B2B,
    B2C,
    B2C_V1,
    OWN_ID,
    PAYBILL,
    codes,
    fund,
    order,
    payouts,
    plan,
)
from tests.simulator.test_operators import BALANCE, ask, credential
from tests.simulator.world import WAIT_SECONDS_MAX, Daraja, Merchant


async def answered(daraja: Daraja, path: str = B2C, **changes: Any) -> str:
    """Order, and return the status and code that the caller reads, or `silent`."""
    try:
        answer = await order(daraja, path, **changes)
    except (aiohttp.ClientError, TimeoutError):
        return "silent"
    if not answer.text.startswith("{"):
        return f"{answer.status} page"
    body = answer.json
    detail = body.get("fault", {}).get("detail", {}).get("errorcode", "")
    return f"{answer.status} {body.get('errorCode') or body.get('ResponseCode') or detail}"


@pytest.mark.parametrize(
    ("fault", "reads"),
    [
        ({"answer": "reset"}, "silent"),
        ({"answer": "closed", "accepted": True}, "silent"),
        ({"answer": "outage_html"}, "503 page"),
        ({"answer": "html"}, "200 page"),
        ({"answer": "empty", "accepted": True}, "500 page"),
        ({"answer": "busy", "accepted": True}, "500 500.003.02"),
        ({"answer": "internal_error", "accepted": True}, "500 500.003.1001"),
        ({"answer": "maintenance", "accepted": True}, "500 500.002.1001"),
        ({"answer": "without_id"}, "200 0"),
    ],
)
@pytest.mark.parametrize("is_accepted", [True, False])
async def test_any_answer_may_hide_either_truth(
    daraja: Daraja, fault: dict[str, Any], reads: str, is_accepted: bool
) -> None:
    """The caller reads the same whether the order got in or not, and may send it again."""
    await fund(daraja)
    await plan(daraja, **fault | {"accepted": is_accepted})
    read = await answered(daraja)
    again = await answered(daraja)
    found = await payouts(daraja)

    assert read == reads
    assert again == ("500 500.002.1001" if is_accepted else "200 0")
    assert [(each["state"], each["asked_times"]) for each in found] == [
        ("completed", 2 if is_accepted else 1)
    ]


async def test_a_caller_may_be_left_hanging_while_money_moves(
    daraja: Daraja, merchant: Merchant
) -> None:
    await fund(daraja)
    await plan(daraja, answer="hang")
    waiting = asyncio.create_task(answered(daraja))
    await merchant.hears()

    assert not waiting.done()
    waiting.cancel()
    assert (await payouts(daraja))[0]["state"] == "completed"


@pytest.mark.parametrize(
    ("answer", "reads"),
    [
        ("refused", "400 400.002.02"),
        ("spike_arrest", "429 policies.ratelimit.SpikeArrestViolation"),
        ("quota", "500 500.003.03"),
        ("stale_token", "404 404.001.03"),
        ("response_code_1", "200 1"),
    ],
)
async def test_a_refusal_moves_nothing(daraja: Daraja, answer: str, reads: str) -> None:
    await plan(daraja, answer=answer)

    assert await answered(daraja) == reads
    assert await payouts(daraja) == []


@pytest.mark.parametrize(
    ("fault", "heard", "state"),
    [
        ({"telling": "thrice"}, [("/result", "0")] * 3, "completed"),
        ({"telling": "never"}, [], "completed"),
        ({"result_code": "21"}, [("/result", "21")], "declined"),
        ({"result_code": "17", "executed": True}, [("/result", "17")], "completed"),
        (
            {"result_code": "100000000", "telling": "after_a_failure"},
            [("/result", "100000000"), ("/result", "0")],
            "completed",
        ),
        ({"queue_timeout": "only"}, [("/timeout", "26")], "expired"),
        ({"queue_timeout": "only", "executed": True}, [("/timeout", "26")], "completed"),
        (
            {"queue_timeout": "then_result"},
            [("/timeout", "26"), ("/result", "0")],
            "completed",
        ),
        ({"accepted": False}, [], None),
    ],
)
async def test_results_tell_less_more_or_something_else(
    daraja: Daraja, merchant: Merchant, fault: dict[str, Any], heard: list[Any], state: str | None
) -> None:
    """All of them are acknowledged alike."""
    await fund(daraja)
    await plan(daraja, **fault)
    read = await answered(daraja)
    found = await payouts(daraja)

    assert read == "200 0"
    assert sorted(codes(merchant)) == sorted(heard)
    assert [each["state"] for each in found] == ([] if state is None else [state])
    moved = [row["cents"] for row in (await daraja.truth())["receipts"] if row["kind"] == "b2c"]
    assert moved == ([-30_000] if state == "completed" else [])


async def test_a_result_may_come_before_the_answer(daraja: Daraja, merchant: Merchant) -> None:
    await fund(daraja)
    await plan(daraja, telling="before_answer")
    merchant.pause_seconds = 0.2
    waiting = asyncio.create_task(order(daraja, B2C))
    await merchant.hears()

    assert not waiting.done()
    assert (await waiting).status == 200


async def test_an_order_stays_initiated_as_long_as_told(daraja: Daraja) -> None:
    """It is asked about meanwhile, and asked for again."""
    await fund(daraja)
    await plan(daraja, seconds=3600)
    await order(daraja, B2C)
    again = await answered(daraja)
    payout = (await daraja.truth())["payouts"][0]

    assert (payout["state"], payout["asked_times"]) == ("initiated", 2)
    assert again == "500 500.002.1001"


async def test_a_plan_is_for_the_calls_that_it_names(daraja: Daraja, merchant: Merchant) -> None:
    await fund(daraja, account="working")
    await plan(daraja, api="b2b", answer="refused")
    await plan(daraja, receiver="254711111111", result_code="21", times=2)
    await plan(daraja, api="balance", telling="never", times=None)
    assert len((await daraja.control("GET", "faults")).json["faults"]) == 3
    read = [await answered(daraja, path) for path in (B2C_V1, B2B, B2B)]
    for _ in range(3):
        await order(daraja, B2C_V1, PartyB="254711111111")
    await ask(daraja, BALANCE)
    found = await payouts(daraja)
    left = (await daraja.control("GET", "faults")).json["faults"]

    assert read == ["200 0", "400 400.002.02", "200 0"]
    assert [each["result_code"] for each in found if each["kind"] == "b2c"] == [
        "1", "21", "21", "1",
    ]
    assert [fault["api"] for fault in left] == ["balance"]
    assert len(merchant.heard) == len(found)
    assert (await daraja.control("DELETE", "faults")).json == {"faults": []}


async def test_a_duplicate_may_be_answered_with_silence_too(daraja: Daraja) -> None:
    await fund(daraja)
    await plan(daraja, answer="reset", times=2)
    read = [await answered(daraja) for _ in range(3)]
    found = await payouts(daraja)

    assert read == ["silent", "silent", "500 500.002.1001"]
    assert [each["asked_times"] for each in found] == [3]


@pytest.mark.parametrize(
    "fault",
    [
        {"answer": "shrug"},
        {"telling": "after_forgeries"},
        {"accepted": "yes"},
        {"result_code": 21},
        {"queue_timeout": True},
        {"seconds": -1},
        {"api": "stk"},
        {"times": 0},
        {"colour": "red"},
    ],
)
async def test_a_fault_that_cannot_be_is_refused(daraja: Daraja, fault: dict[str, Any]) -> None:
    assert (await daraja.control("POST", "faults", fault)).status == 422
    assert (await daraja.control("GET", "faults")).json == {"faults": []}


QUICK = sorted(set(PAYEES) - {"04", "07", "22"})


@pytest.mark.parametrize("tail", QUICK)
async def test_a_magic_payee_does_as_the_guide_says(daraja: Daraja, tail: str) -> None:
    """The second time the same order is sent, those who fail every other call are paid."""
    await fund(daraja)
    phone = PAYEES_PREFIX + tail
    await answered(daraja, PartyB=phone)
    if PAYEES[tail].every_other_call:
        assert await payouts(daraja) == []
        await answered(daraja, PartyB=phone)
    found = await payouts(daraja)

    says = PAYEES[tail].says
    is_paid = says.startswith("is paid") or says.endswith("is paid")
    assert ("completed" in [each["state"] for each in found]) == is_paid


@pytest.mark.parametrize(
    ("answer", "reads"),
    [("429", "429 policies.ratelimit.SpikeArrestViolation"), ("500.003.02", "500 500.003.02")],
)
async def test_a_caller_who_is_too_fast_is_refused_unheard(
    daraja: Daraja, answer: str, reads: str
) -> None:
    """Each API has a bucket of its own; one call in a hundred seconds refills none meanwhile."""
    await fund(daraja)
    await daraja.turn(calls_per_second=0.01, calls_burst=2, spike_answer=answer)
    sealed = await credential(daraja)
    read = [await answered(daraja, B2C_V1, SecurityCredential=sealed) for _ in range(3)]
    other = await ask(daraja, BALANCE, SecurityCredential=sealed)

    assert read == ["200 0", "200 0", reads]
    assert other.status == 200
    assert len(await payouts(daraja)) == 2


async def test_the_429_tells_the_limit(daraja: Daraja) -> None:
    await daraja.turn(calls_per_second=0.5, calls_burst=1)
    answers = [await ask(daraja, BALANCE) for _ in range(2)]

    assert answers[1].json["fault"]["faultstring"] == (
        "Spike arrest violation. Allowed rate : MessageRate{messagesPerPeriod=0.5,"
        " periodInMicroseconds=1000000, maxBurstMessageCount=1.0}"
    )


async def test_a_bucket_fills_again(daraja: Daraja) -> None:
    await daraja.turn(calls_per_second=20, calls_burst=1)
    sealed = await credential(daraja)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        for _ in range(3):
            while (await ask(daraja, BALANCE, SecurityCredential=sealed)).status != 200:
                await asyncio.sleep(0.02)


async def test_a_share_of_answers_and_results_may_be_lost(
    daraja: Daraja, merchant: Merchant
) -> None:
    """The orders are executed all the same."""
    await fund(daraja, 100_000)
    await daraja.turn(answers_off=50, results_off=50)
    sealed = await credential(daraja)
    read = await asyncio.gather(
        *(answered(daraja, B2C_V1, SecurityCredential=sealed, Amount=10) for _ in range(40))
    )
    found = await payouts(daraja)

    assert [each["state"] for each in found] == ["completed"] * 40
    assert 5 < read.count("silent") < 35
    assert set(read) == {"silent", "200 0"}
    assert 5 < len(merchant.heard) < 35


async def test_an_outage_takes_money_out_away_too(daraja: Daraja) -> None:
    await daraja.control("POST", "outage", {"mode": "503html"})
    read = [await answered(daraja, path) for path in (B2C, B2C_V1, B2B)]
    await daraja.control("DELETE", "outage")

    assert read == ["503 page"] * 3
    assert await payouts(daraja) == []


async def test_the_truth_can_be_asked_about_one_payee(daraja: Daraja) -> None:
    await fund(daraja)
    await order(daraja, B2C)
    await order(daraja, B2C_V1, PartyB="254711111111")
    await daraja.settled()
    found = (await daraja.truth(phone="0711111111"))["payouts"]

    assert [each["receiver"] for each in found] == ["254711111111"]
    assert found[0]["originator_conversation_id"] != OWN_ID
    assert found[0]["shortcode"] == PAYBILL
    assert json.dumps(found)
