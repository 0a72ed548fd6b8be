"""`hakika payouts`: a file from its plan to its outcome, as a person at a terminal does it."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.cli.programs import Said

Here = Callable[..., Said]

PAYBILL = "600966"


@pytest.fixture(scope="session")
def shop(place: dict[str, Any]) -> dict[str, Any]:
    """The shop of `hakika dev`, with an API operator and money to send."""
    simulator = place["simulator"]
    with urlopen(f"{simulator}/_simulator/certificate") as answer:
        public = x509.load_pem_x509_certificate(answer.read()).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    secret = base64.b64encode(public.encrypt(b"Simulated#1", padding.PKCS1v15())).decode()
    sent("PUT", f"{place['api']}/v1/merchant/providers", key=place["api_key"], body={
        "provider": "mpesa", "mpesa": {
            "env": "sandbox", "consumer_key": "own-key", "consumer_secret": "own-secret",
            "passkey": "own-passkey", "shortcode": PAYBILL, "initiator": "testapi",
            "security_credential": secret,
        },
    })
    sent("POST", f"{simulator}/_simulator/portal/floats", body={
        "shortcode": PAYBILL, "from": "bank", "to": "utility", "amount_cents": 10_000_000,
    })
    return place


def sent(method: str, url: str, *, body: dict[str, Any], key: str = "") -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    with urlopen(Request(url, json.dumps(body).encode(), headers, method=method)) as answer:
        assert answer.status < 300


def test_a_file_is_shown_sent_followed_and_told_row_by_row(
    shop: dict[str, Any], here: Here, tmp_path: Path,
):
    file = tmp_path / "wages.csv"
    file.write_text("phone,amount,name\n0712000001,100,Jane\n0712000002,200,Joe\n")
    told = ("--api", shop["api"], "--key", shop["api_key"], "--shortcode", PAYBILL)

    said = here("payouts", "upload", file, "--yes", *told)
    again = here("payouts", "upload", file, "--yes", *told, "--json")

    assert said.returncode == 0, said.stderr
    assert "300.00" in said.stdout
    assert "2 completed" in said.stdout
    with (tmp_path / "wages.outcome.csv").open(encoding="utf-8-sig") as outcome:
        rows = list(csv.DictReader(outcome))
    assert [each["status"] for each in rows] == ["completed", "completed"]
    assert json.loads(again.stdout)["counts"] == {"completed": 2}


def test_a_wrong_file_is_told_row_by_row_and_not_sent(
    shop: dict[str, Any], here: Here, tmp_path: Path,
):
    file = tmp_path / "wrong.csv"
    file.write_text("phone,amount\n0712000001,9\n")

    said = here(
        "payouts", "upload", file, "--yes", "--api", shop["api"], "--key", shop["api_key"],
        "--shortcode", PAYBILL,
    )

    assert said.returncode == 1
    assert "smallest payout" in said.stdout
    assert "1 rows are wrong" in said.stderr


def test_what_cannot_be_sent_says_what_to_do(here: Here, tmp_path: Path):
    """A file that nobody would take is not read, and whoever heard nothing must not pay twice."""
    with (tmp_path / "huge.csv").open("wb") as huge:
        huge.truncate(200 << 20)
    small = tmp_path / "small.csv"
    small.write_text("phone,amount\n0712000001,100\n")
    deaf = ("--api", "http://127.0.0.1:1", "--key", "hk_test_none")

    too_large = here("payouts", "upload", huge.name, *deaf)
    unheard = here("payouts", "upload", small, *deaf)
    alone = here("payouts", "create", "0712000001", "100", *deaf)

    assert "is larger than 16 MiB" in too_large.stderr
    assert "Send the file again: it is the same file" in unheard.stderr
    assert "Ask again with --once hakika-payouts-" in alone.stderr
    assert {too_large.returncode, unheard.returncode, alone.returncode} == {1}


def test_one_payout_is_sent_once_by_its_key_and_listed(shop: dict[str, Any], here: Here):
    told = ("--api", shop["api"], "--key", shop["api_key"], "--json")

    first, again = (
        here("payouts", "create", "0712000003", "150", "--once", "cli-1", *told) for _ in range(2)
    )
    listed = here("payouts", "list", *told)

    assert json.loads(first.stdout)["id"] == json.loads(again.stdout)["id"]
    assert json.loads(first.stdout)["id"] in listed.stdout
