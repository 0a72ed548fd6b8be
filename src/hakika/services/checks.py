"""Look again at payments that have gone silent: ask Daraja within its budget, and mind the clock.

Any number of workers may do this at once: a check is held by moving its time ahead, and the budget
is a row. The payment with the most to lose is asked about first.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hakika.daraja.client import QueryOutcome, StkQueryAnswer
from hakika.domain.errors import AskedTooOften
from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.ids import PaymentId
from hakika.domain.merchant import ApiKey
from hakika.domain.patience import LAPSE_SECONDS, OVERDUE_SECONDS, urgency
from hakika.domain.payment import NOT_SENT, Payment, State
from hakika.domain.verdict import Said, from_query
from hakika.services import payments as payments_service
from hakika.services import providers
from hakika.services.facts import Unheard, record_heard
from hakika.services.killpoints import KillPoint
from hakika.services.runtime import Runtime
from hakika.services.telemetry import outcome_of_query
from hakika.store import checks

# Longer than a query may take, so that a check is not begun twice; a crashed one is due again then.
LEASE_SECONDS = 30

# A round asks no more after this: the clocks and the newest payments must not wait for a Daraja
# that takes its time with every answer.
ROUND_SECONDS = 10

SECONDS_A_MINUTE = 60

# Credentials that were deleted may be put again; until then there is nobody to ask.
SECONDS_WITHOUT_CREDENTIALS = 600


async def look_again(rt: Runtime) -> int:
    """Do one round over everything that is due; return how many payments were looked at."""
    minded = await _mind_the_clocks(rt)
    async with rt.store.autocommit() as tx:
        waited_on = await checks.shortcodes_waited_on(tx, now=rt.now())
    asked = await asyncio.gather(
        *(_ask_most_urgent(rt, shortcode, livemode=mode) for shortcode, mode in waited_on),
    )
    return minded + sum(asked)


async def _mind_the_clocks(rt: Runtime) -> int:
    """Look at the payments that need no query, however long the queue for queries is."""
    now = rt.now()
    async with rt.store.autocommit() as tx:
        due = await checks.due_by_clock(
            tx, now=now, overdue=now - rt.patience.seconds(OVERDUE_SECONDS),
            lapsing=now - rt.patience.seconds(LAPSE_SECONDS),
        )
    return sum([await _mind_the_clock(rt, payment_id) for payment_id in due])


async def _mind_the_clock(rt: Runtime, payment_id: PaymentId) -> bool:
    """Record what the passing of time says: a crash while sending, or a deadline that passed."""
    try:
        await record_heard(rt, payment_id, lambda seen: _said_by_the_clock(rt, seen))
    except Unheard:
        return False  # somebody was faster, or it is not due any more
    return True


def _said_by_the_clock(rt: Runtime, payment: Payment) -> Fact | None:
    now = rt.now()
    if payment.state is State.UNSENT and rt.patience.has_lapsed(payment, now=now):
        return Fact(Kind.LAPSED, Source.CLOCK, reason=NOT_SENT, note="Nobody asked again.")
    if payment.state is State.SENDING and rt.patience.was_left_sending(payment, now=now):
        note = "The process that was sending it has gone. It is never sent again."
        return Fact(Kind.SILENT, Source.CLOCK, attempt=payment.attempts, note=note)
    if payment.state is State.PENDING and rt.patience.is_overdue(payment, now=now):
        return Fact(Kind.SILENT, Source.CLOCK, note="The prompt is long gone, without a verdict.")
    waiting = payment.state is State.UNKNOWN and not payment.lapsed
    if waiting and rt.patience.has_lapsed(payment, now=now):
        return Fact(Kind.LAPSED, Source.CLOCK, note="Silent for two days.")
    return None


async def _ask_most_urgent(rt: Runtime, shortcode: str, *, livemode: bool) -> int:
    """Ask about the payments of a short code, most urgent first, while budget and round last."""
    now = rt.now()
    async with rt.store.autocommit() as tx:
        if not await checks.has_budget(tx, shortcode, livemode=livemode, now=now):
            return 0
        waiting = await checks.waiting(tx, shortcode, livemode=livemode, now=now)
    asked, ends_at = 0, now + rt.patience.seconds(ROUND_SECONDS)
    for each in sorted(waiting, key=lambda one: urgency(one, now=now), reverse=True):
        if asked and rt.now() >= ends_at:
            break
        if not await _spend(rt, shortcode, livemode=livemode):
            break
        lease = rt.now() + rt.patience.seconds(LEASE_SECONDS)
        async with rt.store.transaction() as tx:
            payment = await checks.take(tx, each.id, now=now, lease=lease)
        if payment is not None:
            with rt.telemetry.span("payment.check", payment=payment.id):
                await _ask(rt, payment)
            asked += 1
    return asked


async def _spend(rt: Runtime, shortcode: str, *, livemode: bool) -> bool:
    settings = rt.settings
    a_minute = (
        settings.live_queries_per_minute if livemode else settings.sandbox_queries_per_minute
    )
    async with rt.store.transaction() as tx:
        return await checks.spend(
            tx, shortcode, livemode=livemode, now=rt.now(),
            interval=rt.patience.seconds(SECONDS_A_MINUTE / a_minute),
        )


async def _ask(rt: Runtime, payment: Payment) -> None:
    """Ask Daraja about one payment and record the answer."""
    rt.passing(KillPoint.AFTER_CHECK_TAKEN)
    account = await providers.account_of(rt, payment)
    if account is None:
        await _postpone(rt, payment, seconds=SECONDS_WITHOUT_CREDENTIALS)
        return
    with rt.telemetry.daraja("stk_query", livemode=payment.livemode, payment=payment.id) as call:
        answer = await rt.daraja.stk_query(account, payment.checkout_request_id)
        call.outcome = outcome_of_query(answer)
    rt.passing(KillPoint.AFTER_QUERY)
    if answer.throttled:
        await _stay_away(rt, payment, seconds=answer.retry_after_seconds or LEASE_SECONDS)
        return
    if not answer.raw:
        return  # Daraja said nothing at all: no fact; the check is due again when our hold ends
    await record_heard(rt, payment.id, lambda seen: _judge(rt, seen, answer), seen=payment)
    rt.passing(KillPoint.AFTER_CHECK_RECORDED)


def _judge(rt: Runtime, payment: Payment, answer: StkQueryAnswer) -> Fact:
    result = answer.result
    said = Said(
        succeeded=answer.outcome is QueryOutcome.PAID, reason=answer.reason,
        canceled=result is not None and result.is_canceled,
        settles_by_query=answer.outcome is QueryOutcome.FAILED, note=answer.note, raw=answer.raw,
    )
    return from_query(said, prompt_is_dead=rt.patience.prompt_is_dead(payment, now=rt.now()))


async def _postpone(rt: Runtime, payment: Payment, *, seconds: float) -> None:
    async with rt.store.transaction() as tx:
        await checks.postpone(tx, payment, until=rt.now() + rt.patience.seconds(seconds))


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
    if not await _spend(rt, payment.shortcode.number, livemode=payment.livemode):
        raise AskedTooOften(
            "Daraja was asked about this short code a moment ago.",
            retry_after_seconds=SECONDS_A_MINUTE // 5,
        )
    await _ask(rt, payment)
    return await payments_service.read(rt, key, payment.id)
