"""Send what is ready, once each. Read `send_due`, then `_send`.

An order is committed to before Daraja is asked, and what Daraja said is committed after. Whoever
dies in between leaves it *sending*; a check makes it *unknown*, and only M-Pesa's own word ends
that. It is never sent again under another id.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from hakika.daraja import payouts as wire
from hakika.daraja.answers import B2C_V3_NOT_ALLOWED
from hakika.daraja.envelopes import Addresses, Operator, Question
from hakika.daraja.errors import (
    DarajaDuplicate,
    DarajaRefused,
    DarajaSilent,
    DarajaUnreachable,
)
from hakika.domain.bucket import API_OF, Api
from hakika.domain.callback import Door
from hakika.domain.errors import Invalid, Unavailable
from hakika.domain.fact import Reason
from hakika.domain.merchant import Owner
from hakika.domain.payout import Change, Payout, Purpose, State, Way
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.payout_patience import POSTPONED_SECONDS
from hakika.domain.provider import Provider
from hakika.services import buckets, operators, providers
from hakika.services.killpoints import KillPoint
from hakika.services.payout_facts import record, written
from hakika.services.runtime import Runtime
from hakika.store import payments
from hakika.store import payouts as store
from hakika.store.payouts import Queue
from hakika.store.transaction import StoreUnavailable, Transaction

log = structlog.get_logger(__name__)

# So many are taken at once, and are held for as long.
AT_ONCE = 10
LEASE_SECONDS = 30

# What Daraja said is worth a short wait for a database that is just being restarted.
OUTCOME_TRIES_MAX = 5
OUTCOME_WAIT_SECONDS = 0.5

REMARKS = "Payout"    # M-Pesa wants some words


async def send_due(rt: Runtime) -> int:
    """Send the payouts whose time has come; return how many. Safe beside other workers."""
    async with rt.store.autocommit() as tx:
        queues = await store.queues(tx, now=rt.now())
    counted_together: dict[tuple[str, bool, Api], list[Queue]] = {}
    for each in queues:
        one = each.shortcode, each.livemode, API_OF[each.way]
        counted_together.setdefault(one, []).append(each)
    return sum(await asyncio.gather(*(
        _send_next(rt, shortcode, api, of, livemode=livemode)
        for (shortcode, livemode, api), of in counted_together.items()
    )))


async def _send_next(
    rt: Runtime, shortcode: str, api: Api, queues: list[Queue], *, livemode: bool,
) -> int:
    """Send the next payouts of queues that share their turns, the first queue's first."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        lease = now + rt.payout_patience.seconds(LEASE_SECONDS)

        async def take(count: int) -> list[Payout]:
            taken: list[Payout] = []
            for each in queues:
                owner = Owner(each.merchant_id, each.livemode)
                room = await operators.room(rt, tx, owner, each.shortcode)
                left = min(count, AT_ONCE) - len(taken)
                taken += await store.take_ready(
                    tx, each, now=now, lease=lease,
                    limit=left if room is None else min(left, room),
                )
                if len(taken) == min(count, AT_ONCE):
                    break
            return taken

        due = await buckets.take_turns(rt, tx, shortcode, api, take, livemode=livemode)
    await asyncio.gather(*(_send_at(rt, at, each) for at, each in due))
    return len(due)


async def _send_at(rt: Runtime, at: datetime, payout: Payout) -> None:
    await asyncio.sleep((at - rt.now()).total_seconds())
    await send(rt, payout)


async def send(rt: Runtime, payout: Payout) -> None:
    """Send one payout, unless somebody else does, took it back, or stops it."""
    provider = await providers.of_payout(rt, payout)
    if provider is None:
        log.warning("payout_without_operator", payout=payout.id)
        async with rt.store.transaction() as tx:
            await _put_off(rt, tx, payout, POSTPONED_SECONDS)
        return
    rt.passing(KillPoint.BEFORE_ORDER)
    change = await _committed_to(rt, provider, payout)
    if change is None:
        return
    rt.passing(KillPoint.AFTER_ORDER_COMMITTED)
    with rt.telemetry.daraja(
        f"payout_{payout.way}", livemode=payout.livemode, payment=payout.id,
    ) as call:
        fact = await _ordered(rt, provider, change.after)
        call.outcome = fact.kind.value
    rt.passing(KillPoint.AFTER_ORDER)
    await _record_outcome(rt, change.after, fact)
    rt.passing(KillPoint.AFTER_ORDER_RECORDED)


async def _committed_to(rt: Runtime, provider: Provider, payout: Payout) -> Change | None:
    """Make it durable that an order is sent now; None: it moved, or waits for another or a stop.

    The stops are looked at last, so that the order in hand is the only one that gets by a new one.
    """
    async with rt.store.transaction() as tx:
        now = await store.lock(tx, payout.id)
        assert now is not None, "no payout is deleted"
        if now.facts_count != payout.facts_count:
            return None
        is_stopped = await store.is_stopped(tx, payout.id)
        if is_stopped or not await operators.may_try(rt, tx, provider.id, payout.id):
            await _put_off(rt, tx, payout, operators.LOOK_AGAIN_SECONDS)
            return None
        if now.purpose is Purpose.REFUND and await _is_given_back_already(tx, now):
            note = "So much of the payment went back another way that this is not left."
            await written(rt, tx, now, PayoutFact(Kind.WITHDRAWN, Source.CLOCK, note=note))
            return None
        asked = PayoutFact(
            Kind.ASKED, Source.CLOCK, attempt=payout.attempts + 1,
            is_unprotected=_is_unprotected(provider, now),
        )
        return await written(rt, tx, now, asked)


