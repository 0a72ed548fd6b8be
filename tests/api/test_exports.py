"""Everything of some days as a file: whole, masked, written once, and served by any process."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import python_calamine
from structlog.testing import capture_logs

from hakika.domain.export import KEPT_MAX, TRIES_MAX, UNFINISHED_MAX, Export
from hakika.domain.ids import ExportId, MerchantId
from hakika.domain.merchant import Scope
from hakika.services import exports, keys
from hakika.services.keys import Wanted
from hakika.store import exports as store
from tests.api.world import Answer, Shop, new_person

NAIROBI_AHEAD = timedelta(hours=3)


async def asked(shop: Shop, what: str = "payments", form: str = "csv", **more: Any) -> Answer:
    return await shop.send(
        "POST", "/v1/exports", json={"what": what, "format": form} | more,
    )


async def done(shop: Shop, export_id: str) -> dict[str, Any]:
    """Let a worker work off what waits, and return the export once it is over."""
    while True:
        data: dict[str, Any] = (await shop.get(f"/v1/exports/{export_id}")).data
        if data["state"] in {"done", "failed"}:
            return data
        shop.world.in_api(exports.work_off(shop.world.rt))


async def file_of(shop: Shop, what: str = "payments", form: str = "csv", **more: Any) -> bytes:
    """Export something, and return the file."""
    data = await done(shop, (await asked(shop, what, form, **more)).data["id"])
    answer = await shop.get(data["file"])
    assert answer.status == 200, answer.raw
    assert len(answer.raw) == data["bytes"]
    return answer.raw


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(each) for each in content.splitlines()]


async def test_payments_come_as_a_file_with_every_one_of_them(shop, monkeypatch):
    """Pages of two, so that no seam between pages loses or doubles one."""
    monkeypatch.setattr(exports, "PAGE_ROWS", 2)
    made = [(await shop.order(phone=new_person())).data["id"] for _ in range(5)]
    waiting = (await asked(shop)).data

    data = await done(shop, waiting["id"])
    answer = await shop.get(data["file"])

    assert (waiting["state"], waiting["percent"], waiting["file"]) == ("waiting", 0, None)
    assert (data["state"], data["percent"], data["rows"], data["rows_total"]) == ("done", 100, 5, 5)
    assert [each["id"] for each in rows(answer.raw)] == made
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="hakika-payments-test.csv"'
    )
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


async def test_the_three_formats_say_the_same(shop):
    payment = await shop.settled((await shop.order(amount=1_500, reference="INV-7")).data["id"])

    (line,) = lines(await file_of(shop, form="jsonl"))
    (row,) = rows(await file_of(shop, form="csv"))
    book = python_calamine.load_workbook(io.BytesIO(await file_of(shop, form="xlsx")))
    names, cells = book.get_sheet_by_index(0).to_python()

    sheet = dict(zip(names, cells, strict=True))
    for name in ("id", "receipt", "reference", "status"):
        assert line[name] == row[name] == sheet[name] == payment[name], name
    assert (line["amount"], row["amount"], sheet["amount"]) == ("1500.00", "1500.00", 1500.0)
    assert line["created_at"] == row["created_at"] == sheet["created_at"]
    assert datetime.fromisoformat(line["created_at"]) == datetime.fromisoformat(
        payment["created_at"],
    )


async def test_the_books_come_with_their_chain(shop):
    for _ in range(3):
        await shop.settled((await shop.order()).data["id"])

    exported = lines(await file_of(shop, what="ledger", form="jsonl"))

    entries = (await shop.get("/v1/ledger/entries")).data
    names = ("sequence", "receipt", "amount", "debit", "credit", "payment_id", "link")
    assert [[each[name] for name in names] for each in exported] == [
        [each[name] for name in names] for each in entries
    ]
    assert [each["sequence"] for each in exported] == [1, 2, 3]


@pytest.mark.parametrize("what", ["payments", "ledger"])
async def test_days_are_nairobis_and_both_ends_are_in(shop, what):
    """At one in the morning it is still yesterday in UTC."""
    payment = await shop.settled((await shop.order()).data["id"])
    day = (datetime.now(UTC) + NAIROBI_AHEAD).date()
    before, after = str(day - timedelta(days=1)), str(day + timedelta(days=1))
    name = "id" if what == "payments" else "payment_id"

    async def found(**days: str) -> list[str]:
        return [each[name] for each in lines(await file_of(shop, what, "jsonl", **days))]

    assert await found(**{"from": str(day), "to": str(day)}) == [payment["id"]]
    assert await found(**{"to": before}) == []
    assert await found(**{"from": after}) == []
    assert await found(**{"from": before, "to": after}) == [payment["id"]]


async def test_a_payment_is_of_the_day_it_was_made_on_to_the_second(shop):
    """Pages go by ids, which know the time to a minute only where a clock was put right."""
    payment = (await shop.order(phone=new_person())).data["id"]
    today = str((datetime.now(UTC) + NAIROBI_AHEAD).date())
    shop.world.rows(
        "update payments set created_at = created_at - interval '1 day' where id = %s returning id",
        payment,
    )

    assert lines(await file_of(shop, form="jsonl", to=today, **{"from": today})) == []


async def test_numbers_are_masked_until_they_are_asked_for_and_that_is_logged(shop):
    """A reference may be a number, too, and a checkout request id ends in it."""
    person = new_person()
    await shop.order(phone=person, reference=person, metadata={"call": f"0{person[3:]}"})

    hidden = await file_of(shop)
    with capture_logs() as logs:
        revealed = await file_of(shop, reveal=True)

    assert person[3:].encode() not in hidden
    assert rows(revealed)[0]["phone"] == person == rows(revealed)[0]["reference"]
    assert [each["key"] for each in logs if each["event"] == "export_revealed"]


async def test_a_key_that_may_not_see_evidence_reveals_nothing(shop, api_world):
    """Neither by asking for it, nor by downloading what another key asked for."""
    _, clerk = api_world.in_api(keys.create(
        api_world.rt, MerchantId(shop.merchant_id),
        Wanted(livemode=False, scopes=[Scope.REPORTS_READ]),
    ))
    body = {"what": "payments", "format": "csv", "reveal": True}
    revealed = await done(shop, (await asked(shop, reveal=True)).data["id"])

    refused = await shop.send("POST", "/v1/exports", key=clerk, json=body)
    kept = await shop.get(revealed["file"], key=clerk)
    masked = await shop.send("POST", "/v1/exports", key=clerk, json=body | {"reveal": False})

    assert refused.problem == kept.problem == (403, "forbidden", [])
    assert "audit:read" in refused.body["hint"]
    assert masked.status == 202


@pytest.mark.parametrize(("more", "errors"), [
    ({"what": "secrets"}, [("what", "enum")]),
    ({"format": "pdf"}, [("format", "enum")]),
    ({"from": "01/11/2026"}, [("from", "day_invalid")]),
    ({"from": "2026-11-31"}, [("from", "day_invalid")]),
    ({"to": 20261130}, [("to", "day_invalid")]),
    ({"from": "0001-01-01"}, [("from", "day_invalid")]),
    ({"from": "2026-11-30", "to": "2026-11-01"}, [("from", "days_reversed")]),
    ({"since": "2026-11-01"}, [("since", "unknown_field")]),
    ({"reveal": "yes"}, [("reveal", "bool_type")]),
])
async def test_what_cannot_be_exported_is_refused_by_name(shop, more, errors):
    answer = await asked(shop, **more)

    assert answer.problem == (400, "invalid_request", errors)
    assert (await shop.get("/v1/exports")).data == []


async def test_a_file_that_is_not_there_yet_says_so(shop):
    export = (await asked(shop)).data

    answer = await shop.get(f"/v1/exports/{export['id']}/file")

    assert answer.problem == (409, "export_unfinished", [])
    await done(shop, export["id"])


async def test_no_merchant_fills_the_queue_or_the_disk(shop, monkeypatch):
    """A file of a million payments has 300 MB."""
    made = [(await asked(shop)).data["id"] for _ in range(UNFINISHED_MAX)]
    assert (await asked(shop)).problem == (409, "too_many_exports", [])
    for each in made:
        await done(shop, each)
    monkeypatch.setattr(exports, "KEPT_MAX", 2)

    newest = (await asked(shop)).data["id"]

    assert [each["id"] for each in (await shop.get("/v1/exports")).data] == [newest, made[-1]]
    assert KEPT_MAX >= UNFINISHED_MAX
    await done(shop, newest)


async def test_an_export_is_gone_after_a_day_with_its_file(shop):
    """It is full of people's payments; whoever needs it has downloaded it."""
    data = await done(shop, (await asked(shop)).data["id"])
    made, expires = map(datetime.fromisoformat, (data["finished_at"], data["expires_at"]))
    assert expires - made == timedelta(days=1)
    age(shop, data["id"], "finished_at = finished_at - interval '25 hours'")

    shop.world.in_api(exports.drop_old(shop.world.rt))

    assert (await shop.get(f"/v1/exports/{data['id']}")).status == 404
    assert (await shop.get(data["file"])).status == 404
    assert pieces(shop, data["id"]) == []


