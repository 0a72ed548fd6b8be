"""One `hakika dev` for most tests of the command line: starting it is what takes time."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from hakika.cli import main
from tests.cli.programs import Said, running


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A running `hakika dev`, 20 times faster than life: the line it printed."""
    folder: Path = tmp_path_factory.mktemp("dev")
    with running(
        "dev", "--json", "--port", "0", "--speed", "20", "--data", folder / "shop",
        log=folder / "log",
    ) as dev:
        found = dev.place()
        yield found
        assert dev.end() == 0
        assert dev.process.stdout is not None
        assert dev.process.stdout.read() == ""  # exactly one line


@pytest.fixture
def own_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test set up logs, and give them back to pytest afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("hakika")
    before = (root.handlers, root.level, ours.level)
    configure = structlog.configure
    # A logger that is kept would write to this test's streams for ever.
    monkeypatch.setattr(
        structlog, "configure",
        lambda **settings: configure(**settings | {"cache_logger_on_first_use": False}),
    )
    yield
    root.handlers, root.level = before[0], before[1]
    ours.setLevel(before[2])
    structlog.reset_defaults()


@pytest.fixture
def here(
    own_logs: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> Callable[..., Said]:
    """Run a command to its end inside this process, which has imported everything already."""

    def run_here(*words: str | Path, **settings: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["hakika", *map(str, words)])
        for name, text in settings.items():
            monkeypatch.setenv(name, text)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        output, errors = capsys.readouterr()
        return Said(words, int(ended.value.code or 0), output, errors)

    return run_here
