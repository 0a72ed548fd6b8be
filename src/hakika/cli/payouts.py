"""`hakika payouts`: money that goes out."""

from __future__ import annotations

import typer

from hakika.cli.freezing import freeze, resume

app = typer.Typer(
    no_args_is_help=True, add_completion=False,
    help="Stop money that goes out, and let it go again.",
)
app.command()(freeze)
app.command()(resume)
