"""The tables: every documented code is there, in both languages, and families are kept apart."""

from __future__ import annotations

import re

import pytest

from hakika.daraja import words
from hakika.daraja.envelope_results import ENVELOPE_RESULTS, EnvelopeResult, envelope_result
from hakika.daraja.results import STK_RESULTS, StkResult, stk_result
from hakika.daraja.words import Words
from hakika.domain.payout_verdict import Sense

# Written from the documents by hand, not from the tables.
STK_CODES = [
    "0", "1", "2", "3", "4", "8", "17", "20", "21", "26", "1001", "1019", "1025", "1031", "1032",
    "1036", "1037", "2001", "2002", "2006", "2028", "2029", "4999", "8006", "9999", "SFC_IC0003",
]
STK_NOT_FINAL = {"26", "4999", "9999"}
STK_SETTLED_BY_QUERY = {
    "1", "2", "3", "4", "8", "1019", "1032", "1037", "2001", "2002", "2006", "2028", "2029", "8006",
    "SFC_IC0003",
}
ENVELOPE_CODES = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "11", "12", "13", "14", "15", "17", "18", "19",
    "20", "21", "22", "24", "25", "26", "29", "2001", "2006", "2028", "2040", "8006", "SFC_IC0003",
    "TP40153", "R000001", "R000002", "100000000", "100000001", "100000002", "100000004",
    "100000005", "100000007", "100000009", "100000010", "100000011",
]
# R000001 says that an earlier reversal was done: of this order neither that it failed nor that it
# was made (T49).
ENVELOPE_NOT_FINAL = {
    "15", "17", "19", "26", "R000001", "100000000", "100000001", "100000002", "100000004",
    "100000007", "100000009", "100000011",
}
OUR_CODES = {
    "1": "insufficient_funds", "2": "amount_too_small", "3": "amount_too_large",
    "4": "daily_limit", "8": "receiver_full", "17": "repeated_too_soon", "1001": "payer_busy",
    "1019": "expired", "1025": "prompt_not_sent", "1032": "payer_canceled",
    "1037": "payer_unreachable", "2001": "wrong_pin", "2002": "wrong_shortcode",
    "2028": "product_not_assigned", "8006": "pin_locked",
}

EVERY_ROW: list[StkResult | EnvelopeResult] = [
    *STK_RESULTS.values(), *ENVELOPE_RESULTS.values(),
    stk_result("31337"), envelope_result("31337"), stk_result("4999", "Wrong credentials"),
]


def test_every_documented_code_is_there():
    """And no other: a code that nobody documented decides nothing."""
    assert list(STK_RESULTS) == STK_CODES
    assert sorted(ENVELOPE_RESULTS) == sorted(ENVELOPE_CODES)


def test_only_listed_codes_are_not_final():
    """A wrong "final" calls a payment failed that is paid a minute later."""
    assert {code for code, row in STK_RESULTS.items() if not row.is_final} == STK_NOT_FINAL
    unsure = {code for code, row in ENVELOPE_RESULTS.items() if not row.is_final}
    assert unsure == ENVELOPE_NOT_FINAL


def test_each_code_has_one_sense_for_an_order():
    """Done and had before are one code each; what is not certain has decided nothing."""
    senses = {code: row.sense for code, row in ENVELOPE_RESULTS.items()}

    assert {code for code, sense in senses.items() if sense is Sense.DONE} == {"0"}
    assert {code for code, sense in senses.items() if sense is Sense.DUPLICATE} == {"15"}
    undecided = {code for code, sense in senses.items() if sense is Sense.UNDECIDED}
    assert undecided == ENVELOPE_NOT_FINAL - {"15"}
    assert envelope_result("31337").sense is Sense.UNDECIDED


def test_the_closed_list_is_the_documented_one():
    """What a query may settle (daraja.md 6.1)."""
    settled = {code for code, row in STK_RESULTS.items() if row.settles_by_query}
    assert settled == STK_SETTLED_BY_QUERY


