"""What looks like a number of a person or a secret is never shown whole. (faults.md C8)"""

from __future__ import annotations

import base64

import pytest

from hakika.domain.callback import write_token
from hakika.domain.ids import PaymentId, write
from hakika.domain.masking import mask_body, mask_line, mask_text
from hakika.domain.msisdn import Msisdn
from tests.domain.test_payment import NEW_PAYMENT

KEY = "hk_test_tkhfjh0vqhgn9xxpgc28xf11c0496rce85ea1t7xl2f1tf"
PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
PASSWORD = base64.b64encode(f"174379{PASSKEY}20261121120000".encode()).decode()
TOKEN = write_token(PaymentId(write("pay", 2**127)), key=b"k" * 32)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("paid by 254708374149.", "paid by 2547••••4149."),
        ("paid by +254108374149", "paid by +2541••••4149"),
        ("+254 708 374-149", "+2547••••4149"),
        ("call 0712345678 now", "call 07••••5678 now"),
        ("call 0712345678.", "call 07••••5678."),
        ("call 0112 345 678", "call 01••••5678"),
        ("?search=%2B254708374149&x", "?search=%2B2547••••4149&x"),
        ("ws_CO_21112026090000123712345678", "ws_CO_21112026090000123••••5678"),
        ("ws_CO_21112026090000712345678", "ws_CO_21112026090000••••5678"),
        (f"the key {KEY}", "the key hk_test_tkhfjh0v•••"),
        (f"Bearer {KEY}", "Bearer •••"),
        ("authorization: bearer abcdefgh12345678", "authorization: bearer •••"),
        ("Authorization: Basic aGFraWthOnNlY3JldA==", "Authorization: Basic •••"),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_•••"),
        ("postgresql://hakika:s3cret@db/hakika", "postgresql://hakika:•••@db/hakika"),
        (f"POST /c/{TOKEN} HTTP/1.1", "POST /c/••• HTTP/1.1"),
        (f"token {TOKEN}", "token •••"),
        (f"passkey={PASSKEY}", "passkey=•••"),
        (PASSWORD, "•••"),
    ],
)
def test_what_looks_secret_is_masked(text, shown):
    assert mask_text(text) == shown


@pytest.mark.parametrize(("text", "shown"), [
    ("Pay Bill from 254712345678 - JANE DOE Acc. INV-1",
     "Pay Bill from 2547••••5678 - ••• Acc. INV-1"),
    ("Pay Bill Online from 25470****126 - JANE 'JJ' \"O\" DOE Acc. 5",
     "Pay Bill Online from 25470****126 - ••• Acc. 5"),
    ("Business Payment to Customer to 25470****126 - JANE\nDOE",
     "Business Payment to Customer to 25470****126 - •••"),
    ("Customer Payment of JANE DOE", "Customer Payment of •••"),
    ("Pay Bill from 2547••••0003 - PETER ABDI", "Pay Bill from 2547••••0003 - •••"),
    ("Mystery 254799000111", "Mystery 2547••••0111"), ("Pay Bill Charge", "Pay Bill Charge"),
])
def test_the_words_of_a_line_name_nobody(text, shown):
    assert mask_line(text, party="25470****126 - Jane Doe") == shown


@pytest.mark.parametrize(("body", "shown"), [
    ('{"Value": "254712345678 - John Doe", "Key": "DebitPartyName"}',
     '{"Value": "•••", "Key": "DebitPartyName"}'),
    ('{"Key": "DebitPartyName", "Value": "254712345678 - John Doe"}',
     '{"Key": "DebitPartyName", "Value": "•••"}'),
    ('{"words": "from 254712345678 - JOHN DOE Acc. 1", "at": "1"}',
     '{"words": "from 2547••••5678 - ••• Acc. 1", "at": "1"}'),
    ('{"words": "from 254712345678 - JOHN DOE", "at": "1"}',
     '{"words": "from 2547••••5678 - •••", "at": "1"}'),
])
def test_a_body_names_nobody(body, shown):
    assert mask_body(body) == shown


@pytest.mark.parametrize("text", [
    "ws_CO_191220191020363925", "1254708374149", "2547083741490", "0.254708374149",
    "1.0712345678", "2026-11-21T07:12:34.567890Z", "/c/open", "evt_01kaxb2m8fe2tv5k0c3y7h9q4d",
    "took 712345678 ns", "0" * 40, "4bf92f3577b34da6a3ce929d0e0e4736",
])
def test_what_is_neither_is_left_as_it_is(text):
    """A log in which ids and times are dots helps nobody at night."""
    assert mask_text(text) == text


def test_a_number_is_masked_as_it_masks_itself():
    """One way of showing a number, wherever it comes from."""
    payer = Msisdn("254708374149")

    assert mask_text(payer.digits) == payer.masked
    assert mask_text(payer.masked) == payer.masked


def test_a_payment_shown_in_a_log_does_not_show_the_phone_number():
    """A repr ends up in tracebacks; a number in a log is a breach."""
    assert "345678" not in repr(NEW_PAYMENT)
