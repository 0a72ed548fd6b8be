"""`hakika statements`: M-Pesa's own statements, imported from files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from hakika.cli import options, screen
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.cli.once import on_database, whose
from hakika.domain.merchant import Owner
from hakika.domain.statement_books import REASONS, Imported
from hakika.services import statements
from hakika.services.runtime import Runtime
from hakika.services.statements import Sent

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Import M-Pesa's statements.",
)


@app.callback()
def _words() -> None:
    """Import M-Pesa's statements."""


@app.command("import")
def take(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, XLSX or PDF, unopened.")],
    merchant: options.Merchant = "",
    live: Annotated[bool, typer.Option("--live", help="Of real money. Left out: test.")] = False,
    shortcode: Annotated[str, typer.Option(help="When the file does not name it.")] = "",
    account: Annotated[str, typer.Option(help="When the file does not name it.")] = "",
    locked: Annotated[
        bool, typer.Option("--locked", help="Ask for the PDF's password, or read it from a pipe."),
    ] = False,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Import a statement of the M-Pesa portal, whole or not at all. Twice changes nothing.

    Example: hakika statements import ORG_600966_Utility_20261103.csv --live
    """
    password = _password() if locked else None
    try:
        sent = Sent(file.read_bytes(), shortcode, account, password)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    margin = screen.margin()
    with Progress(console=margin, transient=True, disable=not margin.is_terminal) as bar:
        tasks = {
            step: bar.add_task(step, total=1.0, start=False)
            for step in (statements.READING, statements.KEEPING, statements.MATCHING)
        }

        async def work(rt: Runtime) -> Imported:
            owner = Owner(await whose(rt, merchant), live)
            return await statements.take(
                rt, owner, sent,
                progress=lambda step, share: bar.update(tasks[step], completed=share),
            )

        imported = on_database(data, work)
    _show(imported, as_json=as_json)


def _password() -> str:
    """Return the password, asked for on a terminal; else the first line of what is piped in."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password of the PDF", hide_input=True, err=True))
    if password := sys.stdin.readline().rstrip("\r\n"):
        return password
    raise CommandFailed(
        "--locked asks for the password, and nobody is here to type it.",
        hint="Run it on a terminal, or pipe the password in: --locked < FILE.",
        exit_code=EXIT_MISASKED,
    )


def _show(imported: Imported, *, as_json: bool) -> None:
    fates = {fate.value: count for fate, count in imported.fates.items()}
    if as_json:
        screen.write_json({
            "id": imported.id, "account": imported.account, "lines": imported.lines,
            "new": sum(fates.values()), "fates": fates, "again": imported.again,
        })
        return
    paper = screen.paper()
    if imported.again:
        paper.print(f"This file was imported before, as {imported.id}. Nothing has changed.")
        return
    paper.print(f"{imported.lines:,} lines of {imported.account} are {imported.id}.")
    screen.write_table(
        [
            {"lines": f"{count:,}", "became": fate.value, "because": REASONS[fate]}
            for fate, count in imported.fates.items()
        ],
        none="No line was new: other files had told of all of them.",
    )
