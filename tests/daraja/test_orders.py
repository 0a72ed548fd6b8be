"""An order of money over HTTP: what each documented answer means of it, and that it goes out once.

The dearest mistakes are here: "refused" or "never asked" of an order that was made is paid twice.
"""

from __future__ import annotations

import json

import pytest

from hakika.daraja.envelopes import Addresses, Operator, Question, Taken
from hakika.daraja.errors import DarajaDuplicate, DarajaRefused, DarajaSilent, DarajaUnreachable
from hakika.daraja.payouts import (
    B2B_PATH,
    B2C_V1_PATH,
    B2C_V3_PATH,
    REVERSAL_PATH,
    Order,
    b2c_order,
)
from hakika.domain import msisdn
from hakika.domain.money import Money
from tests.daraja.scripted import (
    Act,
    World,
    credentials,
    hang_up,
    reply,
    reset,
    say_nothing,
    send,
    token_reply,
)
from tests.daraja.test_push import HTML, SOAP_FAULT, SPIKE_ARREST, error

CREDENTIAL = "U2VhbGVkLWNyZWRlbnRpYWw="
OURS = "pyo_01kaxb2m8fe2tv5k0c3y7h9q4d"
CONVERSATION = "AG_20240706_20106e9209f64bebd05b"
ACK = {
    "ConversationID": CONVERSATION, "OriginatorConversationID": OURS, "ResponseCode": "0",
    "ResponseDescription": "Accept the service request successfully.",
}
ORDER = b2c_order(
    Order(
        "600996", Operator("testapi", CREDENTIAL),
        Addresses("https://pay.example/c/result", "https://pay.example/c/timeout"),
        Money.shillings(1_500), "Order 1234",
    ),
    payee=msisdn.parse("0708374149"), originator_conversation_id=OURS,
)


async def ordered(world: World, path: str = B2C_V3_PATH) -> Taken:
    """Send the order, to whichever API; return what Daraja took."""
    order = Question(path, ORDER.body, ORDER.secret)
    return await world.client.order(credentials(world.daraja.url), order)


async def test_an_order_is_sent_as_it_is_and_taken_under_its_ids(world: World):
    world.daraja.posts = [reply(200, ACK)]

    taken = await ordered(world)

    assert (taken.conversation_id, taken.originator_conversation_id) == (CONVERSATION, OURS)
    assert json.loads(taken.raw) == ACK
    (sent,) = world.daraja.pushes
    assert (sent.path, sent.body) == (B2C_V3_PATH, ORDER.body)
    assert sent.headers["authorization"] == "Bearer the-access-token-one-28-char"


@pytest.mark.parametrize("body", [
    pytest.param({**ACK, "ResponseCode": 0}, id="number"),
    pytest.param({key.upper(): value for key, value in ACK.items()}, id="upper case"),
    pytest.param({**ACK, "OriginatorConversationID": "53e3-4aa8-9fe0"}, id="another's id"),
])
async def test_an_acceptance_is_read_tolerantly(world: World, body: object):
    """An order that was taken and is not seen as taken must be looked for by a person."""
    world.daraja.posts = [reply(200, body, Content_Type="text/html")]

    assert (await ordered(world)).conversation_id == CONVERSATION


REFUSED, UNREACHABLE, DUPLICATE, SILENT = (
    DarajaRefused, DarajaUnreachable, DarajaDuplicate, DarajaSilent,
)
BUSY = "System is busy. Please try again in few minutes."
DUPLICATED = error("500.002.1001", "Duplicate OriginatorConversationID.")
MAINTENANCE = "Service is currently under maintenance"

