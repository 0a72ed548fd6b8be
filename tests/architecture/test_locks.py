"""The locks hold what pyproject.toml asks for, so a forgotten `make lock` shows here."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def locked(name: str) -> dict[str, set[str]]:
    """Return the locked versions by package; a package may have one for each kind of machine."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([^ ;]+)", text, re.MULTILINE):
        versions.setdefault(canonicalize_name(package), set()).add(version)
    return versions


def unlocked(wanted: list[str], versions: dict[str, set[str]]) -> list[str]:
    """Return which requirements no locked version meets."""
    return [
        text
        for text in wanted
        if not any(
            requirement.specifier.contains(version, prereleases=True)
            for requirement in [Requirement(text)]
            for version in versions.get(canonicalize_name(requirement.name), set())
        )
    ]


@pytest.mark.parametrize("name", ["base.txt", "dev.txt"])
def test_everything_asked_for_is_locked(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(project["project"]["dependencies"])
    if name == "dev.txt":
        wanted += project["dependency-groups"]["dev"]
        for extra in project["project"]["optional-dependencies"].values():
            wanted += extra

    assert unlocked(wanted, locked(name)) == [], "run `make lock`"


def test_tests_run_on_the_versions_that_are_shipped() -> None:
    shipped = locked("base.txt")
    tested = locked("dev.txt")

    assert {name: tested.get(name) for name in shipped} == shipped


def test_what_is_not_locked_is_seen() -> None:
    versions = {"fastapi": {"0.165.0"}}

    assert unlocked(["FastAPI>=0.165", "fastapi>=0.166", "typer"], versions) == [
        "fastapi>=0.166", "typer",
    ]
