"""`hakika export` and `hakika evidence`: a file that is whole, or none at all."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hakika.cli.failure import CommandFailed
from hakika.cli.whole_file import whole_file
from tests.cli.programs import Said, asked, hakika, told

Here = Callable[..., Said]

pytestmark = pytest.mark.xdist_group("cli")

PAYS = "254708374149"


def test_payments_and_the_books_are_written_to_files(
    here: Here, place: dict[str, Any], tmp_path: Path,
) -> None:
    receipt = told(hakika("pay", PAYS, "7", "--data", place["data"], "--json"))["receipt"]
    payments, books = tmp_path / "payments.csv", tmp_path / "books.jsonl"

    said = told(here("export", "payments", "--output", payments, "--data", place["data"], "--json"))
    here("export", "ledger", "--format", "jsonl", "--output", books, "--data", place["data"])

    with payments.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert said == {"file": str(payments), "rows": len(rows)}
    assert len(rows) == len(asked(place, "/v1/payments?limit=100")["data"])
    assert receipt in {each["receipt"] for each in rows}
    assert PAYS not in payments.read_text()
    lines = [json.loads(each) for each in books.read_text().splitlines()]
    assert receipt in {each["receipt"] for each in lines}
    assert stat.S_IMODE(payments.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [books, payments]


@pytest.mark.parametrize(("words", "says"), [
    (("payments", "--from", "1/11/2026"), "This is not a day"),
    (("payments", "--from", "2026-11-02", "--to", "2026-11-01"), "is after"),
    (("secrets",), "secrets"),
])
def test_what_cannot_be_exported_is_said(here: Here, words: tuple[str, ...], says: str) -> None:
    said = here("export", *words)

    assert said.returncode == 2
    assert says in said.stderr


def test_a_file_that_is_not_whole_never_has_its_name(tmp_path: Path) -> None:
    """The one of yesterday stays until the new one is there."""
    path = tmp_path / "payments.csv"
    path.write_text("yesterday's")

    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"half of today's")
        raise ZeroDivisionError

    assert path.read_text() == "yesterday's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="cannot be written"), whole_file(tmp_path / "no" / "x"):
        pass


def test_the_evidence_of_a_payment_is_written_to_a_file(
    here: Here, place: dict[str, Any], tmp_path: Path,
) -> None:
    payment = told(hakika("pay", PAYS, "9", "--data", place["data"], "--json"))
    path = tmp_path / "evidence.pdf"

    here("evidence", payment["id"], "--output", path, "--data", place["data"])
    pack = told(here("evidence", payment["id"], "--data", place["data"], "--json"))
    unknown = here("evidence", "pay_01kaxb2m8fe2tv5k0c3y7h9q4d", "--data", place["data"])

    assert path.read_bytes().startswith(b"%PDF-")
    assert list(tmp_path.iterdir()) == [path]
    assert pack["payment"]["receipt"] == payment["receipt"]
    assert PAYS not in json.dumps(pack)
    assert unknown.returncode == 1 and "There is no payment" in unknown.stderr