def test_nothing_that_is_open_is_settled_or_retried():
    """Another prompt while the first may be paid is the dearest mistake there is."""
    for row in EVERY_ROW:
        if not row.is_final:
            assert not row.retryable, row
            assert not (isinstance(row, StkResult) and row.settles_by_query), row


@pytest.mark.parametrize(("code", "ours"), OUR_CODES.items())
def test_our_codes_are_stable(code: str, ours: str):
    """Merchants branch on them."""
    assert stk_result(code).code == ours


@pytest.mark.parametrize("row", EVERY_ROW, ids=lambda row: f"{row.daraja_code}-{row.code}")
def test_a_row_says_everything_to_everybody(row: StkResult | EnvelopeResult):
    """The payer in two languages, the developer, and us."""
    reason = row.reason()

    assert re.fullmatch(r"[a-z][a-z_]+", reason.code)
    assert reason.daraja_code == row.daraja_code
    assert row.meaning
    assert reason.developer_message.endswith(".")
    assert reason.payer_message.endswith(".")
    assert reason.payer_message_sw.endswith(".")
    assert reason.payer_message != reason.payer_message_sw


def test_no_message_shows_the_payer_what_is_not_for_him():
    """ "The initiator information is invalid" has been shown to payers (trap T28)."""
    for said in _all_words():
        for word in ("initiator", "Daraja", "credential", "passkey", "API"):
            assert word not in said.en + said.sw


def test_every_message_is_in_two_languages():
    """Equal texts would be a translation forgotten."""
    everything = _all_words()
    assert len(everything) > 20
    assert all(said.en.strip() and said.sw.strip() and said.en != said.sw for said in everything)
    assert len({said.en for said in everything}) == len(everything)


def _all_words() -> list[Words]:
    return [value for value in vars(words).values() if isinstance(value, Words)]


@pytest.mark.parametrize("code", ["2001", "8006", "17", "SFC_IC0003", "1", "26"])
def test_the_same_code_means_another_thing_in_another_family(code: str):
    """2001 is the payer's PIN in one and our own password in the other (trap T28)."""
    assert stk_result(code).reason() != envelope_result(code).reason()
    assert stk_result(code).words != envelope_result(code).words


def test_the_three_that_cost_most_when_confused():
    """Written out, because everybody gets them wrong."""
    codes = [(stk_result(code).code, envelope_result(code).code) for code in ("2001", "8006", "17")]

    assert codes == [
        ("wrong_pin", "operator_credential_refused"), ("pin_locked", "operator_locked"),
        ("repeated_too_soon", "internal_failure"),
    ]


@pytest.mark.parametrize("code", ["31337", "", "00", "0.0", "-0", "1032 ", "sfc_ic0003", "٠"])
def test_an_unlisted_code_decides_nothing(code: str):
    """Least of all one that looks like a listed one."""
    for row in (stk_result(code), envelope_result(code)):
        assert (row.code, row.daraja_code, row.is_final) == ("unlisted_result", code, False)
    assert not stk_result(code).is_paid


@pytest.mark.parametrize(("text", "ours"), [
    ("The transaction is still under processing", "still_processing"),
    ("An error occurred while processing the request.", "still_processing"),
    ("Wrong credentials", "wrong_credentials"),
    ("[MerchantValidate] - WRONG CREDENTIALS", "wrong_credentials"),
    ("", "still_processing"),
])
def test_4999_is_read_with_its_text(text: str, ours: str):
    """It says "wait", and it says "your passkey is wrong"."""
    row = stk_result("4999", text)

    assert (row.code, row.is_final) == (ours, False)


def test_only_zero_is_paid_and_only_a_cancel_is_canceled():
    """One code each."""
    assert [code for code, row in STK_RESULTS.items() if row.is_paid] == ["0"]
    assert [code for code, row in STK_RESULTS.items() if row.is_canceled] == ["1032"]
