"""A witness's money goes to the one payment that it can be for, and to none by a guess."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hakika.domain.fact import Fact, Kind, Source, Strength
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Origin, Payment, State, advance, born, folded
from hakika.domain.shortcode import paybill, till
from hakika.domain.witness import (
    ANSWERED_MAX,
    ASKED_AFTER_MAX,
    ASKED_BEFORE_MAX,
    UNDECIDED_MAX,
    Judged,
    Verdict,
    Witness,
    contradicts,
    fits_mask,
    judge,
    paid,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRICE = Money.shillings(500)
PAYER = Msisdn("254712345126")

ASKED = born(Payment(
    id=PaymentId("pay_1"), merchant_id=MerchantId("mer_1"), livemode=False, amount=PRICE,
    payer=PAYER, shortcode=paybill("600966"), reference="ORDER-1", description="",
    idempotency_key="k", created_at=NOON, updated_at=NOON,
))
OTHER = replace(ASKED, id=PaymentId("pay_2"))
WITNESS = Witness(
    Source.C2B, MerchantId("mer_1"), False, paybill("600966"), "UKL7RT61SV", PRICE,
    NOON + timedelta(seconds=40), reference="ORDER-1", payer_masked="2547 ***** 126",
)


def judged(*asked: Payment, witness: Witness = WITNESS, waited: timedelta = timedelta()) -> Judged:
    return judge(witness, asked, heard_at=NOON, now=NOON + waited)


@pytest.mark.parametrize("state", State)
def test_money_is_for_the_one_payment_that_has_no_receipt_yet(state):
    payment = replace(ASKED, state=state)

    expected = (
        Judged(Verdict.UNASKED) if state in {State.COMPLETED, State.REVERSED, State.REVIEW}
        else Judged(Verdict.PAYS, payment)
    )
    assert judged(payment) == expected


@pytest.mark.parametrize(
    "otherwise",
    [
        {"merchant_id": MerchantId("mer_2")}, {"livemode": True}, {"amount": Money.shillings(499)},
        {"shortcode": paybill("600967")}, {"reference": "ORDER-2"},
        {"payer": Msisdn("254712345127")}, {"payer_masked": "", "payer": Msisdn("254712345127")},
        {"payer_masked": "2541 ***** 126"}, {"payer_masked": "2547 ***** 127"},
        {"happened_at": NOON - ASKED_AFTER_MAX}, {"happened_at": NOON + ASKED_BEFORE_MAX},
    ],
    ids=str,
)
def test_whatever_speaks_against_it_makes_it_somebody_elses(otherwise):
    """A wrong credit is worse than money that waits for a person. (T61)"""
    assert judged(ASKED, witness=replace(WITNESS, **otherwise)).verdict is Verdict.UNASKED


def test_payers_mind_neither_case_nor_spaces():
    """What a payer types on a phone: F22."""
    for typed in ("order-1", " Order-1 ", "ORDER -1"):
        assert judged(ASKED, witness=replace(WITNESS, reference=typed)).payment == ASKED
    assert folded(" oRder 1 ") == "ORDER1"


def test_two_that_it_may_be_for_are_none_until_one_is_told():
    """Never a guess: their own callbacks tell, and if they do not, a person."""
    assert judged(ASKED, OTHER).verdict is Verdict.UNDECIDED
    assert judged(ASKED, OTHER, waited=UNDECIDED_MAX * 2).verdict is Verdict.UNASKED
    assert judged(ASKED, replace(OTHER, state=State.COMPLETED)).payment == ASKED


def test_at_a_till_amount_time_and_mask_have_to_do():
    shop = till("5551234", store_number="600100")
    asked = replace(ASKED, shortcode=shop)
    witness = replace(WITNESS, shortcode=shop, reference="")

    assert judged(asked, witness=witness).payment == asked
    assert judged(asked, witness=replace(witness, reference="X")).verdict is Verdict.UNASKED
    assert judged(asked, replace(OTHER, shortcode=shop), witness=witness).verdict is (
        Verdict.UNDECIDED
    )


def test_unasked_money_is_for_no_other_unasked_money():
    assert judged(replace(ASKED, payer=None)).verdict is Verdict.UNASKED


@pytest.mark.parametrize(
    ("masked", "fits"),
    [
        ("2547 ***** 126", True), ("25471****5126", True), ("254712345126", True),
        ("2547 ***** 127", False), ("2541 ***** 126", False),
        ("", True), ("a" * 64, True), ("***", True), ("2547", True), ("<script>", True),
    ],
)
def test_a_mask_speaks_for_those_it_fits_and_what_is_none_for_nobody(masked, fits):
    """v1 sends a hash: nobody is found by it, and nobody is kept out."""
    assert fits_mask(PAYER, masked) is fits


def test_a_witness_completes_a_payment_with_its_receipt_amount_and_time():
    after = advance(ASKED, paid(WITNESS), now=NOON).after

    assert (after.state, after.receipt, after.amount_received, after.confirmed_by) == (
        State.COMPLETED, "UKL7RT61SV", PRICE, Source.C2B,
    )


@pytest.mark.parametrize(
    ("source", "strength"),
    [(Source.C2B, Strength.SUCCESS_CALLBACK), (Source.PULL, Strength.RECORD),
     (Source.STATEMENT, Strength.RECORD), (Source.STATUS, Strength.RECORD)],
)
def test_m_pesas_own_records_are_the_strongest(source, strength):
    """daraja.md 12: a pull row or a statement line stands over every message."""
    assert paid(replace(WITNESS, source=source)).strength is strength


def test_a_witness_that_says_another_amount_is_heard():
    completed = advance(ASKED, paid(WITNESS), now=NOON).after

    assert contradicts(WITNESS, completed) == ""
    assert contradicts(replace(WITNESS, amount=Money(1)), completed) == (
        "c2b says 0.01 for this receipt, and we have 500.00."
    )


def test_what_is_assigned_is_explained_and_stays_so():
    unasked = born(replace(ASKED, payer=None, origin=Origin.C2B))
    arrived = advance(unasked, paid(WITNESS), now=NOON).after
    assigned = advance(
        arrived, Fact(Kind.ASSIGNED, Source.CALLER, assigned_to="ORDER-7"), now=NOON,
    ).after

    assert (arrived.is_explained, assigned.is_explained) == (False, True)
    assert assigned.state is State.COMPLETED
    assert advance(assigned, paid(WITNESS), now=NOON).after.assigned_to == "ORDER-7"


STATUS = replace(WITNESS, source=Source.STATUS, reference="", payer=PAYER, payer_masked="")


@pytest.mark.parametrize(
    ("otherwise", "verdict"),
    [
        ({}, Verdict.PAYS),
        ({"happened_at": NOON + ANSWERED_MAX}, Verdict.UNASKED),
        ({"payer": Msisdn("254712345127")}, Verdict.UNASKED),
        ({"payer": None, "payer_masked": "2547 ***** 126"}, Verdict.UNDECIDED),
        ({"payer": None, "payer_masked": "2547 ***** 127"}, Verdict.UNASKED),
    ],
    ids=str,
)
def test_who_tells_no_reference_tells_of_a_prompt_by_its_payers_whole_number(otherwise, verdict):
    """A status query's result has no account reference; a mask alone fits a thousand people."""
    assert judged(ASKED, witness=replace(STATUS, **otherwise)).verdict is verdict


def test_a_mask_is_not_waited_on_for_ever():
    masked = replace(STATUS, payer=None, payer_masked="2547 ***** 126")
    waited = UNDECIDED_MAX + timedelta(seconds=1)

    assert judged(ASKED, witness=masked, waited=waited).verdict is Verdict.UNASKED
