"""The time budget of a test run: a slow suite is a suite that people stop running."""

from __future__ import annotations

import os
import time

import pytest

# What one run of everything may take on two cores. Above it that is said.
BUDGET_SECONDS = 180

# Above this CI fails. A whole run takes about ten minutes on a quiet machine, and took thirteen
# beside other work; CI's are shared: a busy neighbour is no reason to stop a change.
CI_SECONDS_MAX = 1_080

BEGAN = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    """Note when the run began."""
    config.stash[BEGAN] = time.monotonic()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a green run red in CI when it took too long."""
    too_slow = _in_ci() and _is_over(session.config, CI_SECONDS_MAX)
    if too_slow and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say it, when the run took too long."""
    if _is_over(config, BUDGET_SECONDS):
        took = time.monotonic() - config.stash[BEGAN]
        terminalreporter.write_line(
            f"The tests took {took:.0f} s; their budget is {BUDGET_SECONDS} s.", red=True, bold=True
        )


def _is_over(config: pytest.Config, seconds_max: float) -> bool:
    is_worker = hasattr(config, "workerinput")  # xdist's processes leave this to the main one
    return not is_worker and time.monotonic() - config.stash[BEGAN] > seconds_max


def _in_ci() -> bool:
    return os.environ.get("CI") == "true"
