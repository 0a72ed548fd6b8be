"""`hakika payouts upload`: a file of payouts: its plan, its start, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hakika.cli import api_place, options, screen
from hakika.cli.api_client import NoAnswer, ask, download
from hakika.cli.api_place import done, where
from hakika.cli.failure import CommandFailed
from hakika.cli.whole_file import whole_file
from hakika.domain.payout_file import FILE_BYTES_MAX

_LOOK_SECONDS = 1.0
_ERRORS_SHOWN = 20


def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or XLSX: docs/bulk.md.")],
    shortcode: Annotated[str, typer.Option("--shortcode", help="Left out: the default.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Start it without asking.")] = False,
    outcome: Annotated[
        Path | None, typer.Option("--outcome", help="Where to write what became of each row."),
    ] = None,
    api: api_place.Api = "", key: api_place.Key = "", data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Send a file of payouts, see what it would do, start it, and follow it to its end.

    Ctrl-C stops following; the file goes on. The same file again goes on where it is.

    Example: hakika payouts upload wages.csv --outcome wages-paid.csv
    """
    api, key = where(api, key, data)
    content = _content(file)
    only = f"?shortcode={shortcode}" if shortcode else ""
    plan = _asked(f"{api}/v1/payout-files{only}", key, content)
    place = f"{api}/v1/payout-files/{plan['id']}"
    if not as_json:
        _show_plan(plan)
    _refuse_unfit(plan)
    if plan["status"] == "planned":
        if plan["needs_approval"]:
            screen.paper().print(
                f"Somebody else must let it go: hakika payouts approve {plan['id']}",
            )
            return
        if not yes and not typer.confirm("Send it?", err=True):
            raise CommandFailed("Nothing was sent.")
        plan = _asked(f"{place}/start", key, {})
    try:
        ended = _followed(place, key, plan)
    except KeyboardInterrupt:
        screen.margin().print(f"Stopped following. The file goes on: {place}", soft_wrap=True)
        return
    written = _write_outcome(place, key, outcome or file.with_suffix(".outcome.csv"))
    _show_end(ended, written, as_json=as_json)


def _content(file: Path) -> bytes:
    """Return a file's bytes. One that is too large is not read: nobody would take it."""
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise CommandFailed(
                f"{file} is larger than {FILE_BYTES_MAX >> 20} MiB.",
                hint="Split it: each part is a file of its own.",
            )
        return file.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error


def _asked(url: str, key: str, body: Mapping[str, Any] | bytes) -> Mapping[str, Any]:
    try:
        return done(ask(url, key=key, body=body))
    except NoAnswer as silence:
        raise CommandFailed(
            str(silence), hint="Send the file again: it is the same file, and goes on where it is.",
        ) from silence


def _show_plan(plan: Mapping[str, Any]) -> None:
    paper = screen.paper()
    if plan["again"]:
        paper.print(f"This file was sent before, as {plan['id']}, and is {plan['status']}.")
    floats = {True: "known", False: "not known", None: "not looked at"}
    screen.write_table([{
        "file": plan["id"], "rows": f"{plan['rows']:,}", "wrong": f"{plan['rows_wrong']:,}",
        "KES": plan["total"], "M-Pesa's charges": plan["charges"],
        "charge unknown": f"{plan['charges_unknown_rows']:,}",
        "float": floats[plan["float_is_known"]],
    }], none="")
    wrong = [
        {"row": str(row["row"]), "column": each["field"], "why": each["message"]}
        for row in plan["errors"] for each in row["errors"]
    ]
    against = [
        {"row": str(each["row"] or "all"), "column": "", "why": each["message"]}
        for each in plan["against"]
    ]
    if wrong or against:
        screen.write_table((wrong + against)[:_ERRORS_SHOWN], none="")


def _refuse_unfit(plan: Mapping[str, Any]) -> None:
    if plan["rows_wrong"]:
        raise CommandFailed(
            f"{plan['rows_wrong']:,} rows are wrong. Nothing is sent.",
            hint="Mend them and send the file again.",
        )
    if plan["against"]:
        raise CommandFailed("Your own rules for money out forbid it. Nothing is sent.")
    if plan["status"] in {"canceling", "canceled"}:
        raise CommandFailed("This file was canceled.", hint="Send one with what is still to pay.")


def _followed(place: str, key: str, file: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the file once it has ended; Ctrl-C is the caller's."""
    margin = screen.margin()
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )
    with Progress(*columns, console=margin, disable=not margin.is_terminal) as bar:
        task = bar.add_task("Sending", total=file["rows"])
        waits_for = None
        while not file["ended_at"]:
            if file["waiting_for"] not in (None, waits_for):
                margin.print(f"Rows wait: {file['waiting_for']['message']}", soft_wrap=True)
            waits_for = file["waiting_for"]
            waiting = file["counts"].get("pending", 0)
            bar.update(
                task, completed=sum(file["counts"].values()) - waiting,
                description=f"{file['status']}, {file['rate']} a second",
            )
            time.sleep(_LOOK_SECONDS)
            try:
                file = done(ask(place, key=key))
            except NoAnswer:
                continue  # a restart of the API; the file goes on without it
        bar.update(task, completed=file["rows"])
    return file


def _write_outcome(place: str, key: str, path: Path) -> Path:
    form = "xlsx" if path.suffix.lower() == ".xlsx" else "csv"
    try:
        content = download(f"{place}/outcome.{form}", key=key)
    except NoAnswer as error:
        raise CommandFailed(str(error), hint=f"Get it later: {place}/outcome.{form}") from error
    with whole_file(path) as written:
        written.write(content)
    return path


def _show_end(file: Mapping[str, Any], written: Path, *, as_json: bool) -> None:
    if as_json:
        screen.write_json({**file, "outcome": str(written)})
        return
    counts = ", ".join(f"{count:,} {status}" for status, count in file["counts"].items())
    screen.paper().print(f"Ended: {counts}. Row by row: {written}", soft_wrap=True)
