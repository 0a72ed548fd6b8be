"""`python -m bench.imports`: how long a large statement takes to import, and how much memory.

The simulator makes a day of payments and M-Pesa's statement of it, as CSV, XLSX and PDF. Each file
is imported into a fresh copy of one database, by the command and by the API: when nobody told of
any of the payments, and when all of them are in the books already. `make bench-imports` runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, LiteralString

import aiohttp
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from rich.console import Console

from bench import meters, pages, processes, results, stand
from bench.processes import BenchFailed
from bench.stand import SHORTCODE, Shop
from hakika.domain.times import NAIROBI
from hakika.store import embedded

FORMS = ("csv", "xlsx", "pdf")
HISTORY_AT_ONCE = 5_000
DAY_SECONDS = 86_400
SAMPLE_SECONDS = 0.1
SETTLED_SECONDS_MAX = 3_600.0

NOBODY_TOLD, KNOWN = "nobody told of them", "all in the books"

_STATE: LiteralString = """
    select (select count(*) from statements) as statements,
           (select count(*) from witnesses where next_try_at is not null) as waiting
"""
# As if others had told of the payments, and no statement yet.
_FORGET: LiteralString = """
    delete from statement_lines; delete from statements;
    delete from witnesses where source = 'statement'
"""


@dataclass(slots=True)
class Seen:
    """What was seen of an import from beside it. Times are seconds since it began."""

    kept_after: float = 0.0                # every line is durable
    settled_after: float = 0.0             # and every payment is found, or made
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    peaks_mb: dict[int, float] = field(default_factory=dict)   # of each process of ours
    backend_mb: float = 0.0                # the most that one process of PostgreSQL has alone


@dataclass(frozen=True, slots=True)
class Place:
    """Where an import goes."""

    folder: Path
    postmaster: int
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        """The address of the database."""
        return self.environment["HAKIKA_DATABASE_URL"]

    def log(self, name: str) -> Path:
        """Return where a process's stderr goes."""
        return self.folder / f"{name}.log"


async def measure(
    folder: Path, database_url: str, postmaster: int, *, lines: int, forms: Sequence[str],
    console: Console,
) -> dict[str, Any]:
    """Return the figures of every case. Raises: BenchFailed."""
    console.print("setting up")
    shop = await stand.open_shop(folder, database_url, {"HAKIKA_LOG_LEVEL": "warning"})
    day = (datetime.now(NAIROBI) - timedelta(days=1)).date().isoformat()
    files = await _files(folder, day, lines, forms)
    environment = dict(shop.environment)
    place = Place(folder, postmaster, environment | {
        "HAKIKA_DATABASE_URL": make_conninfo(database_url, dbname="case"),
    })
    cases: dict[str, Any] = {}
    for form in forms:
        for told in (NOBODY_TOLD, KNOWN):
            name = f"{form}, {told}"
            console.print(name)
            await _copy(database_url, "known" if told == KNOWN else "hakika", "case")
            by_command = await _by_command(place, files[form])
            _say(console, by_command)
            if "known" not in cases and told == NOBODY_TOLD and form == forms[0]:
                await _copy(database_url, "case", "known")
                await _execute(make_conninfo(database_url, dbname="known"), _FORGET)
            await _copy(database_url, "known" if told == KNOWN else "hakika", "case")
            by_api = await _by_api(place, shop, files[form], births=told == NOBODY_TOLD)
            _say(console, by_api)
            cases[name] = {"command": by_command, "api": by_api}
    return {
        "lines": lines, "cases": cases,
        "file_mb": {form: round(file.stat().st_size / 1e6, 1) for form, file in files.items()},
        "yardstick_ms": round(meters.yardstick_ms(), 1),
        "conditions": meters.machine(),
    }


def _say(console: Console, case: Mapping[str, Any]) -> None:
    console.print("  " + ", ".join(f"{name} {figure}" for name, figure in case.items()))


async def _files(
    folder: Path, day: str, lines: int, forms: Sequence[str],
) -> dict[str, Path]:
    """Return a day's statement in each form, made by the simulator."""
    log = folder / "simulator.log"
    async with processes.started(
        processes.PYTHON, "-m", "hakika_simulator", "--json", "--port", "0", log=log,
    ) as process:
        url = (await processes.ready(process, log))["simulator"]
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(url, timeout=timeout) as http:
            await _make_day(http, day, lines)
            return {form: await _file(http, folder, day, form) for form in forms}


async def _make_day(http: aiohttp.ClientSession, day: str, lines: int) -> None:
    begin = datetime.fromisoformat(f"{day}T00:00:00+03:00").timestamp()
    for start in range(0, lines, HISTORY_AT_ONCE):
        made = [
            {
                "kind": "c2b", "phone": f"2547{number % 10_000_000:08d}", "shortcode": SHORTCODE,
                "amount": 100 + number % 900, "account": f"INV-{number}",
                "at": begin + number * DAY_SECONDS / lines,
            }
            for number in range(start, min(start + HISTORY_AT_ONCE, lines))
        ]
        async with http.post("/_simulator/history", json={"payments": made}) as answer:
            if answer.status != HTTPStatus.OK:
                raise BenchFailed(f"The simulator made no history: {await answer.text()}")


