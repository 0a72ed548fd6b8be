"""Who may import whom: every contract is kept, and every contract is shown to fail when broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

# What breaks each contract: a line, and the file that it is put into. A file that does not exist is
# a new one that nobody placed on a floor.
BREACHES = {
    "Floors: import only downwards": [
        ("hakika/domain/money.py", "import hakika.services"),
        ("hakika/store/__init__.py", "import hakika.daraja"),
        ("hakika/outbound/__init__.py", "import hakika.settings"),
        ("hakika/sheets/__init__.py", "import hakika.store"),
        ("hakika/api/__init__.py", "import hakika.worker"),
        ("hakika/nowhere/__init__.py", "ANYTHING = 1"),
        ("hakika/unplaced.py", "ANYTHING = 1"),
    ],
    "The core does no I/O": [
        ("hakika/domain/payment.py", "import os"),
        ("hakika/domain/money.py", "import time"),
    ],
    "SQL lives in the store": [
        ("hakika/services/__init__.py", "import psycopg"),
        ("hakika/worker/__init__.py", "from psycopg import sql"),
    ],
    "HTTP leaves through daraja and outbound": [
        ("hakika/services/__init__.py", "import aiohttp"),
        ("hakika/api/__init__.py", "from aiohttp import ClientSession"),
    ],
    "Files of others are read in sheets": [
        ("hakika/services/__init__.py", "import python_calamine"),
        ("hakika/api/__init__.py", "from csv import reader"),
    ],
    "Hakika and the simulator are strangers": [
        ("hakika/cli/__init__.py", "import hakika_simulator"),
        ("hakika_simulator/__init__.py", "import hakika"),
    ],
}


def contracts() -> list[dict[str, Any]]:
    """Return the contracts as pyproject.toml states them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["tool"]["importlinter"]["contracts"])


def verdicts(root: Path) -> tuple[dict[str, str], str]:
    """Return KEPT or BROKEN by contract for the sources under `root`, and all that was said."""
    said = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=root, env=os.environ | {"PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True, check=False, text=True,
    )
    text = said.stdout + said.stderr
    found = dict(re.findall(r"^(.+?) (KEPT|BROKEN)(?: \(.*\))?$", text, re.MULTILINE))
    assert set(found) == {each["name"] for each in contracts()}, text
    assert (said.returncode == 0) == (set(found.values()) == {"KEPT"}), text
    return found, text


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources that may be spoilt."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_every_contract_is_kept() -> None:
    found, said = verdicts(ROOT)

    assert set(found.values()) == {"KEPT"}, said


@pytest.mark.parametrize("name", BREACHES)
def test_a_contract_breaks_when_it_is_broken(copy: Path, name: str) -> None:
    for path, line in BREACHES[name]:
        spoilt = copy / "src" / path
        spoilt.parent.mkdir(exist_ok=True)
        with spoilt.open("a", encoding="utf-8") as source:
            source.write(f"\n{line}\n")

    found, said = verdicts(copy)

    assert found[name] == "BROKEN", said
    explained = said.rpartition(f"\n{name}\n---")[2]
    for path, _ in BREACHES[name]:
        assert _module(path) in explained, said


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_every_contract_has_a_breach() -> None:
    """A contract that was never seen to break may be one that cannot."""
    assert set(BREACHES) == {each["name"] for each in contracts()}


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("SQL lives in the store", {"hakika.store"}),
        ("HTTP leaves through daraja and outbound", {"hakika.daraja", "hakika.outbound"}),
        ("Files of others are read in sheets", {"hakika.sheets"}),
    ],
)
def test_a_contract_about_libraries_forgets_no_floor(name: str, may: set[str]) -> None:
    """A floor that is added later must be put under these too, or be one that may."""
    contract = next(each for each in contracts() if each["name"] == name)
    layers = next(each for each in contracts() if each["type"] == "layers")["layers"]
    floors = {f"hakika.{floor.strip()}" for layer in layers for floor in layer.split("|")}

    assert set(contract["source_modules"]) == floors - may
