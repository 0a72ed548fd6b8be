"""Look again at payments that have gone silent: ask Daraja within its budget, and mind the clock.

Any number of workers may do this at once: a check is held by moving its time ahead, and the budget
is a row. The payment with the most to lose is asked about first.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta

from hakika.daraja.client import QueryOutcome, StkQueryAnswer
from hakika.domain.errors import AskedTooOften
from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.merchant import ApiKey
from hakika.domain.patience import urgency
from hakika.domain.payment import Payment, State
from hakika.domain.verdict import Said, from_query
from hakika.services import payments as payments_service
from hakika.services.facts import Unheard, record_heard
from hakika.services.killpoints import KillPoint
from hakika.services.runtime import Runtime
from hakika.store import checks

# Longer than a query may take, so that a check is not begun twice; a crashed one is due again then.
LEASE_SECONDS = 30

SECONDS_A_MINUTE = 60


async def look_again(rt: Runtime) -> int:
    """Do one round over everything that is due; return how many payments were looked at."""
    async with rt.store.reading() as tx:
        due = await checks.due(tx, now=rt.now())
    by_clock = [payment for payment in due if not _can_be_asked(rt, payment)]
    by_query: dict[bool, list[Payment]] = defaultdict(list)
    for payment in due:
        if _can_be_asked(rt, payment):
            by_query[payment.livemode].append(payment)
    done = sum([await _mind_the_clock(rt, payment) for payment in by_clock])
    asked = await asyncio.gather(*(_ask_most_urgent(rt, group) for group in by_query.values()))
    return done + sum(asked)


def _can_be_asked(rt: Runtime, payment: Payment) -> bool:
    waiting = payment.state in {State.PENDING, State.UNKNOWN}
    return (
        waiting and bool(payment.checkout_request_id) and payment.livemode in rt.accounts
        and not rt.patience.has_lapsed(payment, now=rt.now())
    )


async def _mind_the_clock(rt: Runtime, payment: Payment) -> bool:
    """Record what the passing of time says: a crash while sending, or the last deadline."""
    try:
        await record_heard(rt, payment.id, lambda locked: _said_by_the_clock(rt, locked))
    except Unheard:
        return False  # somebody was faster, or it is not due any more
    return True


def _said_by_the_clock(rt: Runtime, payment: Payment) -> Fact | None:
    now = rt.now()
    if payment.next_check_at is None or payment.next_check_at > now:
        return None
    if payment.state is State.SENDING:
        note = "The process that was sending it has gone. It is never sent again."
        return Fact(Kind.SILENT, Source.CLOCK, attempt=payment.attempts, note=note)
    if rt.patience.has_lapsed(payment, now=now):
        note = "Nobody asked again." if payment.state is State.UNSENT else "Silent for two days."
        return Fact(Kind.LAPSED, Source.CLOCK, note=note)
    return None


async def _ask_most_urgent(rt: Runtime, due: list[Payment]) -> int:
    """Ask about the payments of one mode, most urgent first, for as long as the budget lasts."""
    asked = 0
    for payment in sorted(due, key=lambda each: urgency(each, now=rt.now()), reverse=True):
        if not await _spend(rt, payment):
            break
        lease = rt.now() + rt.patience.seconds(LEASE_SECONDS)
        async with rt.store.transaction() as tx:
            taken = await checks.take(tx, payment, lease=lease)
        if taken:
            await _ask(rt, payment)
            asked += 1
    return asked


async def _spend(rt: Runtime, payment: Payment) -> bool:
    settings = rt.settings
    a_minute = (
        settings.live_queries_per_minute if payment.livemode
        else settings.sandbox_queries_per_minute
    )
    async with rt.store.transaction() as tx:
        return await checks.spend(
            tx, payment.shortcode.number, livemode=payment.livemode, now=rt.now(),
            interval=rt.patience.seconds(SECONDS_A_MINUTE / a_minute),
        )


async def _ask(rt: Runtime, payment: Payment) -> None:
    """Ask Daraja about one payment and record the answer."""
    rt.passing(KillPoint.AFTER_CHECK_TAKEN)
    answer = await rt.daraja.stk_query(
        rt.account(livemode=payment.livemode), payment.checkout_request_id,
    )
    rt.passing(KillPoint.AFTER_QUERY)
    if answer.throttled:
        await _stay_away(rt, payment, seconds=answer.retry_after_seconds or LEASE_SECONDS)
        return
    if not answer.raw:
        return  # Daraja said nothing at all: no fact; the check is due again when our hold ends
    await record_heard(rt, payment.id, lambda locked: _judge(rt, locked, answer))
    await _say_if_overdue(rt, payment)
    rt.passing(KillPoint.AFTER_CHECK_RECORDED)


def _judge(rt: Runtime, payment: Payment, answer: StkQueryAnswer) -> Fact:
    result = answer.result
    said = Said(
        succeeded=answer.outcome is QueryOutcome.PAID, reason=answer.reason,
        canceled=result is not None and result.is_canceled,
        settles_by_query=answer.outcome is QueryOutcome.FAILED, note=answer.note, raw=answer.raw,
    )
    return from_query(said, prompt_is_dead=rt.patience.prompt_is_dead(payment, now=rt.now()))


async def _say_if_overdue(rt: Runtime, payment: Payment) -> None:
    """Call a pending payment unknown once it has been silent for too long."""
    try:
        await record_heard(rt, payment.id, lambda locked: _overdue(rt, locked))
    except Unheard:
        return  # the usual case: settled, or still in time


def _overdue(rt: Runtime, payment: Payment) -> Fact | None:
    if payment.state is not State.PENDING or not rt.patience.is_overdue(payment, now=rt.now()):
        return None
    note = "The prompt is long gone, and no verdict has come."
    return Fact(Kind.SILENT, Source.CLOCK, note=note)


async def _stay_away(rt: Runtime, payment: Payment, *, seconds: float) -> None:
    until = rt.now() + timedelta(seconds=seconds)
    async with rt.store.transaction() as tx:
        await checks.close_until(
            tx, payment.shortcode.number, livemode=payment.livemode, until=until,
        )
        await checks.postpone(tx, payment, until=until)


async def check_now(rt: Runtime, key: ApiKey, payment: Payment) -> Payment:
    """Ask Daraja about a payment because somebody wants to know, and return it as it then is.

    A payment whose outcome is known, or that Daraja never gave an id, is returned as it is.

    Raises:
        AskedTooOften: the budget of the short code is spent. Try again after the time it names.
    """
    if payment.state not in {State.PENDING, State.UNKNOWN} or not payment.checkout_request_id:
        return payment
    if not await _spend(rt, payment):
        raise AskedTooOften(
            "Daraja was asked about this short code a moment ago.",
            retry_after_seconds=SECONDS_A_MINUTE // 5,
        )
    await _ask(rt, payment)
    return await payments_service.read(rt, key, payment.id)
