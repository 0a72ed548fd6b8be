"""What the request log keeps of a request: enough to see what went wrong, nothing to steal."""

from __future__ import annotations

import json

import pytest

from hakika.domain.request_log import BODY_BYTES_MAX, masked_body, masked_path, masked_query

PHONE = "254712345678"
MASKED = "2547••••5678"


def kept(**body: object) -> object:
    return masked_body(json.dumps(body).encode())


def test_what_is_nobodys_secret_is_kept_as_it_was():
    """The log is for finding out why an order was refused."""
    order = {
        "amount": 500, "currency": "KES", "provider": "mpesa", "reference": "ORDER-1234",
        "paid": None, "ok": True, "fee": 1.5, "metadata": {"order": "1234"}, "events": ["a", "b"],
    }

    assert kept(**order) == order


@pytest.mark.parametrize("name", [
    "consumer_key", "consumer_secret", "passkey", "webhook_secret", "secret", "api_key", "apiKey",
    "password", "security_credential", "initiator_password", "token", "access_token", "pin",
    "headers",
])
@pytest.mark.parametrize("value", ["s3cret", 1234, ["s3cret"], {"X-Shop": "s3cret"}])
def test_a_secret_is_hidden_by_its_name(name, value):
    """Credentials are sent to us, and must end in the vault and nowhere else."""
    shown = json.dumps(kept(**{name: value}))

    assert "s3cret" not in shown
    assert "1234" not in shown


@pytest.mark.parametrize("spelling", [
    PHONE, f"+{PHONE}", "0712345678", "0712 345 678", "254-712-345-678", 254712345678,
])
@pytest.mark.parametrize("name", ["phone", "msisdn", "PhoneNumber", "note"])
def test_a_phone_number_is_masked_wherever_it_stands(name, spelling):
    """Also in a text that was not meant for it."""
    shown = json.dumps(kept(**{name: spelling}), ensure_ascii=False)

    assert "345678" not in shown and "345 678" not in shown and "345-678" not in shown
    assert "5678" in shown


@pytest.mark.parametrize("name", ["phone", "email", "first_name", "name", "payer_name"])
@pytest.mark.parametrize("value", ["712345678", "Wanjiku", 712345678])
def test_what_names_a_person_is_hidden_when_it_cannot_be_masked(name, value):
    """A number that we cannot read may still be one."""
    assert kept(**{name: value}) == {name: "•••"}


def test_names_of_fields_are_masked_too():
    """Somebody keeps a table of amounts by phone number in the metadata."""
    assert kept(metadata={PHONE: "500"}) == {"metadata": {MASKED: "500"}}


@pytest.mark.parametrize("raw", [
    b"", b"{", b"\xff\xfe", b"phone=0712345678", b"[" * 5000,
    b'{"a":"' + b"x" * BODY_BYTES_MAX + b'"}',
])
def test_a_body_that_cannot_be_looked_through_is_not_kept(raw):
    """Nobody knows what is in it; its length is known all the same."""
    assert masked_body(raw) is None


def test_a_text_that_cannot_be_written_is_kept_as_far_as_it_can():
    """Half of a surrogate pair would stop the whole batch at the database."""
    assert masked_body(b'{"a": "\\ud800", "\\udc00": 1, "b": "\\u0000"}') == {
        "a": "?", "?": 1, "b": "\x00",
    }


def test_a_query_is_kept_by_name_and_masked():
    """A search is for a receipt, or for a person's number."""
    query = b"search=0712345678&search_for=%2B254712345678&status=completed&empty=&ab=%ff"

    assert masked_query(query) == {
        "search": "07••••5678", "search_for": f"+{MASKED}", "status": "completed", "empty": "",
        "ab": "\ufffd",
    }


def test_a_path_is_masked_and_cut():
    """Anybody may ask for any path."""
    assert masked_path(f"/v1/payments/{PHONE}") == f"/v1/payments/{MASKED}"
    assert len(masked_path("/-" * 9000)) == 500
