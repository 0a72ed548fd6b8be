"""Money that went back to its payer: counted by receipt; all of it reverses the payment."""

from __future__ import annotations

from hakika.domain.event import EventName
from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.money import Money
from hakika.domain.payment import State
from tests.domain.test_payment import ACCEPTED, ASKED, NOON, PAID, RETURNED, changes, told

HALF, OTHER_HALF = [
    Fact(Kind.RETURNED, Source.REFUND, receipt=receipt, amount=Money.shillings(250))
    for receipt in ("UKL8HALF01", "UKL8HALF02")
]


def test_a_payment_is_reversed_once_all_of_it_is_back():
    """A part that was given back leaves it paid; which part came first is all the same."""
    parts = changes(ASKED, ACCEPTED, PAID, HALF, HALF, OTHER_HALF)
    early = told(ASKED, ACCEPTED, HALF, OTHER_HALF, PAID)

    assert [change.after.state for change in parts[2:]] == [
        State.COMPLETED, State.COMPLETED, State.COMPLETED, State.REVERSED,
    ]
    assert [str(change.after.amount_returned) for change in parts[3:]] == [
        "250.00", "250.00", "500.00",
    ]
    assert parts[5].events == (EventName.PAYMENT_REVERSED,)
    assert (early.state, early.completed_at) == (State.REVERSED, NOON)


def test_more_given_back_than_ever_came_is_put_before_a_person():
    """A refund by us and a reversal on the portal: the merchant has paid twice."""
    for order in ((PAID, RETURNED, HALF), (RETURNED, HALF, PAID), (HALF, PAID, RETURNED)):
        assert told(ASKED, *order).needs_review
    assert not told(ASKED, PAID, HALF, OTHER_HALF).needs_review
