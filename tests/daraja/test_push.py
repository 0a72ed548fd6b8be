"""A push: what goes out, what each documented answer means, and that it goes out once."""

from __future__ import annotations

import base64
import json

import pytest

from hakika.daraja.errors import RAW_BYTES_MAX, DarajaRefused, DarajaSilent, DarajaUnreachable
from hakika.domain import shortcode
from hakika.domain.money import Money
from tests.daraja.scripted import (
    ACCEPTANCE,
    CALLBACK_URL,
    CHECKOUT_ID,
    PASSKEY,
    PAYER,
    Act,
    World,
    credentials,
    hang_up,
    pour,
    reply,
    reset,
    say_nothing,
    send,
    token_reply,
)

HTML = b"<html><body>Request unsuccessful. Incapsula incident ID: 877000</body></html>"
SPIKE_ARREST = {"fault": {
    "faultstring": "Spike arrest violation. Allowed rate : MessageRate{messagesPerPeriod=5}",
    "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"},
}}
SOAP_FAULT = {"Envelope": {"Body": {"Fault": {
    "faultcode": "soap:Server",
    "faultstring": "Execution of ServiceCallout SC-SearchURL failed. ResponseCode 503",
    "detail": {"source": {"errorcode": "steps.servicecallout.ExecutionFailed"}},
}}}}


def error(code: str, text: str) -> dict[str, str]:
    """Return the body of a documented error (E1)."""
    return {"requestId": "1c5b-4ba8-815c-ac45c57a3db01495926", "errorCode": code,
            "errorMessage": text}


async def test_a_push_is_sent_as_documented(world: World):
    """A wrong field here is a payment that lands nowhere, or elsewhere."""
    accepted = await world.push()

    assert accepted.checkout_request_id == CHECKOUT_ID
    assert accepted.merchant_request_id == ACCEPTANCE["MerchantRequestID"]
    assert json.loads(accepted.raw) == ACCEPTANCE
    (push,) = world.daraja.pushes
    assert push.path == "/mpesa/stkpush/v1/processrequest"
    assert push.headers["content-type"] == "application/json"
    assert push.headers["authorization"] == "Bearer the-access-token-one-28-char"
    assert push.headers["accept-encoding"] == "identity"
    assert push.json == {
        "BusinessShortCode": 600978,
        "Password": base64.b64encode(f"600978{PASSKEY}20260326150000".encode()).decode(),
        "Timestamp": "20260326150000",
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 1500,
        "PartyA": 254708374149,
        "PartyB": 600978,
        "PhoneNumber": 254708374149,
        "CallBackURL": CALLBACK_URL,
        "AccountReference": "HK7F3K2M9Q",
        "TransactionDesc": "Order 1234",
    }


async def test_a_till_pays_into_the_till_and_signs_with_its_store(world: World):
    """The pair the wrong way round sends money to another account (trap T10)."""
    await world.client.stk_push(
        credentials(world.daraja.url, shortcode=shortcode.till("832909", store_number="600111")),
        amount=Money.shillings(1), payer=PAYER, reference="A", description="",
        callback_url=CALLBACK_URL,
    )

    sent = world.daraja.pushes[0].json
    assert (sent["BusinessShortCode"], sent["PartyB"]) == (600111, 832909)
    assert sent["TransactionType"] == "CustomerBuyGoodsOnline"
    assert base64.b64decode(str(sent["Password"])).startswith(b"600111")
    assert "TransactionDesc" not in sent


@pytest.mark.parametrize("reference", ["thirteen-long", "", "a@b", "Malipo\u00e9", "a\n"])
async def test_a_reference_is_never_cut_or_cleaned(world: World, reference: str):
    """Two orders whose references are cut alike cannot be told apart (trap T13)."""
    with pytest.raises(AssertionError):
        await world.push(reference=reference)

    assert world.daraja.heard == []


@pytest.mark.parametrize("body", [
    pytest.param({**ACCEPTANCE, "ResponseCode": 0}, id="number"),
    pytest.param({key.upper(): value for key, value in ACCEPTANCE.items()}, id="upper case"),
    pytest.param({**ACCEPTANCE, "Extra": {"a": [1]}}, id="more fields"),
])
async def test_an_acceptance_is_read_tolerantly(world: World, body: object):
    """Safaricom's types and spellings waver; a push that was taken must be seen as taken."""
    world.daraja.posts = [reply(200, body, Content_Type="text/html")]

    assert (await world.push()).checkout_request_id == CHECKOUT_ID


