"""Where the API is and by which key it is called; and what it says when it says no."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hakika.cli import dev_folder
from hakika.cli.api_client import Answer
from hakika.cli.configured import configured
from hakika.cli.failure import EXIT_MISASKED, CommandFailed

Api = Annotated[str, typer.Option("--api", help="The API. Left out: that of `dev`.")]
Key = Annotated[str, typer.Option("--key", help="An API key. Left out: that of `dev`.")]


def where(api: str, key: str, data: Path | None) -> tuple[str, str]:
    """Return the API's address and the key: as given, or those of `hakika dev` on this folder."""
    if not (api and key):
        folder = data or configured().data
        line = dev_folder.line(folder.expanduser())
        if not line:
            raise CommandFailed(
                f"No `hakika dev` has run on {folder}, so there is no address and no key.",
                hint="Start it, or give --api and --key.", exit_code=EXIT_MISASKED,
            )
        api, key = api or line["api"], key or line["api_key"]
    return api.rstrip("/"), key


def refusal(answer: Answer) -> CommandFailed:
    """Return an answer that says no as what a person reads."""
    said = answer.body
    return CommandFailed(
        str(said.get("detail") or said.get("title") or f"Refused with {answer.status}."),
        hint=str(said.get("hint", "")),
    )


def done(answer: Answer, *, is_list: bool = False) -> Mapping[str, Any]:
    """Return the data of an answer that says yes; of a list the whole answer.

    Raises:
        CommandFailed: it says no, or is none of Hakika's.
    """
    if not answer.is_good:
        raise refusal(answer)
    data = answer.body.get("data")
    if is_list and isinstance(data, list):
        return answer.body
    if not isinstance(data, dict):
        raise CommandFailed("That is no answer of Hakika's. Is that address Hakika's API?")
    return data
