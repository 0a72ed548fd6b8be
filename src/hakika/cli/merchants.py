"""`hakika merchants`: the businesses that collect through this Hakika."""

from __future__ import annotations

from typing import Annotated

import typer

from hakika.cli import options, screen
from hakika.cli.once import on_database
from hakika.domain.fact import LateAction
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import Merchant
from hakika.domain.times import written
from hakika.services import merchants
from hakika.services.runtime import Runtime

app = typer.Typer(
    no_args_is_help=True, add_completion=False,
    help="Create and list merchants: who collects money here.",
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The name, as people know it.")],
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Create a merchant.

    Example: hakika merchants create "Mama Njeri Groceries"
    """

    async def work(rt: Runtime) -> Merchant:
        return await merchants.create(rt, name)

    merchant = on_database(data, work, may_create=True)
    if as_json:
        screen.write_json(_shown(merchant))
        return
    screen.paper().print(f"{merchant.name} is {merchant.id}.")
    screen.paper().print(f"Next, a key for it: hakika keys create --merchant {merchant.id}")


@app.command("late-money")
def late_money(
    merchant: Annotated[str, typer.Argument(metavar="mer_…", help="Whose.")],
    policy: Annotated[LateAction, typer.Argument(help="fulfil, hold or refund.")],
    live: Annotated[bool, typer.Option("--live", help="Of real money. Left out: test.")] = False,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Set what is to be done with money that comes after a payment was told to have failed.

    Example: hakika merchants late-money mer_… hold --live
    """

    async def work(rt: Runtime) -> None:
        await merchants.set_late_money(rt, MerchantId(merchant), policy, livemode=live)

    on_database(data, work)
    if as_json:
        screen.write_json({"id": merchant, "livemode": live, "late_money": policy.value})
        return
    mode = "live" if live else "test"
    screen.paper().print(f"Late {mode} money of {merchant}, from now on: {policy.value}.")


@app.command("list")
def show(data: options.Data = None, as_json: options.Json = False) -> None:
    """List merchants, oldest first.

    Example: hakika merchants list --json
    """
    rows = [_shown(each) for each in on_database(data, merchants.all_of_them)]
    if as_json:
        screen.write_json({"merchants": rows})
        return
    screen.write_table(rows, none="There is no merchant yet: hakika merchants create NAME")


def _shown(merchant: Merchant) -> dict[str, str]:
    return {
        "id": merchant.id, "name": merchant.name, "created_at": written(merchant.created_at),
    }
