"""What an endpoint may be: its own headers, its rate, its secrets, and how it is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hakika.domain.dialect import mint_secret
from hakika.domain.errors import Invalid
from hakika.domain.ids import EndpointId, MerchantId
from hakika.domain.webhook import (
    HEADER_VALUE_CHARACTERS_MAX,
    HEADERS_CHARACTERS_MAX,
    HEADERS_MAX,
    Endpoint,
    check_headers,
    check_rate,
    endpoint_data,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET, OLD_SECRET = mint_secret(bytes(range(32))), mint_secret(bytes(range(1, 33)))

ENDPOINT = Endpoint(
    id=EndpointId("whe_1"), merchant_id=MerchantId("mer_1"), livemode=False,
    url="https://shop.example/hooks", secret=SECRET, events=frozenset(), created_at=NOON,
    headers={"x-key": "canary"}, previous_secret=OLD_SECRET,
    previous_until=NOON + timedelta(days=1),
)


def test_nothing_secret_is_printed_or_shown_with_an_endpoint():
    """Endpoints end up in logs, tracebacks and events; secrets must not."""
    for text in (repr(ENDPOINT), str(endpoint_data(ENDPOINT))):
        assert SECRET not in text
        assert OLD_SECRET not in text
        assert "canary" not in text


def test_two_secrets_sign_until_the_overlap_is_over():
    end = NOON + timedelta(days=1)

    assert ENDPOINT.secrets(now=end - timedelta(seconds=1)) == [SECRET, OLD_SECRET]
    assert ENDPOINT.secrets(now=end) == [SECRET]
    assert replace(ENDPOINT, previous_secret="").secrets(now=NOON) == [SECRET]


def test_a_merchants_own_headers_are_taken_in_lower_case():
    assert check_headers({"Authorization": "Bearer x y", "X-Tenant": "7"}) == {
        "authorization": "Bearer x y", "x-tenant": "7",
    }


@pytest.mark.parametrize("name", [
    "Host", "Content-Length", "content-type", "Transfer-Encoding", "Connection", "Keep-Alive", "TE",
    "Trailer", "Upgrade", "Proxy-Authorization", "Proxy-Connection", "Expect", "User-Agent",
    "Accept-Encoding", "webhook-id", "Webhook-Signature", "svix-timestamp", "X-Event-Type",
    "X-Payments-Signature", "X-Mpesa-Gateway-Event", "", "a b", "a:b", "a\nb", "é", "x" * 65,
])
def test_a_header_that_is_not_the_merchants_to_set_is_refused(name):
    """It would end our message elsewhere, or forge what the receiver relies on."""
    with pytest.raises(Invalid):
        check_headers({name: "x"})


@pytest.mark.parametrize("value", [
    "", " x", "x ", "a\r\nb: c", "a\x00b", "é", "x" * (HEADER_VALUE_CHARACTERS_MAX + 1),
])
def test_a_value_that_is_not_plain_is_refused(value):
    with pytest.raises(Invalid):
        check_headers({"x-key": value})


def test_there_is_an_end_to_headers():
    with pytest.raises(Invalid):
        check_headers({f"x-{number}": "x" for number in range(HEADERS_MAX + 1)})
    with pytest.raises(Invalid):
        check_headers({f"x-{number}": "x" * 999 for number in range(5)})
    with pytest.raises(Invalid):
        check_headers({"x-Key": "1", "X-key": "2"})
    assert HEADERS_CHARACTERS_MAX < 5 * 999


@pytest.mark.parametrize("rate", [0.0, 0.09, 1000.1, -1.0, float("nan"), float("inf")])
def test_a_rate_beyond_reason_is_refused(rate):
    with pytest.raises(Invalid):
        check_rate(rate)


def test_a_rate_is_optional():
    assert check_rate(None) is None
    assert check_rate(0.1) == 0.1
