"""Reports of closed days: the same whenever they are asked for, and no tampering goes unseen."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pypdfium2
import pytest
import pytest_asyncio
import xlsxwriter
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from python_calamine import CalamineWorkbook

from hakika.domain import checkpoint
from hakika.sheets.reports import NoReport, as_json, as_pdf, as_xlsx, examine
from tests.api.test_days import change_books
from tests.api.test_statements import imported, settled
from tests.api.world import Shop, new_person
from tests.sheets.samples import as_csv
from tests.statement_files import (
    NAIROBI,
    paid,
    payments,
    receipt,
    reversed_,
    statement,
    yesterday,
)

DAY = yesterday()
DAYS = "/v1/reconciliation/days"
FORMS = ("json", "xlsx", "pdf")
_shortcodes = count(613_000)


@dataclass(frozen=True, slots=True)
class Closed:
    """A shop whose yesterday is closed, and the report of it in each form."""

    shop: Shop
    paybill: str
    result: str
    files: dict[str, bytes]

    async def report(self, form: str) -> bytes:
        answer = await self.shop.get(f"{DAYS}/{DAY}/report?format={form}")
        assert answer.status == 200, answer.raw
        return answer.raw


@pytest_asyncio.fixture
async def closed(shop: Shop) -> Closed:
    """A day with a payment that was reversed on the portal, which is settled, and one more."""
    paybill = str(next(_shortcodes))
    await shop.put_paybill(paybill)
    lines = [paid(paybill, DAY, number) for number in range(4)]
    lines += [reversed_(paybill, DAY, 4, line=number) for number in (1,)]
    await imported(shop, as_csv(statement(paybill, DAY, lines)))
    await settled(shop)
    answer = await shop.send("POST", f"{DAYS}/{DAY}")
    assert answer.status == 200, answer.raw
    made = Closed(shop, paybill, answer.data["result"], {})
    for form in FORMS:
        made.files[form] = await made.report(form)
    return made


async def test_a_report_is_the_same_at_any_later_time(closed):
    """Byte for byte, whatever moved since: what an auditor has in the folder stays true."""
    shop = closed.shop
    await imported(shop, as_csv(payments(closed.paybill, DAY, range(20, 26))))
    await settled(shop)
    await shop.get("/v1/ledger/entries")  # the chain is closed over what came late

    for form in FORMS:
        assert await closed.report(form) == closed.files[form], form
    again = await shop.send("POST", f"{DAYS}/{DAY}")
    assert again.data["number"] == 2
    for form in FORMS:
        assert await closed.report(form) != closed.files[form], form


async def test_every_form_is_proven_with_the_key_of_this_hakika(closed):
    key = (await closed.shop.get("/v1/reconciliation/signing-key")).data

    for form in FORMS:
        found = examine(closed.files[form])
        assert found.flaws == (), form
        assert found.report.signed.public_key.hex() == key["public_key"]
        assert found.key == key["fingerprint"]
    assert key["algorithm"] == "Ed25519"


def changed(file: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a report in JSON after somebody changed it."""
    written = orjson.loads(file)
    change(written)
    return orjson.dumps(written)


def signed_by_another(written: dict[str, Any]) -> None:
    """Change the result, and sign all of it anew: everything in it fits together."""
    written["summary"]["result"] = written["checkpoint"]["result"] = "green"
    written["summary"]["differences"] = []
    written["checkpoint"]["summary_sha256"] = checkpoint.summary_digest(written["summary"])
    key = Ed25519PrivateKey.generate().private_bytes_raw()
    made = checkpoint.sign(checkpoint.Checkpoint(**written["checkpoint"]), key)
    written["signature"] = made.signature.hex()
    written["public_key"] = made.public_key.hex()


