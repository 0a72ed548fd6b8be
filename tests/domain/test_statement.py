"""What a line of a statement is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hakika.domain.money import Money
from hakika.domain.statement import LineKind, StatementLine, is_status, kind_of, taken_back

NOON = datetime(2026, 11, 21, 9, tzinfo=UTC)

IN, OUT = True, False


def line(
    way: bool, *, reason: str = "", details: str = "", receipt: str = "TKL4PAID01", place: int = 1,
) -> StatementLine:
    """Return a line of 500 shillings."""
    amount = Money.shillings(500)
    return StatementLine(
        place=place, receipt=receipt, completed_at=NOON, status="Completed",
        paid_in=amount if way is IN else None, withdrawn=amount if way is OUT else None,
        reason_type=reason, details=details,
    )


@pytest.mark.parametrize(
    ("way", "reason", "details", "kind"),
    [
        (IN, "Pay Bill Online", "Pay Bill from 254712345678 - JANE Acc. 1", LineKind.COLLECTION),
        (IN, "Pay Utility", "", LineKind.COLLECTION),
        (IN, "Merchant Payment Online", "", LineKind.COLLECTION),
        (IN, "Customer Buy Goods Online", "", LineKind.COLLECTION),
        (IN, "", "Pay Bill Online from 254712345678", LineKind.COLLECTION),
        (OUT, "Pay Bill Charge", "", LineKind.CHARGE),
        (OUT, "Pay Bill Online", "Pay merchant Charge", LineKind.CHARGE),
        (OUT, "Business Payment to Customer via API", "B2C Payment Charge", LineKind.CHARGE),
        (OUT, "Pay Bill Reversal", "", LineKind.REVERSAL),
        (IN, "", "Reversal of TKL4PAID01", LineKind.REVERSAL),
        (OUT, "Business Payment to Customer via API", "to 254712345678 - JANE", LineKind.PAYOUT),
        (OUT, "Salary Payment", "", LineKind.PAYOUT),
        (OUT, "Promotion Payment via API", "to 254712345678 - JANE", LineKind.PAYOUT),
        (OUT, "Business Payment Charge", "Business Payment Charge", LineKind.CHARGE),
        (
            OUT, "Business Payment to Customer Withdrawal Charge Paid", "", LineKind.PAYEE_CHARGE,
        ),
        (OUT, "Business Pay Bill", "", LineKind.PAYOUT),
        (OUT, "Organization Settlement", "", LineKind.FLOAT_MOVE),
        (OUT, "Withdraw Funds to Bank", "Organization Settle to Bank", LineKind.FLOAT_MOVE),
        (OUT, "", "Merchant Account to Organization Settlement Account", LineKind.FLOAT_MOVE),
        (IN, "Working Account to Utility Account", "", LineKind.FLOAT_MOVE),
        (IN, "", "Funds received from KCB current", LineKind.FLOAT_MOVE),
        (IN, "Something Of Next Year", "", LineKind.OTHER),
        (IN, "", "", LineKind.OTHER),
    ],
)
def test_a_line_is_known_by_its_words(way, reason, details, kind):
    assert kind_of(line(way, reason=reason, details=details)) is kind


@pytest.mark.parametrize("typed", ["REVERSAL", "Charge", "settlement", "B2C payout"])
def test_a_payer_cannot_choose_what_their_payment_is(typed):
    """The account reference is typed by the payer and stands in Details: a payment of somebody who
    types "reversal" must not be booked as one."""
    with_reason = line(
        IN, reason="Pay Bill Online", details=f"Pay Bill from 254712345678 - JANE Acc. {typed}",
    )
    without = line(IN, details=f"Pay Bill from {typed} Acc. {typed}")

    assert (kind_of(with_reason), kind_of(without)) == (LineKind.COLLECTION, LineKind.COLLECTION)


def test_a_movement_is_the_same_in_every_file():
    """Statements overlap, and Excel drops seconds: the place and the text of a line may differ."""
    here = line(IN, reason="Pay Bill Online", details="Pay Bill from 254712345678", place=13)
    there = line(IN, reason="Pay  bill online", details="Pay Bill from", place=400)

    assert here.identity == there.identity
    assert here.identity != line(OUT, reason="Pay Bill Online").identity
    assert here.identity != line(IN, reason="Pay Bill Online", receipt="TKL4PAID02").identity


def test_a_line_is_another_once_money_moved():
    """Of equal lines of one file each is its own; and none is taken for what it was before."""
    done = line(IN, reason="Pay Bill Online")

    assert done.identity != replace(done, status="Pending").identity
    assert replace(done, status="Failed").identity == replace(done, status="Pending").identity
    assert done.identity != replace(done, nth=2).identity


@pytest.mark.parametrize("status", ["Completed", "COMPLETED", "Failed", "Cancelled", "Pending"])
def test_words_of_the_portal_are_known(status):
    assert is_status(status)


@pytest.mark.parametrize("status", ["", "Successful", "Paid", "Reversed", "Incomplete"])
def test_nothing_is_guessed_of_other_words(status):
    assert not is_status(status)


@pytest.mark.parametrize(
    ("linked", "details", "found"),
    [
        ("TKL4PAID09", "Reversal of TKL4PAID02", "TKL4PAID09"),
        ("", "Reversal of TKL4PAID02", "TKL4PAID02"),
        ("N/A", "Reversal of TKL4PAID02 to 25471****001", "TKL4PAID02"),
        ("", "Pay Bill Reversal TKL4PAID01 of tkl4paid02", "TKL4PAID02"),
        ("", "Reversal of COLLECTION from 2547 - TKL4PAID02", ""),
    ],
)
def test_what_a_reversal_takes_back_is_read_of_its_details_too(linked, details, found):
    """And never of what a stranger could type, who could have any payment named reversed."""
    back = replace(line(OUT, reason="Reversal", details=details), linked_receipt=linked)

    assert taken_back(back) == found
    paid = replace(back, reason_type="Pay Bill Online", details="of TKL4PAID02")
    assert taken_back(paid) == linked


def test_people_are_not_shown():
    """A line that fails is shown in logs; the people in it must not be."""
    shown = repr(StatementLine(
        place=1, receipt="TKL4PAID01", completed_at=NOON, status="Completed",
        paid_in=Money.shillings(1), details="from 254712345678 - JANE",
        other_party="254712345678 - JANE", account_reference="JANE",
    ))

    assert "JANE" not in shown
    assert "254712345678" not in shown
