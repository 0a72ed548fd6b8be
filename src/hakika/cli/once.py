"""One piece of work with the running parts, for commands that end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from hakika.cli import startup
from hakika.cli.configured import configured
from hakika.services.runtime import Runtime, open_runtime
from hakika.settings import Settings

Result = TypeVar("Result")


def on_database(
    data: Path | None, work: Callable[[Runtime], Awaitable[Result]], *, may_create: bool = False,
) -> Result:
    """Return what `work` returns, done on the database of the settings and `data`."""

    async def opened(settings: Settings) -> Result:
        async with open_runtime(settings) as rt:
            return await work(rt)

    with startup.database(configured(data), may_create=may_create) as settings:
        return asyncio.run(opened(settings))
