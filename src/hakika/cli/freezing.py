"""`hakika payouts freeze` and `resume`: the switches that stop money out, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from hakika.cli import options, screen
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.cli.once import on_database
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import Owner
from hakika.services import merchants, stops
from hakika.services.runtime import Runtime

Merchant = Annotated[str, typer.Option("--merchant", metavar="mer_…", help="Whose.")]
Everything = Annotated[bool, typer.Option("--everything", help="Everybody's, test mode too.")]
Test = Annotated[bool, typer.Option("--test", help="Of test mode. Left out: live money.")]


def freeze(
    merchant: Merchant = "", everything: Everything = False, test: Test = False,
    note: Annotated[str, typer.Option("--note", help="Why, for whoever reads it.")] = "",
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Send no more money out. What was sent is settled; callbacks and webhooks go on.

    Example: hakika payouts freeze --everything --note "An intruder"
    """
    _check_whose(merchant, everything)

    async def work(rt: Runtime) -> None:
        if everything:
            await stops.freeze_everything(rt, note=note)
        else:
            await stops.freeze_owner(rt, await _owner(rt, merchant, test=test), note=note)

    on_database(data, work)
    _say(frozen=True, merchant=merchant, as_json=as_json)


def resume(
    merchant: Merchant = "", everything: Everything = False, test: Test = False,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Let money go again. What was ready before leaves at once: cancel first what nobody meant.

    Example: hakika payouts resume --merchant mer_01kaxb2m8ffh5r2b8v9n3d6w1c
    """
    _check_whose(merchant, everything)

    async def work(rt: Runtime) -> None:
        if everything:
            await stops.lift_everything(rt)
        else:
            await stops.lift_owner(rt, await _owner(rt, merchant, test=test))

    on_database(data, work)
    _say(frozen=False, merchant=merchant, as_json=as_json)


def _check_whose(merchant: str, everything: bool) -> None:
    if bool(merchant) == everything:
        raise CommandFailed(
            "Say whose money: --merchant mer_…, or --everything.", exit_code=EXIT_MISASKED,
        )


async def _owner(rt: Runtime, merchant: str, *, test: bool) -> Owner:
    """Return the merchant that was named, in a mode. Raises: NotFound."""
    return Owner((await merchants.read(rt, MerchantId(merchant))).id, not test)


def _say(*, frozen: bool, merchant: str, as_json: bool) -> None:
    if as_json:
        screen.write_json({"frozen": frozen, "merchant": merchant or None})
        return
    whose = merchant or "everybody"
    now = "frozen; callbacks, results and webhooks go on" if frozen else "no longer frozen by this"
    screen.paper().print(f"Money out of {whose} is {now}.")
