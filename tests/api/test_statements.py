"""Statements over HTTP: imported whole or not at all, in any order, as often as anybody likes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count, permutations
from typing import Any

import pytest
import pytest_asyncio

from hakika.services import keys, witnesses
from hakika.services.keys import Wanted
from tests.api.test_evidence import text_of
from tests.api.world import Answer, Shop
from tests.sheets.samples import COLUMNS, Rows, as_csv, as_pdf, as_xlsx
from tests.statement_files import (
    NAIROBI,
    paid,
    payments,
    receipt,
    reversed_,
    statement,
    yesterday,
)

PATH = "/v1/reconciliation/statements"
DAY = yesterday()
PASSWORD = "kenya-2026"
_shortcodes = count(611_000)


@pytest_asyncio.fixture
async def paybill(shop: Shop) -> str:
    """A paybill of the shop's."""
    number = str(next(_shortcodes))
    await shop.put_paybill(number)
    return number


async def send(shop: Shop, file: bytes | io.BytesIO, *, key: str = "", **query: str) -> Answer:
    return await shop.send(
        "POST", PATH, data=file, params=query, key=key or None,
        headers={"Content-Type": "application/octet-stream"},
    )


async def imported(shop: Shop, file: bytes, **query: str) -> dict[str, Any]:
    answer = await send(shop, file, **query)
    assert answer.status in {200, 201}, answer.raw
    data: dict[str, Any] = answer.data
    return data


async def settled(shop: Shop) -> None:
    """Return once everything that a statement told of has found or made its payment."""
    world = shop.world
    while await asyncio.to_thread(world.in_api, witnesses.hear_again(world.rt)):
        pass


def kept(shop: Shop) -> dict[str, int]:
    """Return how many rows the shop has in everything that an import writes."""
    return {
        table: shop.world.rows(
            f"select count(*) from {table} where merchant_id = %s", shop.merchant_id,
        )[0]["count"]
        for table in ("statements", "statement_lines", "postings", "witnesses", "payments")
    }


NOTHING = dict.fromkeys(
    ("statements", "statement_lines", "postings", "witnesses", "payments"), 0,
)


def future(shortcode: str) -> Rows:
    tomorrow = datetime.now(NAIROBI) + timedelta(days=2)
    late = paid(shortcode, DAY, 1, **{"Completion Time": f"{tomorrow:%d-%m-%Y} 15:00:00"})
    return (COLUMNS, paid(shortcode, DAY, 0), late)


def of_a_person(shortcode: str) -> Rows:
    return (("Customer Name:", "JANE"), ("Mobile Number:", "0712345678"),
            *payments(shortcode, DAY, range(3)))


def mangled(shortcode: str) -> Rows:
    return (COLUMNS, paid(shortcode, DAY, 0), paid(shortcode, DAY, 1, **{"Receipt No.": "1E+10"}))


def with_totals(shortcode: str) -> Rows:
    return (("Total Paid In:", "30.00"), *payments(shortcode, DAY, range(2)))


def _of(rows: Callable[[str], Rows]) -> Callable[[str], bytes]:
    return lambda shortcode: as_csv(rows(shortcode))


