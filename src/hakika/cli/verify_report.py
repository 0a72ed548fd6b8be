"""`hakika verify-report`: prove a day's report without any database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hakika.cli import options, screen
from hakika.cli.failure import EXIT_RED, CommandFailed
from hakika.sheets.report_pages import facts
from hakika.sheets.reports import NoReport, examine

_DIFFERS = "It was signed with another key than the one you named."


def verify_report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON, XLSX or PDF.")],
    key: Annotated[str, typer.Option(
        "--key", help="The public key in hex that it must be signed with. "
        "GET /v1/reconciliation/signing-key tells it.",
    )] = "",
    as_json: options.Json = False,
) -> None:
    """Prove that a report is as it was signed. Exits with 0 when it is, 4 when it is not.

    Example: hakika verify-report 2026-11-03-live-mer_….pdf
    """
    try:
        found = examine(file.read_bytes())
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    except NoReport as error:
        raise CommandFailed(
            f"{file} is no report of Hakika's. {error}",
            hint="Give the file as `hakika close --report` or the API wrote it.",
        ) from error
    signed = found.report.signed
    is_other = bool(key) and key.strip().lower() != signed.public_key.hex()
    flaws = [*found.flaws, *([_DIFFERS] if is_other else [])]
    if as_json:
        screen.write_json({
            "genuine": not flaws, "flaws": flaws, "public_key": signed.public_key.hex(),
            "result": signed.checkpoint.result, "day": signed.checkpoint.day,
            "checkpoint": signed.checkpoint.sha256,
        })
    else:
        paper = screen.paper()
        for name, words in facts(found.report):
            paper.print(f"{name}: {words}", soft_wrap=True)
        for each in flaws:
            paper.print(f"✗ {each}", soft_wrap=True)
        if not flaws:
            whose = "the key that you named" if key else f"key {found.key}: compare it with yours"
            paper.print(f"✓ Everything in it is as it was signed, with {whose}.", soft_wrap=True)
    if flaws:
        raise typer.Exit(EXIT_RED)