def _is_unprotected(provider: Provider, payout: Payout) -> bool:
    """Say whether the order is to go by an API that knows no duplicates.

    What B2C v3 may have taken is sent again by v3 or not at all: by v1 it would be a second one.
    """
    if payout.way is not Way.PHONE:
        return True
    return provider.b2c_version == 1 and payout.state is not State.UNKNOWN


async def _is_given_back_already(tx: Transaction, refund: Payout) -> bool:
    """Say whether a refund that was never sent is for more than its payment has left."""
    assert refund.payment_id is not None, "a refund is of a payment"
    payment = await payments.lock(tx, refund.payment_id)
    assert payment is not None and payment.amount_received is not None, "it was paid"
    left = payment.amount_received.cents - payment.amount_returned.cents
    return refund.state is State.READY and refund.amount.cents > left


async def _put_off(rt: Runtime, tx: Transaction, payout: Payout, seconds: float) -> None:
    await store.postpone(tx, payout.id, until=rt.now() + rt.payout_patience.seconds(seconds))


async def _ordered(rt: Runtime, provider: Provider, payout: Payout) -> PayoutFact:
    """Return the fact in what Daraja said at once."""
    attempt = payout.attempts
    try:
        question = _question(rt, provider, payout)
        taken = await rt.daraja.order(providers.credentials(rt, provider), question)
    except Invalid as error:
        return PayoutFact(
            Kind.REFUSED, Source.CALLER, attempt=attempt, reason=_unfit(error),
        )
    except DarajaRefused as refusal:
        if refusal.reason.code == B2C_V3_NOT_ALLOWED.code:
            await providers.note_b2c_version(rt, provider, 1)
            return PayoutFact(
                Kind.UNREACHABLE, Source.DARAJA, attempt=attempt, reason=refusal.reason,
                note="Safaricom does not let this short code use B2C v3. It is sent by v1.",
                raw=refusal.raw,
            )
        return PayoutFact(
            Kind.REFUSED, Source.DARAJA, attempt=attempt, reason=refusal.reason, raw=refusal.raw,
        )
    except DarajaUnreachable as failure:
        await _heed(rt, payout, failure.rest_seconds)
        return PayoutFact(
            Kind.UNREACHABLE, Source.DARAJA, attempt=attempt, reason=failure.reason,
            raw=failure.raw,
        )
    except DarajaDuplicate as duplicate:
        return PayoutFact(
            Kind.DUPLICATED, Source.DARAJA, attempt=attempt, reason=duplicate.reason,
            raw=duplicate.raw,
        )
    except DarajaSilent as silence:
        await _heed(rt, payout, silence.rest_seconds)
        return PayoutFact(
            Kind.SILENT, Source.DARAJA, attempt=attempt, note=silence.note, raw=silence.raw,
            conversation_id=silence.conversation_id,
            originator_conversation_id=silence.originator_conversation_id,
        )
    except Unavailable as failure:  # the store is away: no token
        return PayoutFact(Kind.UNREACHABLE, Source.DARAJA, attempt=attempt, note=failure.message)
    return PayoutFact(
        Kind.ACCEPTED, Source.DARAJA, attempt=attempt, conversation_id=taken.conversation_id,
        originator_conversation_id=taken.originator_conversation_id,
    )


async def _heed(rt: Runtime, payout: Payout, rest_seconds: int | None) -> None:
    await buckets.heed(
        rt, payout.shortcode.number, API_OF[payout.way], rest_seconds, livemode=payout.livemode,
    )


def _question(rt: Runtime, provider: Provider, payout: Payout) -> Question:
    payee = payout.payee
    order = wire.Order(
        provider.shortcode.business_short_code,
        Operator(provider.secrets.initiator, provider.secrets.security_credential),
        Addresses(
            rt.callback_url(payout.id, Door.PAYOUT_RESULT),
            rt.callback_url(payout.id, Door.PAYOUT_TIMEOUT),
        ),
        payout.amount, payout.remarks or REMARKS,
    )
    match payout.way:
        case Way.PHONE:
            assert payee.phone is not None, "who is paid by phone has one"
            if payout.unprotected:
                return wire.b2c_v1_order(order, payee=payee.phone)
            return wire.b2c_order(
                order, payee=payee.phone, originator_conversation_id=payout.id,
            )
        case Way.REVERSAL:
            return wire.reversal_order(order, receipt=payout.original_receipt)
        case _:
            return wire.b2b_order(
                order, way=payout.way, number=payee.number, account_reference=payee.account,
            )


def _unfit(error: Invalid) -> Reason:
    return Reason(
        code=error.errors[0].code, daraja_code="", developer_message=error.message,
        payer_message="", payer_message_sw="",
    )


async def _record_outcome(rt: Runtime, payout: Payout, fact: PayoutFact) -> None:
    """Record what came of an order; worth a few tries, because it cannot be repeated.

    When the database stays away the payout is left in *sending*: a check makes it *unknown*.
    """
    for _ in range(OUTCOME_TRIES_MAX - 1):
        try:
            await record(rt, payout.id, lambda _: fact)
            return
        except StoreUnavailable:
            await asyncio.sleep(OUTCOME_WAIT_SECONDS)
    await record(rt, payout.id, lambda _: fact)
