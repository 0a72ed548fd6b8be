"""The pages that `make docs` writes say what the code says today."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hakika.domain import errors
from hakika.domain.payment import COLUMNS, LIFECYCLE, State
from hakika.settings import Settings
from tests.architecture import rules

DOCS = Path(__file__).parents[2] / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generate = _generator()


def text(name: str) -> str:
    """Return a page as it stands in docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(generate.PAGES))
def test_a_generated_page_is_current(name: str) -> None:
    assert text(name) == generate.PAGES[name](), "run `make docs`"


def test_a_stale_and_a_missing_page_are_seen(tmp_path: Path) -> None:
    for name, write in generate.PAGES.items():
        (tmp_path / name).write_text(write(), encoding="utf-8")
    (tmp_path / "errors.md").write_text(text("errors.md") + "One more word.", encoding="utf-8")
    (tmp_path / "lifecycle.md").unlink()

    assert generate.stale(tmp_path) == ["lifecycle.md", "errors.md"]


def test_every_error_code_is_documented() -> None:
    codes = [
        thing.code
        for thing in vars(errors).values()
        if isinstance(thing, type)
        and issubclass(thing, errors.HakikaError)
        and thing is not errors.HakikaError
    ]

    assert rules.missing_words(codes, text("errors.md")) == []


def test_every_setting_is_documented() -> None:
    variables = [f"HAKIKA_{name.upper()}" for name in Settings.model_fields]

    assert rules.missing_words(variables, text("configuration.md")) == []


def test_a_missing_word_is_seen() -> None:
    assert rules.missing_words(["not_found", "gone"], "| `not_found` | gone |") == ["gone"]


def test_the_lifecycle_page_shows_the_grid() -> None:
    """Read back from the page: one row a state, and each cell that moves names where to."""
    rows = {
        cells[1].strip("* "): [cell.strip() for cell in cells[2:-1]]
        for line in text("lifecycle.md").splitlines()
        if line.startswith("| **") and len(cells := line.split("|")) == len(COLUMNS) + 3
    }

    assert list(rows) == [state.value for state in State]
    for state in State:
        for shown, cell in zip(rows[state.value], LIFECYCLE[state], strict=True):
            assert shown == cell.value or not isinstance(cell, State)


def test_a_changed_grid_changes_the_page() -> None:
    state = State.PENDING
    changed = dict(LIFECYCLE) | {state: (State.COMPLETED, *LIFECYCLE[state][1:])}

    assert generate.lifecycle(changed) != text("lifecycle.md")


@pytest.mark.parametrize("kind", [State, *{type(kind) for kind in COLUMNS}])
def test_every_state_and_fact_is_explained(kind: type[State]) -> None:
    """The page takes each meaning from the comment behind the member."""
    assert [member for member, meaning in generate.comments(kind).items() if not meaning] == []
