"""Sealed values: open in their place alone, and any change to them shows."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain.sealing import (
    DataKey,
    KeyMalformed,
    SealBroken,
    read_master_key,
    write_master_key,
)

FEW = settings(max_examples=25, deadline=None, database=None)
NONCE, OTHER_NONCE = b"n" * 12, b"m" * 12
MINE, THEIRS = DataKey("mer_1", b"k" * 32), DataKey("mer_2", b"l" * 32)
MASTER, OTHER = read_master_key(write_master_key(b"m" * 32)), read_master_key(
    write_master_key(b"o" * 32),
)
PLACE = "payments.private pay_1"


@FEW
@given(st.binary(max_size=200))
def test_what_is_sealed_opens_whole_and_is_not_seen(plain: bytes):
    """A copy of the database shows nothing of it."""
    sealed = MINE.seal(PLACE, plain, nonce=NONCE)

    assert MINE.open(PLACE, sealed) == plain
    assert len(plain) < 4 or plain not in sealed


@FEW
@given(st.integers(0, 40), st.integers(1, 255))
def test_a_change_to_any_byte_shows(place: int, flip: int):
    """From the version to the tag: nothing of it is believed."""
    sealed = bytearray(MINE.seal(PLACE, b"254708374149", nonce=NONCE))
    sealed[place] ^= flip

    with pytest.raises(SealBroken):
        MINE.open(PLACE, bytes(sealed))


@pytest.mark.parametrize("length", range(41))
def test_what_was_cut_short_does_not_open(length: int):
    sealed = MINE.seal(PLACE, b"254708374149", nonce=NONCE)

    with pytest.raises(SealBroken):
        MINE.open(PLACE, sealed[:length])


@pytest.mark.parametrize(("key", "place"), [
    (THEIRS, PLACE), (DataKey("mer_2", b"k" * 32), PLACE), (MINE, "payments.private pay_2"),
    (MINE, "facts.private pay_1"),
])
def test_in_another_place_it_does_not_open(key: DataKey, place: str):
    """Owner, field and row are bound into it, and not only the key."""
    with pytest.raises(SealBroken):
        key.open(place, MINE.seal(PLACE, b"plain", nonce=NONCE))


def test_equal_texts_are_found_and_say_nothing_elsewhere():
    """Of one merchant and kind equal; of another merchant or kind, never."""
    assert MINE.blind("phone", "254708374149") == MINE.blind("phone", "254708374149")
    assert len({
        MINE.blind("phone", "1"), MINE.blind("reference", "1"), THEIRS.blind("phone", "1"),
        MINE.blind("phone", "2"),
    }) == 4


def test_a_data_key_is_wrapped_for_its_owner_and_by_its_master_alone():
    wrapped = MINE.wrapped_by(MASTER, nonce=NONCE)
    sealed = MINE.seal(PLACE, b"plain", nonce=OTHER_NONCE)

    assert MASTER.unwrap("mer_1", wrapped).open(PLACE, sealed) == b"plain"
    for master, owner in [(OTHER, "mer_1"), (MASTER, "mer_2")]:
        with pytest.raises(SealBroken):
            master.unwrap(owner, wrapped)


@pytest.mark.parametrize("text", [
    "", "abc", "•", write_master_key(b"m" * 32)[:-4], base64.b64encode(b"m" * 31).decode(),
    base64.b64encode(b"m" * 33).decode(),
])
def test_what_is_no_master_key_is_said_without_repeating_it(text: str):
    with pytest.raises(KeyMalformed) as malformed:
        read_master_key(text)

    assert len(text) < 4 or text not in str(malformed.value)


def test_no_key_is_shown_by_its_repr():
    """A repr ends up in tracebacks."""
    assert repr(MINE) == "DataKey(mer_1)"
    assert repr(MASTER) == f"MasterKey(name='{MASTER.name}')"
    assert MASTER.name != OTHER.name
