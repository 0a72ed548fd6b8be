"""`hakika export`: everything of some days, as a file for a spreadsheet or a program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.progress import Progress

from hakika.cli import options, screen
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.cli.once import on_database, whose
from hakika.cli.whole_file import whole_file
from hakika.domain import export as rules
from hakika.domain.errors import Invalid
from hakika.domain.export import Days, Wanted, What
from hakika.domain.times import read_day
from hakika.services import exports
from hakika.services.runtime import Runtime
from hakika.sheets.exports import Format

log = structlog.get_logger(__name__)


def export(
    what: Annotated[What, typer.Argument(help="What to write.")],
    first: Annotated[
        str, typer.Option("--from", metavar="DAY", help="The first day. Left out: the beginning."),
    ] = "",
    last: Annotated[
        str, typer.Option("--to", metavar="DAY", help="The last day, included. Left out: now."),
    ] = "",
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Left out: here, by its name."),
    ] = None,
    merchant: options.Merchant = "",
    live: Annotated[bool, typer.Option("--live", help="Real money. Left out: test.")] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Whole numbers of people. It is logged."),
    ] = False,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Write payments or postings to a file. Days are Nairobi's, such as 2026-11-30.

    Example: hakika export payments --from 2026-11-01 --to 2026-11-30 --format xlsx
    """
    days = _days(first, last)
    with Progress(console=screen.margin(), transient=True) as bar:
        task = bar.add_task(f"Writing {what}", total=None)

        async def work(rt: Runtime) -> tuple[Path, int]:
            wanted = Wanted(await whose(rt, merchant), live, what, form.value, days, reveal)
            path = output or Path(rules.file_name(wanted))
            with whole_file(path) as file:
                rows = await exports.write(
                    rt, wanted, file,
                    lambda done, total: bar.update(task, completed=done, total=total),
                )
            if reveal:
                log.info("export_revealed", what=what.value, file=str(path))
            return path, rows

        path, rows = on_database(data, work)
    if as_json:
        screen.write_json({"file": str(path), "rows": rows})
    else:
        screen.paper().print(f"{rows:,} rows in {path}", soft_wrap=True)


def _days(first: str, last: str) -> Days:
    try:
        return rules.days(
            read_day(first, field="from") if first else None,
            read_day(last, field="to") if last else None,
        )
    except Invalid as error:
        raise CommandFailed(error.message, exit_code=EXIT_MISASKED) from error
