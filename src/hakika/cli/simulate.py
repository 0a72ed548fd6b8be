"""`hakika simulate`: becomes the simulator, of which Hakika imports nothing."""

from __future__ import annotations

import os
import sys

import typer


def simulate(ctx: typer.Context) -> None:
    """Run a simulated Daraja, with phones in the browser. `--help` lists its flags, --json too.

    Example: hakika simulate --port 8701 --data data/simulator
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "hakika_simulator", *ctx.args])
