"""The signature, as the merchant's own libraries read it, and what an answer means."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from standardwebhooks import WebhookVerificationError

from hakika.domain.event import EventName
from hakika.domain.ids import EndpointId, MerchantId
from hakika.domain.webhook import Answer, Endpoint, headers, mint_secret, sign

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = mint_secret(bytes(range(32)))
OTHER_SECRET = mint_secret(bytes(range(1, 33)))
BODY = '{"type":"payment.completed","shop":"Mama Mboga – Nyeri"}'.encode()
EVENT = "evt_01jg8000000000000000000000"



def svix_webhook() -> Any:
    """Svix's own class, from its one file: to import all of its package takes four seconds."""
    package = find_spec("svix")
    assert package is not None and package.submodule_search_locations is not None
    file = Path(package.submodule_search_locations[0]) / "webhooks.py"
    spec = spec_from_file_location("svix_webhooks_alone", file)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(module := module_from_spec(spec))
    return module.Webhook


STANDARD, SVIX = standardwebhooks.Webhook, svix_webhook()
LIBRARIES = (STANDARD, SVIX)
PREFIXES = {STANDARD: "webhook-", SVIX: "svix-"}


def signed_now() -> dict[str, str]:
    """The headers of a POST of this moment: both libraries compare it with the real clock."""
    return dict(headers(SECRET, message_id=EVENT, now=datetime.now(UTC), body=BODY))


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_merchants_library_believes_us(library):
    """A merchant adds one line of a library they may already have; that must be enough."""
    library(SECRET).verify(BODY, signed_now())


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_is_content_with_its_own_headers(library):
    """Some frameworks pass on only the headers they know."""
    own = {name: value for name, value in signed_now().items() if PREFIXES[library] in name}

    library(SECRET).verify(BODY, own)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("changed", ["body", "id", "timestamp", "signature", "secret"])
def test_nothing_can_be_changed_on_the_way(library, changed):
    sent, body, secret = signed_now(), BODY, SECRET
    match changed:
        case "body":
            body = BODY.replace(b"completed", b"completeD")
        case "secret":
            secret = OTHER_SECRET
        case "id":
            sent |= dict.fromkeys(("webhook-id", "svix-id"), "evt_other")
        case "timestamp":
            later = str(int(sent["webhook-timestamp"]) + 1)
            sent |= dict.fromkeys(("webhook-timestamp", "svix-timestamp"), later)
        case "signature":
            forged = sign(OTHER_SECRET, message_id=EVENT, timestamp=0, body=BODY)
            sent |= dict.fromkeys(("webhook-signature", "svix-signature"), forged)

    with pytest.raises(WebhookVerificationError):
        library(secret).verify(body, sent)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("age", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_an_old_post_cannot_be_played_again(library, age):
    old = headers(SECRET, message_id=EVENT, now=datetime.now(UTC) - age, body=BODY)

    with pytest.raises(WebhookVerificationError):
        library(SECRET).verify(BODY, dict(old))


def test_both_families_of_headers_say_the_same():
    sent = headers(SECRET, message_id=EVENT, now=NOON, body=BODY)

    assert dict(sent) == {
        "content-type": "application/json",
        "webhook-id": EVENT, "svix-id": EVENT,
        "webhook-timestamp": "1772452800", "svix-timestamp": "1772452800",
        "webhook-signature": sent["svix-signature"], "svix-signature": sent["webhook-signature"],
    }


def test_the_signature_is_that_of_the_specification():
    """The example that Standard Webhooks and Svix print, so that no library need be asked."""
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_body_of_any_bytes_is_signed_as_it_is():
    assert sign(SECRET, message_id="a", timestamp=1, body=b"\xff\x00") != sign(
        SECRET, message_id="a", timestamp=1, body=b"\xff",
    )


def test_a_secret_is_32_bytes_behind_a_prefix():
    prefix, _, encoded = SECRET.partition("_")

    assert prefix == "whsec"
    assert base64.b64decode(encoded, validate=True) == bytes(range(32))
    with pytest.raises(AssertionError):
        mint_secret(b"short")


def test_a_secret_is_not_printed_with_its_endpoint():
    """Endpoints end up in logs and tracebacks; secrets must not."""
    assert SECRET not in repr(endpoint())


def test_only_2xx_is_received_and_only_410_is_gone():
    statuses = range(100, 1000)

    assert [s for s in statuses if Answer(s).accepted] == list(range(200, 300))
    assert [s for s in statuses if Answer(s).gone] == [410]
    assert not Answer(None).accepted
    assert not Answer(None).gone


def endpoint(
    *, events: frozenset[EventName] = frozenset(), disabled_at: datetime | None = None,
) -> Endpoint:
    return Endpoint(
        id=EndpointId("whe_1"), merchant_id=MerchantId("mer_1"), livemode=False,
        url="https://shop.example/hooks", secret=SECRET, events=events, created_at=NOON,
        disabled_at=disabled_at,
    )


@pytest.mark.parametrize("name", EventName)
def test_an_endpoint_hears_what_it_asked_for(name):
    others = frozenset(EventName) - {name}

    assert endpoint().wants(name)
    assert endpoint(events=frozenset({name})).wants(name)
    assert not endpoint(events=others).wants(name)
    assert not endpoint(disabled_at=NOON).wants(name)
