"""`hakika refunds`: give a payment back, whole or in part."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from hakika.cli import api_place, options, screen
from hakika.cli.api_client import ask
from hakika.cli.api_place import done, where

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Give payments back to their payers.",
)


@app.callback()
def _words() -> None:
    """Give payments back to their payers."""


@app.command()
def create(
    payment: Annotated[str, typer.Argument(metavar="pay_…", help="Which payment.")],
    amount: Annotated[str, typer.Option("--amount", help="Left out: all that is left.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for M-Pesa and for you.")] = "",
    once: Annotated[
        str, typer.Option("--once", help="The Idempotency-Key: with the same one, sent once ever."),
    ] = "",
    api: api_place.Api = "", key: api_place.Key = "", data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Give a payment back, whole or in part. The outcome comes later.

    Example: hakika refunds create pay_01kaxb2m8fe2tv5k0c3y7h9q4d --reason "Sold out"
    """
    api, key = where(api, key, data)
    wanted = {"payment_id": payment, "amount": amount, "reason": reason}
    headers = {"Idempotency-Key": once or f"hakika-refunds-{uuid.uuid4()}"}
    body = {name: value for name, value in wanted.items() if value}
    refund = done(ask(f"{api}/v1/refunds", key=key, body=body, headers=headers))
    if as_json:
        screen.write_json(refund)
        return
    screen.paper().print(f"{refund['id']} is {refund['status']}.", soft_wrap=True)
