"""Each dialect, as the merchant's own programs read and verify it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from standardwebhooks import WebhookVerificationError

from hakika.domain.dialect import MASK, Dialect, masked, mint_secret, sign, write
from hakika.domain.event import TEST, Event, EventName
from hakika.domain.ids import EventId, MerchantId

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = mint_secret(bytes(range(32)))
OTHER_SECRET = mint_secret(bytes(range(1, 33)))
EVENT_ID = "evt_01jg8000000000000000000000"

PAID: dict[str, Any] = {
    "id": "pay_01jg8000000000000000000000", "amount": "500.00", "currency": "KES",
    "provider": "mpesa", "phone": "254712345678", "reference": "Duka – Nyeri",
    "status": "completed", "receipt": "UKL7RT61SV", "provider_ref": "ws_CO_1", "metadata": {},
    "daraja_code": None, "daraja_message": None, "completed_at": "2026-03-02T12:00:00Z",
}
CANCELED = PAID | {
    "status": "canceled", "receipt": None, "daraja_code": "1032",
    "daraja_message": "Request cancelled by user", "completed_at": None,
}

SETTLED: dict[str, Any] = {
    "id": "pyo_01jg8000000000000000000000", "payment_id": PAID["id"], "amount": "98.00",
    "reference": None, "status": "completed", "receipt": "SG632NMUAB", "daraja_code": None,
    "daraja_message": None, "failure_reason": None, "metadata": {},
    "payee": {"phone": "254712345678", "number": None, "account": None, "name": None},
    "completed_at": "2026-03-02T12:00:09Z",
}


def event(
    name: EventName = EventName.PAYMENT_COMPLETED, data: dict[str, Any] | None = None,
    subject: str = "pay_01jg8000000000000000000000",
) -> Event:
    return Event(
        id=EventId(EVENT_ID), merchant_id=MerchantId("mer_1"), livemode=False, name=name,
        sequence=7, subject_id=subject, data=PAID if data is None else data, created_at=NOON,
    )


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


def standard(
    *secrets: str, now: datetime | None = None,
) -> tuple[dict[str, str], bytes]:
    """The headers and body of a POST of this moment: the libraries compare it with the clock."""
    message = write(
        Dialect.STANDARD, event(), secrets=secrets or [SECRET], now=now or datetime.now(UTC),
    )
    return dict(message.headers), message.body


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_merchants_library_believes_us(library):
    """A merchant adds one line of a library they may already have; that must be enough."""
    headers, body = standard()

    library(SECRET).verify(body, headers)


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_is_content_with_its_own_headers(library):
    """Some frameworks pass on only the headers they know."""
    headers, body = standard()
    own = {name: value for name, value in headers.items() if PREFIXES[library] in name}

    library(SECRET).verify(body, own)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("known", [SECRET, OTHER_SECRET])
def test_while_a_secret_is_changed_either_is_believed(library, known):
    """No receiver may fail, whether it has the new one already or still the old one."""
    headers, body = standard(SECRET, OTHER_SECRET)

    library(known).verify(body, headers)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("changed", ["body", "id", "timestamp", "signature", "secret"])
def test_nothing_can_be_changed_on_the_way(library, changed):
    (sent, body), secret = standard(), SECRET
    match changed:
        case "body":
            body = body.replace(b"completed", b"completeD")
        case "secret":
            secret = OTHER_SECRET
        case "id":
            sent |= dict.fromkeys(("webhook-id", "svix-id"), "evt_other")
        case "timestamp":
            later = str(int(sent["webhook-timestamp"]) + 1)
            sent |= dict.fromkeys(("webhook-timestamp", "svix-timestamp"), later)
        case "signature":
            forged = sign(OTHER_SECRET, message_id=EVENT_ID, timestamp=0, body=body)
            sent |= dict.fromkeys(("webhook-signature", "svix-signature"), forged)

    with pytest.raises(WebhookVerificationError):
        library(secret).verify(body, sent)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("age", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_an_old_post_cannot_be_played_again(library, age):
    headers, body = standard(now=datetime.now(UTC) - age)

    with pytest.raises(WebhookVerificationError):
        library(SECRET).verify(body, headers)


def test_both_families_of_headers_say_the_same():
    sent, _ = standard(now=NOON)

    assert sent == {
        "webhook-id": EVENT_ID, "svix-id": EVENT_ID,
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


def verify_payments_service(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver of that gateway does it: hex HMAC-SHA256 over "{timestamp}.{body}"."""
    signed = headers["x-payments-timestamp"].encode() + b"." + body
    ours = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return headers["x-payments-signature"] == f"sha256={ours}"


