"""The pack that answers an auditor in half a minute: all of it, whole, and no name by default."""

from __future__ import annotations

import hashlib
import io
import json
from itertools import pairwise

import pypdf
from structlog.testing import capture_logs

from tests.api.test_c2b import found, pay, paybill
from tests.api.world import new_person

__all__ = ["paybill"]


async def test_the_pack_has_all_that_proves_a_payment(shop):
    await shop.send("POST", "/v1/webhook-endpoints", json={"url": "https://a.example/"})
    payment = await shop.settled((await shop.order()).data["id"])

    pack = (await shop.get(f"/v1/payments/{payment['id']}/evidence")).data

    assert [each["fact"] for each in pack["facts"]] == ["asked", "accepted", "paid"]
    assert pack["chain"]["is_whole"] and pack["chain"]["breaches"] == []
    assert pack["chain"]["last"] == pack["facts"][-1]["link"]
    assert len({each["link"] for each in pack["facts"]}) == 3
    assert [each["receipt"] for each in pack["entries"]] == [payment["receipt"]]
    assert [each["type"] for each in pack["events"]] == ["payment.completed"]
    assert [each["state"] for each in pack["events"][0]["deliveries"]] == ["scheduled"]
    assert all(
        first["heard_at"] <= second["heard_at"] for first, second in pairwise(pack["facts"])
    )


async def test_numbers_are_hidden_until_they_are_asked_for(shop):
    person = new_person()
    ordered = await shop.order(phone=person)
    address = f"/v1/payments/{ordered.data['id']}/evidence"

    hidden, revealed = await shop.get(address), await shop.get(address + "?reveal=true")

    assert person.encode() not in hidden.raw and person[3:].encode() not in hidden.raw
    assert person in revealed.data["payment"]["phone"]
    facts = list(zip(hidden.data["facts"], revealed.data["facts"], strict=True))
    for masked, whole in facts:
        assert masked["raw_sha256"] == hashlib.sha256(whole["raw"].encode()).hexdigest()
        assert masked["link"] == whole["link"]


async def test_who_paid_unasked_is_named_only_when_revealed(shop, paybill):
    payment = await found(shop, await pay(shop, paybill))
    address = f"/v1/payments/{payment['id']}/evidence"

    whole = json.loads((await shop.get(address + "?reveal=true")).data["facts"][0]["raw"])
    hidden = (await shop.get(address)).data

    assert json.loads(hidden["facts"][0]["raw"])["FirstName"] == "•••"
    assert whole["FirstName"] not in {"", "•••"}
    assert [(each["source"], each["receipt"]) for each in hidden["witnesses"]] == [
        ("c2b", payment["receipt"]),
    ]


async def test_the_pack_comes_as_pages_for_people(shop):
    """By a word in the address, as a browser asks, or by the header, as a program does."""
    payment = await shop.settled((await shop.order()).data["id"])
    address = f"/v1/payments/{payment['id']}/evidence"

    pages = await shop.get(address + "?format=pdf")
    accepted = await shop.get(address, headers={"Accept": "application/pdf"})
    json_ = await shop.get(address + "?format=json", headers={"Accept": "application/pdf"})

    assert pages.headers["Content-Type"] == "application/pdf"
    assert f"evidence-{payment['id']}.pdf" in pages.headers["Content-Disposition"]
    assert pages.raw == accepted.raw
    assert json_.data["payment"]["id"] == payment["id"]
    text = text_of(pages.raw)
    assert payment["receipt"] in text and "collected" in text


async def test_pages_hide_numbers_until_they_are_asked_for(shop):
    """Also where somebody typed one: as a reference, or into the metadata."""
    person = new_person()
    ordered = await shop.order(phone=person, reference=person, metadata={"call": "0" + person[3:]})
    address = f"/v1/payments/{ordered.data['id']}/evidence?format=pdf"

    hidden = text_of((await shop.get(address)).raw)
    with capture_logs() as logs:
        revealed = text_of((await shop.get(address + "&reveal=true")).raw)

    assert person[3:] not in hidden and "numbers and names hidden" in hidden
    assert revealed.count(person) >= 2 and "numbers and names shown" in revealed
    assert [each["key"] for each in logs if each["event"] == "evidence_revealed"]


async def test_another_form_is_refused(shop):
    payment = (await shop.order(phone=new_person())).data

    answer = await shop.get(f"/v1/payments/{payment['id']}/evidence?format=docx")

    assert answer.problem == (400, "invalid_request", [("format", "literal_error")])


def text_of(content: bytes) -> str:
    """Return what stands on the pages of a PDF."""
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())
