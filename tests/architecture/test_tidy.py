"""The house rules hold for every file, and each rule is shown to catch what breaks it."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tests.architecture import rules
from tests.architecture.rules import Rule, Source

ROOT = Path(__file__).parents[2]


def paths(folder: str) -> list[str]:
    """Return the Python files under `folder`, as paths from the root."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py"))


def published() -> list[str]:
    """Return every file that is in the repository, or would be with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout
    return sorted(path for path in listed.split("\0") if path and (ROOT / path).is_file())


def complaints(path: str, checks: tuple[Rule, ...]) -> list[str]:
    """Return what the rules have against one file."""
    source = Source(PurePosixPath(path), (ROOT / path).read_text(encoding="utf-8"))
    return [f"{path}:{each}" for check in checks for each in check(source)]


@pytest.mark.parametrize("path", paths("src"))
def test_the_product_is_tidy(path: str) -> None:
    assert complaints(path, rules.RULES_OF_SRC) == []


@pytest.mark.parametrize("path", paths("tests") + paths("bench") + paths("docs"))
def test_its_tests_and_tools_are_tidy(path: str) -> None:
    assert complaints(path, rules.RULES_EVERYWHERE) == []


def test_every_file_is_fit_to_publish() -> None:
    """Nobody else has this machine's paths, and everybody has their own package index."""
    found = []
    for path in published():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture says nothing about this machine
        found += [f"{path}:{each}" for each in rules.text_is_fit_to_publish(text)]

    assert found == []


SHORT = '"""A module."""\n'

BAD_SAMPLES = [
    (rules.file_is_short, "src/hakika/domain/fee.py", "x = 1\n" * 501),
    (rules.functions_fit_a_screen, "src/hakika/domain/fee.py", "def f():\n" + "    x = 1\n" * 60),
    (
        rules.functions_fit_a_screen, "src/hakika/domain/fee.py",
        "class A:\n    async def f(self):\n" + "        x = 1\n" * 60,
    ),
    (rules.names_mean_something, "src/hakika/domain/utils.py", SHORT),
    (rules.names_mean_something, "src/hakika/common/fee.py", SHORT),
    (rules.names_mean_something, "src/hakika/services/fees.py", "async def process_fee(): ..."),
    (rules.catches_are_narrow, "src/hakika/services/fees.py", "try: f()\nexcept: pass"),
    (rules.catches_are_narrow, "src/hakika/api/app.py", "try: f()\nexcept Exception: pass"),
    (rules.catches_are_narrow, "src/hakika/api/app.py", "try: f()\nexcept (E, BaseException): x"),
    (rules.catches_are_narrow, "src/hakika/api/app.py", "try: f()\nexcept builtins.Exception: x"),
    (rules.catches_are_narrow, "src/hakika/api/app.py", "with suppress(Exception): f()"),
    (rules.clock_is_asked_in_one_place, "src/hakika/store/fees.py", "now = datetime.now(UTC)"),
    (rules.clock_is_asked_in_one_place, "src/hakika/store/fees.py", "datetime.datetime.utcnow()"),
    (rules.clock_is_asked_in_one_place, "src/hakika/store/fees.py", "field(factory=datetime.now)"),
    (rules.clock_is_asked_in_one_place, "src/hakika_simulator/app.py", "at = time.time()"),
    (rules.clock_is_asked_in_one_place, "src/hakika/api/app.py", "from time import time"),
    (rules.only_the_command_line_prints, "src/hakika/worker/app.py", "print('here')"),
    (rules.everything_public_is_explained, "src/hakika/domain/fee.py", "x = 1"),
    (rules.everything_public_is_explained, "src/hakika/domain/fee.py", SHORT + "def f(): ..."),
    (rules.everything_public_is_explained, "src/hakika/domain/fee.py", SHORT + "class Fee: x = 1"),
    (
        rules.everything_public_is_explained, "src/hakika/domain/fee.py",
        SHORT + 'class Fee:\n    """A fee."""\n    def share(self): ...',
    ),
    (rules.todos_have_a_number, "src/hakika/domain/fee.py", "x = 1  # TODO: mend"),
]

GOOD_SAMPLES = [
    (rules.file_is_short, "src/hakika/domain/fee.py", "x = 1\n" * 500),
    (rules.functions_fit_a_screen, "src/hakika/domain/fee.py", "def f():\n" + "    x = 1\n" * 59),
    (rules.names_mean_something, "src/hakika/domain/fee.py", SHORT),
    (rules.names_mean_something, "src/hakika/api/fees.py", "async def process_fee(): ..."),
    (rules.catches_are_narrow, "src/hakika/worker/app.py", "try: f()\nexcept Exception: pass"),
    (rules.catches_are_narrow, "src/hakika/store/fees.py", "try: f()\nexcept OSError: pass"),
    (rules.catches_are_narrow, "src/hakika/store/a.py", "try: f()\nexcept Exception: raise"),
    (rules.clock_is_asked_in_one_place, "src/hakika/services/runtime.py", "datetime.now(UTC)"),
    (rules.clock_is_asked_in_one_place, "src/hakika/store/fees.py", "time.monotonic()"),
    (rules.only_the_command_line_prints, "src/hakika/cli/keys.py", "print('here')"),
    (rules.everything_public_is_explained, "src/hakika/domain/fee.py", SHORT + "def _f(): ..."),
    (
        rules.everything_public_is_explained, "src/hakika/domain/fee.py",
        SHORT + 'class Fee:\n    """A fee."""\n    @property\n    def cents(self): ...',
    ),
    (rules.todos_have_a_number, "src/hakika/domain/fee.py", "x = 1  # TODO(#12): mend"),
]


def says(check: Rule, path: str, text: str) -> list[str]:
    """Return what one rule has against one text."""
    return list(check(Source(PurePosixPath(path), text)))


@pytest.mark.parametrize(("check", "path", "text"), BAD_SAMPLES)
def test_a_rule_sees_what_breaks_it(check: Rule, path: str, text: str) -> None:
    assert len(says(check, path, text)) == 1


@pytest.mark.parametrize(("check", "path", "text"), GOOD_SAMPLES)
def test_a_rule_lets_the_rest_be(check: Rule, path: str, text: str) -> None:
    assert says(check, path, text) == []


def test_every_rule_has_a_bad_and_a_good_sample() -> None:
    """A rule that was never seen to fail may be one that cannot."""
    everyone = set(rules.RULES_OF_SRC)

    assert {check for check, _, _ in BAD_SAMPLES} == everyone
    assert {check for check, _, _ in GOOD_SAMPLES} == everyone


@pytest.mark.parametrize(
    "text",
    [
        "cd /work/" + "main && make", "/ro" + "ot/.cache", "see /ho" + "me/asha/hakika",
        "https://py" + "pi.org/simple", "files.python" + "hosted.org", "registry.np" + "mjs.org",
        "x==1\n--index" + "-url https://example.com", "--find" + "-links /wheels",
    ],
)
def test_unpublishable_text_is_seen(text: str) -> None:
    assert len(list(rules.text_is_fit_to_publish(text))) == 1


@pytest.mark.parametrize(
    "text",
    ["POST /v1/payments", "/workers/main", "network/main", "/homes/", "pip install hakika"],
)
def test_fit_text_is_let_be(text: str) -> None:
    assert list(rules.text_is_fit_to_publish(text)) == []
