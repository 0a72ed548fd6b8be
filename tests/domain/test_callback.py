"""Callback addresses: found without a look-up, made by nobody else, and never a banned word."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain import callback
from hakika.domain.callback import Called, Door, read_token, write_token
from hakika.domain.ids import PaymentId, write

FEW = settings(max_examples=15, deadline=None, database=None)
KEY, OTHER_KEY = b"k" * 32, b"l" * 32
PAYMENT = PaymentId("pay_01kaxb2m8fe2tv5k0c3y7h9q4d")
TOKEN = write_token(PAYMENT, key=KEY)
PAYMENTS = st.integers(0, 2**128 - 1).map(lambda bits: PaymentId(write("pay", bits)))

# daraja.md 7.4: addresses with these words are refused, or their callbacks never come.
BANNED = ("mpesa", "m-pesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
EVERY_LETTER = sorted(set(TOKEN) | set("0123456789abcdefghijklmnopqrstuvwxyz"))


@FEW
@given(PAYMENTS)
def test_a_token_leads_back_to_its_payment(payment_id):
    """The callback finds its payment even when Daraja's answer to the push was lost."""
    assert read_token(write_token(payment_id, key=KEY), key=KEY) == Called(Door.PAYMENT, payment_id)


@pytest.mark.parametrize("door", Door)
def test_a_token_of_one_door_opens_no_other(door):
    """Who knows where confirmations go must not reach a payment's own address with it."""
    prefix = door.value[1]
    token = write_token(write(prefix, 2**127 + 1), key=KEY, door=door)

    assert read_token(token, key=KEY) == Called(door, write(prefix, 2**127 + 1))
    assert len({write_token(PAYMENT, key=KEY, door=each) for each in Door}) == len(Door)


def test_a_token_with_any_other_character_is_refused():
    """Every place and every letter: nobody reaches a payment by a guess close to its token."""
    changed = [
        TOKEN[:place] + letter + TOKEN[place + 1:]
        for place in range(len(TOKEN)) for letter in EVERY_LETTER if letter != TOKEN[place]
    ]

    assert [token for token in changed if read_token(token, key=KEY) is not None] == []


@pytest.mark.parametrize("wrong", [
    "", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), f"{TOKEN}/", f" {TOKEN}", "0" * 52, "z" * 52,
    "é" * 52, "\x00" * 52, TOKEN[:-1] + "０", PAYMENT,
], ids=lambda wrong: repr(wrong)[:20])
def test_what_is_no_token_is_refused(wrong):
    """The path is the first thing that a forger writes."""
    assert read_token(wrong, key=KEY) is None


def test_a_token_of_another_key_is_refused():
    """Knowing the code and a payment's id is not enough."""
    assert read_token(write_token(PAYMENT, key=OTHER_KEY), key=KEY) is None


def test_a_token_of_another_payment_does_not_fit_onto_this_one():
    """The second half must be the proof of the first."""
    other = write_token(PaymentId("pay_01kaxb2m8fe2tv5k0c3y7g9q4d"), key=KEY)
    joined = TOKEN[:26] + other[26:]

    assert read_token(joined, key=KEY) is None


def test_half_of_a_token_is_an_unguessable_proof():
    """128 bits of id and 128 bits that only we can make."""
    assert len(TOKEN) * 5 >= 256
    assert callback._MAC_BYTES * 8 == 128


def test_no_token_can_spell_a_banned_word():
    """Each banned word has a letter that our alphabet has not, so chance cannot write it."""
    assert [word for word in BANNED if set(word) <= set(callback._ALPHABET)] == []
    assert len(set(callback._ALPHABET)) == 32


@FEW
@given(PAYMENTS)
def test_no_address_has_a_banned_word(payment_id):
    """The same, seen from outside."""
    address = callback.PATH + write_token(payment_id, key=KEY)

    assert [word for word in BANNED if word in address.lower()] == []
