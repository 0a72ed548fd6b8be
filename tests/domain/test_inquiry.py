"""What an answer of M-Pesa's decides, and which receipts are money that came in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from hakika.domain.errors import Invalid
from hakika.domain.fact import Source
from hakika.domain.ids import InquiryId, MerchantId, ProviderId
from hakika.domain.inquiry import (
    Inquiry,
    Kind,
    Outcome,
    State,
    StatusSaid,
    answered,
    collection,
    next_turn,
    observed_at,
    outcome_of,
    read_receipt,
)
from hakika.domain.ledger import named_account
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.shortcode import paybill, till
from hakika.domain.witness import Witness

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RECEIPT = "UKL7RT61SV"
ASKED = Inquiry(
    InquiryId("inq_1"), Kind.STATUS, MerchantId("mer_1"), False, ProviderId("prv_1"),
    paybill("600966"), NOON, receipt=RECEIPT,
)
SAID = StatusSaid(
    "Completed", RECEIPT, Money.shillings(500), NOON, "Pay Utility",
    "254708374149 - John Doe", "600966 - Duka Ltd",
)


def collected(inquiry: Inquiry = ASKED, **changed: Any) -> Witness | None:
    return collection(inquiry, replace(SAID, **changed), heard_at=NOON, raw=b"{}")


def test_what_a_person_paid_to_us_is_a_collection():
    assert collected() == Witness(
        Source.STATUS, MerchantId("mer_1"), False, paybill("600966"), RECEIPT,
        Money.shillings(500), NOON, payer=Msisdn("254708374149"), payer_name="John Doe", raw=b"{}",
    )


@pytest.mark.parametrize(
    "otherwise",
    [
        {"status": "Declined"}, {"status": ""}, {"receipt": ""}, {"amount": None},
        # A payout, a reversal, a charge, a move of the float: completed, and with a receipt.
        {"debit_party": "600966 - Duka Ltd", "credit_party": "254708374149 - John Doe"},
        {"debit_party": "600966 - Duka Ltd"}, {"debit_party": "600310 - Safaricom333"},
        {"debit_party": ""}, {"credit_party": ""}, {"credit_party": "600967 - Another"},
        {"credit_party": "6009660 - Another"}, {"debit_party": "600966*** - Duka Ltd"},
    ],
    ids=str,
)
def test_nothing_else_is(otherwise):
    """A payout's receipt, taken for a collection, would credit what was paid out. (I1)"""
    assert collected(**otherwise) is None


@pytest.mark.parametrize("masked", ["2547 ***** 126", "2547*****126", "*********149", "0722***123"])
def test_a_masked_payer_is_a_person(masked):
    witness = collected(debit_party=f"{masked} - JANE")

    assert witness is not None
    assert (witness.payer, witness.payer_masked) == (None, masked)


def test_a_tills_money_is_credited_to_the_till_or_to_its_store():
    shop = replace(ASKED, shortcode=till("5551234", store_number="600100"))

    assert collected(shop, credit_party="5551234 - Duka") is not None
    assert collected(shop, credit_party="600100 - Duka") is not None
    assert collected(shop, credit_party=" - Duka") is None
    assert collected(credit_party=" - Duka") is None


def test_only_what_is_documented_as_final_decides():
    assert {each: outcome_of(each) for each in (
        "Completed", " completed ", "Cancelled", "Declined", "Expired", "Initiated", "Authorized",
        "Pending Authorized", "Completed?", "",
    )} == {
        "Completed": Outcome.COMPLETED, " completed ": Outcome.COMPLETED,
        "Cancelled": Outcome.FAILED, "Declined": Outcome.FAILED, "Expired": Outcome.FAILED,
        "Initiated": Outcome.UNDECIDED, "Authorized": Outcome.UNDECIDED,
        "Pending Authorized": Outcome.UNDECIDED, "Completed?": Outcome.UNDECIDED,
        "": Outcome.UNDECIDED,
    }


def test_whatever_order_is_heard_in_the_answer_that_says_most_stands():
    """The acceptance, the queue's notice, a refusal and the answer overtake each other."""
    heard: list[tuple[State, Outcome | None]] = [
        (State.SILENT, None), (State.TIMED_OUT, None), (State.REFUSED, None),
        (State.ANSWERED, Outcome.UNDECIDED), (State.ANSWERED, Outcome.COMPLETED),
    ]
    for order in permutations(heard):
        inquiry = ASKED
        for state, outcome in order:
            inquiry = answered(inquiry, state, answer=state, now=NOON, outcome=outcome)

        assert (inquiry.state, inquiry.outcome) == (State.ANSWERED, Outcome.COMPLETED), order


def test_a_turn_is_at_midnight_in_nairobi():
    assert next_turn(datetime(2026, 3, 2, 20, 59, tzinfo=UTC)) == datetime(
        2026, 3, 2, 21, tzinfo=UTC,
    )
    assert next_turn(datetime(2026, 3, 2, 21, tzinfo=UTC)) == datetime(2026, 3, 3, 21, tzinfo=UTC)


def test_a_balances_own_time_is_taken_where_it_can_be_true():
    later = NOON + timedelta(minutes=30)
    told = NOON + timedelta(minutes=2)

    assert observed_at(told, asked_at=NOON, now=later) == told
    for wrong in (None, NOON - timedelta(hours=3), later + timedelta(hours=3)):
        assert observed_at(wrong, asked_at=NOON, now=later) == later


def test_m_pesas_accounts_have_their_places_in_the_books():
    ours = paybill("600966")
    assert [named_account(ours, each) for each in (
        "Working Account", "UTILITY ACCOUNT", "Merchant Account", "Charges Paid Account",
        "Organization Settlement Account",
    )] == [
        "float:600966:working", "float:600966:utility", "float:600966:merchant",
        "float:600966:charges", None,
    ]


def test_a_receipt_is_taken_in_any_case():
    assert read_receipt(" ukl7rt61sv ") == RECEIPT
    for wrong in ("UKL7RT61S", "UKL7RT61SV0", "UKL7RT61S-", "UKL7RT61Sé", ""):
        with pytest.raises(Invalid):
            read_receipt(wrong)
