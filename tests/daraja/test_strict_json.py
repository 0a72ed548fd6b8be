"""JSON from strangers: nothing ambiguous gets in, and nothing but Unreadable comes out."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.daraja.strict_json import DEPTH_MAX, Unreadable, read_json


@pytest.mark.parametrize(("raw", "value"), [
    (b'{"Result Code": 0}', {"resultcode": 0}),
    (b'\xef\xbb\xbf{"A": 1.10}', {"a": Decimal("1.10")}),
    (b"[1e99999999999999999999, 1E3]", ["1e99999999999999999999", "1E3"]),
    (b'"\xf0\x9f\x98\x80"', "\U0001f600"),
    (b'["[[[[[[[[[[[[[[[[[[[[[[[[[[", "\\"{{{{{{{"]', ["[" * 26, '"' + "{" * 7]),
    (b"[" * DEPTH_MAX + b"]" * DEPTH_MAX, None),
    (b"[" + b"[],{}," * 5000 + b"0]", None),
])
def test_honest_json_is_read(raw: bytes, value: object):
    """Brackets in texts and many shallow ones are no nesting."""
    read = read_json(raw)

    assert value is None or read == value


@pytest.mark.parametrize("raw", [
    b"", b" ", b"{", b"<html>", b"\xff\xfe", b'{"a":1}{"a":2}', b"NaN", b"[Infinity]",
    b"[-Infinity]", b'{"a":1,"a":1}', b'{"ResultCode":1,"resultcode":0}',
    b'{"Result Code":1,"ResultCode":0}',
    b'{"a":{"b":1,"b":2}}', b"[" * 21 + b"]" * 21, b'{"a":' * 21 + b"1" + b"}" * 21,
    b"[" * 60_000, b'["' + b'\\"' * 30_000, b"1" * 5000, b"[1" + b"0" * 41 + b"]",
    b"[0." + b"1" * 50 + b"]", b" " * 70_000, b"'a'", b"[1,]",
    b'["\\\n[[[[[[[[[[[[[[[[[[[[[[["]',
], ids=lambda raw: repr(raw[:24]))
def test_anything_ambiguous_or_hostile_is_refused(raw: bytes):
    """Who sends two truths, or none, is believed in neither."""
    with pytest.raises(Unreadable):
        read_json(raw)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_read_or_unreadable(raw: bytes):
    """Nothing else may come out: a callback must never stop the door."""
    with suppress(Unreadable):
        read_json(raw)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='[]{}",\\:1eE.-+ntNI \n', max_size=200))
def test_near_json_of_any_kind_is_read_or_unreadable(text: str):
    """Closer to the grammar, where the corners are."""
    with suppress(Unreadable):
        read_json(text.encode())


@settings(max_examples=60, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text("abcdef", min_size=1, max_size=3), inner, max_size=4,
    ),
    max_leaves=12,
))
def test_what_another_writer_wrote_is_read_the_same(value: object):
    """The strictness costs no honest document (keys here are folded already)."""
    assert read_json(json.dumps(value).encode()) == value