def verify_mpesa_gateway(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As that gateway's page shows it: hex HMAC-SHA256 of the raw body."""
    ours = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return headers["x-mpesa-gateway-signature"] == ours


OLD_VERIFIERS = {
    Dialect.PAYMENTS_SERVICE: verify_payments_service,
    Dialect.MPESA_GATEWAY: verify_mpesa_gateway,
}


@pytest.mark.parametrize("dialect", OLD_VERIFIERS)
def test_a_receiver_of_an_older_gateway_believes_us(dialect):
    """It stays as it is when the shop moves to us."""
    message = write(dialect, event(), secrets=[SECRET], now=NOON)
    verify, headers = OLD_VERIFIERS[dialect], dict(message.headers)

    assert verify(SECRET, headers, message.body)
    assert not verify(OTHER_SECRET, headers, message.body)
    assert not verify(SECRET, headers, message.body.replace(b"500", b"900"))


@pytest.mark.parametrize("dialect", OLD_VERIFIERS)
def test_an_older_receiver_keeps_its_secret_until_the_overlap_is_over(dialect):
    """Its one header stays with the old secret; the new one can be tried beside it."""
    message = write(dialect, event(), secrets=[SECRET, OTHER_SECRET], now=NOON)
    verify, headers = OLD_VERIFIERS[dialect], dict(message.headers)
    (name,) = [each for each in headers if each.endswith("-signature-next")]
    following = headers | {name.removesuffix("-next"): headers[name]}

    assert verify(OTHER_SECRET, headers, message.body)
    assert verify(SECRET, following, message.body)


def test_the_body_of_a_payments_service_is_as_it_was():
    message = write(Dialect.PAYMENTS_SERVICE, event(), secrets=[SECRET], now=NOON)
    body = json.loads(message.body)

    assert set(body) == {"type", "data"}
    assert (body["type"], message.headers["x-event-type"]) == ("payment.completed",) * 2
    assert message.headers["x-payments-timestamp"] == "1772452800"
    assert body["data"].items() >= {
        "payment_id": PAID["id"], "amount": "500.00", "currency": "KES", "provider": "mpesa",
        "status": "completed", "event_id": EVENT_ID, "sequence": 7,
    }.items()
    assert "id" not in body["data"]


def test_the_body_of_an_mpesa_gateway_is_as_it_was():
    message = write(Dialect.MPESA_GATEWAY, event(), secrets=[SECRET], now=NOON)
    body = json.loads(message.body)

    assert (body["event"], message.headers["x-mpesa-gateway-event"]) == ("payment.success",) * 2
    assert body["data"].items() >= {
        "transaction_id": PAID["id"], "amount": 500, "reference": PAID["reference"],
        "status": "success", "mpesa_receipt": "UKL7RT61SV", "result_code": "0",
        "event_id": EVENT_ID, "sequence": 7,
    }.items()


@pytest.mark.parametrize(
    ("name", "changed", "event_name", "said"),
    [
        (EventName.PAYOUT_COMPLETED, {}, "payout.success", {
            "status": "success", "mpesa_receipt": "SG632NMUAB", "result_code": "0", "amount": 98,
        }),
        (EventName.PAYOUT_FAILED, {
            "status": "failed", "receipt": None, "daraja_code": "2040",
            "daraja_message": "Not registered.",
        }, "payout.failed", {
            "status": "failed", "result_code": "2040", "result_desc": "Not registered.",
        }),
        (EventName.PAYOUT_PENDING_MANUAL, {
            "status": "pending_manual", "receipt": None, "amount": "98.50",
        }, "payout.pending_manual", {"status": "pending_manual", "amount": 98.5}),
    ],
)
def test_a_payout_is_told_as_an_mpesa_gateway_told_it(name, changed, event_name, said):
    """Seed 004's receivers know three, by these names."""
    told = event(name, SETTLED | changed, "pyo_01jg8000000000000000000000")
    message = write(Dialect.MPESA_GATEWAY, told, secrets=[SECRET], now=NOON)
    body = json.loads(message.body)

    assert (body["event"], message.headers["x-mpesa-gateway-event"]) == (event_name,) * 2
    assert body["data"].items() >= (said | {
        "transaction_id": PAID["id"], "phone": "254712345678", "event_id": EVENT_ID,
    }).items()


@pytest.mark.parametrize("dialect", OLD_VERIFIERS)
def test_a_payers_no_is_a_failure_to_older_receivers(dialect):
    """They know no other word, and would wait for ever."""
    told = event(EventName.PAYMENT_CANCELED, CANCELED)
    body = json.loads(write(dialect, told, secrets=[SECRET], now=NOON).body)

    assert body.get("event", body.get("type")) == "payment.failed"
    assert body["data"]["status"] == "failed"


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", [*EventName, TEST])
def test_every_event_can_be_written_in_every_dialect(dialect, name):
    data, subject = (PAID, "pay_1") if name.startswith("payment.") else ({"id": "whe_1"}, "whe_1")
    message = write(dialect, event(name, data, subject), secrets=[SECRET], now=NOON)

    assert json.loads(message.body)["data"]
    assert all(name == name.lower() for name in message.headers)


@pytest.mark.parametrize("dialect", Dialect)
def test_what_is_shown_later_is_what_was_sent_but_for_what_could_forge(dialect):
    sent = write(dialect, event(), secrets=[SECRET], now=NOON)
    shown = masked(dialect, event(), now=NOON, own=["x-key"])
    hidden = {name for name, value in shown.headers.items() if value == MASK}

    assert shown.body == sent.body
    assert hidden == {"x-key", *(name for name in sent.headers if "signature" in name)}
    assert {
        name: value for name, value in shown.headers.items() if name in sent.headers
    }.items() >= {
        name: value for name, value in sent.headers.items() if name not in hidden
    }.items()


def test_nothing_that_signs_is_printed_with_a_message():
    message = write(Dialect.STANDARD, event(), secrets=[SECRET], now=NOON)

    assert message.headers["webhook-signature"] not in repr(message)