REFUSALS = [
    (400, error("400.002.02", "Bad Request - Invalid BusinessShortCode"), "request_invalid"),
    (500, error("500.001.1001", "Merchant does not exist"), "wrong_shortcode"),
    (500, error("500.001.1001", "Wrong credentials"), "wrong_credentials"),
    (500, error("500.001.1001", "[MerchantValidate] - Wrong credentials"), "wrong_credentials"),
    (500, error("500.001.1001", "Unable to lock subscriber, a transaction is already in process "
                "for the current subscriber"), "payer_busy"),
    (404, error("404.001.01", "Resource not found"), "path_unknown"),
    (405, error("405.001", "Method Not Allowed"), "method_not_allowed"),
    (403, error("403.002.1001", "You are not authorized"), "not_authorized"),
    (400, error("400.009.99", "Bad Request"), "request_refused"),
    (400, {"ErrorCode": "400.002.02", "ErrorMessage": "Invalid Amount"}, "request_invalid"),
    (200, error("400.002.02", "Bad Request - Invalid Amount"), "request_invalid"),
]


@pytest.mark.parametrize(("status", "body", "code"), REFUSALS)
async def test_a_documented_refusal_is_refused(world: World, status: int, body: object, code: str):
    """Only here may a payment be called failed at once."""
    world.daraja.posts = [reply(status, body)]

    with pytest.raises(DarajaRefused) as refusal:
        await world.push()

    assert (refusal.value.reason.code, refusal.value.http_status) == (code, status)
    assert json.loads(refusal.value.raw) == body
    assert len(world.daraja.pushes) == 1


async def test_a_refusal_names_the_field_and_repeats_nothing_else(world: World):
    """The developer needs the field; what follows it may be somebody's number."""
    world.daraja.posts = [reply(400, error("400.002.02", "Invalid PhoneNumber 254708374149"))]

    with pytest.raises(DarajaRefused) as refusal:
        await world.push()

    assert "Invalid PhoneNumber." in refusal.value.reason.developer_message
    assert "0837" not in f"{refusal.value!r} {refusal.value} {refusal.value.reason}"


NEVER_ASKED = [
    (429, SPIKE_ARREST, 15),
    (500, SPIKE_ARREST, 15),
    (429, HTML, 15),
    (429, b"", 15),
    (500, error("500.003.02", "Error Occurred: Spike Arrest Violation"), 15),
    (500, error("500.003.03", "Quota Violation"), 60),
]


@pytest.mark.parametrize(("status", "body", "seconds"), NEVER_ASKED)
async def test_a_push_turned_away_at_the_gateway_was_never_asked(
    world: World, status: int, body: object, seconds: int,
):
    """It may be sent again, after the wait that it names."""
    world.daraja.posts = [reply(status, body)]

    with pytest.raises(DarajaUnreachable) as failure:
        await world.push()

    assert failure.value.reason.code == "daraja_throttled"
    assert failure.value.retry_after_seconds == seconds
    assert len(world.daraja.pushes) == 1


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("99999", 15), ("soon", 15), ("٧", 15)])
async def test_the_gateway_may_say_how_long_to_wait(world: World, header: str, seconds: int):
    """Retry-After is honoured within reason."""
    head = f"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: {header}\r\n\r\n"
    world.daraja.posts = [send(head.encode())]

    with pytest.raises(DarajaUnreachable) as failure:
        await world.push()

    assert failure.value.retry_after_seconds == seconds


CUT = json.dumps(ACCEPTANCE).encode()[:-30]
NO_ID = {**ACCEPTANCE, "CheckoutRequestID": ""}

