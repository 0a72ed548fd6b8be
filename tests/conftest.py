"""What every test run shares; each plug-in says for itself what it does."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.browser", "tests.budget", "tests.postgres"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one file on one core, so that what they share is made once.

    Files that share more than that name a group of their own with `xdist_group`.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
