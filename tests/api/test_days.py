"""A day that closes: what M-Pesa says of it against the books, over real HTTP, error by error."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from hakika.domain.ids import MerchantId
from hakika.domain.merchant import Owner
from hakika.domain.times import NAIROBI
from hakika.store import closing as closings
from tests.api.test_exports import file_of
from tests.api.test_exports import lines as lines_of
from tests.api.test_statements import imported, settled
from tests.api.world import Shop

PAYMENTS = 12
_shortcodes = count(608_000)


@pytest.fixture
def day() -> str:
    return f"{datetime.now(NAIROBI) - timedelta(days=1):%Y-%m-%d}"


@pytest_asyncio.fixture
async def paybill(shop: Shop, day: str) -> str:
    """A paybill that was paid twelve times yesterday; M-Pesa's statement of it is imported."""
    number = str(next(_shortcodes))
    await shop.put_paybill(number, nominated_number="254722000000")
    noon = datetime.fromisoformat(f"{day}T12:00:00+03:00").timestamp()
    await paid(shop, number, [noon + 60 * each for each in range(PAYMENTS)])
    return number


async def paid(shop: Shop, paybill: str, times: list[float], *, amount: int = 100) -> None:
    async with shop.session.post(f"{shop.world.simulator}/_simulator/history", json={"payments": [
        {"kind": "c2b", "phone": "254711000002", "shortcode": paybill, "amount": amount,
         "account": f"INV-{number}", "at": at}
        for number, at in enumerate(times)
    ]}) as answer:
        answer.raise_for_status()


async def statement(shop: Shop, paybill: str, day: str, *, form: str = "csv") -> bytes:
    async with shop.session.get(
        f"{shop.world.simulator}/_simulator/statements/{paybill}",
        params={"date": day, "format": form},
    ) as answer:
        answer.raise_for_status()
        return await answer.read()


async def closed(shop: Shop, day: str) -> dict[str, Any]:
    answer = await shop.send("POST", f"/v1/reconciliation/days/{day}")
    assert answer.status == 200, answer.raw
    data: dict[str, Any] = answer.data
    return data


async def open_kinds(shop: Shop, day: str) -> list[str]:
    found = (await shop.get(f"/v1/reconciliation/discrepancies?state=open&day={day}")).data
    return sorted(each["kind"] for each in found)


@pytest.mark.parametrize("form", ["csv", "xlsx", "pdf"])
async def test_a_day_closes_green_by_its_statement(shop, paybill, day, form):
    file = await statement(shop, paybill, day, form=form)

    first, second = await imported(shop, file), await imported(shop, file)
    await settled(shop)
    data = await closed(shop, day)

    assert first["lines"] == first["new"] >= PAYMENTS
    assert first["fates"]["waiting"] == PAYMENTS
    assert second["again"] and second["id"] == first["id"]
    assert (data["result"], data["open"]) == ("green", 0), await discrepancies(shop, day)
    listed = (await shop.get(f"/v1/reconciliation/statements/{first['id']}/lines")).data
    assert {each["fate"] for each in listed} <= {"matched", "explained"}
    assert (await shop.get("/v1/balance")).data["suspense"] == f"{PAYMENTS * 100}.00"


async def discrepancies(shop: Shop, day: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await shop.get(f"/v1/reconciliation/discrepancies?day={day}")
    ).data
    return found


class Written:
    """A statement in CSV that is written anew: the oldest line first, its totals made right."""

    def __init__(self, file: bytes, paybill: str) -> None:
        self.paybill = paybill
        rows = list(csv.reader(io.StringIO(file.decode())))
        at = next(number for number, row in enumerate(rows) if row[0].startswith("Receipt"))
        self._head, names = rows[:at], rows[at]
        self._names = names
        self.lines = [dict(zip(names, row, strict=True)) for row in reversed(rows[at + 1:])]

    def add(self, like: dict[str, str], **cells: str) -> None:
        """Add a line behind all others."""
        self.lines.append(like | {"Completion Time": self.lines[-1]["Completion Time"]} | cells)

    def file(self) -> bytes:
        """Return the file."""
        balance = paid_in = withdrawn = 0.0
        for line in self.lines:
            paid_in += float(line["Paid In"] or 0)
            withdrawn += float(line["Withdrawn"] or 0)
            balance = paid_in + withdrawn
            line["Balance"] = f"{balance:.2f}"
        totals = {
            "Opening Balance:": 0.0, "Closing Balance:": balance, "Available Balance:": balance,
            "Total Paid In:": paid_in, "Total Withdrawn:": withdrawn,
        }
        text = io.StringIO()
        out = csv.writer(text)
        for row in self._head:
            out.writerow([
                f"{totals[before]:.2f}" if before in totals else cell
                for before, cell in zip(["", *row], row, strict=False)
            ])
        out.writerow(self._names)
        out.writerows([line[name] for name in self._names] for line in self.lines)
        return text.getvalue().encode()