# daraja.md 4.1 to 4.3, each row as an answer to an order: HTTP status, body, what it means, and
# the reason or the note. Rows of 4.3 that belong to other APIs are here too: what their texts would
# mean of an order nobody has written down.
ANSWERS = [
    # 400 to 405 of the gateway: it was not made
    (400, error("400.002.02", "Bad Request - Invalid InitiatorName"), REFUSED, "request_invalid"),
    (400, {"ErrorCode": "400.002.02", "ErrorMessage": "Invalid Amount"}, REFUSED,
     "request_invalid"),
    (200, error("400.002.02", "Bad Request - Invalid Amount"), REFUSED, "request_invalid"),
    (400, error("400.001", "Invalid ShortCode"), REFUSED, "shortcode_not_registered"),
    (400, error("400.002.05", "Invalid Request Payload"), REFUSED, "request_unreadable"),
    (400, error("400.003.02", "Bad Request"), REFUSED, "request_incomplete"),
    (400, error("400.008.01", "Invalid Authentication Type"), REFUSED, "oauth_type_wrong"),
    (400, error("400.008.02", "Invalid Grant Type"), REFUSED, "oauth_grant_wrong"),
    (400, error("400.009.99", "Bad Request"), REFUSED, "request_refused"),
    (403, error("403.002.1001", "You are not authorized"), REFUSED, "b2c_v3_not_allowed"),
    (404, error("404.001.01", "Resource not found"), REFUSED, "path_unknown"),
    (404, error("404.001.04", "Invalid Authentication Header"), REFUSED, "header_invalid"),
    (404, error("404.002.01", "Resource not found"), REFUSED, "path_unknown"),
    (404, error("404.003.01", "Resource not found"), REFUSED, "path_unknown"),
    (405, error("405.001", "Method Not Allowed"), REFUSED, "method_not_allowed"),
    # a token refused, and the next one too: it was not made
    (400, error("400.003.01", "Invalid Access Token"), REFUSED, "token_refused"),
    (401, error("401.001", "Invalid token"), REFUSED, "token_refused"),
    (401, error("401.002.01", "Error Occurred - Invalid Access Token - XXX"), REFUSED,
     "token_refused"),
    (401, error("", "Invalid API call as no apiproduct match found"), REFUSED,
     "product_not_enabled"),
    (401, HTML, REFUSED, "token_refused"),
    (404, error("404.001.03", "Invalid Access Token"), REFUSED, "token_refused"),
    # the gateway turned it away: it may be sent later
    (429, SPIKE_ARREST, UNREACHABLE, "daraja_throttled"),
    (500, SPIKE_ARREST, UNREACHABLE, "daraja_throttled"),
    (429, HTML, UNREACHABLE, "daraja_throttled"),
    (429, b"", UNREACHABLE, "daraja_throttled"),
    (500, error("500.003.02", "Error Occurred: Spike Arrest Violation"), UNREACHABLE,
     "daraja_throttled"),
    (500, error("500.003.03", "Quota Violation"), UNREACHABLE, "daraja_throttled"),
    # the first one stands
    (500, DUPLICATED, DUPLICATE, "duplicate"),
    (400, DUPLICATED, DUPLICATE, "duplicate"),
    # everything else may have been made
    (200, DUPLICATED, SILENT, "answer_unreadable (HTTP 200)"),
    (500, error("500.002.1001", MAINTENANCE), SILENT, "mpesa_maintenance (HTTP 500)"),
    (500, error("500.002.1001", ""), SILENT, "answer_unreadable (HTTP 500)"),
    (500, error("00.002.1001", MAINTENANCE), SILENT, "mpesa_maintenance (HTTP 500)"),
    (500, error("500.003.02", BUSY), SILENT, "mpesa_busy (HTTP 500)"),
    (500, error("500.003.02", ""), SILENT, "mpesa_busy (HTTP 500)"),
    (500, error("500.003.03", ""), SILENT, "mpesa_busy (HTTP 500)"),
    (500, error("500.001.1001", "Internal Server Error"), SILENT, "mpesa_internal_error"),
    (500, error("500.001.1001", "Merchant does not exist"), SILENT, "wrong_shortcode"),
    (500, error("500.001.1001", "Wrong credentials"), SILENT, "wrong_credentials"),
    (400, error("500.001.1001", "Wrong credentials"), SILENT, "wrong_credentials"),
    (500, error("500.001.1001", "Unable to lock subscriber"), SILENT, "payer_busy"),
    (500, error("500.001.1001", "The transaction is being processed"), SILENT, "still_processing"),
    (400, error("400.002.02", "Invalid CheckoutRequestID"), SILENT, "checkout_id_unknown"),
    (500, error("500.003.1001", "Internal Server Error"), SILENT, "mpesa_internal_error"),
    (500, error("500.003.1001", "Urls are already registered"), SILENT, "urls_already_registered"),
    (500, error("400.002.02", "Invalid Amount"), SILENT, "request_invalid (HTTP 500)"),
    (500, error("404.001.03", "Invalid Access Token"), SILENT, "answer_unreadable"),
    (302, error("400.002.02", "Invalid Amount"), SILENT, "request_invalid (HTTP 302)"),
    (500, SOAP_FAULT, SILENT, "gateway_failed (HTTP 500)"),
    (503, error("503.001.01", "?"), SILENT, "answer_unreadable (HTTP 503)"),
    (403, HTML, SILENT, "answer_unreadable (HTTP 403)"),
    (503, HTML, SILENT, "answer_unreadable (HTTP 503)"),
    (200, HTML, SILENT, "answer_unreadable (HTTP 200)"),
    (400, b"", SILENT, "answer_unreadable (HTTP 400)"),
    (500, b"", SILENT, "answer_unreadable (HTTP 500)"),
    (200, b"", SILENT, "answer_unreadable (HTTP 200)"),
    (200, SPIKE_ARREST, SILENT, "answer_unreadable (HTTP 200)"),
    (200, error("500.001.1001", "Wrong credentials"), SILENT, "answer_unreadable (HTTP 200)"),
    (200, {"ResponseCode": "1", "ResponseDescription": "Rejected"}, SILENT, "answer_unreadable"),
    (200, {**ACK, "ConversationID": ""}, SILENT, "answer_unreadable (HTTP 200)"),
    (400, {"ResponseCode": "0", **error("400.002.02", "Invalid Amount")}, SILENT,
     "answer_unreadable"),
]