async def test_what_a_dead_worker_held_is_written_by_another(shop):
    """And the dead one, should it wake up, can neither finish the job nor spoil its file."""
    await shop.order(phone=new_person())
    export = (await asked(shop)).data
    stale = await taken(shop, export["id"])
    assert (await shop.get(f"/v1/exports/{export['id']}")).data["state"] == "running"
    shop.world.in_api(exports.work_off(shop.world.rt))
    assert (await shop.get(f"/v1/exports/{export['id']}")).data["state"] == "running"
    age(shop, export["id"], "due_at = now()")      # the hold has ended

    data = await done(shop, export["id"])

    whole = (await shop.get(data["file"])).raw

    async def wake_up() -> list[bool]:
        async with shop.world.rt.store.autocommit() as tx:
            await store.clear(tx, stale)
            await store.add_piece(tx, stale, 0, b"half a file")
            now = shop.world.rt.now()
            return [await store.hold(tx, stale, lease=now), await store.finish(tx, stale, now=now)]

    assert shop.world.in_api(wake_up()) == [False, False]
    assert (await shop.get(data["file"])).raw == whole
    assert len(rows(whole)) == 1


async def test_what_kills_every_worker_is_given_up(shop):
    """Else it would be tried for ever, and the next in the queue would wait behind it."""
    export = (await asked(shop)).data
    for _ in range(TRIES_MAX):
        await taken(shop, export["id"])
        age(shop, export["id"], "due_at = now()")

    data = await done(shop, export["id"])

    assert (data["state"], data["file"]) == ("failed", None)
    answer = await shop.get(f"/v1/exports/{export['id']}/file")
    assert answer.problem == (409, "export_failed", [])


async def test_a_file_is_sealed_in_the_database(shop):
    """Whoever steals a backup has not got the list of who paid."""
    data = await done(shop, (await asked(shop, reveal=True)).data["id"])
    plain = (await shop.get(data["file"])).raw

    kept = pieces(shop, data["id"])

    assert kept and not any(plain[:20] in bytes(each["private"]) for each in kept)


async def taken(shop: Shop, export_id: str) -> Export:
    """Take a job as a worker does that dies at once."""
    async def take() -> Export | None:
        rt = shop.world.rt
        while True:
            async with rt.store.transaction() as tx:
                now = rt.now()
                export = await store.take(tx, now=now, lease=now + exports.LEASE)
            if export is None or export.id == ExportId(export_id):
                return export

    export: Export | None = shop.world.in_api(take())
    assert export is not None
    return export


def age(shop: Shop, export_id: str, change: str) -> None:
    """Change one export as time would."""
    shop.world.rows(f"update exports set {change} where id = %s returning id", export_id)


def pieces(shop: Shop, export_id: str) -> list[dict[str, Any]]:
    return shop.world.rows("select private from export_pieces where export_id = %s", export_id)
