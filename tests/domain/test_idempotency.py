"""Idempotency: what counts as the same request, and which keys can be kept."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain.errors import IdempotencyKeyMissing, IdempotencyKeyReused, Invalid
from hakika.domain.idempotency import Claim, check_same, fingerprint, read_key
from hakika.domain.ids import PaymentId

FEW = settings(max_examples=15, deadline=None, database=None)
KEY = b"a key of the tests"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORDER = {"amount": 500, "phone": "0712345678", "metadata": {"order": "1", "shop": "2"}}


def objects_of(inner: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.text(max_size=2), inner, max_size=2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | objects_of(inner),
    max_leaves=4,
)


def claimed(body: dict[str, object]) -> Claim:
    return Claim(fingerprint(body, key=KEY), PaymentId("pay_1"), NOON)


def test_the_order_of_fields_does_not_make_another_request():
    """Some languages write an object's fields in another order each time."""
    turned = {"metadata": {"shop": "2", "order": "1"}, "phone": "0712345678", "amount": 500}

    check_same(claimed(ORDER), fingerprint=fingerprint(turned, key=KEY))


@pytest.mark.parametrize("other", [
    ORDER | {"amount": 501}, ORDER | {"phone": "0712345679"}, ORDER | {"reference": ""},
    {"amount": 500}, ORDER | {"metadata": {"order": "1", "shop": "3"}}, {},
    ORDER | {"amount": Decimal("500.01")},
], ids=repr)
def test_another_body_with_the_same_key_is_refused(other):
    """Two orders with one key is a bug of the caller's; charging either would hide it."""
    with pytest.raises(IdempotencyKeyReused):
        check_same(claimed(ORDER), fingerprint=fingerprint(other, key=KEY))


@FEW
@given(objects_of(JSON), objects_of(JSON))
def test_requests_are_the_same_exactly_when_they_are_equal(first, second):
    """For any JSON: True and 1 are equal to Python and are not the same request."""
    are_equal = fingerprint(first, key=KEY) == fingerprint(second, key=KEY)

    assert are_equal is (repr_of(first) == repr_of(second))


def test_a_fingerprint_is_worthless_without_its_key():
    """A copy of the database must not let anyone try all phone numbers on it."""
    assert fingerprint(ORDER, key=KEY) != fingerprint(ORDER, key=b"another key of 32 bytes")


def repr_of(value: object) -> str:
    match value:
        case dict():
            fields = sorted((name, repr_of(each)) for name, each in value.items())
            return f"object {fields!r}"  # an empty one is no empty list
        case list():
            return repr([repr_of(each) for each in value])
        case _:
            return repr(value)


@pytest.mark.parametrize("missing", [None, ""])
def test_a_request_that_moves_money_needs_a_key(missing):
    """Without one, a repeated request charges twice."""
    with pytest.raises(IdempotencyKeyMissing):
        read_key(missing)


@pytest.mark.parametrize("key", ["a", "order-1234", "x" * 255, "order 1234", "!~", '"quoted"'])
def test_printable_keys_are_taken_as_they_are(key):
    """Callers use order numbers, UUIDs and quoted strings as the draft standard has them."""
    assert read_key(key) == key


@pytest.mark.parametrize("key", ["x" * 256, " a", "a ", " ", "é", "a\x00b", "a\tb", "１", "a\nb"])
def test_keys_that_could_be_read_in_two_ways_are_refused(key):
    """A proxy trims spaces and re-encodes letters: the same key would become another."""
    with pytest.raises(Invalid) as refused:
        read_key(key)

    assert refused.value.errors[0].code == "idempotency_key_invalid"
