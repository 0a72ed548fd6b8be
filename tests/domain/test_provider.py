"""Credentials as they are shown: recognisable to their owner, worthless to anybody else."""

from __future__ import annotations

import pytest

from hakika.domain.errors import Invalid
from hakika.domain.provider import Secrets, masked, refuse_masked


@pytest.mark.parametrize(("secret", "shown"), [
    ("", ""), ("short", "****"), ("eleven_char", "****"), ("twelve_chars", "****hars"),
    ("bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919", "****c919"),
])
def test_a_secret_is_shown_by_its_last_four_characters_at_most(secret: str, shown: str):
    """Of a short one they would be too much of it."""
    assert masked(secret) == shown


def test_a_masked_value_is_never_taken_for_a_secret():
    refuse_masked(passkey="abcd", initiator="")
    for value in ("****", "****abcd"):
        with pytest.raises(Invalid) as refused:
            refuse_masked(passkey=value)
        assert refused.value.errors[0].code == "secret_masked"


def test_secrets_are_not_shown_by_their_repr():
    """A repr ends up in tracebacks."""
    assert repr(Secrets("key", "secret", "passkey", "initiator", "credential")) == "Secrets()"
