"""What single lines of a statement do to the books: each movement once, and none unseen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.api.test_statements import PATH, imported, kept, send, settled
from tests.api.world import Shop
from tests.sheets.samples import COLUMNS, as_csv
from tests.statement_files import paid, receipt, statement, yesterday

DAY = yesterday()
_shortcodes = count(618_500)

CHARGE = {
    "Reason Type": "Pay Bill Charge", "Details": "Pay Bill Charge", "Paid In": "",
    "Other Party Info": "Safaricom", "A/C No.": "",
}


@pytest_asyncio.fixture
async def paybill(shop: Shop) -> str:
    """A paybill of the shop's."""
    number = str(next(_shortcodes))
    await shop.put_paybill(number)
    return number


def without_balances(lines: Sequence[Sequence[str]]) -> bytes:
    """Return a file without the column Balance."""
    at = COLUMNS.index("Balance")
    rows = [(*row[:at], *row[at + 1:]) for row in (COLUMNS, *lines)]
    return as_csv(rows)


async def floats(shop: Shop) -> dict[str, str]:
    """Return what the books say lies on each account at M-Pesa."""
    (found,) = (await shop.get("/v1/balance")).data["float"]
    places: dict[str, str] = found["places"]
    return places


async def fates(shop: Shop, statement_: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the receipt and fate of each line that a file was the first to tell of."""
    lines = (await shop.get(f"{PATH}/{statement_['id']}/lines")).data
    return [(line["receipt"], line["fate"]) for line in lines]


@pytest.mark.parametrize("status", ["Pending", "Failed"])
async def test_a_line_that_completes_later_is_booked_then(shop, paybill, status):
    """A file of noon has it pending; the one of the evening must not take it for the same."""
    waits = paid(paybill, DAY, 0, **{"Transaction Status": status})

    first = await imported(shop, without_balances([waits]))
    later = await imported(shop, without_balances([paid(paybill, DAY, 0)]))
    again = await imported(shop, without_balances([waits, paid(paybill, DAY, 1)]))
    await settled(shop)

    assert [first["fates"], later["fates"], again["fates"]] == [
        {"failed": 1}, {"waiting": 1}, {"waiting": 1},
    ]
    assert (await floats(shop))["utility"] == "20.00"


async def test_the_second_of_two_equal_lines_is_kept_and_named(shop, paybill):
    """Without balances nothing tells them apart but that they are two, in every file of both."""
    both = [paid(paybill, DAY, 0), paid(paybill, DAY, 0)]

    first = await imported(shop, without_balances(both))
    other = await imported(shop, without_balances([*both, paid(paybill, DAY, 1)]))
    one = await imported(shop, without_balances([both[0], paid(paybill, DAY, 2)]))
    await settled(shop)

    assert first["fates"] == {"waiting": 1, "doubled": 1}
    assert (other["new"], one["new"]) == (1, 1)
    assert kept(shop)["statement_lines"] == 4


async def test_two_charges_of_one_receipt_are_both_booked(shop, paybill):
    """Safaricom's price and the duty on it; the same charge once more is doubled."""
    price = paid(paybill, DAY, 0, **CHARGE, Withdrawn="-5.00", Balance="1005.00")
    duty = paid(paybill, DAY, 0, **{
        **CHARGE, "Reason Type": "Excise Duty", "Details": "Excise Duty",
        "Withdrawn": "-1.00", "Balance": "1004.00",
    })
    again = paid(paybill, DAY, 0, **CHARGE, Withdrawn="-5.00", Balance="999.00")

    await imported(shop, as_csv(statement(paybill, DAY, [paid(paybill, DAY, 0), price])))
    later = await imported(shop, as_csv(statement(paybill, DAY, [duty, again])))
    await settled(shop)

    assert (await floats(shop))["utility"] == "4.00"
    assert await fates(shop, later) == [
        (receipt(paybill, 0), "explained"), (receipt(paybill, 0), "doubled"),
    ]


def _transfers(shortcode: str) -> tuple[bytes, bytes]:
    """Return a transfer that was taken back, as both accounts' statements have it."""
    def line(number: int, cents: int, balance: int, **cells: str) -> tuple[str, ...]:
        way = "Paid In" if cents > 0 else "Withdrawn"
        return paid(shortcode, DAY, number, **{
            "Paid In": "", way: f"{cents}.00", "Balance": f"{balance}.00",
            "Reason Type": "Organization Transfer", "Other Party Info": "", "A/C No.": "",
            "Details": "Utility Account to Working Account", **cells,
        })

    back = {
        "Reason Type": "Transaction Reversal", "Details": f"Reversal of {receipt(shortcode, 1)}",
    }
    return (
        as_csv(statement(shortcode, DAY, [
            paid(shortcode, DAY, 0, **{"Paid In": "1000.00", "Balance": "1000.00"}),
            line(1, -600, 400), line(2, 600, 1000, **back),
        ])),
        as_csv(statement(
            shortcode, DAY, [line(1, 600, 600), line(2, -600, 0, **back)],
            account="Working Account",
        )),
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_reversed_transfer_moves_both_accounts_back(shop, paybill, order):
    """Both statements have it under one receipt; each account must move, and each once."""
    files = _transfers(paybill)

    for at in (*order, *order):
        await imported(shop, files[at])
    await settled(shop)

    assert await floats(shop) == {"utility": "1000.00", "working": "0.00"}
    assert kept(shop)["postings"] == 5


async def test_two_merchants_of_one_short_code_each_book_their_charges(shop, other_shop):
    """In test mode a short code may be of several; one's books must not empty the other's."""
    number = str(next(_shortcodes))
    charge = paid(number, DAY, 0, **CHARGE, Withdrawn="-5.00")
    for each in (shop, other_shop):
        await each.put_paybill(number)
        await imported(each, as_csv(statement(number, DAY, [charge])))

    assert [(await floats(each))["utility"] for each in (shop, other_shop)] == ["-5.00", "-5.00"]


@pytest.mark.parametrize("status", ["Successful", "Paid", "", "Reversed"])
async def test_a_status_that_nobody_knows_refuses_the_file(shop, paybill, status):
    """Taken for a failure, real money stays out of the books and the day closes green."""
    line = paid(paybill, DAY, 0, **{"Transaction Status": status})

    answer = await send(shop, as_csv(statement(paybill, DAY, [line])))

    assert (answer.status, answer.body["code"]) == (400, "statement_line_wrong")
    assert "Line 7" in answer.body["detail"] and "Cancelled" in answer.body["hint"]


async def test_a_reversal_that_names_its_payment_in_its_details_finds_it(shop, paybill):
    """Older exports have no column for what is taken back; some leave it blank."""
    back = paid(paybill, DAY, 1, **{
        "Paid In": "", "Withdrawn": "-10.00", "Balance": "1000.00", "A/C No.": "",
        "Reason Type": "Transaction Reversal",
        "Details": f"Reversal of {receipt(paybill, 0)} to 25471****001",
    })

    data = await imported(shop, as_csv(statement(paybill, DAY, [paid(paybill, DAY, 0), back])))
    await settled(shop)

    payment, reversal = (await shop.get(f"{PATH}/{data['id']}/lines")).data
    assert reversal["linked_receipt"] == receipt(paybill, 0)
    assert reversal["payment_id"] == payment["payment_id"]


async def test_one_file_is_of_one_account(shop, paybill):
    """Sent again as that of another account, every movement of it would be booked twice."""
    file = as_csv((COLUMNS, paid(paybill, DAY, 0, **CHARGE, Withdrawn="-5.00")))
    other = str(next(_shortcodes))
    await shop.put_paybill(other)
    first = await imported(shop, file, shortcode=paybill)
    before = kept(shop)

    for query in ({"shortcode": paybill, "account": "Working Account"}, {"shortcode": other}):
        answer = await send(shop, file, **query)
        assert (answer.status, answer.body["code"]) == (400, "statement_of_another")
        assert first["id"] in answer.body["detail"]
    assert (await imported(shop, file, shortcode=paybill))["again"]
    assert kept(shop) == before


async def test_a_file_knows_nothing_of_the_time_after_it_was_made(shop, paybill):
    """A day whose statement was made at noon is not proven by it."""
    head, lines = statement(paybill, DAY, [])[:4], [paid(paybill, DAY, 0)]
    noon = f"{datetime.fromisoformat(DAY):%d-%m-%Y} 12:00:00"

    data = await imported(shop, as_csv((*head, ("Date of Report:", noon), COLUMNS, *lines)))

    assert (data["starts_at"], data["ends_at"]) == (f"{_before(DAY)}T21:00:00Z", f"{DAY}T09:00:00Z")


async def test_a_quiet_day_is_proven(shop, paybill):
    """The whole head and no lines: nothing happened, and M-Pesa says so."""
    head = statement(paybill, DAY, [])[:4]
    sums = ("Opening Balance:", "70.00", "Closing Balance:", "70.00", "Total Paid In:", "0.00",
            "Total Withdrawn:", "0.00")

    data = await imported(shop, as_csv((*head, sums, COLUMNS)))
    day = await shop.send("POST", f"/v1/reconciliation/days/{DAY}")

    assert (data["lines"], data["opening"], data["closing"]) == (0, "70.00", "70.00")
    assert (day.data["result"], day.data["open"]) == ("green", 0)
    assert (await floats(shop))["utility"] == "70.00"


def _before(day: str) -> str:
    return f"{datetime.fromisoformat(day) - timedelta(days=1):%Y-%m-%d}"
