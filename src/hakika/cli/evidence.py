"""`hakika evidence`: what proves a payment, as pages that a person can hand to an auditor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from hakika.cli import options, screen
from hakika.cli.once import on_database
from hakika.cli.whole_file import whole_file
from hakika.domain import ids
from hakika.services import evidence as packs
from hakika.services.runtime import Runtime

_BY = "command line"


def evidence(
    payment: Annotated[str, typer.Argument(metavar="pay_…", help="Whosever it is.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Left out: evidence-pay_….pdf, here."),
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Whole numbers and names. It is logged."),
    ] = False,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Write all that proves a payment to a PDF. --json writes it as JSON, on stdout or to FILE.

    Example: hakika evidence pay_… --output INV-7.pdf
    """
    payment_id = ids.payment_id(payment)

    async def work(rt: Runtime) -> dict[str, Any]:
        found = await packs.gather_any(rt, payment_id, revealed_to=_BY if reveal else None)
        return packs.pack(found)

    pack = on_database(data, work)
    if as_json and output is None:
        screen.write_json(pack)
        return
    path = output or Path(f"evidence-{payment_id}.pdf")
    with whole_file(path) as file:
        file.write(orjson.dumps(pack) if as_json else packs.pdf(pack))
    screen.paper().print(f"The evidence of {payment_id} is in {path}", soft_wrap=True)
