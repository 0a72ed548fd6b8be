"""`hakika payouts`: send money, one payout or a whole file, let it go, stop it, and list it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hakika.cli import api_place, options, screen
from hakika.cli.api_client import NoAnswer, ask
from hakika.cli.api_place import done, where
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.cli.freezing import freeze, resume
from hakika.cli.payout_upload import upload

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Send money out, and see what became of it.",
)
app.command()(upload)
app.command()(freeze)
app.command()(resume)


@app.command()
def create(
    payee: Annotated[
        str, typer.Argument(help="0712345678, paybill:888880/ACCOUNT or till:832909."),
    ],
    amount: Annotated[str, typer.Argument(help="Whole shillings.")],
    reference: Annotated[str, typer.Option("--reference", help="Your own.")] = "",
    remarks: Annotated[str, typer.Option("--remarks", help="What M-Pesa keeps.")] = "",
    once: Annotated[
        str, typer.Option("--once", help="The Idempotency-Key: with the same one, sent once ever."),
    ] = "",
    api: api_place.Api = "", key: api_place.Key = "", data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Send money to one payee. It leaves in its turn; the outcome comes later.

    Example: hakika payouts create 0712345678 1200 --reference wages-11 --once wages-11-jane
    """
    api, key = where(api, key, data)
    wanted = {"amount": amount, "reference": reference, "remarks": remarks, **_payee(payee)}
    headers = {"Idempotency-Key": once or f"hakika-payouts-{uuid.uuid4()}"}
    body = {name: value for name, value in wanted.items() if value}
    try:
        payout = done(ask(f"{api}/v1/payouts", key=key, body=body, headers=headers))
    except NoAnswer as silence:
        raise CommandFailed(
            f"{silence} It may have been asked for all the same.",
            hint=f"Ask again with --once {headers['Idempotency-Key']}: it is sent once ever.",
        ) from silence
    _show(payout, as_json=as_json)


def _payee(said: str) -> dict[str, str]:
    kind, colon, number = said.partition(":")
    if not colon:
        return {"phone": said}
    if kind == "till":
        return {"till": number}
    if kind == "paybill":
        number, _, account = number.partition("/")
        return {"paybill": number, "account": account}
    raise CommandFailed(
        f"{kind!r} is no kind of payee.", hint="Say a phone, paybill:NUMBER/ACCOUNT or till:NUMBER",
        exit_code=EXIT_MISASKED,
    )


@app.command()
def approve(
    which: Annotated[str, typer.Argument(metavar="pyo_…|bat_…", help="A payout, or a file.")],
    api: api_place.Api = "", key: api_place.Key = "", data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Let a held payout, or a file that somebody else sent, go. Nobody approves their own.

    Example: hakika payouts approve bat_01kaxb2m8fe2tv5k0c3y7h9q4d --key hk_live_…
    """
    api, key = where(api, key, data)
    kind = "payout-files" if which.startswith("bat_") else "payouts"
    let_go = done(ask(f"{api}/v1/{kind}/{which}/approve", key=key, body={}))
    _show(let_go, as_json=as_json)


@app.command("list")
def listed(
    status: Annotated[str, typer.Option("--status", help="Only this one, such as failed.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many.")] = 50,
    api: api_place.Api = "", key: api_place.Key = "", data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """List payouts, newest first.

    Example: hakika payouts list --status unknown
    """
    api, key = where(api, key, data)
    only = f"&status={status}" if status else ""
    answer = ask(f"{api}/v1/payouts?limit={limit}{only}", key=key)
    found = done(answer, is_list=True)["data"]
    if as_json:
        screen.write_json({"payouts": found})
        return
    screen.write_table([_line(each) for each in found], none="There are no payouts.")


def _line(payout: Mapping[str, Any]) -> dict[str, str]:
    payee = payout["payee"]
    return {
        "created": str(payout["created_at"])[:19], "payout": str(payout["id"]),
        "KES": str(payout["amount"]), "payee": str(payee["phone_masked"] or payee["number"]),
        "reference": str(payout["reference"] or ""), "status": str(payout["status"]),
        "receipt": str(payout["receipt"] or ""), "reason": str(payout["failure_code"] or ""),
    }


def _show(made: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        screen.write_json(made)
        return
    screen.paper().print(f"{made['id']} is {made['status']}.", soft_wrap=True)
