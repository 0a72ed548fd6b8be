"""What M-Pesa's codes say of an API operator: each names what to look at first."""

from __future__ import annotations

import pytest

from hakika.daraja.envelope_results import ENVELOPE_RESULTS
from hakika.domain.operator import TROUBLES, Part, trouble_words


@pytest.mark.parametrize(("code", "first"), [
    ("2001", Part.PASSWORD), ("18", Part.PASSWORD), ("20", Part.NAME), ("21", Part.ROLE),
    ("22", Part.ROLE), ("8006", Part.PASSWORD),
])
def test_each_code_says_where_to_look_first(code: str, first: Part):
    """Whoever is woken at night tries one thing, and three wrong tries lock the operator. (T14)"""
    words = trouble_words(code)

    assert TROUBLES[code].likely[0] is first
    assert words is not None
    assert f"(code {code}). Look at: {first}" in words


def test_every_code_of_an_operator_stops_it_and_no_other_does():
    """A payee who is unknown must not stop a business; an operator that is, must."""
    of_operators = {
        code for code, row in ENVELOPE_RESULTS.items() if row.code.startswith("operator_")
    }

    assert set(TROUBLES) == of_operators
    assert trouble_words("1") is None
    assert trouble_words("") is None
