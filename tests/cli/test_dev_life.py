"""`hakika dev` over several lives on one folder: what stays, and that nothing is left running.

`/proc` is the independent witness of which processes run, so these tests are for Linux.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.programs import (
    PATIENCE_SECONDS,
    Running,
    Said,
    asked,
    environment,
    hakika,
    left_of,
    pid_of,
    running,
)

Here = Callable[..., Said]

pytestmark = [
    pytest.mark.xdist_group("cli lives"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.timeout(180),
]

A_PERSON = "254712345678"


def test_lives(tmp_path: Path) -> None:
    """One story, because each life takes seconds: stopped, started again, killed, started again."""
    folder = tmp_path / "shop"

    with _dev(folder, "--json") as first:
        place = first.place()
        prompt = _asked_person(place)
        assert first.end(signal.SIGINT) == 0, first.errors
        assert left_of(folder) == {}

    with _dev(folder) as second:
        welcome = _welcome(second)
        _keeps_its_address_and_key(welcome, place)
        assert prompt["id"] in {each["id"] for each in asked(place, "/v1/payments")["data"]}
        _the_prompt_is_still_open(place, prompt)
        _the_printed_curl_works(welcome)
        second.process.kill()
        second.process.wait()
        assert left_of(folder) == {}

    with _dev(folder, "--json") as third:
        assert third.place() == place
        os.kill(pid_of(folder, "hakika_simulator"), signal.SIGKILL)
        assert third.process.wait(PATIENCE_SECONDS) == 1
        assert "The simulator ended by itself" in third.errors
        assert "Traceback" not in third.errors
        assert left_of(folder) == {}

    with _dev(folder, "--json") as fourth:
        assert fourth.place() == place
        os.kill(pid_of(folder, "bin/postgres -D"), signal.SIGKILL)
        assert fourth.process.wait(PATIENCE_SECONDS) == 1
        assert "The database is gone" in fourth.errors
        assert "Start the same command again" in fourth.errors
        assert left_of(folder) == {}


def test_sigterm_while_starting_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "shop"

    with _dev(folder, "--json") as dev:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (folder / "postgres").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert dev.end(signal.SIGTERM) == 0, dev.errors

    assert "Traceback" not in dev.errors
    assert left_of(folder) == {}


@pytest.mark.parametrize(("file", "is_cut", "worth"), [
    ("secret", False, "callback"), ("secret", True, "callback"),
    ("master-key", False, "sealed"), ("master-key", True, "sealed"),
])
def test_a_lost_secret_is_not_replaced(
    here: Here, tmp_path: Path, file: str, is_cut: bool, worth: str,
) -> None:
    """A new one would make the old database worthless; a supervisor need not try again."""
    (tmp_path / "postgres" / "data-18").mkdir(parents=True)
    for each in ("secret", "master-key"):
        (tmp_path / each).write_text("x" * 44, encoding="utf-8")
    if is_cut:
        (tmp_path / file).write_text("x" * 9, encoding="utf-8")
    else:
        (tmp_path / file).unlink()

    said = here("keys", "list", "--data", tmp_path)

    assert said.returncode == 2
    assert str(tmp_path / file) in said.stderr
    assert worth in said.stderr
    assert (tmp_path / file).exists() is is_cut


def _dev(folder: Path, *words: str) -> Any:
    return running(
        "dev", "--port", "0", "--data", folder, *words, log=folder.with_name("log"),
    )


def _welcome(dev: Running) -> str:
    lines = []
    while "Ctrl-C" not in (line := dev.line()):
        assert line, dev.errors
        lines.append(line)
    return "".join(lines)


def _keeps_its_address_and_key(welcome: str, place: dict[str, Any]) -> None:
    for name in ("api", "simulator", "api_key"):
        assert place[name] in welcome


def _asked_person(place: dict[str, Any]) -> dict[str, Any]:
    said = hakika("pay", A_PERSON, "5", "--data", place["data"], "--wait", "0", "--json")
    assert said.returncode == 3, said.stderr
    payment = json.loads(said.stdout)
    assert payment["status"] == "pending"
    return dict(payment)


def _the_prompt_is_still_open(place: dict[str, Any], prompt: dict[str, Any]) -> None:
    """Its callback goes to the address of the first life: it has to be this one's, too."""
    subprocess.run(
        ["curl", "-sS", "--fail", "--noproxy", "*", "-d", '{"pin": "1234"}',
         f"{place['simulator']}/_simulator/phone/{A_PERSON}/pin"],
        check=True, capture_output=True, timeout=PATIENCE_SECONDS,
    )
    assert _final(place, prompt["id"])["status"] == "completed"


def _the_printed_curl_works(welcome: str) -> None:
    found = re.search(r"^curl (?:.*\\\n)+.*", welcome, re.MULTILINE)
    assert found, welcome
    said = subprocess.run(
        ["bash", "-c", found.group()], env=environment(NO_PROXY="*", no_proxy="*"),
        capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    )
    payment = json.loads(said.stdout)["data"]
    api = re.search(r"http://\S+?(?=/v1)", found.group())
    key = re.search(r"hk_test_\w+", found.group())
    assert api and key
    place = {"api": api.group(), "api_key": key.group()}
    assert _final(place, payment["id"])["receipt"]


def _final(place: dict[str, Any], payment_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    payment: dict[str, Any] = {}
    while time.monotonic() < deadline:
        payment = asked(place, f"/v1/payments/{payment_id}")["data"]
        if payment["status"] not in {"pending", "unknown"}:
            break
        time.sleep(0.2)
    return payment
