"""STK query: when it answers, in which words, and when it is cut short."""

import asyncio

import pytest

from tests.simulator.world import PAYS, PERSON, Daraja, credentials

BEING_PROCESSED = (500, "500.001.1001", "The transaction is being processed")
EARLY = (400, "400.002.02", "Bad Request - Invalid CheckoutRequestID")
TWO_SECONDS = 2 / 50 + 0.01  # at the speed of these tests


async def test_a_paid_push_is_answered_in_strings_with_three_s(daraja: Daraja) -> None:
    pushed = await daraja.pushed()
    await asyncio.sleep(TWO_SECONDS)

    answer = await daraja.query(pushed)

    assert answer.status == 200
    assert answer.json == {
        "ResponseCode": "0",
        "ResponseDescription": "The service request has been accepted successsfully",
        "MerchantRequestID": (await daraja.payment(pushed))["merchant_request_id"],
        "CheckoutRequestID": pushed,
        "ResultCode": "0",
        "ResultDesc": "The service request is processed successfully.",
    }


@pytest.mark.parametrize("checkout_request_id", ["ws_CO_1", "", None, 5])
async def test_an_unknown_push_is_an_invalid_id(daraja: Daraja, checkout_request_id) -> None:
    answer = await daraja.query(checkout_request_id)

    assert answer.refusal == EARLY


async def test_a_fresh_push_is_an_invalid_id_too(open_daraja) -> None:
    """As in the sandbox: a 400 right after the push proves nothing."""
    async with open_daraja(speed=1.0) as daraja:
        pushed = await daraja.pushed(PERSON)

        answer = await daraja.query(pushed)

        assert answer.refusal == EARLY


async def test_an_open_prompt_is_being_processed(daraja: Daraja) -> None:
    pushed = await daraja.pushed(PERSON)
    await asyncio.sleep(TWO_SECONDS)

    answer = await daraja.query(pushed)

    assert answer.refusal == BEING_PROCESSED


async def test_a_query_checks_the_password(daraja: Daraja) -> None:
    pushed = await daraja.pushed()

    answer = await daraja.query(pushed, **credentials("f" * 64))

    assert answer.refusal == (500, "500.001.1001", "Wrong credentials")


async def test_the_switched_limit_admits_one_at_a_time_per_app(daraja: Daraja) -> None:
    """Five a minute with burst 1 is one every twelve seconds, here every 0.24 s."""
    await daraja.turn(query_limit_per_minute=5)
    statuses = [(await daraja.query("ws_CO_1")).status for _ in range(3)]
    await asyncio.sleep(12 / 50)
    statuses.append((await daraja.query("ws_CO_1")).status)
    await daraja.log_in("another app")
    statuses.append((await daraja.query("ws_CO_1")).status)

    assert statuses == [400, 429, 429, 400, 400]


async def test_over_the_limit_apigee_answers(daraja: Daraja) -> None:
    await daraja.turn(query_limit_per_minute=5)
    await daraja.query("ws_CO_1")

    answer = await daraja.query("ws_CO_1")

    fault = answer.json["fault"]
    assert fault["detail"]["errorcode"] == "policies.ratelimit.SpikeArrestViolation"
    assert fault["faultstring"].startswith("Spike arrest violation.")


async def test_a_query_may_deny_a_paid_push(daraja: Daraja) -> None:
    """Seen in the sandbox: the callback says paid, money moved, and the query says no."""
    await daraja.turn(query_denies_paid_push=True)
    pushed = await daraja.pushed(PAYS)
    await asyncio.sleep(TWO_SECONDS)

    answer = await daraja.query(pushed)

    assert answer.json["ResultCode"] == "1032"
    assert (await daraja.payment(pushed))["state"] == "paid"
