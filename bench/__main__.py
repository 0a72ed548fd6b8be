"""`python -m bench`: measure Hakika beside the floor, and write what came of it.

`make bench SECONDS=n` runs it. `--seconds` is the time under load in all; setting up and checking
takes about 15 s more. It ends everything that it started also when it fails or is told to stop.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import pages, results
from bench.growth import measure_growth
from bench.plan import Options, measure
from bench.processes import BenchFailed
from hakika.store import embedded


def main() -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args()
    console = Console(stderr=True)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="hakika-bench-"))
    folder.mkdir(exist_ok=True)
    try:
        server = embedded.start(folder / "postgres")
        try:
            postmaster = int((folder / "postgres/data-18/postmaster.pid").read_text().split()[0])
            plan = Options(
                folder=folder, database_url=server.url, postmaster=postmaster,
                seconds=options.seconds, pairs=options.pairs,
                concurrency=options.concurrency, apart=not options.together,
                quick=options.quick, date=options.date,
                settings=dict(each.split("=", 1) for each in options.setting),
            )
            sizes = [int(each) for each in options.growth.split(",") if each]
            found = asyncio.run(_stoppable(
                measure_growth(plan, sizes, console, only_reads=options.reads) if sizes
                else measure(plan, console)
            ))
        finally:
            server.stop()
    except BenchFailed as failure:
        console.print(f"The bench failed, so there are no figures. {failure}", markup=False)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped; there are no figures.")
        return 130
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    part = ("reads" if options.reads else "growth") if options.growth else ""
    whole = results.write(found, options.results, part=part)
    pages.write_page(whole, options.page)
    if options.reads:
        return pages.show_reads(found, console)
    pages.show(whole, console)
    return 0


async def _stoppable(measuring: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """Return what is measured, unless SIGINT (Ctrl-C) or SIGTERM comes before."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await measuring


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=30.0, help="time under load, in all")
    add("--pairs", type=int, default=4, help="how often Hakika and the floor take turns")
    add("--concurrency", type=int, default=128, help="lifecycles under way in a closed round")
    add("--growth", default="", metavar="SIZES",
        help="measure instead while the store grows to each of these, such as 10000,1000000")
    add("--reads", action="store_true",
        help="with --growth: measure pages and searches alone, and say whether they are in time")
    add("--together", action="store_true", help="run `hakika serve`, not its API and worker apart")
    add("--quick", action="store_true",
        help="the double is Daraja for everything: to see that the bench works")
    add("--date", default="", help="the day to write on the page")
    add("--setting", action="append", default=[], metavar="HAKIKA_NAME=VALUE",
        help="a setting for Hakika; repeatable")
    add("--results", type=Path, default=results.PATH, help="where the figures go")
    add("--page", type=Path, default=pages.PATH, help="where the page for people goes")
    add("--folder", type=Path, help="where databases and logs go meanwhile; left out: a new one")
    add("--keep", action="store_true", help="keep that folder in the end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
