"""What happens to browser tests when there is no browser: skipped aloud, and in CI failed."""

from __future__ import annotations

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_INSTALL = (
    "There is no Chromium for the browser tests. On Debian: apt-get install chromium. "
    "Elsewhere: set CHROMIUM to the path of one."
)


def chromium() -> str | None:
    """Return the path of the system's Chromium, or None."""
    names = (os.environ.get("CHROMIUM", ""), *NAMES)
    return next((path for name in names if name and (path := shutil.which(name))), None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test marked `browser` run only where there is one."""
    if item.get_closest_marker("browser") is None or chromium() is not None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(HOW_TO_INSTALL, pytrace=False)
    pytest.skip(HOW_TO_INSTALL)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many were skipped, where nobody can overlook it."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if HOW_TO_INSTALL in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("browser tests SKIPPED", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{len(skipped)} did not run. {HOW_TO_INSTALL}", red=True)
