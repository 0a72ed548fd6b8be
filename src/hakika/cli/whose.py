"""Whose a command is about: the merchant that was named, or the only one there is."""

from __future__ import annotations

from typing import Annotated

import typer

from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.domain.ids import MerchantId
from hakika.services import merchants
from hakika.services.runtime import Runtime

MerchantOption = Annotated[
    str, typer.Option("--merchant", metavar="mer_…", help="Whose. Left out: the only one's."),
]


async def merchant_of(rt: Runtime, named: str) -> MerchantId:
    """Return the merchant that was named, or the only one. Raises: NotFound, CommandFailed."""
    if named:
        return (await merchants.read(rt, MerchantId(named))).id
    found = await merchants.all_of_them(rt)
    match found:
        case [only]:
            return only.id
        case []:
            raise CommandFailed("There is no merchant yet.", hint="hakika merchants create NAME")
        case _:
            raise CommandFailed(
                f"There are {len(found)} merchants; say which one with --merchant.",
                hint="hakika merchants list", exit_code=EXIT_MISASKED,
            )
