"""How speed changes while the store grows. Read `measure_growth` first.

At each size: pages of the list of payments, as the API answers them; searches, by each thing that
they can be for; what Hakika adds to a create; and the rate of a closed round.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus
from statistics import median
from typing import Any, LiteralString

import aiohttp
import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import fill, finding, processes, results, stand
from bench.plan import Options
from bench.processes import BenchFailed
from bench.rounds import run_round, waits
from bench.stand import Contender, Shop, Stand
from hakika.domain.ids import MerchantId, PaymentId
from hakika.services.runtime import open_runtime
from hakika.settings import read_settings

# What a page of a list may take at the largest size.
PAGE_MS_MAX = 100

PAGES_READ = 9           # of each kind; the median counts
TEMPLATE_SECONDS = 3.0   # of load, to have real payments to begin with

_TEMPLATES: LiteralString = "select id from payments order by id limit 500"

# A payment in the middle of the list: the cursor of a deep page.
_MIDDLE: LiteralString = """
    select id from payments order by id offset (select count(*) / 2 from payments) limit 1
"""

Growth = dict[str, Any]


async def measure_growth(
    options: Options, sizes: Sequence[int], console: Console, *, only_reads: bool,
) -> Growth:
    """Return the figures at each size, smallest first; with `only_reads`, nothing under load.

    Raises:
        BenchFailed: something did not work, or the books of the real payments are wrong.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=2) as bar:
        task = bar.add_task("setting up", total=None)
        shop = await stand.open_shop(options.folder, options.database_url, options.settings)
        async with (
            stand.open_stand(
                options.folder, options.database_url, postmaster=options.postmaster,
            ) as ready,
            stand.hakika(
                ready, shop, daraja_url=ready.double_url, apart=options.apart,
            ) as contender,
        ):
            await stand.add_endpoint(contender, ready.webhook_url)
            bar.update(task, description="real payments to begin with")
            templates = await _templates(ready, shop, contender, options)
            found: Growth = {}
            for size in sorted(sizes):
                def grown(done: int, total: int, size: int = size) -> None:
                    bar.update(
                        task, description=f"growing to {size:,}", completed=done, total=total,
                    )

                async with open_runtime(read_settings(shop.environment)) as rt:
                    await fill.fill(
                        rt, MerchantId(shop.merchant_id), templates=templates, until=size,
                        progress=grown,
                    )
                bar.update(task, description=f"measuring at {size:,}")
                read = await _read(ready, contender, size)
                found[str(size)] = read if only_reads else (
                    read | await _under_load(ready, contender, options)
                )
            return found


async def _templates(
    ready: Stand, shop: Shop, contender: Contender, options: Options,
) -> list[PaymentId]:
    """Make real payments, see that they are right, and return which they are."""
    await run_round(
        ready, contender, seconds=TEMPLATE_SECONDS, concurrency=options.concurrency,
    )
    report = await processes.hakika(
        "verify", "--json", environment=shop.environment, log=ready.log("commands"),
    )
    if not report.get("green"):
        raise BenchFailed("hakika verify is red before anything has grown.")
    async with await psycopg.AsyncConnection.connect(ready.database("hakika")) as connection:
        rows = await (await connection.execute(_TEMPLATES)).fetchall()
    return [PaymentId(row[0]) for row in rows]


async def _read(ready: Stand, contender: Contender, size: int) -> dict[str, Any]:
    return {
        "pages_ms": {
            name: await _page_ms(contender, query)
            for name, query in (await _queries(ready, size)).items()
        },
        "search_ms": await finding.search_ms(ready, contender, size),
    }


async def _under_load(ready: Stand, contender: Contender, options: Options) -> dict[str, Any]:
    await ready.timings()  # forget what was before
    alone = await run_round(ready, contender, seconds=options.seconds, concurrency=1)
    waited = waits(alone, await ready.timings())
    flown = await run_round(
        ready, contender, seconds=options.seconds, concurrency=options.concurrency,
    )
    return {
        "create_added_alone_ms": results.quantiles(waited.create_added),
        "lifecycles_per_second": round(flown.per_second, 1),
        "cpu_ms_python": round(flown.cpu_ms_each("python"), 3),
        "cpu_ms_postgresql": round(flown.cpu_ms_each("postgresql"), 3),
        "yardstick_ms": round(flown.yardstick_ms, 1),
    }


async def _queries(ready: Stand, size: int) -> dict[str, str]:
    """Return the pages that people ask for: what they are, and the query."""
    async with await psycopg.AsyncConnection.connect(ready.database("hakika")) as connection:
        row = await (await connection.execute(_MIDDLE)).fetchone()
    assert row is not None
    some = size // 2 + 1  # neither canceled nor failed, for no size of ours
    hour = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    month = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30 * 86_400))
    return {
        "first page": "",
        "deep page": f"cursor={row[0]}",
        "completed": "status=completed",
        "canceled, 4 in 100": "status=canceled",
        "failed, 2 in 10,000": "status=failed",
        "reversed, none": "status=reversed",
        "failed, deep": f"status=failed&cursor={row[0]}",
        "of the last hour": f"since={hour}",
        "failed in the last hour": f"since={hour}&status=failed",
        "before the last month": f"until={month}",
        "by receipt": f"search={fill.receipt_of(some)}",
        "by reference": f"search={fill.reference_of(some)}",
        "by phone": f"search={fill.phone_of(some)}",
        "by something unknown": "search=NOTHING",
        "of 100,000 and more": "min_amount=100000",
    }


async def _page_ms(contender: Contender, query: str) -> float:
    """Return the median time that the API takes for a page of 50, in milliseconds."""
    taken = []
    headers = {"Authorization": f"Bearer {contender.key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for _ in range(PAGES_READ):
            began = time.perf_counter()
            async with http.get(f"{contender.url}/v1/payments?limit=50&{query}") as answer:
                body = await answer.read()
            if answer.status != HTTPStatus.OK:
                raise BenchFailed(f"A page was refused: {body.decode()}")
            taken.append((time.perf_counter() - began) * 1000)
    return round(median(taken), 1)
