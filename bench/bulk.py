"""`python -m bench.bulk`: a whole file of payouts against a gateway that counts; what came of it.

Two workers send it, one of which is killed by SIGKILL midway; the gateway answers 429 to who is too
fast and loses some of its answers. What the simulator says happened is compared with every row. Ten
thousand rows at 5 a second take 35 minutes; `--rows 1000` takes 4.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from hakika.store import embedded, migrate
from tests.journeys.bulk import Found, Limits, sent
from tests.journeys.world import open_world


def main() -> int:
    """Run the command line; 0 when all came right and nine tenths of the rate were used."""
    options = _parser().parse_args()
    limits = Limits(
        options.rows, options.per_second, options.burst, options.answers_lost,
        starts_at=options.starts_at,
    )
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="hakika-bulk-") as name:
        folder = Path(name)
        server = embedded.start(folder / "postgres")
        try:
            migrate.migrate(server.url)
            with console.status("") as line:
                found = asyncio.run(_measured(server.url, folder, limits, tell=line.update))
        finally:
            server.stop()
    share = found.rate / limits.per_second
    console.print_json(data=asdict(found) | {"allowed": limits.per_second, "share": share})
    is_right = not found.paid_twice and not found.untrue
    return 0 if is_right and share >= options.share_min else 1


async def _measured(
    url: str, folder: Path, limits: Limits, *, tell: Callable[[str], None],
) -> Found:
    async with open_world(url, data=folder) as world:
        return await sent(world, limits, kill_after=limits.rows // 2, tell=tell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=10_000)
    add("--per-second", type=float, default=5.0, help="what the gateway allows")
    add("--burst", type=int, default=5, help="how many may come at once")
    add("--answers-lost", type=float, default=2.0, help="percent of the answers")
    add("--starts-at", type=float, default=2.0, help="HAKIKA_PAYOUTS_PER_SECOND")
    add("--share-min", type=float, default=0.9, help="of the allowed rate that must be used")
    return parser


if __name__ == "__main__":
    sys.exit(main())
