"""Ids: they sort by time, say what they name, and are refused where they do not belong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain.errors import NotFound
from hakika.domain.ids import (
    PREFIXES,
    bits_of,
    endpoint_id,
    first_at,
    is_id,
    payment_id,
    uuid7_bits,
    write,
)

FEW = settings(max_examples=15, deadline=None, database=None)
BITS = st.integers(0, 2**128 - 1)
RANDOM = st.integers(0, 2**74 - 1)
TIMES = st.integers(0, 2**48 - 2)
WRITTEN = "pay_01kaxb2m8fe2tv5k0c3y7h9q4d"


@FEW
@given(BITS)
def test_an_id_carries_its_bits(bits):
    """The callback address is made of them, in another alphabet."""
    text = write("pay", bits)

    assert is_id(text, "pay")
    assert bits_of(text) == bits


@FEW
@given(TIMES, RANDOM, RANDOM)
def test_ids_sort_by_the_time_they_were_made(milliseconds, first, second):
    """Lists are paged by id, newest first, without another column."""
    earlier = write("pay", uuid7_bits(milliseconds=milliseconds, random_bits=first))
    later = write("pay", uuid7_bits(milliseconds=milliseconds + 1, random_bits=second))

    assert earlier < later


@FEW
@given(TIMES, RANDOM)
def test_ids_are_version_7_uuids_with_all_their_randomness(milliseconds, random_bits):
    """Databases and tools read the version, and 74 random bits keep ids apart. (RFC 9562, 5.7)"""
    bits = uuid7_bits(milliseconds=milliseconds, random_bits=random_bits)

    assert (bits >> 76 & 0xF, bits >> 62 & 0b11) == (7, 0b10)
    assert (bits >> 64 & 0xFFF) << 62 | bits & (2**62 - 1) == random_bits
    assert bits >> 80 == milliseconds


@pytest.mark.parametrize("milliseconds", [0, 1, 1_780_000_000_000, 2**48 - 1])
@pytest.mark.parametrize("random_bits", [0, 2**74 - 1])
def test_a_time_stands_between_the_ids_of_before_and_after(milliseconds, random_bits):
    """So that a span of time is a span of ids, and can be read from the same index."""
    at = write("pay", uuid7_bits(milliseconds=milliseconds, random_bits=random_bits))

    assert first_at("pay", milliseconds) < at
    assert milliseconds == 2**48 - 1 or at < first_at("pay", milliseconds + 1)


@pytest.mark.parametrize("wrong", [
    "", "pay_", "pay", WRITTEN[:-1], WRITTEN + "0", WRITTEN.upper(), WRITTEN + "\n",
    WRITTEN.replace("pay_", "whe_"), WRITTEN.replace("pay_", "pay-"), f" {WRITTEN}",
    "pay_81kaxb2m8fe2tv5k0c3y7h9q4d",  # more than 128 bits
    "pay_01kaxb2m8fe2tv5k0c3y7h9q4u",  # Crockford has no u
    "pay_０1kaxb2m8fe2tv5k0c3y7h9q4d", "../../etc/passwd", "' or 1=1 --", "\x00",
])
def test_what_is_not_a_payments_id_is_not_found(wrong):
    """An id of something else, or of nobody, must not reach a query."""
    with pytest.raises(NotFound):
        payment_id(wrong)


def test_each_kind_of_id_is_refused_for_every_other_kind():
    """A swapped argument is found at the door."""
    assert payment_id(WRITTEN) == WRITTEN
    with pytest.raises(NotFound):
        endpoint_id(WRITTEN)
    assert len(set(PREFIXES.values())) == len(PREFIXES)
