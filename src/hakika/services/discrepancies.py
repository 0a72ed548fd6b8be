"""Discrepancies as people work them off: listed, assigned, and resolved with a reason."""

from __future__ import annotations

from dataclasses import replace

from hakika.domain.discrepancy import Discrepancy
from hakika.domain.errors import Conflict, NotFound
from hakika.domain.ids import DiscrepancyId
from hakika.domain.merchant import Owner
from hakika.services.runtime import Runtime
from hakika.store import discrepancies
from hakika.store.transaction import Transaction


async def find(
    rt: Runtime, owner: Owner, sought: discrepancies.Sought, *, limit: int,
) -> list[Discrepancy]:
    """Return up to `limit` discrepancies, newest first."""
    async with rt.store.autocommit() as tx:
        return await discrepancies.listed(tx, owner, sought, limit=limit)


async def read(rt: Runtime, owner: Owner, discrepancy_id: DiscrepancyId) -> Discrepancy:
    """Return a discrepancy of this merchant and mode. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        return await _discrepancy(tx, owner, discrepancy_id)


async def assign(
    rt: Runtime, owner: Owner, discrepancy_id: DiscrepancyId, *, to: str,
) -> Discrepancy:
    """Note who looks into a discrepancy. Raises: NotFound."""
    async with rt.store.transaction() as tx:
        found = await _discrepancy(tx, owner, discrepancy_id)
        await discrepancies.assign(tx, owner, discrepancy_id, to=to)
    return replace(found, assigned_to=to)


async def resolve(
    rt: Runtime, owner: Owner, discrepancy_id: DiscrepancyId, *, who: str, reason: str,
) -> Discrepancy:
    """Resolve a discrepancy with a reason; the next closing of its day counts it no more.

    Raises:
        NotFound: there is none with this id.
        Conflict: it is resolved already.
    """
    now = rt.now()
    async with rt.store.transaction() as tx:
        found = await _discrepancy(tx, owner, discrepancy_id)
        if not await discrepancies.resolve(
            tx, owner, discrepancy_id, who=who, reason=reason, now=now,
        ):
            raise Conflict(f"{discrepancy_id} is resolved already.", hint="Read it again.")
    return replace(found, resolution=reason, resolved_by=who, resolved_at=now)


async def _discrepancy(
    tx: Transaction, owner: Owner, discrepancy_id: DiscrepancyId,
) -> Discrepancy:
    found = await discrepancies.read(tx, owner, discrepancy_id)
    if found is None:
        raise NotFound(f"There is no discrepancy {discrepancy_id} here.")
    return found
