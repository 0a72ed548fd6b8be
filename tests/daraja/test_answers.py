"""The synchronous errors: every documented code with its text, and UNKNOWN for the rest."""

from __future__ import annotations

import pytest

from hakika.daraja.answers import ANSWER_ERRORS, AnswerClass, answer_error

REFUSED, AUTH, THROTTLED, BUSY, BUSY_SUBSCRIBER, PENDING, DUPLICATE, UNKNOWN = AnswerClass

# daraja.md 4.2 and 4.3, written by hand: code, text, HTTP status, class.
DOCUMENTED = [
    ("400.001", "Invalid ShortCode", 400, REFUSED),
    ("400.002.02", "Bad Request - Invalid BusinessShortCode", 400, REFUSED),
    ("400.002.02", "Bad Request - Invalid CheckoutRequestID", 400, PENDING),
    ("400.002.05", "Invalid Request Payload", 400, REFUSED),
    ("400.003.01", "Invalid Access Token", 400, AUTH),
    ("400.003.02", "Bad Request", 400, REFUSED),
    ("400.008.01", "Invalid Authentication Type", 400, REFUSED),
    ("400.008.02", "Invalid Grant Type", 400, REFUSED),
    ("401.001", "Invalid token", 401, AUTH),
    ("401.002.01", "Error Occurred - Invalid Access Token - XXX", 401, AUTH),
    ("", "Invalid API call as no apiproduct match found", 401, AUTH),
    ("403.002.1001", "You are not authorized to initiate this transaction", 403, REFUSED),
    ("404.001.01", "Resource not found", 404, REFUSED),
    ("404.001.03", "Invalid Access Token", 404, AUTH),
    ("404.001.04", "Invalid Authentication Header", 404, REFUSED),
    ("404.002.01", "Resource not found", 404, REFUSED),
    ("404.003.01", "Resource not found", 404, REFUSED),
    ("405.001", "Method Not Allowed", 405, REFUSED),
    ("500.001.1001", "Merchant does not exist", 500, REFUSED),
    ("500.001.1001", "Wrong credentials", 500, REFUSED),
    ("500.001.1001", "Unable to lock subscriber, a transaction is already in process", 500,
     BUSY_SUBSCRIBER),
    ("500.001.1001", "The transaction is being processed", 500, PENDING),
    ("500.001.1001", "Internal Server Error", 500, UNKNOWN),
    ("500.002.1001", "Duplicate OriginatorConversationID.", 500, DUPLICATE),
    ("500.002.1001", "Service is currently under maintenance", 500, UNKNOWN),
    ("00.002.1001", "Service is currently under maintenance", 500, UNKNOWN),
    ("500.003.02", "System is busy. Please try again in few minutes.", 500, BUSY),
    ("500.003.02", "Error Occurred: Spike Arrest Violation", 500, THROTTLED),
    ("500.003.03", "Quota Violation", 500, THROTTLED),
    ("500.003.1001", "Internal Server Error", 500, UNKNOWN),
    ("500.003.1001", "Urls are already registered", 500, REFUSED),
    ("500.003.1001", "Duplicate notification info, SP ID is 1, correlator is 2", 500, REFUSED),
    ("policies.ratelimit.SpikeArrestViolation", "Spike arrest violation", 429, THROTTLED),
    ("steps.servicecallout.ExecutionFailed", "Execution failed", 500, UNKNOWN),
]


@pytest.mark.parametrize(("code", "text", "status", "kind"), DOCUMENTED)
def test_a_documented_error_has_its_class(code: str, text: str, status: int, kind: AnswerClass):
    """However the text is cased."""
    for spelt in (text, text.upper()):
        error = answer_error(code, spelt, status)
        assert error.kind is kind
        assert not code or error.daraja_code == code


def test_every_documented_code_is_in_the_table():
    """And every row in the table is documented."""
    documented = {code for code, *_ in DOCUMENTED if code}
    extra = {"policies.ratelimit.QuotaViolation"}  # the gateway's other limit, by analogy
    assert set(ANSWER_ERRORS) == documented | extra


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 500, 502, 503])
@pytest.mark.parametrize(("code", "text"), [
    ("", ""), ("500.001.1001", ""), ("500.001.1001", "Something new"), ("500.009.01", ""),
    ("500.002.1001", "?"), ("nonsense", "Invalid Access Token"), ("steps.oauth.Failed", ""),
])
def test_an_unknown_error_is_unknown(code: str, text: str, status: int):
    """The code 500.001.1001 alone is no evidence of anything (trap T22)."""
    assert answer_error(code, text, status).kind is UNKNOWN


@pytest.mark.parametrize(("code", "text", "status", "kind"), DOCUMENTED)
def test_inside_a_success_only_plain_refusals_count(
    code: str, text: str, status: int, kind: AnswerClass,
):
    """Nobody knows what an error in a 200 means, unless it is a malformed request's."""
    believed = kind is REFUSED and not code.startswith("500.")
    assert answer_error(code, text, 200).kind is (REFUSED if believed else UNKNOWN)


def test_a_401_is_about_the_token_whatever_its_body_says():
    """Any body, or none."""
    for code in ("", "400.002.02", "500.003.1001", "401", "gibberish"):
        assert answer_error(code, "", 401).kind is AUTH


@pytest.mark.parametrize("status", [302, 500, 503])
@pytest.mark.parametrize("code", ["404.001.03", "400.003.01", "401.001", "401.002.01", "401"])
def test_a_token_is_refused_with_a_4xx_only(code: str, status: int):
    """What is refused for its token is sent again: that must be the gateway's word, no server's."""
    assert answer_error(code, "Invalid Access Token", status).kind is UNKNOWN


def test_a_429_is_the_gateways_whatever_its_body_says():
    """Any body, or none; M-Pesa never saw the request."""
    for code in ("", "400.002.02", "500.001.1001", "gibberish"):
        assert answer_error(code, "", 429).kind is THROTTLED


def test_every_row_says_everything():
    """In both languages, and to the developer."""
    for row in (row for rows in ANSWER_ERRORS.values() for row in rows):
        reason = row.reason()
        assert reason.code.replace("_", "").islower(), row
        assert reason.payer_message.endswith(".") and reason.payer_message_sw.endswith("."), row
        assert reason.payer_message != reason.payer_message_sw, row
        assert reason.developer_message.endswith((".", "?")), row


def test_a_busy_subscriber_may_be_asked_again_after_a_minute():
    """Not at once: the prompt that is open may be ours."""
    error = answer_error("500.001.1001", "Unable to lock subscriber", 500)

    assert (error.code, error.retryable, error.retry_after_seconds) == ("payer_busy", True, 60)
