"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The data folder. Default: HAKIKA_DATA, or data."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON on stdout, for programs.")]
Host = Annotated[
    str | None,
    typer.Option("--host", help="The address to listen on. Default: HAKIKA_HOST, or 127.0.0.1."),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=0, max=65535,
        help="The port to listen on; 0 takes a free one. Default: HAKIKA_PORT, or 8700.",
    ),
]
Merchant = Annotated[
    str, typer.Option("--merchant", metavar="mer_…", help="Whose. Left out: the only one's."),
]
