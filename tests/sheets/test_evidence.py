"""The pages for an auditor: all of the pack, the same each time, and nothing in them that acts."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakika.sheets.evidence import evidence_pdf

ROOT = Path(__file__).parents[2]

PAYMENT = {
    "id": "pay_01kaxb2m8fe2tv5k0c3y7h9q4d", "merchant_id": "mer_01kaxb2m8fe2tv5k0c3y7h9q4d",
    "livemode": True, "amount": "1500.00", "amount_received": "1500.00", "currency": "KES",
    "source": "stk", "phone": "2547••••4149", "phone_masked": "2547••••4149", "assigned_to": None,
    "customer_id": None, "reference": "INV-7", "description": "Shoes", "status": "completed",
    "failure_code": None, "failure_reason": None, "provider_ref": "ws_CO_21112026••••4149",
    "receipt": "UKL7RT61SV", "confirmed_by": "stk_callback", "needs_review": False, "late": False,
    "idempotency_key": "order-7", "metadata": {"cart": "7"},
    "created_at": "2026-11-21T21:00:00Z", "updated_at": "2026-11-21T21:00:20.5Z",
    "completed_at": "2026-11-21T21:00:20.5Z",
}
FACT = {
    "sequence": 1, "heard_at": "2026-11-21T21:00:20Z", "fact": "paid", "source": "stk_callback",
    "state": "completed", "raw": '{"Body":{}}', "raw_sha256": "ab" * 32, "link": "cd" * 32,
    "details": {"receipt": "UKL7RT61SV", "amount_cents": 150_000},
}
PACK: dict[str, Any] = {
    "payment": PAYMENT, "facts": [FACT], "revealed": False,
    "chain": {"is_whole": True, "breaches": [], "first": "11" * 32, "last": "cd" * 32},
    "entries": [{
        "sequence": 17, "move": "collection", "debit": "float:600966:utility",
        "credit": "collected", "amount": "1500.00", "receipt": "UKL7RT61SV",
        "happened_at": "2026-11-21T21:00:19Z",
    }],
    "witnesses": [{
        "receipt": "UKL7RT61SV", "source": "pull", "amount": "1500.00",
        "happened_at": "2026-11-21T21:00:19Z", "heard_at": "2026-11-21T21:15:00Z",
    }],
    "events": [{
        "type": "payment.completed", "sequence": 44, "timestamp": "2026-11-21T21:00:20Z",
        "deliveries": [{
            "id": "dlv_7", "endpoint_id": "whe_7", "state": "succeeded", "attempts": 1,
            "finished_at": "2026-11-21T21:00:21Z", "reason": None,
        }],
    }],
}


def read(pack: dict[str, Any]) -> tuple[pypdf.PdfReader, str]:
    """Return the pages of a pack, and their text without the places where lines end."""
    reader = pypdf.PdfReader(io.BytesIO(evidence_pdf(pack)))
    return reader, " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def test_the_pages_have_all_that_is_in_the_pack():
    _, text = read(PACK)

    for said in (
        "KES 1,500.00", "COMPLETED", "real money", "2026-11-22 00:00:20",   # past midnight, there
        "2547••••4149", "UKL7RT61SV", "INV-7", "cart: 7", "The chain of 1 facts is whole",
        "ab" * 32, "cd" * 32, "11" * 32, "float:600966:utility", "pull", "payment.completed",
        "dlv_7", "succeeded", '{"Body":{}}', "numbers and names hidden", "Page 1 of",
    ):
        assert said in text, said


def test_a_broken_chain_is_the_first_thing_that_is_said():
    broken = {"is_whole": False, "breaches": ["fact 2 was changed"], "first": "", "last": ""}
    _, text = read(PACK | {"chain": broken})

    assert "The chain is broken" in text and "fact 2 was changed" in text
    assert "is whole" not in text


def test_the_same_pack_gives_the_same_bytes():
    """Also in another process, so that whoever has the pack can prove the pages."""
    program = (
        "import hashlib; from tests.sheets.test_evidence import PACK, evidence_pdf;"
        "print(hashlib.sha256(evidence_pdf(PACK)).hexdigest())"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True,
        env={"PYTHONHASHSEED": "7"},
    )

    assert said.stdout.strip() == hashlib.sha256(evidence_pdf(PACK)).hexdigest()


def test_a_name_is_drawn_or_is_told_by_its_numbers():
    """Kikuyu has letters that a PDF's own fonts do not; nothing is lost without a word."""
    _, text = read(PACK | {"payment": PAYMENT | {"reference": "Mũthoni 漢\u202e\x00😀"}})

    assert "Mũthoni <U+6F22><U+202E><U+0000><U+1F600>" in text


def test_hostile_text_stays_text():
    """Neither a place for a number of pages, nor a mark-up, nor an action of the reader's."""
    hostile = "{nb} **bold** [x](https://evil.example) <b>x</b> (a) Tj /JS (app.alert(1)) \\"
    fact = FACT | {"raw": hostile, "details": {"note": hostile}}
    reader, text = read(
        PACK | {"payment": PAYMENT | {"reference": hostile}, "facts": [fact]},
    )

    assert text.count("{nb} **bold** [x](https://evil.example) <b>x</b>") >= 2
    assert [page.get("/Annots") for page in reader.pages] == [None] * len(reader.pages)
    assert "/AA" not in reader.root_object and "/Names" not in reader.root_object
    assert isinstance(reader.root_object["/OpenAction"], list)   # a place to begin, nothing to do


def test_nothing_is_too_long_for_a_page():
    """A body of 6,000 signs without a space, a row of many lines, forty facts."""
    long = "x" * 6_000
    fact = FACT | {"raw": long, "details": {f"name {each}": long for each in range(30)}}
    event = PACK["events"][0]
    told = event | {"deliveries": [event["deliveries"][0] | {"reason": long}]}
    reader, text = read(PACK | {
        "payment": PAYMENT | {"reference": long, "metadata": {long: long}, "failure_reason": long},
        "facts": [fact, *[FACT] * 39], "events": [told],
    })

    assert f"Page {len(reader.pages)} of {len(reader.pages)}" in text
    assert text.replace(" ", "").count("x" * 1_000) >= 6
    assert "2,000 characters more" in text


@pytest.mark.parametrize("changes", [
    {"status": "failed", "receipt": None, "amount_received": None, "completed_at": None,
     "failure_code": "payer_canceled", "failure_reason": "The payer canceled."},
    {"source": "c2b", "phone": None, "phone_masked": None, "late": True, "needs_review": True},
    {"amount_received": "1.00", "status": "unknown"},
])
def test_every_end_of_a_payment_has_its_pages(changes):
    empty: dict[str, Any] = {"facts": [], "entries": [], "witnesses": [], "events": []}
    _, text = read(PACK | empty | {"payment": PAYMENT | changes})

    assert str(changes.get("status", "completed")).upper() in text


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=40))
def test_any_text_can_be_put_on_a_page(text):
    assert evidence_pdf(PACK | {"payment": PAYMENT | {"reference": text}})
