"""What people and programs see: text and tables for the one, JSON for the other. Never both."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

# Without a terminal nobody's window is narrow, and a cut id is of no use.
_PIPE_COLUMNS = 200


def paper() -> Console:
    """Return the console for results, on stdout. It takes text as it is: no markup."""
    return _console(error=False)


def margin() -> Console:
    """Return the console for remarks and progress, on stderr."""
    return _console(error=True)


def _console(*, error: bool) -> Console:
    stream = sys.stderr if error else sys.stdout
    return Console(
        stderr=error, markup=False, highlight=False, emoji=False,
        width=None if stream.isatty() else _PIPE_COLUMNS,
    )


def write_json(document: Mapping[str, Any]) -> None:
    """Write one JSON line on stdout, now."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def write_table(rows: Sequence[Mapping[str, str]], *, none: str) -> None:
    """Write `rows` under the names of their fields, or the sentence `none` when there are none."""
    if not rows:
        paper().print(none)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    paper().print(table)
