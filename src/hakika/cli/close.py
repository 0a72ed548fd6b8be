"""`hakika close`: close a day now; at night it closes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.status import Status

from hakika.cli import options, screen
from hakika.cli.failure import EXIT_RED, CommandFailed
from hakika.cli.once import on_database
from hakika.cli.whole_file import whole_file
from hakika.domain.checkpoint import Report, genuine
from hakika.domain.closing import Result, closing_data
from hakika.domain.discrepancy import NOBODY, discrepancy_data, proven_words
from hakika.domain.errors import Invalid
from hakika.domain.times import read_day
from hakika.services import closing
from hakika.services.closing import Closed
from hakika.services.runtime import Runtime
from hakika.sheets import reports

_FORMS = {"json": reports.as_json, "xlsx": reports.as_xlsx, "pdf": reports.as_pdf}


def _day(text: str) -> date:
    try:
        return read_day(text, field="day")
    except Invalid as error:
        raise typer.BadParameter(error.message) from None


def close(
    day: Annotated[date, typer.Argument(
        parser=_day, metavar="DATE", help="A day of Nairobi, such as 2026-11-03.",
    )],
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Write the signed reports here, too."),
    ] = None,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Close a day of every merchant and mode. Exits with 0 when all are green, 4 when not.

    Green: every shilling of the day is proven, or people settled what differs. Red: a difference
    is open; each is named.

    Example: hakika close 2026-11-03 --report reports
    """

    written: list[Path] = []

    async def work(rt: Runtime) -> list[Closed]:
        closed = await closing.close_all(rt, day)
        if report is not None:
            for each in closed:
                made = genuine(await closing.report(rt, each.owner, day))
                written.extend(_write(report, each, made))
        return closed

    with Status(f"Closing {day}", console=screen.margin()):
        closed = on_database(data, work, is_told=True)
    if as_json:
        screen.write_json({
            "days": [_document(each) for each in closed],
            "written": [str(each) for each in written],
        })
    else:
        _show(day, closed, written)
    if any(each.closing.result is Result.RED for each in closed):
        raise typer.Exit(EXIT_RED)


def _write(folder: Path, closed: Closed, report: Report) -> Iterator[Path]:
    mode = "live" if closed.owner.livemode else "test"
    name = f"{closed.closing.day}-{mode}-{closed.owner.merchant_id}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"{folder} cannot be made: {error.strerror}.") from error
    for form, draw in _FORMS.items():
        path = folder / f"{name}.{form}"
        with whole_file(path) as file:
            file.write(draw(report))
        yield path


def _document(closed: Closed) -> dict[str, Any]:
    return {
        "merchant": closed.owner.merchant_id, **closing_data(closed.closing),
        "differences": [discrepancy_data(each) for each in closed.discrepancies],
    }


def _show(day: date, closed: list[Closed], written: list[Path]) -> None:
    screen.write_table(
        [
            {
                "": "✓" if each.closing.result is Result.GREEN else "✗",
                "merchant": each.closing.summary["merchant"]["name"],
                "id": each.owner.merchant_id,
                "mode": "live" if each.owner.livemode else "test",
                "result": each.closing.result.value,
                "movements": str(sum(moved["count"] for moved in each.closing.summary["moved"])),
                "open": str(sum(one.is_open for one in each.discrepancies)),
                "settled by people": str(_by_people(each)),
            }
            for each in closed
        ],
        none=f"Nobody has books yet, so there is nothing to close on {day}.",
    )
    paper = screen.paper()
    for each in closed:
        if each.closing.result is Result.GREEN:
            summary = each.closing.summary
            words = proven_words(summary, _by_people(each))
            paper.print(f"{summary['merchant']['name']}: {words}", soft_wrap=True)
        for found in each.discrepancies:
            if found.is_open:
                paper.print(f"{found.id} {found.difference.kind}: {found.difference.words}",
                            soft_wrap=True)
    for path in written:
        paper.print(f"Written: {path}", soft_wrap=True)


def _by_people(closed: Closed) -> int:
    return sum(
        not each.is_open and each.resolved_by != NOBODY for each in closed.discrepancies
    )