async def _file(http: aiohttp.ClientSession, folder: Path, day: str, form: str) -> Path:
    async with http.get(
        f"/_simulator/statements/{SHORTCODE}", params={"date": day, "format": form},
    ) as answer:
        if answer.status != HTTPStatus.OK:
            raise BenchFailed(f"The simulator made no statement: {await answer.text()}")
        file = folder / f"statement.{form}"
        file.write_bytes(await answer.read())
        return file


async def _by_command(place: Place, file: Path) -> dict[str, Any]:
    """Return what `hakika statements import` takes, until it has ended."""
    began = time.perf_counter()
    async with processes.started(
        processes.HAKIKA, "statements", "import", str(file), "--json", log=place.log("import"),
        environment=place.environment,
    ) as process, _watched(place, [process.pid], began) as seen:
        said, _ = await process.communicate()
    took = time.perf_counter() - began
    if process.returncode:
        raise BenchFailed(f"The import failed.\n{place.log('import').read_text()[-2000:]}")
    return _case(json.loads(said), seen, took)


async def _by_api(place: Place, shop: Shop, file: Path, *, births: bool) -> dict[str, Any]:
    """Return what a request takes; with `births`, also how long a worker then makes payments."""
    log = place.log("serve")
    async with processes.started(
        processes.HAKIKA, "serve", "--json", "--port", "0", log=log,
        environment=place.environment,
    ) as process:
        url = (await processes.ready(process, log))["api"]
        body = await asyncio.to_thread(file.read_bytes)
        began = time.perf_counter()
        timeout = aiohttp.ClientTimeout(total=SETTLED_SECONDS_MAX)
        async with (
            _watched(place, [process.pid], began) as seen,
            aiohttp.ClientSession(url, timeout=timeout) as http,
        ):
            async with http.post(
                "/v1/reconciliation/statements", data=body,
                headers={"Authorization": f"Bearer {shop.key}"},
            ) as answer:
                said = await answer.json()
                if answer.status != HTTPStatus.CREATED:
                    raise BenchFailed(f"The import was refused: {said}")
            took = time.perf_counter() - began
            if births:
                await asyncio.wait_for(seen.settled.wait(), SETTLED_SECONDS_MAX)
    return _case(said["data"], seen, took)


def _case(said: Mapping[str, Any], seen: Seen, took: float) -> dict[str, Any]:
    waited = said["fates"].get("waiting", 0)
    settling = seen.settled_after - seen.kept_after
    return {
        "seconds": round(took, 1), "kept_after_seconds": round(seen.kept_after, 1),
        "settled_after_seconds": round(seen.settled_after, 1), "new": said["new"],
        "payments_per_second": round(waited / settling) if waited and settling > 0 else None,
        "peak_mb": round(max(seen.peaks_mb.values(), default=0.0)),
        "peak_mb_together": round(sum(seen.peaks_mb.values())),
        "backend_mb": round(seen.backend_mb),
    }


@asynccontextmanager
async def _watched(place: Place, roots: list[int], began: float) -> AsyncIterator[Seen]:
    """Look at an import from beside it, until the end of the block."""
    seen = Seen()
    over = asyncio.Event()

    async def watch() -> None:
        connect = psycopg.AsyncConnection.connect
        async with await connect(place.url, autocommit=True, row_factory=dict_row) as connection:
            while True:
                is_last = over.is_set()
                _look_at_memory(place, roots, seen)
                row = await (await connection.execute(_STATE)).fetchone()
                assert row is not None
                now = time.perf_counter() - began
                if row["statements"] and not seen.kept_after:
                    seen.kept_after = now
                if row["statements"] and not row["waiting"] and not seen.settled.is_set():
                    seen.settled_after = now
                    seen.settled.set()
                if is_last:
                    return
                await asyncio.sleep(SAMPLE_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        over.set()
        await watching


def _look_at_memory(place: Place, roots: list[int], seen: Seen) -> None:
    for pid in [each for root in roots for each in meters.tree(root)]:
        peak = meters.peak_mb(pid)
        if peak:
            seen.peaks_mb[pid] = peak
    for pid in meters.tree(place.postmaster)[1:]:
        seen.backend_mb = max(seen.backend_mb, meters.own_mb(pid))


async def _copy(server_url: str, template: str, name: str) -> None:
    """Make a database anew, as a copy of another."""
    async with await psycopg.AsyncConnection.connect(server_url, autocommit=True) as connection:
        await connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)),
        )
        await connection.execute(sql.SQL("create database {} template {}").format(
            sql.Identifier(name), sql.Identifier(template),
        ))


async def _execute(url: str, statements: LiteralString) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(statements)


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000, help="of the statement")
    parser.add_argument("--forms", default=",".join(FORMS), help="of the files, such as csv,pdf")
    parser.add_argument("--results", type=Path, default=results.PATH, help="where the figures go")
    parser.add_argument("--page", type=Path, default=pages.PATH, help="the page for people")
    options = parser.parse_args()
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="hakika-bench-"))
    try:
        server = embedded.start(folder / "postgres")
        try:
            postmaster = int((folder / "postgres/data-18/postmaster.pid").read_text().split()[0])
            found = asyncio.run(measure(
                folder, server.url, postmaster, lines=options.lines,
                forms=options.forms.split(","), console=console,
            ))
        finally:
            server.stop()
    except BenchFailed as failure:
        console.print(f"The bench failed, so there are no figures. {failure}", markup=False)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    pages.write_page(results.write(found, options.results, part="imports"), options.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
