"""`hakika vault`: the master key, and what it wraps."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import Progress

from hakika.cli import options, screen
from hakika.cli.failure import CommandFailed
from hakika.cli.once import on_database
from hakika.kms import KmsFailed
from hakika.services import vault
from hakika.services.runtime import Runtime

app = typer.Typer(
    no_args_is_help=True, add_completion=False,
    help="Make a master key, and wrap everything anew with it.",
)


@app.command("new-key")
def new_key(
    kms: Annotated[
        str, typer.Option("--kms", metavar="KEY_ID", help="Let this key of AWS KMS seal it."),
    ] = "",
    as_json: options.Json = False,
) -> None:
    """Write a new master key on stdout: the value for HAKIKA_MASTER_KEY. Keep it as you keep money.

    Example: hakika vault new-key > /run/secrets/hakika-master-key
    """
    try:
        text = vault.new_master_key(kms)
    except KmsFailed as failure:
        raise CommandFailed(str(failure)) from failure
    if as_json:
        screen.write_json({"master_key": text})
    else:
        screen.paper().print(text, soft_wrap=True)


@app.command()
def status(data: options.Data = None, as_json: options.Json = False) -> None:
    """Say which master keys wrap how many data keys. More than one: a rotation has not ended.

    Example: hakika vault status
    """

    async def work(rt: Runtime) -> dict[str, int]:
        return await vault.status(rt.store)

    found = on_database(data, work)
    if as_json:
        screen.write_json({"data_keys": found})
        return
    screen.write_table(
        [{"master key": name, "data keys": str(count)} for name, count in found.items()],
        none="There is no data key yet.",
    )


@app.command()
def rotate(data: options.Data = None, as_json: options.Json = False) -> None:
    """Wrap every data key by HAKIKA_MASTER_KEY, while others serve. Safe to repeat and break off.

    Before: start every process with the new key, and the old one as HAKIKA_MASTER_KEY_PREVIOUS.
    After: start them once more without the old one.

    Example: hakika vault rotate
    """

    async def work(rt: Runtime) -> int:
        with Progress(console=screen.margin(), disable=as_json, transient=True) as bar:
            task = bar.add_task("Wrapping", total=None)
            return await vault.rotate(
                rt.store,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )

    done = on_database(data, work)
    if as_json:
        screen.write_json({"wrapped": done})
    else:
        screen.paper().print(f"Wrapped {done} data keys. The key before is not needed any more.")