SIGNATURE, SUMMARY, MOVEMENTS = "signature", "summary", "movements"
TAMPERED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a movement's amount": (lambda w: w["movements"][0].update(amount="9.00"), MOVEMENTS),
    "a movement less": (lambda w: w["movements"].pop(), MOVEMENTS),
    "movements in another order": (lambda w: w["movements"].reverse(), MOVEMENTS),
    "a balance": (lambda w: w["summary"]["accounts"][0].update(closing="1.00"), SUMMARY),
    "a difference less": (lambda w: w["summary"]["differences"].clear(), SUMMARY),
    "the result": (lambda w: w["checkpoint"].update(result="green", number=9), SIGNATURE),
    "the chain": (lambda w: w["checkpoint"].update(previous="ab" * 32), SIGNATURE),
    "the signature": (lambda w: w.update(signature="00" * 64), SIGNATURE),
    "a signature cut short": (lambda w: w.update(signature=w["signature"][:60]), SIGNATURE),
    "the key": (lambda w: w.update(public_key="11" * 32), SIGNATURE),
    "all movements": (lambda w: w.pop("movements"), MOVEMENTS),
    "movements that are null": (lambda w: w.update(movements=None), MOVEMENTS),
    "a remark": (lambda w: w.update(note="approved"), "more in it than was signed"),
}


@pytest.mark.parametrize("name", TAMPERED)
async def test_what_was_changed_in_the_json_is_found(closed, name):
    change, words = TAMPERED[name]

    found = examine(changed(closed.files["json"], change))

    assert found.flaws
    assert any(words in each for each in found.flaws), found.flaws


async def test_what_is_signed_with_another_key_has_another_fingerprint(closed):
    """Nothing in it is wrong but the key: that is why `--key` is there."""
    found = examine(changed(closed.files["json"], signed_by_another))

    assert found.flaws == ()
    assert found.key != examine(closed.files["json"]).key


async def test_what_was_changed_in_the_pdf_is_found(closed):
    """A digit on a page, and the proof that is attached to it."""
    file, report = closed.files["pdf"], examine(closed.files["json"]).report
    assert as_pdf(report) == file

    page = bytearray(file)
    page[file.index(b"stream\n") + 40] ^= 1
    other = as_json(report).replace(b'"result": "red"', b'"result": "RED"')
    swapped = pypdfium2.PdfDocument(file)
    swapped.get_attachment(0).set_data(other)
    saved = io.BytesIO()
    swapped.save(saved)

    for tampered in (bytes(page), saved.getvalue(), file + b"\n"):
        try:
            assert examine(tampered).flaws
        except NoReport:
            continue  # nor is it taken for a report


async def test_what_was_changed_in_the_workbook_is_found(closed):
    """A cell of what people read, and one that only looks as it did: a formula."""
    file = closed.files["xlsx"]
    assert as_xlsx(examine(closed.files["json"]).report) == file

    for part, before, after in (
        ("xl/sharedStrings.xml", b">red<", b">green<"),
        ("xl/worksheets/sheet3.xml", b"<v>40</v>", b"<v>90</v>"),
        ("xl/worksheets/sheet3.xml", b"<v>40</v>", b"<f>80+10</f><v>40</v>"),
        ("xl/worksheets/sheet5.xml", b"<v>10</v>", b"<v>11</v>"),
    ):
        assert examine(rewritten(file, part, before, after)).flaws, after