@pytest_asyncio.fixture
async def listed(shop: Shop, paybill: str) -> Written:
    """Yesterday's statement of a paybill, of which M-Pesa's own list was read before."""
    registered = await shop.send("POST", "/v1/payments/mpesa/register-pull", json={})
    assert registered.status == 200, registered.raw
    run = (await shop.send("POST", "/v1/payments/mpesa/reconcile", json={})).data
    assert run["error"] is None and run["not_found"] == PAYMENTS
    day = f"{datetime.now(NAIROBI) - timedelta(days=1):%Y-%m-%d}"
    return Written(await statement(shop, paybill, day), paybill)


def change_books(shop: Shop, statement_: str, receipt: str) -> None:
    """Do to the books what only the database's owner can."""
    with psycopg.connect(shop.world.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        changed = connection.execute(statement_, {"receipt": receipt})
        assert changed.rowcount == 1


PLANTED = {
    "missing": "A statement has 75.00 with receipt {missing}; the books do not.",
    "doubled": "The statement has receipt {doubled} 2 times. It was booked once.",
    "amount_differs": "A statement says 150.00 for receipt {amount}; the books have 100.00.",
    "foreign": "The books have 100.00 with receipt {foreign}; the statement of the day does not.",
    "reversed_outside": (
        "100.00 of receipt {taken} was reversed on M-Pesa's portal, with receipt UKREVERSE1. "
    ),
    "posting_deleted": (
        "was paid with receipt {deleted}, and its posting in the books was deleted."
    ),
    "posting_edited": "of the books, receipt {edited}, was changed after it was written.",
}


async def test_a_day_with_one_error_of_each_kind_closes_red_and_names_each(shop, listed, day):
    """And nothing else: a person who closes the day looks at seven things, not at seventy."""
    lines = listed.lines
    receipts = {
        name: lines[number]["Receipt No."] for number, name in enumerate(
            ("doubled", "amount", "foreign", "taken", "deleted", "edited"),
        )
    } | {"missing": "UKMISSING1"}
    del lines[2]
    lines[1]["Paid In"] = "150.00"
    listed.add(lines[0])
    listed.add(lines[0], **{
        "Reason Type": "Pay Bill Reversal", "Paid In": "", "Withdrawn": "-100.00",
        "Receipt No.": "UKREVERSE1", "Linked Transaction ID": receipts["taken"],
        "Details": f"Reversal of {receipts['taken']}",
    })
    listed.add(lines[0], **{"Receipt No.": receipts["missing"], "Paid In": "75.00"})
    await imported(shop, listed.file())
    change_books(shop, "delete from witnesses where receipt = %(receipt)s and source = 'statement'",
                 receipts["missing"])
    await settled(shop)
    await shop.get("/v1/ledger/entries")  # the chain is closed over them
    change_books(shop, "delete from postings where receipt = %(receipt)s", receipts["deleted"])
    change_books(shop, "update postings set amount_cents = 1 where receipt = %(receipt)s",
                 receipts["edited"])

    data = await closed(shop, day)

    found = {each["kind"]: each["words"] for each in await discrepancies(shop, day)}
    assert data["result"] == "red" and data["open"] == len(found) == len(PLANTED), str(found)
    for kind, words in PLANTED.items():
        assert words.format(**receipts) in found[kind], kind
    assert sorted(PLANTED) == sorted(
        each["kind"] for each in lines_of(await file_of(shop, "discrepancies", "jsonl"))
    )
    (exported,) = lines_of(await file_of(shop, "days", "jsonl", **{"from": day, "to": day}))
    assert (exported["day"], exported["result"], exported["open"]) == (day, "red", len(PLANTED))


async def test_a_posting_that_cannot_be_read_is_a_difference_and_no_crash(shop, listed, day):
    """One edited row must not keep the day open, and all others with it."""
    receipt = listed.lines[0]["Receipt No."]
    await imported(shop, listed.file())
    await settled(shop)
    await shop.get("/v1/ledger/entries")
    change_books(shop, "update postings set move = 'dreamt' where receipt = %(receipt)s", receipt)

    data = await closed(shop, day)

    found = {each["kind"]: each["words"] for each in await discrepancies(shop, day)}
    assert data["result"] == "red"
    assert f"receipt {receipt}, was changed after it was written." in found["posting_edited"]


async def test_a_charge_that_is_not_of_the_tariff_is_named(shop, listed, day):
    """Mgao: nothing up to 1,000 shillings. Nothing is expected until the merchant says so."""
    first = listed.lines[0]
    listed.add(first, **{
        "Reason Type": "Pay Bill Charge", "Details": "Pay Bill Charge", "Paid In": "",
        "Withdrawn": "-5.00", "Other Party Info": "Safaricom",
    })
    await imported(shop, listed.file())
    await settled(shop)
    assert (await closed(shop, day))["result"] == "green", await discrepancies(shop, day)

    provider = (await shop.get("/v1/merchant/providers")).data[0]
    await shop.put_paybill(
        provider["config_summary"]["shortcode"], nominated_number="254722000000", tariff="mgao",
    )
    data = await closed(shop, day)

    (found,) = await discrepancies(shop, day)
    assert data["result"] == "red" and found["kind"] == "charge_differs"
    assert (found["ours"], found["theirs"], found["receipt"]) == (
        "0.00", "5.00", first["Receipt No."],
    )
    assert (await shop.get("/v1/balance")).data["float"][0]["places"]["utility"] == "1195.00"


async def test_a_balance_of_before_the_books_began_is_held_against_nothing(shop, paybill, day):
    """What lay there then is in the books since they began, and not before."""
    await shop.send("POST", "/v1/payments/mpesa/register-pull", json={})
    await imported(shop, await statement(shop, paybill, day))
    await settled(shop)
    await closed(shop, day)
    account = f"float:{paybill}:utility"
    with psycopg.connect(shop.world.database_url) as connection:
        connection.execute(
            "insert into balances values (%s, false, %s, %s, %s, 'balance', 7700)",
            [shop.merchant_id, paybill, account, f"{day}T00:00:00+03:00"],
        )
        connection.execute(
            "update providers set created_at = %s where shortcode = %s", ["2026-01-05", paybill],
        )
    before = str(datetime.fromisoformat(day).date() - timedelta(days=1))

    await closed(shop, before)

    opened = shop.world.rows(
        "select observed_at from balances where account = %s and source = 'opening'", account,
    )
    assert len(opened) == 1
    assert await open_kinds(shop, before) == ["unproven"]


PAYOUT = {
    "Receipt No.": "UKPAYOUT01", "Reason Type": "Business Payment to Customer via API",
    "Details": "Business Payment to Customer to 2547****002 - JANE DOE", "Paid In": "",
    "Withdrawn": "-100.00",
}


async def test_a_payout_that_stands_there_twice_is_red_on_the_very_first_day(shop, listed, day):
    """Before the books of the account began, a statement's own balances must fit together."""
    listed.add(listed.lines[0], **PAYOUT)
    listed.add(listed.lines[0], **PAYOUT)
    await imported(shop, listed.file())
    await settled(shop)

    data = await closed(shop, day)

    assert data["result"] == "red"
    assert await open_kinds(shop, day) == ["doubled", "float_differs"]


async def test_a_posting_that_was_moved_to_another_day_is_missed_on_its_own(shop, listed, day):
    """Its chain says that it was changed, and not of which day it was: the last closing does."""
    listed.add(listed.lines[0], **PAYOUT | {"Receipt No.": "UKMOVED001"})
    await imported(shop, listed.file())
    await settled(shop)
    assert (await closed(shop, day))["result"] == "green", await discrepancies(shop, day)
    change_books(
        shop, "update postings set happened_at = happened_at - interval '20 days'"
        " where receipt = %(receipt)s", "UKMOVED001",
    )

    data = await closed(shop, day)

    assert data["result"] == "red"
    assert "posting_edited" in await open_kinds(shop, day) or (
        "posting_deleted" in await open_kinds(shop, day)
    )


async def test_a_payment_that_nobody_told_the_receipt_of_keeps_its_day_open(shop, listed, day):
    """The shop was told that it is completed; the statement has no such money."""
    await imported(shop, listed.file())
    await settled(shop)
    change_books(
        shop, f"update payments set state = 'receipt_awaited', completed_at = '{day} 12:00+03'"
        " where receipt = %(receipt)s", listed.lines[0]["Receipt No."],
    )

    data = await closed(shop, day)

    assert data["result"] == "red"
    assert await open_kinds(shop, day) == ["awaiting_receipt"]


async def test_one_who_agrees_does_not_hide_another_who_does_not(shop, listed, day):
    """C2B says what the books say, a status says more: both of them are M-Pesa."""
    await imported(shop, listed.file())
    await settled(shop)
    receipt = listed.lines[0]["Receipt No."]
    for source, cents in (("c2b", 10_000), ("status", 12_000)):
        change_books(
            shop, "insert into witnesses select receipt, shortcode, livemode,"
            f" '{source}', merchant_id, {cents}, happened_at, heard_at, private, payment_id, null"
            " from witnesses where receipt = %(receipt)s and source = 'pull'", receipt,
        )

    data = await closed(shop, day)

    (found,) = await discrepancies(shop, day)
    assert (data["result"], found["kind"], found["theirs"]) == ("red", "amount_differs", "120.00")


async def test_a_green_day_is_looked_at_again_when_a_later_file_tells_of_it(shop, listed, day):
    """The list at night, the statement once a week: what the statement says must be heard."""
    world, owner = shop.world, Owner(MerchantId(shop.merchant_id), livemode=False)
    date_ = datetime.fromisoformat(day).date()

    async def again() -> list[date]:
        async with world.rt.store.autocommit() as tx:
            return await closings.to_close_again(
                tx, owner, first=date_, tonight=datetime.now(NAIROBI) + timedelta(hours=1),
            )

    await imported(shop, listed.file())
    await settled(shop)
    assert (await closed(shop, day))["result"] == "green"
    assert await asyncio.to_thread(world.in_api, again()) == []
    listed.add(listed.lines[0], **PAYOUT)

    await imported(shop, listed.file())

    assert await asyncio.to_thread(world.in_api, again()) == [date_]


async def test_what_people_settled_does_not_redden_every_day_after(shop, listed, day):
    """It moved no money, so M-Pesa's balance stays off by it for ever."""
    await imported(shop, listed.file())
    await settled(shop)
    assert (await closed(shop, day))["result"] == "green"
    account = f"float:{listed.paybill}:utility"
    whose = [shop.merchant_id, listed.paybill]
    with psycopg.connect(shop.world.database_url) as connection:
        connection.execute(
            "insert into balances values (%s, false, %s, %s, %s::date + time '21:00:05' at time"
            " zone 'UTC', 'balance', %s)", [*whose, account, day, 100 * (100 * PAYMENTS + 30)],
        )
    assert (await closed(shop, day))["result"] == "red"
    assert await open_kinds(shop, day) == ["float_differs"]

    with psycopg.connect(shop.world.database_url) as connection:
        connection.execute(
            "insert into discrepancies select 'dsc_' || id, merchant_id, livemode, 'missing',"
            " shortcode, 'x', day - 3, 'x', null, null, 3000, '', found_at, '', 'Paid back.',"
            " 'Ann', now() from discrepancies where merchant_id = %s and shortcode = %s", whose,
        )
    data = await closed(shop, day)

    assert data["result"] == "green", await discrepancies(shop, day)
