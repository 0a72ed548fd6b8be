"""`hakika statements import`, `close` and `verify-report`: whole or not at all, and in words."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import scalar_row

from tests.cli.programs import HAKIKA, PATIENCE_SECONDS, Said, environment, told
from tests.sheets.samples import as_csv, as_pdf, as_xlsx
from tests.statement_files import NAIROBI, paid, payments, reversed_, statement, yesterday
from tests.vault import MASTER_KEY, SECRET

Here = Callable[..., Said]

SHORTCODE = "174379"    # of a test mode without credentials of its own
DAY = yesterday()
PASSWORD = "kenya-2026"
TABLES = ("statements", "statement_lines", "postings", "witnesses", "payments")


@pytest.fixture
def settings(database_url: str, here: Here, tmp_path: Path) -> dict[str, str]:
    """The settings of a database with one merchant."""
    found = {
        "HAKIKA_DATABASE_URL": database_url, "HAKIKA_SECRET": SECRET,
        "HAKIKA_MASTER_KEY": MASTER_KEY, "HAKIKA_DATA": str(tmp_path / "data"),
    }
    assert here("merchants", "create", "Duka Moja", **found).returncode == 0
    return found


def kept(settings: dict[str, str]) -> dict[str, int]:
    """Return how many rows there are in everything that an import writes."""
    url = settings["HAKIKA_DATABASE_URL"]
    with psycopg.connect(url, row_factory=scalar_row) as connection:
        return {
            table: connection.execute(f"select count(*) from {table}").fetchall()[0]
            for table in TABLES
        }


NOTHING = dict.fromkeys(TABLES, 0)


def file_of(tmp_path: Path, content: bytes, name: str = "statement") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_statement_is_imported_and_everything_of_it_is_a_payment(
    here: Here, settings: dict[str, str], tmp_path: Path,
) -> None:
    """No worker runs here: the command makes the payments by itself."""
    file = file_of(tmp_path, as_csv(payments(SHORTCODE, DAY, range(250))))

    first = here("statements", "import", file, **settings)
    again = here("statements", "import", file, **settings)
    document = told(here("statements", "import", file, "--json", **settings))

    assert first.returncode == again.returncode == 0, first.stderr
    assert "250 lines of float:174379:utility" in first.stdout
    assert "waiting" in first.stdout and "Nobody had told of this money" in first.stdout
    assert "imported before" in again.stdout and "Nothing has changed" in again.stdout
    assert (document["again"], document["lines"]) == (True, 250)
    assert document["fates"] == {"waiting": 250}
    assert kept(settings) == {
        "statements": 1, "statement_lines": 250, "postings": 250, "witnesses": 250, "payments": 250,
    }


BAD: dict[str, tuple[bytes, tuple[str, ...], str]] = {
    "empty": (b"", (), "The file is empty."),
    "broken": (as_xlsx(payments(SHORTCODE, DAY, range(3)))[:-200], (), "cut or broken"),
    "cut": (as_csv(payments(SHORTCODE, DAY, range(3)))[:-60], (), "cut within the line"),
    "locked": (
        as_pdf(payments(SHORTCODE, DAY, range(3)), password=PASSWORD), (),
        "Say --locked, and it asks for the password",
    ),
    "foreign": (b"Dear sir, where is my money?\n", (), "M-Pesa organisation portal"),
    "of another": (as_csv(payments("999999", DAY, range(3))), (), "none of yours"),
    "of live money": (as_csv(payments(SHORTCODE, DAY, range(3))), ("--live",), "none of yours"),
    "of another account": (
        as_csv(payments(SHORTCODE, DAY, range(3))), ("--account", "Holiday Account"),
        "no books of the account 'Holiday Account'",
    ),
    "of the future": (
        as_csv(statement(SHORTCODE, "2099-01-01", [paid(SHORTCODE, "2099-01-01", 0)])), (),
        "dated in the future",
    ),
}


def test_a_bad_file_is_said_in_words_and_leaves_nothing(
    here: Here, settings: dict[str, str], tmp_path: Path,
) -> None:
    for name, (content, words, says) in BAD.items():
        said = here("statements", "import", file_of(tmp_path, content), *words, **settings)

        assert said.returncode == 2, name
        assert says in said.stderr, (name, said.stderr)
        assert said.stderr.startswith("hakika: ") and said.stderr.count("\n") == 2, said.stderr
        assert "Traceback" not in said.stderr and said.stdout == ""
    assert kept(settings) == NOTHING
    good = file_of(tmp_path, as_csv(payments(SHORTCODE, DAY, range(3))))
    nobody = here("statements", "import", good, "--merchant", "mer_nobody", **settings)
    assert nobody.returncode == 1 and "hakika merchants list" in nobody.stderr
    assert kept(settings) == NOTHING
    missing = here("statements", "import", tmp_path / "no such file", **settings)
    assert missing.returncode == 1 and "cannot be read: No such file" in missing.stderr


def test_a_locked_statement_asks_for_its_password(
    here: Here, settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Never an option: what stands on a command line stands in the shell's history, too."""
    file = file_of(tmp_path, as_pdf(payments(SHORTCODE, DAY, range(3)), password=PASSWORD))

    for password, code in (("kenya-2025", 2), (PASSWORD, 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        said = here("statements", "import", file, "--locked", **settings)
        assert said.returncode == code, said.stderr
        assert password not in said.stdout + said.stderr
    assert kept(settings)["statement_lines"] == 3

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    nobody = here("statements", "import", file, "--locked", **settings)
    assert nobody.returncode == 2 and "nobody is here to type it" in nobody.stderr
    assert "Warning" not in nobody.stderr


@contextmanager
def held(settings: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    """Let no statement be noted as imported meanwhile: that is the last thing an import does."""
    with psycopg.connect(settings["HAKIKA_DATABASE_URL"]) as connection:
        connection.execute("lock table statements in share row exclusive mode")
        yield connection


def test_an_import_that_is_killed_leaves_nothing_and_can_be_repeated(
    here: Here, settings: dict[str, str], tmp_path: Path,
) -> None:
    """kill -9 when every line was written and nothing committed: the worst moment there is."""
    file = file_of(tmp_path, as_csv(payments(SHORTCODE, DAY, range(600))))

    with held(settings), psycopg.connect(
        settings["HAKIKA_DATABASE_URL"], autocommit=True,
    ) as watching, subprocess.Popen(
        [HAKIKA, "statements", "import", file], env=environment(**settings),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as killed:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not watching.execute(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            " and datname = current_database() and query like '%insert into statements%'",
        ).fetchone():
            assert time.monotonic() < deadline and killed.poll() is None
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
        killed.wait()

    assert kept(settings) == NOTHING
    assert here("statements", "import", file, **settings).returncode == 0
    assert kept(settings)["statement_lines"] == kept(settings)["payments"] == 600


def test_a_day_is_closed_its_report_written_and_proven(
    here: Here, settings: dict[str, str], tmp_path: Path,
) -> None:
    lines = [paid(SHORTCODE, DAY, number) for number in range(4)]
    here("statements", "import", file_of(tmp_path, as_csv(statement(SHORTCODE, DAY, lines))),
         **settings)
    reports = tmp_path / "reports"

    green = here("close", DAY, "--report", reports, **settings)

    assert green.returncode == 0, green.stderr
    assert "green" in green.stdout and "✓" in green.stdout and "Duka Moja" in green.stdout
    assert green.stderr == ""    # a table is for a person, and needs no log lines around it
    written = sorted(reports.iterdir())
    assert [each.suffix for each in written] == [".json", ".pdf", ".xlsx"]
    assert all(f"Written: {each}" in green.stdout for each in written)
    for each in written:
        said = here("verify-report", each, **settings)
        assert said.returncode == 0, said.stdout
        assert "Everything in it is as it was signed" in said.stdout

    lines.append(reversed_(SHORTCODE, DAY, 4, line=1))
    here("statements", "import", file_of(tmp_path, as_csv(statement(SHORTCODE, DAY, lines))),
         **settings)
    red = here("close", DAY, **settings)
    document = here("close", DAY, "--json", **settings)

    assert red.returncode == document.returncode == 4
    assert "reversed_outside" in red.stdout and "was reversed on M-Pesa's portal" in red.stdout
    (day,) = json.loads(document.stdout)["days"]
    assert (day["result"], day["number"], day["open"]) == ("red", 3, 1)
    assert [each["kind"] for each in day["differences"]] == ["reversed_outside"]


def test_a_day_that_cannot_be_closed_is_said(here: Here, settings: dict[str, str]) -> None:
    today = f"{datetime.now(NAIROBI):%Y-%m-%d}"
    for day, code, says in (
        ("yesterday", 2, "This is not a day"), ("2026-02-30", 2, "This is not a day"),
        ("9999-12-31", 2, "This is not a day"),
    ):
        said = here("close", day, **settings)
        assert (said.returncode, says in said.stderr) == (code, True), said.stderr
    nobody = here("close", DAY, **settings)
    assert nobody.returncode == 0 and "Nobody has books yet" in nobody.stdout
    with psycopg.connect(settings["HAKIKA_DATABASE_URL"]) as connection:
        connection.execute(
            "insert into posting_heads select id, false, 0, '' from merchants",
        )
    for day in (today, "2999-12-31"):
        said = here("close", day, **settings)
        assert said.returncode == 2 and "is not over in Nairobi" in said.stderr, said.stderr
        assert "Close it after midnight" in said.stderr
    empty = here("close", DAY, **settings)
    assert empty.returncode == 4 and "nothing of M-Pesa's was held against" in empty.stdout


def test_a_report_that_was_changed_is_not_believed(
    here: Here, settings: dict[str, str], tmp_path: Path,
) -> None:
    """Without a database, and on any machine: the file alone, and the key that somebody trusts."""
    here("statements", "import", file_of(tmp_path, as_csv(payments(SHORTCODE, DAY, range(3)))),
         **settings)
    here("close", DAY, "--report", tmp_path / "reports", **settings)
    report = next((tmp_path / "reports").glob("*.json"))
    key = json.loads(report.read_bytes())["public_key"]
    elsewhere = {"HAKIKA_DATABASE_URL": "postgresql://hakika@127.0.0.1:1/nowhere"}

    document = json.loads(here(
        "verify-report", report, "--key", key.upper(), "--json", **elsewhere,
    ).stdout)
    assert (document["genuine"], document["flaws"], document["result"]) == (True, [], "green")

    other = here("verify-report", report, "--key", "ab" * 32, **elsewhere)
    assert other.returncode == 4 and "signed with another key" in other.stdout
    mistyped = here("verify-report", report, "--key", key[:-1], **elsewhere)
    assert mistyped.returncode == 2 and "64 hex digits" in mistyped.stderr

    report.write_bytes(report.read_bytes().replace(b'"10.00"', b'"11.00"'))
    changed = here("verify-report", report, "--key", key, **elsewhere)
    assert changed.returncode == 4
    assert "✗ The movements are not those that were signed." in changed.stdout
    assert "Believe nothing" in changed.stdout and "✓" not in changed.stdout

    foreign = here("verify-report", file_of(tmp_path, b"PK\x03\x04 no book"), **elsewhere)
    assert foreign.returncode == 1 and "no report of Hakika's" in foreign.stderr
