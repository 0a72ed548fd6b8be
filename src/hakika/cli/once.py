"""One piece of work with the running parts, for commands that end; and whose things it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from hakika.cli import logs, startup
from hakika.cli.configured import configured
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.domain.ids import MerchantId
from hakika.services import merchants
from hakika.services.runtime import Runtime, open_runtime
from hakika.settings import Settings

Result = TypeVar("Result")


def on_database(
    data: Path | None, work: Callable[[Runtime], Awaitable[Result]], *, may_create: bool = False,
    is_told: bool = False,
) -> Result:
    """Return what `work` returns, done on the database of the settings and `data`.

    `is_told`: the command itself tells people what was done, so only what goes wrong is logged.
    """

    async def opened(settings: Settings) -> Result:
        async with open_runtime(settings) as rt:
            return await work(rt)

    given = configured(data)
    if is_told and given.log_level == "info":
        logs.set_up("warning")
    with startup.database(given, may_create=may_create) as settings:
        return asyncio.run(opened(settings))


async def whose(rt: Runtime, merchant: str) -> MerchantId:
    """Return the merchant that was named, or the only one. Raises: NotFound, CommandFailed."""
    if merchant:
        return (await merchants.read(rt, MerchantId(merchant))).id
    match await merchants.all_of_them(rt):
        case [only]:
            return only.id
        case []:
            raise CommandFailed("There is no merchant yet.", hint="hakika merchants create NAME")
        case found:
            raise CommandFailed(
                f"There are {len(found)} merchants; say which one with --merchant.",
                hint="hakika merchants list", exit_code=EXIT_MISASKED,
            )
