"""What is measured, in which order. Read `measure` first.

1. Closed rounds with the simulator, Hakika and the floor in turn: the rate and the CPU time. Both
   meet the same noise of the machine, so their ratio is steadier than either figure.
2. `hakika verify`, with the simulator's truth.
3. With the double, which times itself: an open round at half of the rate that was found, and a
   closed one with a single lifecycle at a time.
4. `hakika verify` again, and every delivery counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import LiteralString

import psycopg
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import meters, processes, results, stand
from bench.processes import BenchFailed
from bench.results import Measured, Results
from bench.rounds import Round, Waits, run_round, waits
from bench.stand import Contender, Shop, Stand

# How the time under load is shared out. A closed round is one of 2 × pairs.
CLOSED_SHARE, HALF_LOAD_SHARE, FLOOR_HALF_LOAD_SHARE, ALONE_SHARE = 0.55, 0.25, 0.1, 0.05

# Before the rounds, each contender makes this share of a round that nobody counts: statements get
# prepared, caches filled.
WARM_UP_SHARE = 0.5

SECONDS_MIN = 0.5  # of a round, so that the shortest bench sees something in each

HALF = 0.5

_COMMITS: LiteralString = """
    select xact_commit as commits from pg_stat_database where datname = current_database()
"""
_UNRECORDED: LiteralString = """
    select count(*) as deliveries, count(*) filter (where state <> 'succeeded') as unrecorded
      from deliveries
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line, and the server to use."""

    folder: Path
    database_url: str = field(repr=False)
    postmaster: int
    seconds: float
    pairs: int
    concurrency: int
    apart: bool
    quick: bool                     # the double for everything: no truth, fewer processes
    date: str
    settings: Mapping[str, str]


@dataclass(slots=True)
class Course:
    """One run of the bench: the stand, what was asked for, and what to show meanwhile."""

    stand: Stand
    shop: Shop
    options: Options
    step: Callable[[str], None]
    lifecycles: int = 0             # of Hakika, in all rounds, counted or not

    async def round(
        self, contender: Contender, what: str, *, share: float, concurrency: int = 0,
        rate: float = 0.0,
    ) -> Round:
        """Run a round that takes `share` of the time under load."""
        self.step(f"{contender.name}: {what}")
        flown = await run_round(
            self.stand, contender, seconds=self.options.seconds * share / 1.2,
            concurrency=concurrency, rate=rate,
        )
        if contender.name == "hakika":
            self.lifecycles += flown.lifecycles_in_all
        return flown


async def measure(options: Options, console: Console) -> Results:
    """Measure everything and return the figures.

    Raises:
        BenchFailed: something did not work, or the books are wrong in the end. No figures then.
    """
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, refresh_per_second=2) as bar:
        task = bar.add_task("setting up", total=2 * options.pairs + 10)

        def step(what: str) -> None:
            bar.update(task, description=what, advance=1)
            if not console.is_terminal:
                console.print(what)

        folder, database_url = options.folder, options.database_url
        opening = asyncio.create_task(stand.open_shop(folder, database_url, options.settings))
        try:
            async with stand.open_stand(
                folder, database_url, postmaster=options.postmaster,
            ) as ready:
                await stand.create_floor_database(database_url)
                return await _measured(Course(ready, await opening, options, step))
        finally:
            opening.cancel()


async def _measured(course: Course) -> Results:
    quick, ready = course.options.quick, course.stand
    commits_before = await _commits(ready)
    async with AsyncExitStack() as running:
        first = ready.double_url if quick else ready.simulator_url
        contenders = await _both(course, running, first)
        await stand.add_endpoint(contenders[0], ready.webhook_url)
        rounds = await _closed_rounds(course, contenders)
        memory, closed = _memory(ready, contenders[0]), course.lifecycles
        commits = await _commits(ready) - commits_before
        if not quick:
            await running.aclose()
            await _verify(course, "--truth", ready.simulator_url)
            contenders = await _both(course, running, ready.double_url)
        per_second = median(each.per_second for each in rounds if each.contender == "hakika")
        rate = max(HALF * per_second, 1.0)
        half_load, floor_half_load, alone, floor_alone = await _waits(course, contenders, rate)
    checks = await _verify(course)
    await _refuse_unrecorded(course)
    return results.compiled(Measured(
        rounds=rounds, half_load_per_second=rate, half_load=half_load,
        floor_half_load=floor_half_load, alone=alone, floor_alone=floor_alone,
        memory_mb=memory, commits_per_lifecycle=commits / closed,
        invariants=checks, lifecycles=course.lifecycles,
        conditions={
            **meters.machine(), "date": course.options.date, "seconds": course.options.seconds,
            "pairs": course.options.pairs, "concurrency": course.options.concurrency,
            "deployment": "hakika api + hakika worker" if course.options.apart else "hakika serve",
            **await _versions(course.stand),
        },
    ))


async def _closed_rounds(
    course: Course, contenders: tuple[Contender, Contender],
) -> list[Round]:
    """Return the counted rounds of both contenders in turn."""
    pairs = course.options.pairs
    share = CLOSED_SHARE / (2 * pairs + 2 * WARM_UP_SHARE)
    concurrency = course.options.concurrency
    for each in contenders:
        await course.round(
            each, "warming up", share=share * WARM_UP_SHARE, concurrency=concurrency,
        )
    return [
        await course.round(
            each, f"closed round {number} of {pairs}", share=share, concurrency=concurrency,
        )
        for number in range(1, pairs + 1)
        for each in contenders
    ]


async def _waits(
    course: Course, contenders: tuple[Contender, Contender], rate: float,
) -> tuple[Waits, Waits, Waits, Waits]:
    """Return what was waited for at half load and alone, by Hakika's callers and the floor's."""
    found: list[Waits] = []

    async def wait(
        contender: Contender, what: str, share: float, *, concurrency: int = 0, rate: float = 0.0,
    ) -> None:
        await course.stand.timings()  # forget what was before
        flown = await course.round(
            contender, what, share=share, concurrency=concurrency, rate=rate,
        )
        found.append(waits(flown, await course.stand.timings()))

    for each in contenders:
        await course.round(each, "warming up again", share=ALONE_SHARE / 2, concurrency=8)
    shares = HALF_LOAD_SHARE, FLOOR_HALF_LOAD_SHARE
    for each, share in zip(contenders, shares, strict=True):
        await wait(each, f"open load of {rate:.0f} a second", share, rate=rate)
    for each in contenders:
        await wait(each, "one at a time", ALONE_SHARE / 2, concurrency=1)
    half_load, floor_half_load, alone, floor_alone = found
    return half_load, floor_half_load, alone, floor_alone


async def _both(
    course: Course, running: AsyncExitStack, daraja_url: str,
) -> tuple[Contender, Contender]:
    """Start both contenders, which end with `running`."""
    return (
        await running.enter_async_context(stand.hakika(
            course.stand, course.shop, daraja_url=daraja_url, apart=course.options.apart,
        )),
        await running.enter_async_context(stand.bare_floor(course.stand, daraja_url=daraja_url)),
    )


def _memory(ready: Stand, contender: Contender) -> dict[str, float]:
    return {
        **{name: round(meters.rss_mb(pid), 1) for name, pid in contender.pids.items()},
        "postgresql": round(meters.memory_mb([ready.postmaster]), 1),
    }


async def _verify(course: Course, *words: str) -> list[str]:
    """Run `hakika verify` and return the invariants that hold. Raises: BenchFailed, when red."""
    course.step("hakika verify")
    report = await processes.hakika(
        "verify", "--json", *words, environment=course.shop.environment,
        log=course.stand.log("commands"),
    )
    if not report.get("green"):
        red = [check for check in report["checks"] if check["violations_count"]]
        raise BenchFailed("hakika verify is red:\n" + "\n".join(
            f"{check['code']} ({check['violations_count']}): {sentence}"
            for check in red for sentence in check["violations"][:3]
        ))
    return [check["code"] for check in report["checks"]]


async def _refuse_unrecorded(course: Course) -> None:
    """Raise BenchFailed unless each lifecycle's delivery is recorded as delivered."""
    async with await psycopg.AsyncConnection.connect(course.stand.database("hakika")) as connection:
        row = await (await connection.execute(_UNRECORDED)).fetchone()
    if row != (course.lifecycles, 0):
        raise BenchFailed(
            f"There were {course.lifecycles} lifecycles; deliveries, and those not recorded as "
            f"delivered: {row}.",
        )


async def _commits(ready: Stand) -> int:
    """Return the commits in Hakika's database until now, but for the last second's."""
    async with await psycopg.AsyncConnection.connect(ready.database("hakika")) as connection:
        row = await (await connection.execute(_COMMITS)).fetchone()
    assert row is not None
    return int(row[0])


async def _versions(ready: Stand) -> dict[str, str]:
    async with await psycopg.AsyncConnection.connect(ready.database_url) as connection:
        row = await (await connection.execute("show server_version")).fetchone()
    assert row is not None
    return {"postgresql": str(row[0]), **results.package_versions()}
