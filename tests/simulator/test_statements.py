"""Statements as the organisation portal exports them: header, lines newest first, three formats."""

import csv
import io
import zipfile
from datetime import datetime
from typing import Any

import pypdf
import pytest

from hakika_simulator.clock import EAT
from tests.simulator.test_c2b import PAYBILL
from tests.simulator.world import PERSON, Daraja

TILL = "600123"
DAY = "2026-03-01"
COLUMNS = [
    "Receipt No.", "Completion Time", "Initiation Time", "Details", "Transaction Status",
    "Paid In", "Withdrawn", "Balance", "Balance Confirmed", "Reason Type", "Other Party Info",
    "Linked Transaction ID", "A/C No.",
]


def at(clock: str, day: str = DAY) -> str:
    return f"{day}T{clock}"


async def lay_down(daraja: Daraja, *payments: dict[str, Any]) -> list[str]:
    """Make payments of the past to the pay bill, and return their receipts."""
    common = {"phone": PERSON, "shortcode": PAYBILL, "amount": 150, "account": "ROOM 4"}
    past = {"payments": [common | payment for payment in payments]}
    answer = await daraja.control("POST", "history", past)
    assert answer.status == 200, answer.text
    receipts: list[str] = answer.json["receipts"]
    return receipts


async def fetch(daraja: Daraja, shortcode: str = PAYBILL, **query: str) -> bytes:
    path = f"{daraja.url}/_simulator/statements/{shortcode}"
    async with daraja.session.get(path, params={"date": DAY} | query) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def rows(daraja: Daraja, shortcode: str = PAYBILL, **query: str) -> list[list[str]]:
    """Return a CSV statement's rows."""
    text = (await fetch(daraja, shortcode, **query)).decode()
    return list(csv.reader(io.StringIO(text)))


async def test_the_header_says_whose_when_and_how_much(daraja: Daraja) -> None:
    await daraja.control("PUT", "clock", {"now": "2026-03-05T07:00:00"})
    await lay_down(
        daraja, {"at": at("23:59:59", "2026-02-28")}, {"at": at("00:00:00")},
        {"at": at("23:59:59")}, {"at": at("00:00:00", "2026-03-02")},
    )  # fmt: skip
    float_move = {
        "shortcode": PAYBILL, "from": "utility", "to": "working", "amount_cents": 10_000,
        "at": at("12:00:00"),
    }
    await daraja.control("POST", "portal/floats", float_move)

    header = (await rows(daraja))[:7]

    assert header[:4] == [
        ["Account Holder:", "BUSINESS 600000"],
        ["Short Code:", "600000"],
        ["Account:", "Utility Account"],
        ["Time Period:", "From", "01-03-2026 00:00:00", "To", "01-03-2026 23:59:59"],
    ]
    assert header[4][4:] in [
        ["Date of Report:", f"05-03-2026 07:00:{second:02d}"] for second in range(60)
    ]
    assert header[5] == [
        "Opening Balance:", "150.00", "Closing Balance:", "350.00", "Available Balance:",
        "500.00", "Total Paid In:", "300.00", "Total Withdrawn:", "-100.00",
    ]
    assert header[6] == COLUMNS


async def test_lines_come_newest_first_with_a_running_balance(daraja: Daraja) -> None:
    """A charge stands above its payment, under the same receipt; a push says so."""
    await daraja.turn(charge_percent=1, charges_off_collections=True)
    first, second = await lay_down(
        daraja, {"at": at("08:00:00")}, {"at": at("09:30:05"), "kind": "stk", "amount": 1000}
    )

    lines = (await rows(daraja))[7:]

    assert [[line[0], *line[5:8]] for line in lines] == [
        [second, "", "-10.00", "1138.50"],
        [second, "1000.00", "", "1148.50"],
        [first, "", "-1.50", "148.50"],
        [first, "150.00", "", "150.00"],
    ]
    who = "25471****678 - KEVIN KARIUKI"
    assert lines[1] == [
        second, "01-03-2026 09:30:05", "01-03-2026 09:30:05",
        f"Pay Bill Online from {who} Acc. ROOM 4", "Completed", "1000.00", "", "1148.50", "true",
        "Pay Bill Online", who, "", "ROOM 4",
    ]
    assert (lines[0][3], lines[0][10], lines[0][12]) == ("Pay Bill Charge", "SP", "")
    assert lines[3][9] == "Pay Utility"


async def test_charges_have_a_statement_of_their_own(daraja: Daraja) -> None:
    await daraja.turn(charge_percent=1)
    receipts = await lay_down(daraja, {"at": at("08:00:00")})
    lines = (await rows(daraja, account="charges_paid"))[7:]

    assert [(line[0], line[3], line[6], line[7]) for line in lines] == [
        (receipts[0], "Pay Bill Charge", "-1.50", "-1.50")
    ]
    assert len((await rows(daraja))[7:]) == 1


async def test_a_reversal_is_a_line_that_names_what_it_undid(daraja: Daraja) -> None:
    receipts = await lay_down(daraja, {"at": at("08:00:00")})
    asked = {"receipt": receipts[0], "at": at("10:00:00")}
    reversed_as = (await daraja.control("POST", "portal/reversals", asked)).json["receipt"]
    line = (await rows(daraja))[7]

    assert (line[0], line[6], line[7], line[11]) == (reversed_as, "-150.00", "0.00", receipts[0])


