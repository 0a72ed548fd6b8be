"""API keys: recognisable, mistyped ones refused without a look-up, and worthless from a dump."""

from __future__ import annotations

import random
import re
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain.errors import (
    AddressNotAllowed,
    Forbidden,
    Invalid,
    KeyExpired,
    KeyRevoked,
    Unauthenticated,
)
from hakika.domain.ids import KeyId, MerchantId
from hakika.domain.merchant import (
    KEY_PATTERN,
    ApiKey,
    Scope,
    digest,
    mint_key,
    read_key,
    read_networks,
)

FEW = settings(max_examples=15, deadline=None, database=None)
BITS = st.integers(0, 2**200 - 1)
PEPPER, OTHER_PEPPER = b"p" * 32, b"q" * 32
SOME_BITS = int.from_bytes(bytes(range(25)), "big")
TEXT = mint_key(SOME_BITS, livemode=False).write()
LETTERS = string.ascii_lowercase + string.digits
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def is_refused(text: str) -> bool:
    try:
        read_key(text)
    except Unauthenticated:
        return True
    return False


@FEW
@given(BITS, st.booleans())
def test_a_key_says_what_it_is(bits, livemode):
    """Its mode must be seen by whoever pastes it, before anything is charged."""
    key = mint_key(bits, livemode=livemode)
    text = key.write()

    assert read_key(text) == key
    assert text.startswith("hk_live_" if livemode else "hk_test_")
    assert re.fullmatch(KEY_PATTERN, text)


def test_keys_are_found_in_text_by_their_pattern():
    """Secret scanners look for it in repositories and logs."""
    leaked = f'const KEY = "{TEXT}"; // {TEXT[:-1]}'

    assert re.findall(KEY_PATTERN, leaked) == [TEXT]


def test_random_texts_of_the_right_form_are_no_keys():
    """A made-up key must not cost us a look-up; one in two thousand million passes."""
    chance = random.Random(7)
    made_up = ["hk_test_" + "".join(chance.choices(LETTERS, k=46)) for _ in range(2000)]

    assert [text for text in made_up if not is_refused(text)] == []


def test_a_key_with_one_wrong_character_is_no_key():
    """Every place and every letter: a mistyped key says so instead of being unknown."""
    changed = [
        TEXT[:place] + letter + TEXT[place + 1:]
        for place in range(len("hk_"), len(TEXT)) for letter in LETTERS if letter != TEXT[place]
    ]

    assert [text for text in changed if not is_refused(text)] == []


def test_a_key_that_was_cut_lengthened_or_dressed_up_is_no_key():
    """What happens between a terminal and a settings page."""
    wrong = [TEXT[:length] for length in range(len(TEXT))]
    wrong += [TEXT + "0", TEXT.upper(), f"{TEXT}\n", f" {TEXT}", f"Bearer {TEXT}", "", "sk_live_1"]
    wrong += [TEXT.replace("hk_test", "hk_live"), TEXT.replace("0", "０", 1)]

    assert [text for text in wrong if not is_refused(text)] == []


@FEW
@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_of_keys(text):
    """The header is the first thing that a stranger can write."""
    assert is_refused(text)


def test_a_digest_is_worthless_without_the_pepper():
    """A copy of the database alone must not let anyone test guesses."""
    key = read_key(TEXT)
    other = mint_key(SOME_BITS + 1, livemode=False)

    assert digest(key, pepper=PEPPER) == digest(mint_key(SOME_BITS, livemode=False), pepper=PEPPER)
    assert digest(key, pepper=PEPPER) != digest(key, pepper=OTHER_PEPPER)
    assert digest(key, pepper=PEPPER) != digest(other, pepper=PEPPER)


def test_a_key_shown_in_a_log_hides_its_secret():
    """A repr ends up in tracebacks."""
    key = read_key(TEXT)

    assert key.secret not in repr(key)
    assert repr(key) == f"KeyText(test, {key.handle}…)"


def test_a_key_may_do_what_its_scopes_say_and_nothing_else():
    """A key in a shop's till must not be able to change where webhooks go."""
    parts = read_key(TEXT)
    key = ApiKey(
        KeyId("key_1"), MerchantId("mer_1"), livemode=False, handle=parts.handle,
        digest=digest(parts, pepper=PEPPER), scopes=frozenset({Scope.PAYMENTS_READ}), label="",
        created_at=NOON,
    )

    key.require(Scope.PAYMENTS_READ)
    for other in set(Scope) - {Scope.PAYMENTS_READ}:
        with pytest.raises(Forbidden, match=other):
            key.require(other)


def key_that(**changed: object) -> ApiKey:
    """Return a key with some of it changed."""
    parts = read_key(TEXT)
    return replace(ApiKey(
        KeyId("key_1"), MerchantId("mer_1"), livemode=False, handle=parts.handle,
        digest=digest(parts, pepper=PEPPER), scopes=frozenset(Scope), label="", created_at=NOON,
    ), **changed)  # type: ignore[arg-type]


def test_a_key_is_over_from_the_moment_of_its_end():
    """Not a microsecond later; a revocation needs no end."""
    key = key_that(expires_at=NOON)

    key.check_alive(now=NOON - timedelta(microseconds=1))
    with pytest.raises(KeyExpired):
        key.check_alive(now=NOON)
    with pytest.raises(KeyRevoked):
        key_that(revoked_at=NOON).check_alive(now=NOON)


@pytest.mark.parametrize(("address", "is_in"), [
    ("203.0.113.0", True), ("203.0.113.255", True), ("203.0.114.0", False), ("2001:db8::7", True),
    ("2001:db9::7", False), ("", False), ("203.0.113.0x", False), ("unix", False),
])
def test_a_key_is_good_from_its_networks(address: str, is_in: bool):
    """What is no address is in none of them."""
    key = key_that(networks=read_networks(["203.0.113.9/24", " 2001:db8::/32"]))

    if is_in:
        key.check_address(address)
    else:
        with pytest.raises(AddressNotAllowed):
            key.check_address(address)


@pytest.mark.parametrize("texts", [["abc"], ["1.2.3.4/33"], [""], ["1.2.3.4"] * 51])
def test_what_is_no_network_is_refused(texts: list[str]):
    with pytest.raises(Invalid):
        read_networks(texts)


def test_in_a_corpus_the_pattern_and_the_checksum_find_the_keys_and_nothing_else():
    """A scanner that cries wolf is switched off."""
    chance = random.Random(11)
    issued = [mint_key(chance.getrandbits(200), livemode=bool(n % 2)).write() for n in range(20)]
    noise = ["hk_test_" + "".join(chance.choices(LETTERS, k=46)) for _ in range(500)]
    words = [chance.choice(["key =", "curl -H", "'", "sk_live_4711", "hk_test_…"]) for _ in noise]
    corpus = [f"{word} {text}\n" for word, text in zip(words, noise, strict=True)]
    for text in issued:
        corpus.insert(chance.randrange(len(corpus)), f'export KEY="{text}";')

    found = [each for each in re.findall(KEY_PATTERN, "".join(corpus)) if not is_refused(each)]

    assert sorted(found) == sorted(issued)