def rewritten(file: bytes, part: str, before: bytes, after: bytes) -> bytes:
    """Return a workbook in which one thing stands otherwise."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as archive, zipfile.ZipFile(out, "w") as other:
        for each in archive.infolist():
            content = archive.read(each)
            if each.filename == part:
                assert before in content
                content = content.replace(before, after)
            other.writestr(each, content)
    return out.getvalue()


def _workbook() -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet("Proof").write_string(0, 0, "nothing")
    return out.getvalue()


@pytest.mark.parametrize("place", ["before", "behind", "inside"])
async def test_a_name_that_stands_twice_is_no_report(closed, place):
    """A reader that takes the first summary would show another day than the one that was proven."""
    file = closed.files["json"].strip()
    fake = b'"summary": {"result": "green"}'
    twice = {
        "before": b"{" + fake + b"," + file[1:], "behind": file[:-1] + b"," + fake + b"}",
        "inside": file.replace(b'"result": "red"', b'"result": "green", "result": "red"'),
    }[place]

    with pytest.raises(NoReport, match="stands in it twice"):
        examine(twice)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("checkpoint", 5, "its checkpoint is not an object of JSON"),
    ("checkpoint", {}, "its checkpoint has no merchant_id"),
    ("summary", [], "it has no summary that is an object of JSON"),
    ("signature", "zz", "it has no signature in hex"), ("public_key", 7, "no public_key in hex"),
    ("movements", 5, "its movements are not a list"), ("movements", [5], "are not a list"),
])
async def test_what_is_wrong_with_a_report_is_said_to_people(closed, name, value, words):
    with pytest.raises(NoReport, match=words) as refused:
        examine(changed(closed.files["json"], lambda written: written.update({name: value})))

    assert "argument" not in str(refused.value)


@pytest.mark.parametrize(("change", "words"), [
    (lambda point: point.update(number="1"), "the number of its checkpoint is not a number"),
    (lambda point: point.update(livemode=0), "the livemode of its checkpoint is not true or false"),
    (lambda point: point.pop("link"), "its checkpoint has no link"),
    (lambda point: point.update(note=""), "has what no checkpoint has: note"),
])
async def test_a_checkpoint_is_said_to_be_wrong_in_words(closed, change, words):
    with pytest.raises(NoReport, match=words):
        examine(changed(closed.files["json"], lambda written: change(written["checkpoint"])))


async def test_a_report_that_is_not_what_was_signed_is_not_handed_out(closed):
    """An auditor would call it forged, and the person who sent it in good faith a forger."""
    change_books(
        closed.shop, "update postings set amount_cents = 900 where receipt = %(receipt)s",
        receipt(closed.paybill, 0),
    )

    for form in FORMS:
        answer = await closed.shop.get(f"{DAYS}/{DAY}/report?format={form}")
        assert (answer.status, answer.body["code"]) == (409, "report_broken"), form
        assert "movements are not those that were signed" in answer.body["detail"]
        assert "`hakika verify` says what. Close the day again" in answer.body["hint"]
    again = await closed.shop.send("POST", f"{DAYS}/{DAY}")
    assert again.data["result"] == "red"
    assert examine(await closed.report("json")).flaws == ()


async def test_a_report_says_that_people_settled_what_differed(closed):
    """It would claim a proof that nobody has: somebody gave a reason, and that is what it says.

    And whatever they typed into the reason, no number of a person is signed and filed.
    """
    shop, person = closed.shop, new_person()
    (found,) = (await shop.get(f"/v1/reconciliation/discrepancies?day={DAY}")).data
    path = f"/v1/reconciliation/discrepancies/{found['id']}"
    assigned = await shop.send("PATCH", path, json={"assigned_to": f"Wanjiku, 0{person[3:]}"})
    settled_ = await shop.send(
        "POST", f"{path}/resolve", json={"reason": f"Paid back to {person}, voucher 114"},
    )
    again = await shop.send("POST", f"{DAYS}/{DAY}")

    assert again.data["result"] == "green"
    assert person[3:8] not in str(assigned.data) + str(settled_.data)
    assert (await shop.get(path)).data == settled_.data
    json_ = await closed.report("json")
    assert person[3:8].encode() not in json_ and b"voucher 114" in json_
    assert ("differences", "0 open, 1 settled, 1 of them by people") in examine(json_).facts
    pages = pypdfium2.PdfDocument(await closed.report("pdf"))
    text = " ".join(pages[0].get_textpage().get_text_range().split())
    assert "The day is proven, with 1 difference settled by people." in text
    assert "Every shilling" not in text


@pytest.mark.parametrize("file", [
    b"", b"%PDF-1.7\n%%EOF\n", b"PK\x03\x04 and so on", b"[]", b"{}", b'{"format": 1}',
    b'{"format": "hakika-day-report/1"}', b"<html>", _workbook(),
    as_csv(payments("613999", DAY, range(2))),
])
def test_a_foreign_file_is_no_report(file):
    with pytest.raises(NoReport, match=r"\w+"):
        examine(file)


async def test_a_signed_day_that_is_none_is_no_report(closed):
    """Anybody can sign anything with a key of their own: it must not break who reads it."""

    def empty(written: dict[str, Any]) -> None:
        signed_by_another(written)
        written["summary"] = {}

    with pytest.raises(NoReport, match="cannot be read"):
        examine(changed(closed.files["json"], empty))


async def test_the_workbook_has_what_finance_works_with(closed):
    book = CalamineWorkbook.from_filelike(io.BytesIO(closed.files["xlsx"]))
    sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}

    assert list(sheets) == ["Day", "Differences", "Moved", "Accounts", "Movements", "Proof"]
    day = {row[0]: row[1] for row in sheets["Day"]}
    assert day["result"] == closed.result == "red"
    assert day["differences"] == "1 open, 0 settled"
    (difference,) = sheets["Differences"][1:]
    assert difference[:2] == ["open", "reversed_outside"] and difference[6] == 10.0
    assert ["collection", 4.0, 40.0] in sheets["Moved"]
    amounts = [row[6] for row in sheets["Movements"][1:]]
    assert len(amounts) == len(orjson.loads(closed.files["json"])["movements"])
    assert all(isinstance(amount, float) for amount in amounts)


async def test_the_pages_show_the_day_in_every_letter_of_its_name(closed):
    pages = pypdfium2.PdfDocument(closed.files["pdf"])
    text = "\n".join(pages[at].get_textpage().get_text_range() for at in range(len(pages)))

    assert DAY in text and "RED" in text and "1 difference is open" in text
    assert "reversed on M-Pesa's portal" in " ".join(text.split())
    assert "the statement of float:" in text


async def test_only_what_is_over_can_be_closed(shop):
    """And an answer in words for each day that cannot be."""
    today = datetime.now(NAIROBI)
    for day, code in (
        (f"{today:%Y-%m-%d}", "day_not_over"),
        (f"{today + timedelta(days=400):%Y-%m-%d}", "day_not_over"), ("2999-12-31", "day_not_over"),
        ("yesterday", "day_invalid"), ("2026-02-30", "day_invalid"), ("20261103", "day_invalid"),
        ("2026-W45-2", "day_invalid"), ("0001-01-01", "day_invalid"), ("9999-12-31", "day_invalid"),
    ):
        answer = await shop.send("POST", f"{DAYS}/{day}")
        assert answer.problem == (400, "invalid_request", [("day", code)]), (day, answer.raw)
        assert answer.body["hint"]
        read = await shop.get(f"{DAYS}/{day}/report")
        assert read.status == (404 if code == "day_not_over" else 400)
    assert (await shop.get(DAYS)).data == []


async def test_a_day_of_which_nothing_is_known_is_red_and_has_a_report(shop):
    """Nothing happened, or nobody told us: without a record of M-Pesa's it looks the same."""
    answer = await shop.send("POST", f"{DAYS}/{DAY}")

    assert (answer.data["result"], answer.data["moved"]) == ("red", [])
    for form in FORMS:
        report = await shop.get(f"{DAYS}/{DAY}/report?format={form}")
        assert examine(report.raw).flaws == (), form


async def test_a_day_that_was_not_closed_has_no_report(shop):
    answer = await shop.get(f"{DAYS}/{DAY}/report")

    assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert f"hakika close {DAY}" in answer.body["hint"]


async def test_two_who_close_a_day_at_once_both_get_an_answer(closed):
    both = await asyncio.gather(*(closed.shop.send("POST", f"{DAYS}/{DAY}") for _ in range(2)))

    assert {each.status for each in both} <= {200, 409}
    assert 200 in {each.status for each in both}
    assert (await closed.shop.get(DAYS)).data[0]["result"] == closed.result
