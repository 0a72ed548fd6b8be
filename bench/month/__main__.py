"""`python -m bench.month`: live through a simulated month and say whether each shilling is found.

`make month` runs it. It exits with 0 when everything is as it must be (green), 4 when not (red),
and 1 when it could not be lived at all.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import meters, pages, results
from bench.month.life import live
from bench.month.plan import Plan
from bench.month.verdict import Verdict, judge
from bench.month.world import open_world
from bench.processes import BenchFailed
from hakika.cli import logs
from hakika.domain.times import NAIROBI
from hakika.services.runtime import clock
from hakika.store import embedded
from hakika.store.migrate import migrate

EXIT_FAILED, EXIT_RED = 1, 4
DAYS_MIN = 4                           # an outage, and a day without pull, and days around them


def main() -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args()
    logs.set_up("error")
    console = Console(stderr=True)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="hakika-month-"))
    try:
        server = embedded.start(folder / "postgres")
        try:
            migrate(server.url)
            postmaster = int((folder / "postgres/data-18/postmaster.pid").read_text().split()[0])
            plan = Plan(options.payments, options.days, starts_at())
            found = uvloop.run(_measured(server.url, folder, plan, postmaster, console))
        finally:
            server.stop()
    except BenchFailed as failure:
        console.print(f"The month could not be lived. {failure}", markup=False)
        return EXIT_FAILED
    except KeyboardInterrupt:
        console.print("Stopped.")
        return EXIT_FAILED
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    found["seconds_with_postgresql"] = round(time.monotonic() - began, 1)
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    if found["green"]:
        pages.write_page(results.write(found, options.results, part="month"), options.page)
    _show(found, console)
    return 0 if found["green"] else EXIT_RED


def starts_at() -> datetime:
    """Return the coming midnight in Nairobi: months ahead are made as the clock goes on."""
    today = clock().astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)


async def _measured(
    database_url: str, folder: Path, plan: Plan, postmaster: int, console: Console,
) -> dict[str, Any]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    began = time.monotonic()
    with Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=2) as bar:
        task = bar.add_task("setting up", total=plan.payments)
        async with open_world(database_url, folder, starts=plan.starts) as world:
            bar.update(task, description="living")
            lived = await live(world, plan, progress=lambda more: bar.advance(task, more))
            bar.update(task, description="judging")
            lived_seconds = time.monotonic() - began
            verdict = await judge(world, plan, lived)
            cpu = {
                name: round(meters.cpu_ms([pid]) / 1000, 1)
                for name, pid in {**world.pids, "postgresql": postmaster}.items()
            } | {"orders, rounds, verdict": round(time.process_time(), 1)}
    return _document(plan, verdict) | {
        "seconds": round(time.monotonic() - began, 1), "lived_seconds": round(lived_seconds, 1),
        "cpu_seconds": cpu, "yardstick_ms": round(meters.yardstick_ms(), 1),
    }


def _document(plan: Plan, verdict: Verdict) -> dict[str, Any]:
    return {
        "green": verdict.green, "payments": plan.payments, "days": plan.days,
        "wrong": list(verdict.wrong), "planted": dict(verdict.planted),
        "found": dict(verdict.found),
    }


def _show(found: dict[str, Any], console: Console) -> None:
    for each in found["wrong"]:
        console.print(f"  {each}", markup=False)
    planted = ", ".join(f"{count:,} {name}" for name, count in found["planted"].items())
    console.print(f"Planted: {planted.replace('_', ' ')}.")
    days = f"{found['found']['days_green']} days are green"
    receipts = f"{found['found']['receipts']:,} receipts"
    if found["green"]:
        console.print(
            f"[bold green]Green.[/] {found['payments']:,} orders in {found['days']} days, "
            f"{receipts}, {days}; truth and books agree. {found['seconds']} s.",
        )
    else:
        console.print(f"[bold red]Red.[/] {receipts}, {days}; see above. {found['seconds']} s.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.month", description=__doc__)
    add = parser.add_argument
    add("--payments", type=int, default=20_000, help="how many payers are asked")
    add("--days", type=_days, default=30, help=f"how many days, {DAYS_MIN} at least")
    add("--json", action="store_true", help="write what came of it to stdout as JSON")
    add("--results", type=Path, default=results.PATH, help="where the figures go")
    add("--page", type=Path, default=pages.PATH, help="where the page for people goes")
    add("--keep", action="store_true", help="keep the folder with the database and the logs")
    return parser


def _days(text: str) -> int:
    days = int(text)
    if days < DAYS_MIN:
        raise argparse.ArgumentTypeError(f"a month of fewer than {DAYS_MIN} days shows nothing")
    return days


if __name__ == "__main__":
    sys.exit(main())
