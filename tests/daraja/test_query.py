"""A status query: it never raises for Daraja's behaviour, and settles only what is certain."""

from __future__ import annotations

import base64

import pytest

from hakika.daraja.client import QueryOutcome
from tests.daraja.scripted import (
    CHECKOUT_ID,
    PASSKEY,
    Act,
    World,
    credentials,
    hang_up,
    reply,
    reset,
    say_nothing,
    token_reply,
)
from tests.daraja.test_push import HTML, SOAP_FAULT, SPIKE_ARREST, error

# daraja.md 6.1, the closed list, written again by hand.
SETTLED_BY_A_QUERY = [
    "1", "2", "3", "4", "8", "1019", "1032", "1037", "2001", "2002", "2006", "2028", "2029", "8006",
    "SFC_IC0003",
]
NOT_SETTLED_BY_A_QUERY = [
    "17", "20", "21", "26", "1001", "1025", "1031", "1036", "4999", "9999", "31337", "00", "0.0",
]


def answered(result_code: object, text: str = "", **changed: object) -> dict[str, object]:
    """Return Daraja's answer to a query."""
    return {
        "ResponseCode": "0",
        "ResponseDescription": "The service request has been accepted successsfully",
        "MerchantRequestID": "22205-34066-1", "CheckoutRequestID": CHECKOUT_ID,
        "ResultCode": result_code, "ResultDesc": text, **changed,
    }


async def asked(world: World, act: Act):
    """Ask about the push and return the answer."""
    if act is say_nothing:
        world.lose_patience()
    world.daraja.posts = [act]
    return await world.client.stk_query(credentials(world.daraja.url), CHECKOUT_ID)


async def test_a_query_is_sent_as_documented(world: World):
    """With a password of its own, made at the time of asking."""
    await asked(world, reply(200, answered("0")))

    (query,) = world.daraja.pushes
    assert query.path == "/mpesa/stkpushquery/v1/query"
    assert query.json == {
        "BusinessShortCode": 600978,
        "Password": base64.b64encode(f"600978{PASSKEY}20260326150000".encode()).decode(),
        "Timestamp": "20260326150000",
        "CheckoutRequestID": CHECKOUT_ID,
    }


@pytest.mark.parametrize("code", ["0", 0, " 0 "])
async def test_zero_says_paid(world: World, code: object):
    """As text or number; and it knows neither receipt nor amount (trap T19, T23)."""
    answer = await asked(world, reply(200, answered(code)))

    assert (answer.outcome, answer.result_code) == (QueryOutcome.PAID, "0")
    assert answer.reason is None


@pytest.mark.parametrize("code", SETTLED_BY_A_QUERY)
async def test_a_listed_code_says_failed(world: World, code: str):
    """The closed list, and nothing else, may end a payment by a query."""
    answer = await asked(world, reply(200, answered(code)))

    assert (answer.outcome, answer.result_code) == (QueryOutcome.FAILED, code)
    assert answer.reason is not None
    assert answer.reason.daraja_code == code


@pytest.mark.parametrize("code", NOT_SETTLED_BY_A_QUERY)
async def test_any_other_code_says_nothing(world: World, code: str):
    """The payer may still be typing the PIN (trap T21)."""
    answer = await asked(world, reply(200, answered(code)))

    assert (answer.outcome, answer.result_code) == (QueryOutcome.PENDING, code)
    assert answer.note


async def test_wrong_credentials_are_told_from_a_payment_under_way(world: World):
    """The same 4999 says "wait" and "your passkey is wrong"; only the text tells."""
    waiting = await asked(world, reply(200, answered("4999", "still under processing")))
    wrong = await asked(world, reply(200, answered("4999", "Wrong credentials")))

    assert waiting.reason.code == "still_processing"
    assert wrong.reason.code == "wrong_credentials"
    assert wrong.outcome is QueryOutcome.PENDING


