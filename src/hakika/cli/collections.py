"""`hakika collections`: the switch that stops new live payments, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from hakika.cli import options, screen
from hakika.cli.once import on_database
from hakika.domain.ids import MerchantId
from hakika.services import merchants
from hakika.services.runtime import Runtime

app = typer.Typer(
    no_args_is_help=True, add_completion=False,
    help="Stop new live payments, and take them again. Callbacks and webhooks always go on.",
)

Merchant = Annotated[
    str, typer.Option("--merchant", metavar="mer_…", help="Whose. Left out: everybody's."),
]


@app.command()
def stop(
    reason: Annotated[str, typer.Option("--reason", help="Shown to who asks for money.")] = "",
    merchant: Merchant = "", data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Take no new live payments, within a second in every process.

    Example: hakika collections stop --reason "Safaricom is down"
    """

    async def work(rt: Runtime) -> None:
        await merchants.stop_collections(rt, await _known(rt, merchant), reason=reason)

    on_database(data, work)
    _say({"enabled": False, "merchant": merchant or None}, as_json=as_json)


@app.command()
def resume(
    merchant: Merchant = "", data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Take live payments again.

    Example: hakika collections resume
    """

    async def work(rt: Runtime) -> None:
        await merchants.resume_collections(rt, await _known(rt, merchant))

    on_database(data, work)
    _say({"enabled": True, "merchant": merchant or None}, as_json=as_json)


async def _known(rt: Runtime, merchant: str) -> MerchantId | None:
    """Return the merchant that was named, or None: nobody was. Raises: NotFound."""
    return (await merchants.read(rt, MerchantId(merchant))).id if merchant else None


def _say(what: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        screen.write_json(what)
        return
    whose = what["merchant"] or "every merchant"
    now = "on" if what["enabled"] else "off; callbacks, checks and webhooks go on"
    screen.paper().print(f"New live payments of {whose} are {now}.")
