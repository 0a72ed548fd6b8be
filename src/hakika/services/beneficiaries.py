"""Whom a merchant lists as payees: added, shown, removed. Each change is kept for ever."""

from __future__ import annotations

from datetime import timedelta

from hakika.domain.beneficiary import Beneficiary
from hakika.domain.errors import NotFound
from hakika.domain.ids import BeneficiaryId
from hakika.domain.merchant import ApiKey
from hakika.domain.payout import Payee
from hakika.services.runtime import Runtime
from hakika.store import beneficiaries as store
from hakika.store import guards

LISTED, REMOVED = "beneficiary_added", "beneficiary_removed"


async def add(rt: Runtime, key: ApiKey, payee: Payee) -> tuple[Beneficiary, bool]:
    """List a payee, who may be paid when the cool-off of the rules is over.

    Returns the beneficiary, and whether it is new: one that is listed already cools off no more
    than it did.
    """
    now = rt.now()
    async with rt.store.transaction() as tx:
        rules = (await guards.hold(tx, key.owner)).rules
        wanted = Beneficiary(
            BeneficiaryId(rt.new_id("ben")), payee, now, key.id,
            now + timedelta(hours=rules.cool_off_hours),
        )
        present = await store.add(tx, key.owner, wanted)
        if present is not None:
            return present, False
        await guards.note_change(
            tx, key.owner, LISTED, who=key.id, now=now, after={"id": wanted.id},
        )
    return wanted, True


async def find(
    rt: Runtime, key: ApiKey, *, before: BeneficiaryId | None, limit: int,
) -> list[Beneficiary]:
    """Return up to `limit` beneficiaries of this key's merchant and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await store.find(tx, key.owner, before=before, limit=limit)


async def remove(rt: Runtime, key: ApiKey, which: BeneficiaryId) -> None:
    """List a payee no more. Raises: NotFound."""
    async with rt.store.transaction() as tx:
        await guards.hold(tx, key.owner)
        if not await store.remove(tx, key.owner, which):
            raise NotFound(f"There is no beneficiary {which} for this key.")
        await guards.note_change(
            tx, key.owner, REMOVED, who=key.id, now=rt.now(), before={"id": which},
        )