NO_VERDICT = {
    "processing": (reply(500, error("500.001.1001", "The transaction is being processed")),
                   "still_processing"),
    "too early": (reply(400, error("400.002.02", "Bad Request - Invalid CheckoutRequestID")),
                  "checkout_id_unknown"),
    "wrong field": (reply(400, error("400.002.02", "Bad Request - Invalid Timestamp")),
                    "request_invalid"),
    "merchant": (reply(500, error("500.001.1001", "Merchant does not exist")), "wrong_shortcode"),
    "credentials": (reply(500, error("500.001.1001", "Wrong credentials")), "wrong_credentials"),
    "html 200": (reply(200, HTML), "answer_unreadable"),
    "html 503": (reply(503, HTML), "answer_unreadable"),
    "empty": (reply(200), "answer_unreadable"),
    "soap": (reply(500, SOAP_FAULT), "gateway_failed"),
    "cut": (hang_up(b'HTTP/1.1 200 OK\r\n\r\n{"ResponseCode":"0","ResultCode":"0"'),
            "answer_unreadable"),
    "not accepted": (reply(200, answered("0", ResponseCode="1")), "answer_unreadable"),
    "error beside it": (reply(200, answered("0", errorCode="500.001.1001")), "answer_unreadable"),
    "no result": (reply(200, {"ResponseCode": "0"}), "answer_unreadable"),
    "result in a 500": (reply(500, answered("0")), "answer_unreadable"),
    "result twice": (reply(200, b'{"ResponseCode":"0","ResultCode":"1","resultcode":"0"}'),
                     "answer_unreadable"),
    "true": (reply(200, answered(False)), "answer_unreadable"),
    "redirect": (reply(302, answered("0"), Location="/x"), "answer_unreadable"),
    "reset": (reset, "query_silent"),
    "hang": (say_nothing, "query_silent"),
    "refused token": (reply(404, error("404.001.03", "Invalid Access Token")), "token_refused"),
}


@pytest.mark.parametrize(("act", "code"), NO_VERDICT.values(), ids=NO_VERDICT.keys())
async def test_what_is_no_verdict_stays_pending(world: World, act: Act, code: str):
    """Each of these has been counted as a failure somewhere, and a paid order was canceled."""
    answer = await asked(world, act)

    assert (answer.outcome, answer.reason.code) == (QueryOutcome.PENDING, code)
    assert not answer.throttled


@pytest.mark.parametrize(("act", "seconds"), [
    (reply(429, SPIKE_ARREST), 15),
    (reply(429, b"", Retry_After="33"), 33),
    (reply(500, error("500.003.02", "System is busy. Please try again in few minutes.")), 15),
    (reply(500, error("500.003.02", "Error Occurred: Spike Arrest Violation")), 15),
    (reply(500, error("500.003.03", "Quota Violation")), 60),
])
async def test_a_throttled_query_says_for_how_long(world: World, act: Act, seconds: int):
    """Daraja allows five queries a minute in the sandbox; asking on makes it worse."""
    answer = await asked(world, act)

    assert answer.outcome is QueryOutcome.PENDING
    assert (answer.throttled, answer.retry_after_seconds) == (True, seconds)


async def test_a_query_without_a_token_is_pending(world: World):
    """OAuth being down says nothing about the payment."""
    world.daraja.oauth = [reply(503)]

    answer = await asked(world, reply(200, answered("0")))

    assert (answer.outcome, answer.reason.code) == (QueryOutcome.PENDING, "oauth_failed")
    assert world.daraja.pushes == []


async def test_a_refused_token_is_replaced_once(world: World):
    """As for a push."""
    world.daraja.oauth = [token_reply("the-first-token"), token_reply("the-second-token")]
    world.daraja.posts = [reply(401), reply(200, answered("1032"))]

    answer = await world.client.stk_query(credentials(world.daraja.url), CHECKOUT_ID)

    assert (answer.outcome, answer.result_code) == (QueryOutcome.FAILED, "1032")
    assert len(world.daraja.pushes) == 2


async def test_an_answer_shows_no_number(world: World):
    """The checkout request id holds nine digits of the payer's number."""
    answer = await asked(world, reply(200, answered("1032", "Cancelled by 254708374149")))

    assert "708374149" not in repr(answer)