async def test_float_goes_from_one_statement_to_the_other_and_out(daraja: Daraja) -> None:
    await lay_down(daraja, {"at": at("08:00:00")})
    for giver, taker, clock in (("utility", "working", "09"), ("working", "bank", "10")):
        move = {
            "shortcode": PAYBILL, "from": giver, "to": taker, "amount_cents": 15_000,
            "at": at(f"{clock}:00:00"),
        }
        await daraja.control("POST", "portal/floats", move)
    utility = (await rows(daraja))[7:]
    working = (await rows(daraja, account="working"))[7:]

    assert utility[0][3] == "Utility Account to Organization Settlement Account"
    assert [(line[3], line[5], line[6]) for line in working] == [
        ("Agency Withdrawal of funds to Bank", "", "-150.00"),
        ("Organization Settlement Account to Organization MMF Account", "150.00", ""),
    ]
    assert utility[0][0] == working[1][0]


async def test_a_tills_merchant_account_knows_no_account_numbers(daraja: Daraja) -> None:
    await lay_down(daraja, {"at": at("08:00:00"), "shortcode": TILL, "account": ""})
    found = await rows(daraja, TILL, account="merchant")

    assert found[2] == ["Account:", "Merchant Account"]
    assert (found[7][3], found[7][9], found[7][12]) == (
        "Merchant Payment from 25471****678 - KEVIN KARIUKI", "Customer Merchant Payment", "",
    )


async def test_several_days_and_grouped_amounts_may_be_asked_for(daraja: Daraja) -> None:
    await lay_down(
        daraja, {"at": at("08:00:00"), "amount": 250_000},
        {"at": at("08:00:00", "2026-03-03"), "amount": 1500},
    )  # fmt: skip
    found = await rows(daraja, until="2026-03-03", grouped="1")

    assert found[3][4] == "03-03-2026 23:59:59"
    assert [line[5] for line in found[7:]] == ["1,500.00", "250,000.00"]


async def test_without_a_date_it_is_todays_in_nairobi(daraja: Daraja) -> None:
    await daraja.control("PUT", "clock", {"now": "2026-03-01T01:00:00"})
    await lay_down(daraja, {"at": at("00:30:00")})
    answer = await daraja.control("GET", f"statements/{PAYBILL}")

    assert "01-03-2026 00:30:00" in answer.text


async def test_a_workbook_has_numbers_for_amounts_and_no_formulas(daraja: Daraja) -> None:
    """What a payer wrote must not run in the bookkeeper's spreadsheet."""
    receipts = await lay_down(daraja, {"at": at("08:00:00"), "account": '=HYPERLINK("x")'})
    book = zipfile.ZipFile(io.BytesIO(await fetch(daraja, format="xlsx")))
    sheet = book.read("xl/worksheets/sheet1.xml").decode()

    assert receipts[0] in sheet
    assert 'r="F8"><v>150</v>' in sheet
    assert "01-03-2026 08:00:00" in sheet
    assert "<f>" not in sheet
    assert 'name="transaction"' in book.read("xl/workbook.xml").decode()


async def test_a_pdf_says_the_same_on_several_pages(daraja: Daraja) -> None:
    receipts = await lay_down(
        daraja, *({"at": at(f"08:{number:02d}:00")} for number in range(60))
    )
    reader = pypdf.PdfReader(io.BytesIO(await fetch(daraja, format="pdf")))
    text = "\n".join(page.extract_text() for page in reader.pages)

    assert len(reader.pages) > 1
    assert all(receipt in text for receipt in receipts)
    assert "Total Paid In:  9,000.00" in text
    assert "Receipt No." in text


async def test_a_pdf_may_need_a_password(daraja: Daraja) -> None:
    receipts = await lay_down(daraja, {"at": at("08:00:00")})
    made = await fetch(daraja, format="pdf", password="s3cret")
    reader = pypdf.PdfReader(io.BytesIO(made))

    assert reader.is_encrypted
    assert reader.decrypt("guess") == 0
    assert reader.decrypt("s3cret") != 0
    assert receipts[0] in reader.pages[0].extract_text()
    assert receipts[0].encode() not in made


@pytest.mark.parametrize(
    "query", [{"date": "noon"}, {"account": "savings"}, {"format": "doc"}, {"until": "x"}]
)
async def test_a_statement_that_cannot_be_is_refused(daraja: Daraja, query) -> None:
    answer = await daraja.call("GET", f"/_simulator/statements/{PAYBILL}", params=query)

    assert answer.status == 422


async def test_the_truth_adds_up_to_the_statement(daraja: Daraja) -> None:
    """Two ways to the same books: the lines of a day, and the receipts of that day."""
    await daraja.turn(charge_percent=0.55)
    await lay_down(daraja, *({"at": at(f"{hour:02d}:15:00")} for hour in range(24)))
    truth = await daraja.truth()
    since = datetime(2026, 3, 1, tzinfo=EAT).timestamp()
    told = {
        (row["receipt"], row["cents"])
        for row in truth["receipts"]
        if row["account"] == "utility" and since <= row["at"] < since + 86_400
    }

    lines = (await rows(daraja))[7:]

    cents = [(line[0], round(float(line[5] or line[6]) * 100)) for line in lines]
    assert set(cents) == told
    assert lines[0][7] == f"{truth['accounts'][PAYBILL]['utility'] / 100:.2f}"
