"""What /metrics reads must cost the same with a million payments as with ten."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hakika.store import gauges
from hakika.store.transaction import Store

STATEMENTS = {
    name: text for name, text in vars(gauges).items()
    if isinstance(text, str) and re.match(r"\s*(?:select|with) ", text)
}

# A sort that takes a table as it lies, so that all of it is read before the limit counts.
SORTED_SCAN = r"Sort\n\s+(?:Disabled.*\s+)?Sort Key: .*\n\s+-> .*Scan.* on (\w+)"

# Small whatever happens: a row for each short code; and those that are looked up by their key.
MAY_BE_READ_WHOLE = {"query_budgets"}


async def plan(store: Store, statement: Any, values: dict[str, Any]) -> str:
    """Return how PostgreSQL runs a statement if it can help it to read and sort a table whole.

    Empty tables it would read whole; with these off it shows what it does to large ones.
    """
    async with store.transaction() as tx:
        for way in ("seqscan", "bitmapscan", "sort"):
            await tx.execute(f"set local enable_{way} = off")
        rows = await tx.rows("explain (costs off) " + statement, values)
    return "\n".join(row["QUERY PLAN"] for row in rows)


@pytest.mark.parametrize("name", list(STATEMENTS))
@pytest.mark.usefixtures("merchant_id")
async def test_no_table_that_grows_is_read_whole(store, name):
    """An index serves it, and in its order: the limit ends the reading, not the table's end."""
    found = await plan(
        store, STATEMENTS[name], dict.fromkeys(("rows", "newest", "named", "counted"), 10),
    )

    read_whole = re.findall(r"Seq Scan on (\w+)", found)
    sorted_whole = re.findall(SORTED_SCAN, found)
    assert {*read_whole, *sorted_whole} <= MAY_BE_READ_WHOLE, found


def test_there_is_something_to_look_at() -> None:
    """The statements are found by their form; a renamed one must not slip out of the test."""
    assert len(STATEMENTS) == 12
