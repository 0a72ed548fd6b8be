"""Password, timestamp, and the values that must not be mixed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from hakika.daraja.credentials import SANDBOX_PASSKEY, check_live, password_and_timestamp
from hakika.domain import shortcode
from hakika.domain.errors import Invalid
from tests.daraja.scripted import PASSKEY, credentials

LIVE = "https://api.safaricom.co.ke"


def test_the_password_is_made_of_the_very_timestamp():
    """Two readings of the clock across a second are "Wrong credentials"."""
    late = datetime(2026, 12, 31, 21, 30, 5, tzinfo=UTC)  # 00:30:05 in Nairobi, next year

    password, timestamp = password_and_timestamp(credentials(LIVE), late)

    assert timestamp == "20270101003005"
    assert base64.b64decode(password).decode() == f"600978{PASSKEY}{timestamp}"


def test_the_sandbox_sample_comes_out_as_safaricom_prints_it():
    """The sandbox's sample request, printed everywhere: 174379 at 2016-02-16 16:56:27."""
    sandbox = credentials(LIVE, shortcode=shortcode.paybill("174379"), passkey=SANDBOX_PASSKEY)

    password, timestamp = password_and_timestamp(
        sandbox, datetime(2016, 2, 16, 13, 56, 27, tzinfo=UTC),
    )

    assert timestamp == "20160216165627"
    assert password == (
        "MTc0Mzc5YmZiMjc5ZjlhYTliZGJjZjE1OGU5N2RkNzFhNDY3Y2QyZTBjODkzMDU5YjEwZjc4ZTZiNzJhZGExZWQy"
        "YzkxOTIwMTYwMjE2MTY1NjI3"
    )


def test_a_time_without_a_zone_is_our_mistake():
    """It would be taken for Nairobi's and be three hours off (trap T60)."""
    with pytest.raises(AssertionError):
        password_and_timestamp(credentials(LIVE), datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(("wrong", "field"), [
    ({"passkey": SANDBOX_PASSKEY}, "passkey"),
    ({"shortcode": shortcode.paybill("174379")}, "shortcode"),
    ({"shortcode": shortcode.till("832909", store_number="174379")}, "shortcode"),
    ({"base_url": "https://sandbox.safaricom.co.ke"}, "base_url"),
    ({"base_url": "https://SANDBOX.safaricom.co.ke./"}, "base_url"),
    ({"base_url": "http://api.safaricom.co.ke"}, "base_url"),
    ({"base_url": "api.safaricom.co.ke"}, "base_url"),
    ({"base_url": "https://user:pass@api.safaricom.co.ke"}, "base_url"),
    ({"livemode": False}, "base_url"),
])
def test_sandbox_and_live_are_not_mixed(wrong: dict[str, object], field: str):
    """Pushes would be "accepted" and no prompt shown, or a test would ring real phones (T11)."""
    with pytest.raises(Invalid) as refusal:
        check_live(credentials(LIVE, **{"livemode": True, **wrong}))

    assert refusal.value.errors[0].field == field
    assert SANDBOX_PASSKEY not in str(refusal.value)


@pytest.mark.parametrize(("url", "livemode"), [
    (LIVE, True),
    ("http://127.0.0.1:8080", True),
    ("https://sandbox.safaricom.co.ke", False),
    ("http://localhost:8765", False),
])
def test_values_that_agree_are_taken(url: str, livemode: bool):
    """A simulator on the same machine may play the live Daraja."""
    check_live(credentials(url, livemode=livemode))