SILENCES = {
    "E4": reply(500, SOAP_FAULT),
    "E5 403": reply(403, HTML, Content_Type="text/html"),
    "E5 503": reply(503, HTML, Content_Type="text/html"),
    "E5 200": reply(200, HTML, Content_Type="text/html"),
    "E6 400": reply(400),
    "E6 500": reply(500),
    "E6 200": reply(200),
    "E7 unsafe code": reply(200, error("500.001.1001", "Wrong credentials")),
    "E7 throttled": reply(200, SPIKE_ARREST),
    "E8": reply(200, {"ResponseCode": "1", "ResponseDescription": "Rejected"}),
    "no id": reply(200, NO_ID),
    "id of spaces": reply(200, {**ACCEPTANCE, "CheckoutRequestID": "a b"}),
    "id too long": reply(200, {**ACCEPTANCE, "CheckoutRequestID": "x" * 65}),
    "JSON list": reply(200, [ACCEPTANCE]),
    "JSON text": reply(200, "0"),
    "NaN": reply(200, b'{"ResponseCode": NaN}'),
    "busy": reply(500, error("500.003.02", "System is busy. Please try again in few minutes.")),
    "unknown 500.003.02": reply(500, error("500.003.02", "?")),
    "unknown 500.003.03": reply(500, error("500.003.03", "?")),
    "processing": reply(500, error("500.001.1001", "The transaction is being processed")),
    "internal": reply(500, error("500.001.1001", "Internal Server Error")),
    "unknown 500.001.1001": reply(500, error("500.001.1001", "Something new")),
    "500.001.1001 without text": reply(500, error("500.001.1001", "")),
    "duplicate": reply(500, error("500.002.1001", "Duplicate OriginatorConversationID.")),
    "maintenance": reply(500, error("500.002.1001", "Service is currently under maintenance")),
    "internal error": reply(500, error("500.003.1001", "Internal Server Error")),
    "unlisted 5xx": reply(503, error("503.001.01", "?")),
    "unlisted 400 in a 500": reply(500, error("400.777.77", "?")),
    "redirect": reply(302, b"", Location="/elsewhere"),
    "permanent redirect": reply(308, b"", Location="/elsewhere"),
    "cut, by length": hang_up(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + CUT[:60]),
    "cut, by closing": hang_up(b"HTTP/1.1 200 OK\r\n\r\n" + CUT[:60]),
    "cut refusal": hang_up(
        b"HTTP/1.1 400 Bad\r\nContent-Length: 500\r\n\r\n"
        + json.dumps(error("400.002.02", "Invalid Amount")).encode()
    ),
    "gzip garbage": reply(200, b"\x1f\x8b\x08garbage", Content_Encoding="gzip"),
    "unknown encoding": reply(200, b"abc", Content_Encoding="br"),
    "closed before a word": hang_up(),
    "reset": reset,
    "no HTTP": send(b"\x00\x01\x02 this is not HTTP\r\n\r\n"),
    "endless header": hang_up(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000),
    "bad status": hang_up(b"HTTP/1.1 9999999 OK\r\n\r\n"),
}


@pytest.mark.parametrize("act", SILENCES.values(), ids=SILENCES.keys())
async def test_anything_else_is_silence_and_is_never_sent_again(world: World, act: Act):
    """The prompt may be on the phone: calling it failed, or sending it again, costs money."""
    world.daraja.posts = [act]

    with pytest.raises(DarajaSilent) as silence:
        await world.push()

    assert len(world.daraja.pushes) == 1
    assert len(silence.value.raw) <= RAW_BYTES_MAX
    assert silence.value.note


async def test_an_endless_body_is_not_read_to_its_end(world: World):
    """Megabytes of anything are no answer, and not worth our memory or our time."""
    poured: list[int] = []
    world.daraja.posts = [pour(b" " * 65_536, poured)]

    with pytest.raises(DarajaSilent) as silence:
        await world.push()

    assert silence.value.raw == b" " * RAW_BYTES_MAX
    assert sum(poured) < 20 * 1024 * 1024  # what fits into the buffers of two sockets
    assert len(world.daraja.pushes) == 1


