"""Merchants: created, listed, and whether they may collect live money just now."""

from __future__ import annotations

from hakika.domain.errors import CollectionsStopped, Invalid, NotFound
from hakika.domain.fact import LateAction
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import CollectionsStop, Merchant
from hakika.domain.sealing import INSTANCE
from hakika.services.runtime import Runtime
from hakika.store import merchants

NAME_CHARACTERS_MAX = 100
REASON_CHARACTERS_MAX = 200

PAGE = 1000  # that one statement reads for `all_of_them`


async def create(rt: Runtime, name: str) -> Merchant:
    """Return a new merchant. Raises: Invalid, when the name is empty or above 100 characters."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise Invalid(
            f"A merchant's name has 1 to {NAME_CHARACTERS_MAX} characters.",
            field="name", code="name_invalid",
        )
    merchant = Merchant(MerchantId(rt.new_id("mer")), name, rt.now())
    async with rt.store.transaction() as tx:
        await merchants.add(tx, merchant)
    return merchant


async def all_of_them(rt: Runtime) -> list[Merchant]:
    """Return all merchants, oldest first."""
    found: list[Merchant] = []
    async with rt.store.autocommit() as tx:
        while True:
            after = found[-1].id if found else None
            page = await merchants.find(tx, after=after, limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found


async def read(rt: Runtime, merchant_id: MerchantId) -> Merchant:
    """Return one merchant. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        merchant = await merchants.read(tx, merchant_id)
    if merchant is None:
        raise NotFound(f"There is no merchant {merchant_id}.")
    return merchant


async def late_money(rt: Runtime, merchant_id: MerchantId, *, livemode: bool) -> LateAction:
    """Return what a merchant wants done with money that comes late, in one mode."""
    async with rt.store.autocommit() as tx:
        return await merchants.late_money(tx, merchant_id, livemode=livemode)


async def set_late_money(
    rt: Runtime, merchant_id: MerchantId, policy: LateAction, *, livemode: bool,
) -> None:
    """Set what is wanted done with money that comes late from now on, in one mode.

    Raises:
        NotFound: no such merchant.
    """
    await read(rt, merchant_id)
    async with rt.store.autocommit() as tx:
        await merchants.set_late_money(tx, merchant_id, policy, livemode=livemode)


async def stop_collections(
    rt: Runtime, merchant_id: MerchantId | None, *, reason: str = "",
) -> None:
    """Take no new live payments, of one merchant or of all. Callbacks and webhooks go on.

    Known to every process within a second. Stopped twice is stopped once, for the first reason.

    Raises:
        Invalid: the reason is above 200 characters.
    """
    if len(reason) > REASON_CHARACTERS_MAX:
        raise Invalid(
            f"A reason has {REASON_CHARACTERS_MAX} characters at most.",
            field="reason", code="reason_invalid",
        )
    async with rt.store.transaction() as tx:
        await merchants.stop(tx, merchant_id or INSTANCE, reason=reason, now=rt.now())
    rt.stops.forget(merchant_id or INSTANCE)


async def resume_collections(rt: Runtime, merchant_id: MerchantId | None) -> bool:
    """Take live payments again; False when they were not stopped at this switch."""
    async with rt.store.transaction() as tx:
        resumed = await merchants.resume(tx, merchant_id or INSTANCE)
    rt.stops.forget(merchant_id or INSTANCE)
    return resumed


async def collections_stop(rt: Runtime, merchant_id: MerchantId) -> CollectionsStop | None:
    """Return what stops this merchant's live collections, or None: it does collect."""

    async def look() -> CollectionsStop | None:
        async with rt.store.autocommit() as tx:
            return await merchants.stopped(tx, merchant_id)

    return await rt.stops.get(merchant_id, look)


async def refuse_stopped(rt: Runtime, merchant_id: MerchantId) -> None:
    """Raise CollectionsStopped when this merchant takes no new live payments."""
    stop = await collections_stop(rt, merchant_id)
    if stop is not None:
        reason = f": {stop.reason}" if stop.reason else ""
        raise CollectionsStopped(f"New live payments are switched off{reason}.")
