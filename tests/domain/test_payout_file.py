"""Rows of a file of payouts: read in one way or not at all, and every mistake said by name."""

from __future__ import annotations

import pytest

from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Payee, Way
from hakika.domain.payout_file import BEYOND, Cell, Row, WrongRow, check, check_row

JANE: dict[str, Cell] = {"phone": "0712345678", "amount": "1200", "name": "Jane"}


def codes(row: Row | WrongRow) -> list[tuple[str, str]]:
    return [(each.field, each.code) for each in row.errors] if isinstance(row, WrongRow) else []


def test_a_row_is_a_payout():
    assert check_row(2, {**JANE, "reference": "11/2026", "remarks": "Wages"}) == Row(
        2, Way.PHONE, Payee(phone=Msisdn("254712345678"), name="Jane"), Money.shillings(1_200),
        "11/2026", "Wages",
    )


@pytest.mark.parametrize("phone", [
    "0712345678", "712345678", "254712345678", 254712345678, 254712345678.0, "+254 712 345 678",
])
def test_a_number_is_read_however_a_spreadsheet_wrote_it(phone: Cell):
    """712345678 has lost its zero and can be nothing else; +254… is no formula."""
    row = check_row(2, {"phone": phone, "amount": 100.0})

    assert isinstance(row, Row)
    assert row.payee.phone == Msisdn("254712345678")


def test_a_business_is_paid_by_its_number():
    bill = check_row(2, {"paybill": 888880, "account": "00123", "amount": 100})
    shop = check_row(3, {"till": "832909", "amount": 100})

    assert isinstance(bill, Row)
    assert (bill.way, bill.payee) == (Way.PAYBILL, Payee(number="888880", account="00123"))
    assert isinstance(shop, Row)
    assert (shop.way, shop.payee.number) == (Way.TILL, "832909")


@pytest.mark.parametrize(("cells", "expected"), [
    ({"amount": "9"}, ("amount", "amount_too_small")),
    ({"amount": -5.0}, ("amount", "cell_is_formula")),
    ({"amount": "250001"}, ("amount", "amount_too_large")),
    ({"amount": "100.50"}, ("amount", "amount_has_cents")),
    ({"amount": 100.5}, ("amount", "amount_has_cents")),
    ({"amount": "1,200"}, ("amount", "amount_invalid")),
    ({"amount": "1.2E+03"}, ("amount", "number_mangled")),
    ({"amount": None}, ("amount", "amount_missing")),
    ({"amount": "="}, ("amount", "cell_is_formula")),
    ({"phone": "2.54712E+11"}, ("phone", "number_mangled")),
    ({"phone": "0312345678"}, ("phone", "phone_invalid")),
    ({"phone": "+1+1"}, ("phone", "cell_is_formula")),
    ({"phone": None}, ("phone", "payee_not_one")),
    ({"till": "832909"}, ("phone", "payee_not_one")),
    ({"account": "A1"}, ("account", "account_not_wanted")),
    ({"phone": None, "paybill": "888880"}, ("account", "account_missing")),
    ({"phone": None, "paybill": "888880", "account": 123}, ("account", "account_is_number")),
    ({"phone": None, "paybill": "12", "account": "x"}, ("paybill", "shortcode_invalid")),
    ({"name": "=HYPERLINK(1)"}, ("name", "cell_is_formula")),
    ({"name": "@SUM(1)"}, ("name", "cell_is_formula")),
    ({"reference": "-2+3"}, ("reference", "cell_is_formula")),
    ({"name": "x" * 101}, ("name", "name_invalid")),
    ({"remarks": "x"}, ("remarks", "remarks_invalid")),
    ({BEYOND: "Doe"}, (BEYOND, "row_too_wide")),
])
def test_what_is_wrong_is_named(cells: dict[str, Cell], expected: tuple[str, str]):
    """Nothing is rounded, guessed or cut: a wrong amount or payee is somebody's money."""
    assert codes(check_row(7, JANE | cells)) == [expected]


def test_every_mistake_of_a_row_is_said_at_once():
    row = check_row(7, {"phone": "12", "amount": "x", "remarks": "y"})

    assert codes(row) == [
        ("phone", "phone_invalid"), ("remarks", "remarks_invalid"), ("amount", "amount_invalid"),
    ]


def test_no_error_repeats_what_stands_in_the_cell():
    """A number in the wrong column would end in an answer, and from there in a log."""
    for cells in ({"phone": "25479888877712"}, {"amount": "079888877 7"}, {"till": "0798888777"}):
        row = check_row(7, JANE | cells)

        assert isinstance(row, WrongRow)
        assert "9888877" not in " ".join(each.message for each in row.errors)


def test_the_same_payment_twice_is_wrong_unless_the_references_differ():
    first, again, other = check([
        (2, JANE), (3, JANE | {"phone": "254712345678"}), (4, JANE | {"reference": "bonus"}),
    ])

    assert isinstance(first, Row)
    assert codes(again) == [("reference", "row_twice")]
    assert isinstance(other, Row)
