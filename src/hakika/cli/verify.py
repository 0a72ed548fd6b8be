"""`hakika verify`: prove on the database, any time, that every shilling is accounted for."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import Progress

from hakika.cli import options, screen
from hakika.cli.api_client import NoAnswer, ask
from hakika.cli.failure import EXIT_RED, CommandFailed
from hakika.cli.once import on_database
from hakika.services import verify as proof
from hakika.services.runtime import Runtime

_SENTENCES_SHOWN = 10

TruthOption = Annotated[
    str,
    typer.Option("--truth", metavar="URL", help="A simulator, whose truth must equal ours."),
]


def verify(
    truth: TruthOption = "", data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Check every invariant on the database. Exits with 0 when all hold (green), 4 when not (red).

    Example: hakika verify --truth http://127.0.0.1:8701
    """
    known = _truth(truth) if truth else None
    with Progress(console=screen.margin(), transient=True) as bar:
        task = bar.add_task("Looking at payments", total=None)

        async def work(rt: Runtime) -> proof.Report:
            return await proof.verify(
                rt, truth=known,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )

        report = on_database(data, work)
    if as_json:
        screen.write_json(_document(report))
    else:
        _show(report)
    if not report.green:
        raise typer.Exit(EXIT_RED)


def _truth(url: str) -> dict[str, Any]:
    try:
        answer = ask(f"{url.rstrip('/')}/_simulator/truth")
    except NoAnswer as error:
        raise CommandFailed(str(error)) from error
    if not answer.is_good:
        raise CommandFailed(f"{url} does not tell the truth; it answers {answer.status}.")
    return dict(answer.body)


def _document(report: proof.Report) -> dict[str, Any]:
    return {
        "green": report.green,
        "checks": [
            {
                "code": check.code, "title": check.title, "looked_at": check.looked_at,
                "violations": list(check.violations),
                "violations_count": len(check.violations) + check.more,
                "notes": list(check.notes),
                "notes_count": len(check.notes) + check.more_notes,
            }
            for check in report.checks
        ],
    }


def _show(report: proof.Report) -> None:
    screen.write_table(
        [
            {
                "": "✓" if check.green else "✗", "check": check.code,
                "what must hold": check.title, "looked at": str(check.looked_at),
                "violations": str(len(check.violations) + check.more),
            }
            for check in report.checks
        ],
        none="There is nothing to check.",
    )
    for check in report.checks:
        _show_sentences(f"{check.code}:", check.violations, more=check.more)
        _show_sentences(f"{check.code}, to know:", check.notes, more=check.more_notes)
    screen.paper().print("Green: everything holds." if report.green else "Red: see above.")


def _show_sentences(label: str, sentences: tuple[str, ...], *, more: int) -> None:
    paper = screen.paper()
    for sentence in sentences[:_SENTENCES_SHOWN]:
        paper.print(f"{label} {sentence}", soft_wrap=True)
    if left := len(sentences[_SENTENCES_SHOWN:]) + more:
        paper.print(f"{label} and {left} more (--json has more of them)")
