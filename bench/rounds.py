"""Rounds: load on one contender for some seconds, with what it cost. Read `run_round` first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from bench import load, meters
from bench.meters import MachineTime
from bench.processes import BenchFailed
from bench.stand import Contender, Stand, address_of

# Load before a round counts, as a share of it: until then fewer lifecycles end than begin.
RAMP_SHARE, RAMP_SECONDS_MIN = 0.2, 1.0

_NS_PER_MS = 1e6

# Without a checkpoint before each round, one contender would pay for what the other has written.
_CHECKPOINT: LiteralString = "checkpoint"
_WAL: LiteralString = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as bytes"


@dataclass(frozen=True, slots=True)
class Round:
    """One round: what happened while it counted, and what it cost."""

    contender: str
    lifecycles: int
    seconds: float
    cpu_ms: Mapping[str, float]         # by part: python, postgresql, simulator, …
    idle: float                         # share of the machine's time, 0 to 1
    others: float                       # share taken by programs that are not of the bench
    stolen: float
    yardstick_ms: float
    lifecycles_in_all: int              # with the ramp before and what ended after
    wal_bytes_per_lifecycle: float
    flights: Sequence[tuple[str, int, int, int]]     # reference, sent, answered, told

    @property
    def per_second(self) -> float:
        """Lifecycles a second."""
        return self.lifecycles / self.seconds

    def cpu_ms_each(self, part: str) -> float:
        """Return the CPU milliseconds of one part for each lifecycle."""
        return self.cpu_ms.get(part, 0.0) / max(self.lifecycles, 1)


async def run_round(
    stand: Stand, contender: Contender, *, seconds: float, concurrency: int = 0, rate: float = 0.0,
) -> Round:
    """Put load on a contender and return what came of it.

    Closed with `concurrency`, open with `rate` (see `load.py`). A ramp that does not count goes
    before.

    Raises:
        BenchFailed: a lifecycle failed or was lost: there is nothing to be proud of.
    """
    wal_before = await _wal_bytes(contender, checkpoint=True)
    yardstick_ms = meters.yardstick_ms()
    host, port = address_of(contender.url)
    ramp_seconds = max(seconds * RAMP_SHARE, min(seconds, RAMP_SECONDS_MIN))
    await stand.order(load.Order(
        host, port, contender.key, seconds=seconds, ramp_seconds=ramp_seconds,
        concurrency=concurrency, rate=rate,
    ))
    await stand.heard("begin", seconds_max=ramp_seconds)
    before, time_before = _cpu(stand, contender), meters.machine_time()
    await stand.heard("end", seconds_max=seconds)
    after, time_after = _cpu(stand, contender), meters.machine_time()
    cpu_ms = {part: after[part] - before[part] for part in after}
    done = await stand.heard("done", seconds_max=load.DRAIN_SECONDS_MAX)
    _refuse_failures(contender, done)
    wal_bytes = await _wal_bytes(contender) - wal_before
    return Round(
        contender=contender.name, lifecycles=done["lifecycles"], seconds=done["seconds"],
        cpu_ms=cpu_ms, idle=time_after.idle_since(time_before),
        others=time_after.busy_since(time_before) - _ours(cpu_ms, stand, time_after, time_before),
        stolen=time_after.stolen_since(time_before), yardstick_ms=yardstick_ms,
        lifecycles_in_all=done["lifecycles_in_all"],
        wal_bytes_per_lifecycle=wal_bytes / max(done["lifecycles_in_all"], 1),
        flights=[tuple(each) for each in done["flights"]],
    )


def _refuse_failures(contender: Contender, done: Mapping[str, Any]) -> None:
    if done["failures_count"] or done["lost"]:
        raise BenchFailed(
            f"{contender.name}: {done['failures_count']} creates failed and {done['lost']} "
            "lifecycles never ended.\n" + "\n".join(done["failures"])
        )


def _cpu(stand: Stand, contender: Contender) -> dict[str, float]:
    return {
        "python": meters.cpu_ms(contender.pids.values()),
        "postgresql": meters.cpu_ms([stand.postmaster]),
        **{name: meters.cpu_ms([pid]) for name, pid in stand.pids.items()},
        **{name: meters.cpu_ms([pid]) for name, pid in contender.pids.items()},
    }


def _ours(
    cpu_ms: Mapping[str, float], stand: Stand, after: MachineTime, before: MachineTime,
) -> float:
    """Return the share of the machine's time that the bench itself took."""
    parts = ("python", "postgresql", *stand.pids)
    return sum(cpu_ms[part] for part in parts) / max(after.total_ms - before.total_ms, 1)


async def _wal_bytes(contender: Contender, *, checkpoint: bool = False) -> float:
    async with await psycopg.AsyncConnection.connect(
        contender.database_url, autocommit=True, row_factory=dict_row,
    ) as connection:
        if checkpoint:
            await connection.execute(_CHECKPOINT)
        row = await (await connection.execute(_WAL)).fetchone()
    assert row is not None
    return float(row["bytes"])


@dataclass(frozen=True, slots=True)
class Waits:
    """What was waited for, in milliseconds, sorted: one sample for each lifecycle."""

    create_added: Sequence[float]          # the create, less what Daraja took of it
    callback_to_200: Sequence[float]
    callback_to_webhook: Sequence[float]   # until the receiver has it


def waits(flown: Round, timings: Mapping[str, Sequence[int]]) -> Waits:
    """Return what was waited for in a round against the double, from its notes."""
    added, thanked, told = [], [], []
    for reference, sent_at, answered_at, told_at in flown.flights:
        pushed_at, accepted_at, called_back_at, thanked_at = timings[reference]
        added.append(((answered_at - sent_at) - (accepted_at - pushed_at)) / _NS_PER_MS)
        told.append((told_at - called_back_at) / _NS_PER_MS)
        if thanked_at:
            thanked.append((thanked_at - called_back_at) / _NS_PER_MS)
    return Waits(sorted(added), sorted(thanked), sorted(told))
