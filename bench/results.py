"""The figures: compiled from the rounds, and kept as JSON. `pages.py` shows them to people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.rounds import Round, Waits

PATH = Path(__file__).parent / "results.json"

Results = dict[str, Any]

# What is measured by itself, beside the bench: each keeps its figures until it is measured again.
PARTS = ("growth", "reads", "imports", "month")

PACKAGES = ("hakika", "uvicorn", "fastapi", "psycopg", "aiohttp", "uvloop")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of the bench has measured."""

    rounds: Sequence[Round]                 # the closed ones, Hakika's and the floor's in turn
    half_load_per_second: float
    half_load: Waits
    floor_half_load: Waits
    alone: Waits
    floor_alone: Waits
    memory_mb: Mapping[str, float]
    commits_per_lifecycle: float
    invariants: Sequence[str]               # that `hakika verify` found to hold
    lifecycles: int                         # of Hakika, in all
    conditions: Mapping[str, Any]


def compiled(measured: Measured) -> Results:
    """Return the figures. Milliseconds and megabytes; rates a second; medians over rounds."""
    hakika = [each for each in measured.rounds if each.contender == "hakika"]
    floor = [each for each in measured.rounds if each.contender == "floor"]
    ours, bare = _speed(hakika), _speed(floor)
    return {
        "lifecycles_per_second": ours["lifecycles_per_second"],
        "floor_lifecycles_per_second": bare["lifecycles_per_second"],
        "ratio_to_floor": round(median(
            one.per_second / max(other.per_second, 1)
            for one, other in zip(hakika, floor, strict=True)
        ), 3),
        "cpu_ms_per_lifecycle": ours["cpu_ms"],
        "cpu_ms_per_lifecycle_python": ours["cpu_ms_python"],
        "cpu_ms_per_lifecycle_postgresql": ours["cpu_ms_postgresql"],
        "commits_per_lifecycle": round(measured.commits_per_lifecycle, 2),
        "half_load_per_second": round(measured.half_load_per_second, 1),
        "create_added_ms": quantiles(measured.half_load.create_added),
        "callback_to_200_ms": quantiles(measured.half_load.callback_to_200),
        "callback_to_webhook_ms": quantiles(measured.half_load.callback_to_webhook),
        "create_added_alone_ms": quantiles(measured.alone.create_added),
        "memory_mb": dict(measured.memory_mb),
        "hakika": ours,
        "floor": {
            **bare,
            "create_added_ms": quantiles(measured.floor_half_load.create_added),
            "callback_to_200_ms": quantiles(measured.floor_half_load.callback_to_200),
            "callback_to_webhook_ms": quantiles(measured.floor_half_load.callback_to_webhook),
            "create_added_alone_ms": quantiles(measured.floor_alone.create_added),
        },
        "lifecycles": measured.lifecycles,
        "verify": {"green": True, "invariants": list(measured.invariants)},
        "conditions": dict(measured.conditions) | {
            "yardstick_ms": round(median(each.yardstick_ms for each in measured.rounds), 1),
        },
    }


def _speed(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the medians over rounds of what a lifecycle costs one contender."""

    def each(part: str) -> float:
        return round(median(one.cpu_ms_each(part) for one in rounds), 3)

    parts = sorted({name for one in rounds for name in one.cpu_ms})
    return {
        "lifecycles_per_second": round(median(one.per_second for one in rounds), 1),
        "rounds_per_second": [round(one.per_second, 1) for one in rounds],
        "cpu_ms": round(
            median(one.cpu_ms_each("python") + one.cpu_ms_each("postgresql") for one in rounds), 3,
        ),
        "cpu_ms_python": each("python"),
        "cpu_ms_postgresql": each("postgresql"),
        "cpu_ms_of_parts": {
            name: each(name) for name in parts if name not in {"python", "postgresql", "double"}
        },
        "wal_bytes_per_lifecycle": round(median(one.wal_bytes_per_lifecycle for one in rounds)),
        "machine_idle": round(median(one.idle for one in rounds), 3),
        "machine_others": round(median(one.others for one in rounds), 3),
        "machine_stolen": round(median(one.stolen for one in rounds), 3),
    }


def quantiles(samples: Sequence[float]) -> dict[str, float | int]:
    """Return p50, p95 and p99 of sorted samples, and how many there are."""
    found: dict[str, float | int] = {
        f"p{percent}": round(samples[min(len(samples) * percent // 100, len(samples) - 1)], 2)
        for percent in (50, 95, 99) if samples
    }
    return found | {"samples": len(samples)}


def package_versions() -> dict[str, str]:
    """Return the versions of what the figures depend on."""
    return {name: version(name) for name in PACKAGES}


def read(path: Path) -> Results:
    """Return the figures that were written before; none, if there are none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write(found: Results, path: Path, *, part: str = "") -> Results:
    """Write the figures of the bench, or of one part, as JSON; return them with all the others."""
    known = read(path)
    if part:
        whole = known | {part: found}
    else:
        whole = found | {name: known[name] for name in PARTS if name in known}
    path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return whole
