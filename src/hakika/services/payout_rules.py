"""A merchant's own rules for money out: read, and changed with a trace. Read `put`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hakika.domain.guard import Rules, loosened, rules_data, rules_of
from hakika.domain.merchant import ApiKey
from hakika.services import stops
from hakika.services.runtime import Runtime
from hakika.store import guards
from hakika.store.guards import GuardChange

CHANGED = "rules_changed"


async def read(rt: Runtime, key: ApiKey) -> Rules:
    """Return the rules of this key's merchant and mode: what was set, else the defaults."""
    async with rt.store.autocommit() as tx:
        return await guards.rules(tx, key.owner)


async def put(rt: Runtime, key: ApiKey, wanted: Mapping[str, Any]) -> Rules:
    """Change the rules that `wanted` names; return all of them.

    Looser rules freeze money out at once, where the rules before said so: they let out more only
    when somebody else has looked, and lifted that. Raises: Invalid, for an amount that is none.
    """
    async with rt.store.transaction() as tx:
        before = (await guards.hold(tx, key.owner)).rules
        after = rules_of(wanted, before)
        if after == before:
            return after
        looser = loosened(before, after)
        if looser:  # judged by the rules before: they stand until the next line
            what = f"These rules for money out were loosened: {', '.join(looser)}."
            await stops.freeze_after(rt, tx, key.owner, what, who=key.id)
        await guards.put(tx, key.owner, after)
        await guards.note_change(
            tx, key.owner, CHANGED, who=key.id, now=rt.now(), before=rules_data(before),
            after=rules_data(after),
        )
    return after


async def changes(
    rt: Runtime, key: ApiKey, *, before: int | None, limit: int,
) -> list[GuardChange]:
    """Return up to `limit` changes of what guards this merchant's money, newest first."""
    async with rt.store.autocommit() as tx:
        return await guards.changes(tx, key.owner, before=before, limit=limit)
