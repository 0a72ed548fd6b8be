"""Every word of the command line: its help, its JSON, and how it fails."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from hakika.cli.main import COMMANDS, app
from hakika.store.embedded_files import EmbeddedFiles
from tests.cli.programs import Said, asked, hakika, running, told
from tests.vault import MASTER_KEY

SHARED_SECRET = "the same text on every machine " * 2

Here = Callable[..., Said]

pytestmark = pytest.mark.xdist_group("cli")

WORDS = [
    ("dev",), ("serve",), ("api",), ("worker",), ("migrate",), ("pay",), ("verify",),
    ("merchants", "create"), ("merchants", "list"), ("merchants", "late-money"),
    ("keys", "create"), ("keys", "list"), ("keys", "rotate"), ("keys", "revoke"),
    ("collections", "stop"), ("collections", "resume"),
    ("payouts", "freeze"), ("payouts", "resume"), ("float",), ("refunds", "create"),
    ("vault", "new-key"), ("vault", "status"), ("vault", "rotate"), ("requests",), ("export",),
    ("evidence",), ("statements", "import"), ("close",), ("verify-report",),
]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_a_word_explains_itself(words: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})

    assert said.exit_code == 0
    assert "--json" in said.output
    assert "Example: " in said.output


def test_every_word_is_tested_for_its_help() -> None:
    """`simulate` passes --help on, which another test sees."""
    assert {words[0] for words in WORDS} == set(COMMANDS) - {"simulate"}


def test_simulate_passes_everything_on() -> None:
    said = hakika("simulate", "--help")

    assert said.returncode == 0
    assert "--json" in said.stdout
    assert "--die-with-parent" in said.stdout


def test_simulate_is_the_simulator(tmp_path: Path) -> None:
    with running("simulate", "--port", "0", "--json", log=tmp_path / "log") as simulator:
        assert set(simulator.place()) == {"simulator"}
        assert simulator.end(signal.SIGTERM) == 0


def test_a_mistyped_setting_stops_the_start(tmp_path: Path) -> None:
    said = hakika("dev", "--data", tmp_path / "shop", HAKIKA_DATABASE_ULR="postgresql://db/hakika")

    assert said.returncode == 2
    assert "Did you mean HAKIKA_DATABASE_URL?" in said.stderr
    assert "Traceback" not in said.stderr
    assert not (tmp_path / "shop").exists()


def test_a_mistyped_word_is_suggested() -> None:
    said = CliRunner().invoke(app, ["mercants"])

    assert said.exit_code == 2
    assert "'merchants'" in said.output


def test_dev_keeps_away_from_a_database_of_yours(tmp_path: Path) -> None:
    said = hakika("dev", "--data", tmp_path, HAKIKA_DATABASE_URL="postgresql://db/hakika")

    assert said.returncode == 2
    assert "HAKIKA_DATABASE_URL" in said.stderr


def test_a_mistyped_folder_is_not_filled(here: Here, tmp_path: Path) -> None:
    said = here("keys", "list", "--data", tmp_path / "shpo")

    assert said.returncode == 1
    assert "There is no database" in said.stderr
    assert not (tmp_path / "shpo").exists()


def test_a_database_that_does_not_answer_is_said(here: Here, tmp_path: Path) -> None:
    said = here(
        "serve", "--port", "0", "--data", tmp_path,
        HAKIKA_DATABASE_URL="postgresql://hakika:s3cret@127.0.0.1:1/hakika",
        HAKIKA_SECRET=SHARED_SECRET, HAKIKA_MASTER_KEY=MASTER_KEY,
    )

    assert said.returncode == 1
    assert "The database does not answer" in said.stderr
    assert "s3cret" not in said.stderr
    assert "Traceback" not in said.stderr


def test_a_database_of_several_machines_needs_a_secret_of_all(here: Here, tmp_path: Path) -> None:
    """Each would make its own, and callbacks that reach another would not be believed."""
    said = here(
        "serve", "--port", "0", "--data", tmp_path,
        HAKIKA_DATABASE_URL="postgresql://hakika@127.0.0.1:1/hakika",
    )

    assert said.returncode == 2
    assert "HAKIKA_SECRET" in said.stderr
    assert not (tmp_path / "secret").exists()


def test_pay_without_dev_says_what_is_missing(here: Here, tmp_path: Path) -> None:
    said = here("pay", "0712345678", "5", "--data", tmp_path)

    assert said.returncode == 2
    assert "hakika dev" in said.stderr


def test_money_out_is_frozen_and_let_go_from_the_machine(
    here: Here, place: dict[str, Any],
) -> None:
    """One switch for everybody, thrown where no stolen key reaches."""
    at = ("--json", "--data", place["data"])
    frozen = told(here("payouts", "freeze", "--everything", "--note", "An intruder", *at))
    stands = asked(place, "/v1/payout-stops")["data"]
    resumed = told(here("payouts", "resume", "--everything", *at))
    floats = told(here("float", *at))
    nobody = here("payouts", "freeze", *at)

    assert (frozen, resumed) == (
        {"frozen": True, "merchant": None}, {"frozen": False, "merchant": None},
    )
    assert [(each["key"], each["note"]) for each in stands] == [("all", "An intruder")]
    assert asked(place, "/v1/payout-stops")["data"] == []
    assert floats == {"floats": asked(place, "/v1/floats")["data"]}
    assert (nobody.returncode, "--everything" in nobody.stderr) == (2, True)


@pytest.fixture(scope="module")
def empty_database(place: dict[str, Any]) -> str:
    """An empty database on the server of `hakika dev`, as a database of yours would be."""
    files = EmbeddedFiles(Path(place["data"]) / "postgres", None)
    with psycopg.connect(files.url("postgres"), autocommit=True) as connection:
        connection.execute("create database yours")
    return files.url("yours")


@pytest.mark.timeout(120)
def test_a_database_of_yours_is_migrated_when_you_say_so(
    here: Here, empty_database: str, tmp_path: Path,
) -> None:
    settings = {
        "HAKIKA_DATABASE_URL": empty_database, "HAKIKA_SECRET": SHARED_SECRET,
        "HAKIKA_MASTER_KEY": MASTER_KEY,
        "HAKIKA_DATA": str(tmp_path),
    }

    refused = here("serve", "--port", "0", **settings)
    assert refused.returncode == 1
    assert "hakika migrate" in refused.stderr
    assert told(here("migrate", "--json", **settings)) == {"migrated": True}
    assert told(here("migrate", "--json", **settings)) == {"migrated": False}

    with running("serve", "--port", "0", "--json", log=tmp_path / "log", **settings) as served:
        line = served.place()
        assert line["worker"] is True
        assert asked(line | {"api_key": ""}, "/healthz")["data"]["status"] == "alive"
        assert served.end(signal.SIGTERM) == 0, served.errors
    assert "Traceback" not in served.errors


