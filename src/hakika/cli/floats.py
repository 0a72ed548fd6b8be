"""`hakika float`: what lies at M-Pesa for payouts, what is promised, and how long it lasts."""

from __future__ import annotations

from typing import Annotated

import typer

from hakika.cli import options, screen
from hakika.cli.api_client import NoAnswer, ask
from hakika.cli.api_place import where
from hakika.cli.failure import CommandFailed


def floats(
    api: Annotated[str, typer.Option("--api", help="The API. Left out: that of `dev`.")] = "",
    key: Annotated[str, typer.Option("--key", help="An API key. Left out: that of `dev`.")] = "",
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Say of each account that money leaves what lies there, and when it runs out.

    Example: hakika float
    """
    api, key = where(api, key, data)
    try:
        answer = ask(f"{api}/v1/floats", key=key)
    except NoAnswer as silence:
        raise CommandFailed(str(silence)) from silence
    if not answer.is_good:
        raise CommandFailed(str(answer.body.get("detail", "The API refused.")),
                            hint=str(answer.body.get("hint", "")))
    found = answer.body["data"]
    if as_json:
        screen.write_json({"floats": found})
        return
    screen.write_table(
        [
            {
                "": "!" if each["is_low"] else "", "short code": each["shortcode"],
                "account": each["place"], "known": each["known"] or each["state"],
                "reserved": each["reserved"], "available": each["available"] or "",
                "waits": each["held"], "short by": each["short_by"] or "",
                "runs out": each["runs_out_at"] or "", "told": each["told_at"] or "never",
            }
            for each in found
        ],
        none="There is no short code. Put its credentials: PUT /v1/merchant/providers.",
    )