@pytest.mark.parametrize("act", [
    say_nothing,
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    send(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"Response'),
], ids=["no answer", "no body", "half a body"])
async def test_a_gateway_that_hangs_is_left_and_is_silent(world: World, act: Act):
    """Wherever it hangs, the caller is not held, and the push may have been taken."""
    world.lose_patience()
    world.daraja.posts = [act]

    with pytest.raises(DarajaSilent) as silence:
        await world.push()

    assert silence.value.raw in {b"", b'{"Response'}
    assert len(world.daraja.pushes) == 1


@pytest.mark.parametrize("act", [
    hang_up(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + CUT),
    hang_up(b"HTTP/1.1 200 OK\r\n\r\n" + CUT),
    reply(200, {**ACCEPTANCE, "ResponseCode": "1"}),
    reply(500, {**ACCEPTANCE, **error("400.002.02", "Invalid Amount")}),
    reply(401, {**ACCEPTANCE, **error("404.001.03", "Invalid Access Token")}),
], ids=["cut by length", "cut by closing", "E8 with id", "refusal with id", "auth with id"])
async def test_silence_keeps_the_id_that_the_answer_held(world: World, act: Act):
    """With the id a status query finds the truth; an answer with an id is never a refusal."""
    world.daraja.posts = [act]

    with pytest.raises(DarajaSilent) as silence:
        await world.push()

    assert silence.value.checkout_request_id == CHECKOUT_ID
    assert len(world.daraja.pushes) == 1


AUTH_REFUSALS = [
    (404, error("404.001.03", "Invalid Access Token")),
    (400, error("400.003.01", "Invalid Access Token")),
    (401, error("401.002.01", "Error Occurred - Invalid Access Token - XXX")),
    (401, {"errorCode": "401", "errorMessage": "Unauthorized - Invalid Access Token"}),
    (401, b""),
    (401, HTML),
]


@pytest.mark.parametrize(("status", "body"), AUTH_REFUSALS)
async def test_a_refused_token_is_replaced_and_the_push_sent_once_more(
    world: World, status: int, body: object,
):
    """The gateway refused before M-Pesa saw the order: the one resend that is safe."""
    world.daraja.posts = [reply(status, body), reply(200, ACCEPTANCE)]
    world.daraja.oauth = [token_reply("the-first-token"), token_reply("the-second-token")]

    accepted = await world.push()

    assert accepted.checkout_request_id == CHECKOUT_ID
    assert [push.headers["authorization"] for push in world.daraja.pushes] == [
        "Bearer the-first-token", "Bearer the-second-token",
    ]
    assert world.daraja.pushes[0].body == world.daraja.pushes[1].body


@pytest.mark.parametrize(("body", "code"), [
    (error("404.001.03", "Invalid Access Token"), "token_refused"),
    (error("", "Invalid API call as no apiproduct match found"), "product_not_enabled"),
])
async def test_a_token_refused_twice_is_a_refusal(world: World, body: object, code: str):
    """Asking on with fresh tokens would never end (trap T9)."""
    world.daraja.posts = [reply(401, body)]

    with pytest.raises(DarajaRefused) as refusal:
        await world.push()

    assert refusal.value.reason.code == code
    assert (len(world.daraja.pushes), len(world.daraja.token_requests)) == (2, 2)


async def test_the_resend_can_be_silent_too(world: World):
    """The second try is a push like any other."""
    world.daraja.posts = [reply(401), reset]

    with pytest.raises(DarajaSilent):
        await world.push()

    assert len(world.daraja.pushes) == 2


async def test_without_a_second_token_nothing_was_sent(world: World):
    """The first try was refused at the gateway, so nobody was asked."""
    world.daraja.posts = [reply(401)]
    world.daraja.oauth = [token_reply(), reply(503)]

    with pytest.raises(DarajaUnreachable):
        await world.push()

    assert len(world.daraja.pushes) == 1


async def test_no_secret_comes_back_in_evidence_or_text(world: World):
    """Raw answers are stored and shown: an error page that repeats our request must not leak it."""
    await world.push()
    sent = world.daraja.pushes[0]
    password = str(sent.json["Password"])
    echo = (sent.body + b" " + sent.headers["authorization"].encode() + PASSKEY.encode()
            + password.replace("/", "\\/").encode())
    world.daraja.posts = [reply(500, echo)]

    with pytest.raises(DarajaSilent) as silence:
        await world.push()

    shown = silence.value.raw + repr(silence.value).encode() + str(silence.value).encode()
    assert b"[removed]" in shown
    for secret in (password, PASSKEY, "the-access-token-one-28-char", "the-consumer-secret"):
        assert secret.encode() not in shown


async def test_what_we_log_shows_no_number_and_no_secret(world: World):
    """The checkout request id ends in nine digits of the payer's number."""
    accepted = await world.push()
    shown = f"{accepted!r} {credentials(world.daraja.url)!r}"

    assert "708374149" not in shown
    assert PASSKEY not in shown
    assert "the-consumer" not in shown