# The file, its code, and what must stand in the sentence or in the way out of it.
BAD: dict[str, tuple[Callable[[str], bytes], str, str]] = {
    "empty": (lambda _: b"", "statement_empty", "The file is empty."),
    "without lines": (
        lambda code: as_csv(statement(code, DAY, [])), "statement_empty", "has no lines",
    ),
    "broken xlsx": (
        lambda code: as_xlsx(payments(code, DAY, range(3))).replace(b"\x14", b"?"),
        "statement_unreadable", "Download the statement again",
    ),
    "cut xlsx": (
        lambda code: as_xlsx(payments(code, DAY, range(3)))[:-200], "statement_unreadable", "cut",
    ),
    "cut pdf": (
        lambda code: as_pdf(payments(code, DAY, range(3)))[:-300], "statement_unreadable",
        "its end is missing",
    ),
    "cut csv": (
        lambda code: as_csv(payments(code, DAY, range(3)))[:-60], "statement_unreadable", "cut",
    ),
    "locked pdf": (
        lambda code: as_pdf(payments(code, DAY, range(3)), password=PASSWORD),
        "statement_encrypted", "Send the password",
    ),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, "statement_foreign", "portal"),
    "JSON": (lambda _: b'{"amount": 5}', "statement_foreign", "Receipt No."),
    "a person's own": (_of(of_a_person), "statement_foreign", "person's own"),
    "a line of the future": (_of(future), "statement_line_wrong", "dated in the future"),
    "Excel's numbers": (_of(mangled), "statement_line_wrong", "Excel turned it into a number"),
    "a line too few": (_of(with_totals), "statement_incomplete", "30.00"),
    "another short code": (
        lambda _: as_csv(payments("999999", DAY, range(3))), "statement_of_another",
        "999999, which is none of yours",
    ),
    "another account": (
        lambda code: as_csv(statement(
            code, DAY, [paid(code, DAY, 0)], account="Holiday Account",
        )), "statement_account_unknown", "Utility, Working, Merchant or Charges Paid",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_refused_and_leaves_nothing(shop, paybill, name):
    """Half an import is worse than none: nobody would look for the other half."""
    make, code, words = BAD[name]

    answer = await send(shop, make(paybill))

    assert (answer.status, answer.body["code"]) == (400, code), answer.raw
    assert words in f"{answer.body['detail']} {answer.body['hint']}"
    assert answer.body["hint"]
    assert kept(shop) == NOTHING


async def test_a_file_of_more_than_64_mib_is_refused_unread(shop, paybill):
    answer = await send(shop, io.BytesIO(bytes((64 << 20) + 1)))

    assert (answer.status, answer.body["code"]) == (413, "body_too_large")
    assert answer.body["hint"] == "Send at most 64 MiB."
    assert kept(shop) == NOTHING


async def test_what_is_said_of_a_file_must_agree_with_it(shop, paybill):
    """The word of a person and of the file: when they differ, one of the two is a mistake."""
    file = as_csv(payments(paybill, DAY, range(3)))
    bare = as_csv((COLUMNS, *(paid(paybill, DAY, number) for number in range(3))))
    await shop.put_paybill(str(next(_shortcodes)))

    for sent, query, code in (
        (file, {"shortcode": "600000"}, "statement_of_another"),
        (file, {"account": "Working Account"}, "statement_of_another"),
        (bare, {}, "statement_of_another"),
        (bare, {"shortcode": paybill, "account": "Savings"}, "statement_account_unknown"),
    ):
        answer = await send(shop, sent, **query)
        assert (answer.status, answer.body["code"]) == (400, code), query
    assert kept(shop) == NOTHING
    data = await imported(shop, bare, shortcode=paybill)
    assert (data["account"], data["new"]) == (f"float:{paybill}:utility", 3)


async def test_test_data_is_not_imported_with_a_live_key(shop, paybill):
    """The books of real money must never know of a simulator's."""
    world = shop.world
    _, live = await asyncio.to_thread(
        world.in_api, keys.create(world.rt, shop.merchant_id, Wanted(livemode=True)),
    )

    answer = await send(shop, as_csv(payments(paybill, DAY, range(3))), key=live)

    assert (answer.status, answer.body["code"]) == (400, "statement_of_another")
    assert kept(shop) == NOTHING


async def test_a_locked_pdf_needs_its_own_password(shop, paybill):
    file = as_pdf(payments(paybill, DAY, range(3)), password=PASSWORD)

    async def with_password(password: str) -> Any:
        return await shop.send(
            "POST", PATH, data=file, headers={"X-Statement-Password": password},
        )

    wrong = await with_password("kenya-2025")
    assert (wrong.status, wrong.body["code"]) == (400, "statement_encrypted")
    assert "does not open" in wrong.body["detail"] and PASSWORD not in str(wrong.body)
    assert kept(shop) == NOTHING
    assert (await with_password(PASSWORD)).data["new"] == 3


async def test_three_thousand_lines_nobody_told_of_become_payments_once(shop, paybill):
    """The bar is 100,000 in a minute (`make bench-imports`); what comes of them is the same."""
    file = as_csv(payments(paybill, DAY, range(3_000)))

    first = await imported(shop, file)
    await settled(shop)
    after = kept(shop)
    once_more = await send(shop, file)
    again = once_more.data
    assert once_more.status == 200    # nothing was created
    await settled(shop)

    assert first["fates"] == {"waiting": 3_000}
    assert again["fates"] == {"matched": 3_000}    # not what they were once
    assert (await shop.get(f"{PATH}/{first['id']}")).data["fates"] == again["fates"]
    assert again["again"] and again["id"] == first["id"]
    assert after == kept(shop) == {
        "statements": 1, "statement_lines": 3_000, "postings": 3_000, "witnesses": 3_000,
        "payments": 3_000,
    }
    found = (await shop.get(f"{PATH}/{first['id']}/lines?cursor=2990")).data
    assert {each["fate"] for each in found} == {"matched"}
    assert all(each["payment_id"] for each in found)


async def test_the_same_file_twice_at_once_is_imported_once(shop, paybill):
    """Two people close the same month: one of them sees that the other was faster."""
    file = as_csv(payments(paybill, DAY, range(20)))

    both = await asyncio.gather(imported(shop, file), imported(shop, file))

    assert sorted(each["again"] for each in both) == [False, True]
    assert len({each["id"] for each in both}) == 1
    assert kept(shop)["statement_lines"] == kept(shop)["witnesses"] == 20


async def test_two_overlapping_files_at_once_keep_each_line_once(shop, paybill):
    files = [as_csv(payments(paybill, DAY, lines)) for lines in (range(20), range(10, 30))]

    both = await asyncio.gather(*(imported(shop, file) for file in files))
    await settled(shop)

    assert sorted(each["new"] for each in both) == [10, 20]
    assert kept(shop) == {
        "statements": 2, "statement_lines": 30, "postings": 30, "witnesses": 30, "payments": 30,
    }


async def test_the_third_of_three_at_once_is_told_to_come_again(shop, paybill):
    """Each import holds a file and a connection to the database, which payments need, too."""
    world = shop.world
    for _ in range(2):
        await asyncio.to_thread(world.in_api, world.rt.importing.acquire())
    try:
        answer = await send(shop, as_csv(payments(paybill, DAY, range(3))))
    finally:
        for _ in range(2):
            world.rt.importing.release()

    assert (answer.status, answer.body["code"]) == (503, "statements_wait")
    assert int(answer.headers["Retry-After"]) > 0
    assert kept(shop) == NOTHING


def saved_by_excel(rows: Rows) -> bytes:
    """Return the workbook that Excel makes of a CSV: real dates to the minute, real numbers."""
    return as_xlsx([_mangled(row) if len(row) == len(COLUMNS) else row for row in rows])


def _mangled(row: Sequence[object]) -> Sequence[object]:
    if row == COLUMNS:
        return row
    at = datetime.strptime(f"{row[1]} +0300", "%d-%m-%Y %H:%M:%S %z").replace(
        second=0, tzinfo=None,  # a cell has no zone
    )
    numbers = [float(str(cell)) if cell else "" for cell in row[5:8]]
    return (row[0], at, at, *row[3:5], *numbers, *row[8:])


# F40: parts of one day, overlapping; the last has a reversal, and Excel has saved the second.
def _parts(shortcode: str) -> list[bytes]:
    lines = [paid(shortcode, DAY, number) for number in range(12)]
    lines.append(reversed_(shortcode, DAY, 12, line=3))
    return [
        as_csv(statement(shortcode, DAY, lines[:6])),
        saved_by_excel(statement(shortcode, DAY, lines[3:9])),
        as_pdf(statement(shortcode, DAY, lines[5:][::-1])),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_overlapping_files_in_any_order_leave_the_same_books(shop, paybill, order):
    """F40: whoever downloads the month in pieces need not think about which comes first."""
    parts = _parts(paybill)

    for at in order:
        await imported(shop, parts[at])
        await settled(shop)

    assert kept(shop) == {
        "statements": 3, "statement_lines": 13, "postings": 13, "witnesses": 12, "payments": 12,
    }
    balance = (await shop.get("/v1/balance")).data
    assert balance["suspense"] == "120.00"
    (taken,) = (await shop.get(f"/v1/payments?search={receipt(paybill, 3)}")).data
    assert await reversals(shop) == [(receipt(paybill, 3), taken["id"])]


async def reversals(shop: Shop) -> list[tuple[str, str]]:
    """Return what was reversed, and the payment that it was, as the lists of lines tell it."""
    return [
        (line["linked_receipt"], line["payment_id"])
        for each in (await shop.get(PATH)).data
        for line in (await shop.get(f"{PATH}/{each['id']}/lines")).data
        if line["kind"] == "reversal"
    ]


async def test_a_whole_number_of_a_payer_is_not_shown_as_if_it_were_masked(shop, paybill):
    """Older statements have them whole; `phone_masked` is shown to everybody who reads payments."""
    payer = "254711000123 - JANE DOE"
    line = paid(paybill, DAY, 0, **{"Other Party Info": payer})
    await imported(shop, as_csv(statement(paybill, DAY, [line])))
    await settled(shop)

    (payment,) = (await shop.get("/v1/payments")).data
    assert "711000123" not in str(payment["phone_masked"])
    assert payment["phone_masked"].startswith("2547")


async def test_nobody_is_named_without_being_asked_for(shop, paybill):
    """Who reads reports may not read people: neither a statement's lines nor the evidence of what
    they became name a payer, until somebody asks for it and is noted.
    """
    payer = "254711000123 - JANE DOE"
    named = {"Other Party Info": payer, "Details": f"Pay Bill from {payer} Acc. INV-0"}
    strange = {"Reason Type": "Mystery 254799000111", "Details": "", "Other Party Info": ""}
    sent = await imported(shop, as_csv(statement(
        paybill, DAY, [paid(paybill, DAY, 0, **named), paid(paybill, DAY, 1, **strange)],
    )))
    await settled(shop)

    lines = await shop.get(f"{PATH}/{sent['id']}/lines")
    (payment,) = (await shop.get("/v1/payments")).data
    evidence = f"/v1/payments/{payment['id']}/evidence"
    hidden = await shop.get(evidence)
    pages = text_of((await shop.get(evidence + "?format=pdf")).raw)

    for text in (lines.raw.decode(), hidden.raw.decode(), pages):
        assert "JANE" not in text and "711000" not in text and "799000" not in text
    assert lines.data[0]["details"] == "Pay Bill from 2547••••0123 - ••• Acc. INV-0"
    assert "Acc. INV-0" in hidden.data["facts"][0]["raw"]
    assert "JANE DOE" in (await shop.get(evidence + "?reveal=true")).data["facts"][0]["raw"]
