"""A file of payouts goes out through two workers, one of which is killed, and nobody is paid twice.

The gateway counts calls and drops answers meanwhile: what the simulator says happened is compared
with every row. `python -m bench.bulk` does the same with ten thousand rows.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.journeys.bulk import Limits, sent
from tests.journeys.world import open_world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]


async def test_every_row_ends_right_though_a_worker_is_killed_and_answers_are_lost(
    module_database_url: str, tmp_path: Path,
):
    limits = Limits(rows=100, per_second=50, burst=10, answers_lost_percent=2, starts_at=40)
    async with asyncio.timeout(90), open_world(module_database_url, data=tmp_path) as world:
        found = await sent(world, limits, kill_after=40)
        report = await world.verified()

    assert [each.violations for each in report.checks if not each.green] == []
    assert found.paid_twice == []
    assert found.untrue == []
    assert found.counts["completed"] >= 0.6 * limits.rows, found