TWICE = {"token_refused", "product_not_enabled"}  # sent again with a new token, once


@pytest.mark.parametrize(("status", "body", "meaning", "said"), ANSWERS)
async def test_an_answer_means_of_an_order_what_is_certain_of_it(
    world: World, status: int, body: object, meaning: type[Exception], said: str,
):
    """Refused and never asked where that is sure; and never sent again by itself."""
    world.daraja.posts = [reply(status, body)]

    with pytest.raises(meaning) as failure:
        await ordered(world)

    heard = failure.value
    if isinstance(heard, DarajaSilent):
        assert heard.note.startswith(said)
    else:
        assert isinstance(heard, REFUSED | UNREACHABLE | DUPLICATE)
        assert heard.reason.code == said
    assert heard.raw == (body if isinstance(body, bytes) else json.dumps(body).encode())
    assert len(world.daraja.pushes) == (2 if said in TWICE else 1)


@pytest.mark.parametrize("act", [
    reset, hang_up(), hang_up(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
    hang_up(b"HTTP/1.1 400 Bad\r\nContent-Length: 900\r\n\r\n"
            + json.dumps(error("400.002.02", "Invalid Amount")).encode()),
    send(b"\x00\x01 this is not HTTP\r\n\r\n"), reply(307, b"", Location="/elsewhere"),
], ids=["reset", "closed", "cut", "cut refusal", "no HTTP", "redirect"])
async def test_what_breaks_after_sending_is_silent(world: World, act: Act):
    """The order was on its way: nobody knows how far it came (T3)."""
    world.daraja.posts = [act]

    with pytest.raises(DarajaSilent) as silence:
        await ordered(world)

    assert silence.value.note
    assert len(world.daraja.pushes) == 1


async def test_no_answer_in_time_is_silent(world: World):
    world.lose_patience()
    world.daraja.posts = [say_nothing]

    with pytest.raises(DarajaSilent):
        await ordered(world)

    assert len(world.daraja.pushes) == 1


async def test_what_never_left_was_never_asked(world: World, monkeypatch: pytest.MonkeyPatch):
    """There is a token, and nobody listens there: the same order may be sent later."""
    token = await world.tokens.token(credentials(world.daraja.url))

    async def given(_: object) -> object:
        return token

    monkeypatch.setattr(world.tokens, "token", given)
    with pytest.raises(DarajaUnreachable) as failure:
        await world.client.order(credentials("http://127.0.0.1:1"), ORDER)

    assert failure.value.reason.code == "daraja_unreachable"
    assert world.daraja.pushes == []


async def test_without_a_token_nothing_was_ordered(world: World):
    world.daraja.oauth = [reply(503)]

    with pytest.raises(DarajaUnreachable):
        await ordered(world)

    assert world.daraja.pushes == []


async def test_a_refused_token_is_replaced_and_the_order_sent_once_more(world: World):
    """The gateway refused before M-Pesa saw it: the one resend that is safe, and the same bytes."""
    world.daraja.posts = [reply(401), reply(200, ACK)]
    world.daraja.oauth = [token_reply("the-first-token"), token_reply("the-second-token")]

    assert (await ordered(world)).conversation_id == CONVERSATION
    first, second = world.daraja.pushes
    assert first.body == second.body
    assert first.headers["authorization"] != second.headers["authorization"]


WITH_ID = json.dumps(ACK).encode()


@pytest.mark.parametrize("act", [
    reply(200, {**ACK, "ResponseCode": "1"}),
    reply(200, {**ACK, **error("500.003.1001", "Internal Server Error")}),
    reply(400, {**ACK, **error("400.002.02", "Invalid Amount")}),
    reply(401, {**ACK, **error("404.001.03", "Invalid Access Token")}),
    reply(429, {**ACK, **SPIKE_ARREST}),
    reply(500, ACK),
    reply(500, {**ACK, **DUPLICATED}),
    hang_up(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + WITH_ID),
    hang_up(b"HTTP/1.1 401 No\r\nContent-Length: 900\r\n\r\n" + WITH_ID[:-30]),
    hang_up(b"HTTP/1.1 200 OK\r\n\r\n" + WITH_ID[:-30]),
], ids=[
    "E8", "E7", "refusal", "token", "throttled", "500", "duplicate", "short", "cut token", "cut",
])
async def test_an_answer_with_an_id_is_kept_and_never_a_refusal(world: World, act: Act):
    """M-Pesa gave it an id: then the order may be under way, and by the id it can be found."""
    world.daraja.posts = [act]

    with pytest.raises(DarajaSilent) as silence:
        await ordered(world)

    assert silence.value.conversation_id == CONVERSATION
    assert silence.value.originator_conversation_id == OURS
    assert len(world.daraja.pushes) == 1


@pytest.mark.parametrize("path", [B2C_V1_PATH, B2B_PATH, REVERSAL_PATH])
async def test_only_of_v3_is_it_said_that_v3_is_not_allowed(world: World, path: str):
    """For whoever branches on the code, the way out is v1: from another API there is none."""
    world.daraja.posts = [reply(403, error("403.002.1001", "You are not authorized"))]

    with pytest.raises(DarajaRefused) as refusal:
        await ordered(world, path)

    assert refusal.value.reason.code == "not_authorized"


async def test_a_refusal_is_told_in_the_words_of_an_order(world: World):
    """The payee did not start a payment, and cannot start one."""
    world.daraja.posts = [reply(400, error("400.002.02", "Invalid PartyB 254708374149"))]

    with pytest.raises(DarajaRefused) as refusal:
        await ordered(world)

    reason = refusal.value.reason
    assert reason.payer_message == "The money could not be sent. The business has been told."
    assert "Invalid PartyB." in reason.developer_message
    assert "70837" not in f"{refusal.value!r} {reason}"


@pytest.mark.parametrize(("status", "body", "seconds"), [
    (429, SPIKE_ARREST, 15), (500, error("500.003.03", "Quota Violation"), 60),
    (500, error("500.003.02", BUSY), 15), (503, HTML, 0),
])
async def test_it_says_how_long_to_leave_mpesa_alone(
    world: World, status: int, body: object, seconds: int,
):
    """Also of an order that may have been made: the ones behind it should wait."""
    world.daraja.posts = [reply(status, body)]

    with pytest.raises((DarajaUnreachable, DarajaSilent)) as failure:
        await ordered(world)

    heard = failure.value
    assert isinstance(heard, DarajaUnreachable | DarajaSilent)
    assert heard.retry_after_seconds == seconds


async def test_the_operators_credential_is_in_no_evidence(world: World):
    """Raw answers are stored and shown: a page that repeats our order must not leak it."""
    world.daraja.posts = [reply(500, ORDER.body)]

    with pytest.raises(DarajaSilent) as silence:
        await ordered(world)

    assert b"[removed]" in silence.value.raw
    assert CREDENTIAL.encode() not in silence.value.raw
    assert CREDENTIAL not in f"{silence.value!r} {ORDER!r}"
