"""`hakika verify-report`: prove a day's report without any database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from hakika.cli import options, screen
from hakika.cli.failure import EXIT_MISASKED, EXIT_RED, CommandFailed
from hakika.sheets.reports import Examined, NoReport, examine

_DIFFERS = "It was signed with another key than the one you named."
_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)


def verify_report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON, XLSX or PDF.")],
    key: Annotated[str, typer.Option(
        "--key", help="The public key in hex that it must be signed with. "
        "GET /v1/reconciliation/signing-key tells it.",
    )] = "",
    as_json: options.Json = False,
) -> None:
    """Prove that a report is as it was signed. Exits with 0 when it is, 4 when it is not.

    Without --key it proves that nothing was changed, not who signed it.

    Example: hakika verify-report 2026-11-03-live-mer_….pdf
    """
    named = key.strip().lower()
    if named and not _KEY.fullmatch(named):
        raise CommandFailed(
            "The key is not 64 hex digits.", exit_code=EXIT_MISASKED,
            hint="Take public_key from GET /v1/reconciliation/signing-key.",
        )
    found = _examined(file)
    signed = found.report.signed
    is_other = bool(named) and named != signed.public_key.hex()
    flaws = [*found.flaws, *([_DIFFERS] if is_other else [])]
    if as_json:
        screen.write_json({
            "genuine": not flaws, "flaws": flaws, "public_key": signed.public_key.hex(),
            "result": signed.checkpoint.result, "day": signed.checkpoint.day,
            "checkpoint": signed.checkpoint.sha256,
            "movements": found.report.movements is not None,
        })
    else:
        _show(found, flaws, is_named=bool(named))
    if flaws:
        raise typer.Exit(EXIT_RED)


def _examined(file: Path) -> Examined:
    try:
        return examine(file.read_bytes())
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    except NoReport as error:
        raise CommandFailed(
            f"{file} is no report of Hakika's. {error}",
            hint="Give the file as `hakika close --report` or the API wrote it.",
        ) from error


def _show(found: Examined, flaws: list[str], *, is_named: bool) -> None:
    paper = screen.paper()
    for each in flaws:
        paper.print(f"✗ {each}", soft_wrap=True)
    if flaws:
        paper.print("Believe nothing that it shows.")
        return
    for name, words in found.facts:
        paper.print(f"{name}: {words}", soft_wrap=True)
    if found.report.movements is None:
        paper.print("The movements are not in this file; the XLSX and the JSON have them.")
    whose = "the key that you named" if is_named else f"key {found.key}: compare it with yours"
    paper.print(f"✓ Everything in it is as it was signed, with {whose}.", soft_wrap=True)
