"""The chain of facts: an edit of anything that was heard shows."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from hakika.domain import fact as facts
from hakika.domain.fact import Fact, Kind, LateAction, Reason, Source
from hakika.domain.money import Money

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDERED, LESS = Money.shillings(500), Money.shillings(499)
RECEIPT, OTHER_RECEIPT = "UKL7RT61SV", "UKL7RT61SW"
NO_REASON = Reason("none", "1", "For the developer.", "For the payer.", "Kwa mlipaji.")

FULL = Fact(
    Kind.PAID, Source.STK_CALLBACK, attempt=1, reason=NO_REASON,
    merchant_request_id="29115", checkout_request_id="ws_1", receipt=RECEIPT, amount=ORDERED,
    paid_at=NOON, assigned_to="ORDER-1", note="A note.", late_action=LateAction.HOLD, raw=b"{}",
)
FULL_REASON = Reason("code", "1", "developer", "payer", "mlipaji", "daraja", retryable=False)


def linked(fact: Fact = FULL, **row: object) -> bytes:
    place = {
        "payment_id": "pay_01kaxb2m8fe2tv5k0c3y7h9q4d", "sequence": 3, "heard_at": NOON,
        "state": "completed", "before": facts.FIRST_LINK,
    }
    return facts.link(fact, **(place | row))  # type: ignore[arg-type]


EDITED = {
    "kind": Kind.MISPAID, "source": Source.STK_QUERY, "attempt": 2, "reason": None,
    "merchant_request_id": "29116", "checkout_request_id": "ws_2", "receipt": OTHER_RECEIPT,
    "amount": LESS, "paid_at": NOON + timedelta(days=1), "assigned_to": "ORDER-2",
    "note": "Another note.", "late_action": LateAction.FULFIL, "raw": b"{ }",
}


def test_the_list_of_edits_is_complete():
    """A field that the chain forgot could be changed without a trace."""
    assert set(EDITED) == {each.name for each in fields(Fact)}


@pytest.mark.parametrize("name", EDITED)
def test_an_edit_of_any_field_of_a_fact_breaks_its_link(name):
    """Facts are evidence: whoever can write to the database must not rewrite them unseen."""
    edited = replace(FULL, **{name: EDITED[name]})  # type: ignore[arg-type]

    assert linked(edited) != linked()


@pytest.mark.parametrize("name", [each.name for each in fields(Reason)])
def test_an_edit_of_any_part_of_a_reason_breaks_its_link(name):
    """Why a payment failed is what merchants and payers argue about."""
    other = True if name == "retryable" else "edited"
    edited = replace(FULL_REASON, **{name: other})  # type: ignore[arg-type]

    assert linked(replace(FULL, reason=edited)) != linked(replace(FULL, reason=FULL_REASON))


@pytest.mark.parametrize("row", [
    {"payment_id": "pay_other"}, {"sequence": 4}, {"heard_at": NOON + timedelta(microseconds=1)},
    {"state": "failed"}, {"before": bytes([1] * 32)},
], ids=lambda row: next(iter(row)))
def test_a_fact_cannot_be_moved_to_another_place(row):
    """Nor to another payment, nor behind another fact, nor to another time or conclusion."""
    assert linked(**row) != linked()
