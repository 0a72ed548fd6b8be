"""The bench runs from end to end, so that it is not found broken on the day that figures matter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What others read from results.json. How large they are says nothing about a bench this short.
FIGURES = {
    "lifecycles_per_second", "floor_lifecycles_per_second", "ratio_to_floor",
    "cpu_ms_per_lifecycle", "cpu_ms_per_lifecycle_python", "cpu_ms_per_lifecycle_postgresql",
    "create_added_ms", "callback_to_200_ms", "callback_to_webhook_ms", "create_added_alone_ms",
}


@pytest.mark.timeout(180)
def test_a_short_bench_measures_everything_and_leaves_nothing(tmp_path: Path):
    """It starts eight processes and believes its figures only when every lifecycle is proven."""
    said = subprocess.run(
        [
            sys.executable, "-m", "bench", "--seconds", "2", "--pairs", "1", "--concurrency", "4",
            "--quick", "--together",
            "--results", tmp_path / "results.json", "--page", tmp_path / "performance.md",
            "--folder", tmp_path / "run", "--date", "2026-01-05",
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )
    assert said.returncode == 0, said.stderr

    found = json.loads((tmp_path / "results.json").read_text())
    page = (tmp_path / "performance.md").read_text()
    assert set(found) >= FIGURES
    assert found["lifecycles"] > 0
    assert found["verify"]["green"]
    assert "2026-01-05" in page
    assert not (tmp_path / "run").exists()
    assert _left(tmp_path) == []


def _left(folder: Path) -> list[str]:
    """Return the command lines of processes that still have to do with `folder`."""
    lines = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # no process, or it has ended meanwhile
        lines += [line] if f"{folder}/run" in line else []
    return lines
