"""A file of payouts over real HTTP: checked whole, sent once, and told row by row."""

from __future__ import annotations

import asyncio
import csv
import io
from contextlib import suppress
from typing import Any

import python_calamine as calamine
from aiohttp import ClientOSError

from hakika.services import payout_filing, sending
from tests.api.test_inquiries import with_operator
from tests.api.test_payouts import funded, truth
from tests.api.world import WAIT_SECONDS_MAX, Shop

MIB = 1 << 20

# A connection that broke while it was written to is taken down by the loop, a little later.
GONE_SECONDS = 0.25
NAMES = "phone,amount,name,reference\n"


async def completed(shop: Shop, file_id: str) -> dict[str, Any]:
    """Let a worker do what is due, and return the file once it has ended."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            shop.world.in_api(payout_filing.work_off(shop.world.rt))
            shop.world.in_api(sending.send_due(shop.world.rt))
            data: dict[str, Any] = (await shop.get(f"/v1/payout-files/{file_id}")).data
            if data["ended_at"]:
                return data
            await asyncio.sleep(0.05)


async def test_a_file_is_planned_started_and_told_row_by_row(shop: Shop):
    """The whole of it; what a payee is called cannot run in anybody's spreadsheet."""
    paybill = await funded(shop, await with_operator(shop))
    file = (NAMES + "0712000001,100,Jane,x\n0712000002,200,'=1+1,\n").encode()
    address = f"/v1/payout-files?shortcode={paybill}"
    sent = await shop.send("POST", address, data=file)
    again = await shop.send("POST", address, data=file)
    file_id = sent.data["id"]

    assert (sent.status, again.status, again.data["id"]) == (201, 200, file_id)
    assert (sent.data["status"], sent.data["total"], sent.data["rows"]) == ("planned", "300.00", 2)

    await shop.send("POST", f"/v1/payout-files/{file_id}/start")
    ended = await completed(shop, file_id)
    rows = (await shop.get(f"/v1/payout-files/{file_id}/rows")).data
    outcome = await shop.get(f"/v1/payout-files/{file_id}/outcome.csv")
    book = await shop.get(f"/v1/payout-files/{file_id}/outcome.xlsx")

    assert (ended["status"], ended["counts"]) == ("completed", {"completed": 2})
    read = list(csv.DictReader(io.StringIO(outcome.raw.decode("utf-8-sig"))))
    assert [each["receipt"] for each in read] == [each["receipt"] for each in rows]
    assert [each["row"] for each in read] == ["2", "3"]
    sheet = calamine.load_workbook(io.BytesIO(book.raw)).get_sheet_by_index(0).to_python()
    assert [row[8] for row in sheet] == ["status", "completed", "completed"]
    for number in ("254712000001", "254712000002"):
        assert len(await truth(shop, number, paybill)) == 1


async def test_wrong_rows_are_named_and_nothing_of_the_file_is_sent(shop: Shop):
    paybill = await funded(shop, await with_operator(shop))
    file = (NAMES + "0712000001,9,Jane,\n0712000002,100,=1+1,\n0712000003,100,Joe,\n").encode()

    sent = await shop.send("POST", f"/v1/payout-files?shortcode={paybill}", data=file)
    file_id = sent.data["id"]
    begun = await shop.send("POST", f"/v1/payout-files/{file_id}/start")
    wrong = (await shop.get(f"/v1/payout-files/{file_id}/rows?wrong=true")).data

    assert [(each["row"], each["errors"][0]["code"]) for each in sent.data["errors"]] == [
        (2, "amount_too_small"), (3, "cell_is_formula"),
    ]
    assert [each["row"] for each in wrong] == [2, 3]
    assert (begun.status, begun.body["code"]) == (409, "payout_file_wrong")
    assert (await shop.get("/v1/payouts")).data == []


async def test_an_enormous_file_is_refused_before_it_is_read(shop: Shop):
    """200 MB are not held: what is more than 16 MiB is not listened to."""
    heard = 0

    async def endless() -> Any:
        nonlocal heard
        for _ in range(200):
            heard += MIB
            yield b"0712000001,100,Jane,x\n" * (MIB // 22)

    with suppress(ClientOSError):  # it was cut off while it wrote, and did not see the answer
        answer = await shop.send("POST", "/v1/payout-files", data=endless())
        assert (answer.status, answer.body["code"]) == (413, "body_too_large")
    await shop.session.close()
    await asyncio.sleep(GONE_SECONDS)

    assert heard < 60 * MIB
