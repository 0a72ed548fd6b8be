"""Discrepancies as people work them off: listed, assigned, and resolved with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import structlog

from hakika.domain.closing import day_of
from hakika.domain.discrepancy import Difference, Discrepancy, discrepancy_data
from hakika.domain.errors import Conflict, NotFound
from hakika.domain.event import EventName
from hakika.domain.ids import DiscrepancyId, EventId, PaymentId
from hakika.domain.masking import mask_text
from hakika.domain.merchant import Owner
from hakika.domain.payment import Payment
from hakika.domain.review import Said, questions
from hakika.services.mistakes import OUR_MISTAKES
from hakika.services.runtime import Runtime
from hakika.store import discrepancies, events, payments
from hakika.store.events import Told
from hakika.store.transaction import Transaction

log = structlog.get_logger(__name__)

ASKED_AT_ONCE = 100


async def ask(rt: Runtime) -> int:
    """Put what a person must decide about payments before people; return how many questions."""
    async with rt.store.autocommit() as tx:
        waiting = await discrepancies.unasked(tx, limit=ASKED_AT_ONCE)
    return sum([await _ask_surely(rt, payment_id) for payment_id in waiting])


async def _ask_surely(rt: Runtime, payment_id: PaymentId) -> int:
    """Ask about one payment; when that cannot be done, say so, and let the others be asked."""
    try:
        async with rt.store.transaction() as tx:
            payment = await payments.get(tx, payment_id)
            return 0 if payment is None else await _ask(rt, tx, payment)
    except OUR_MISTAKES:
        log.exception("question_not_asked", payment=payment_id)
        return 0


async def _ask(rt: Runtime, tx: Transaction, payment: Payment) -> int:
    heard = [
        Said(each.heard_at, each.kind, each.source, each.details)
        for each in await payments.heard(tx, payment)
    ]
    found = list(questions(payment, heard))
    for each in found:
        owner = Owner(payment.merchant_id, payment.livemode)
        await keep(rt, tx, owner, day_of(payment.updated_at), each)
    return len(found)


async def keep(
    rt: Runtime, tx: Transaction, owner: Owner, day: date, difference: Difference,
) -> Discrepancy:
    """Keep what was found, or find it again, and tell the merchant when it is news."""
    now = rt.now()
    difference = replace(difference, words=mask_text(difference.words))
    discrepancy, is_news = await discrepancies.find(tx, Discrepancy(
        DiscrepancyId(rt.new_id("dsc")), owner.merchant_id, owner.livemode, day, difference, now,
    ))
    if is_news:
        await events.tell(
            tx, owner.merchant_id, livemode=owner.livemode, subject_id=discrepancy.id, now=now,
            told=[Told(
                EventId(rt.new_id("evt")), EventName.DISCREPANCY, discrepancy_data(discrepancy),
            )],
        )
    return discrepancy


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
    """Note who looks into a discrepancy, numbers of people hidden. Raises: NotFound."""
    to = mask_text(to)
    async with rt.store.transaction() as tx:
        found = await _discrepancy(tx, owner, discrepancy_id)
        await discrepancies.assign(tx, owner, discrepancy_id, to=to)
    return replace(found, assigned_to=to)


async def resolve(
    rt: Runtime, owner: Owner, discrepancy_id: DiscrepancyId, *, who: str, reason: str,
) -> Discrepancy:
    """Resolve a discrepancy with a reason; the next closing of its day counts it no more.

    What people type goes into a report that is signed and filed: numbers of people are hidden.

    Raises:
        NotFound: there is none with this id.
        Conflict: it is resolved already.
    """
    now, who, reason = rt.now(), mask_text(who), mask_text(reason)
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
