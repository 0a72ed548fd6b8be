"""Hear a callback from Safaricom: find its payment, judge, commit, and only then say thanks.

A callback that cannot be believed or read is kept in quarantine, whole, and the answer is the same:
nobody learns from our answer whether a guess was right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from hakika.daraja import c2b, strict_json, wire
from hakika.domain.callback import Called, Door
from hakika.domain.errors import NotFound
from hakika.domain.fact import Fact, Source
from hakika.domain.ids import InquiryId, PaymentId, PayoutId, ProviderId
from hakika.domain.inquiry import Inquiry
from hakika.domain.payment import Payment
from hakika.domain.payout import Payout
from hakika.domain.validation import Refused
from hakika.domain.verdict import Said, from_callback, is_about
from hakika.domain.witness import Witness
from hakika.services import inquiries, payout_results, providers, sources, validations, witnesses
from hakika.services.facts import Unheard, record_heard
from hakika.services.killpoints import KillPoint
from hakika.services.mistakes import OUR_MISTAKES
from hakika.services.runtime import Runtime
from hakika.services.telemetry import KEPT
from hakika.store import quarantine
from hakika.store.quarantine import Held

log = structlog.get_logger(__name__)

# A callback that our own mistake kept us from reading waits for the mended version of us.
RETRY_SECONDS = 60
TRIES_MAX = 60 * 24


@dataclass(frozen=True, slots=True)
class Arrival:
    """A callback as it came."""

    token: str
    raw: bytes
    source_address: str


async def receive(rt: Runtime, arrival: Arrival) -> Refused | None:
    """Make a callback durable, with everything that follows from it. Answer with thanks.

    A validation is a question instead: the reason, if there is one, is why to answer with a no.

    Raises:
        StoreUnavailable: it was not made durable. Answer 503: if Safaricom calls again, we win.
    """
    rt.passing(KillPoint.BEFORE_CALLBACK)
    refused: Refused | None = None
    with rt.telemetry.callback() as handling:
        match rt.called_about(arrival.token):
            case None:
                await _put_stray_aside(rt, arrival)
            case Called(Door.PAYMENT, payment_id):
                await _hear(rt, arrival, PaymentId(payment_id))
            case Called(Door.CONFIRMATION, provider_id):
                await _hear_confirmation(rt, arrival, ProviderId(provider_id))
            case Called(Door.VALIDATION, provider_id):
                refused = await validations.judge(
                    rt, ProviderId(provider_id), arrival.raw, source_address=arrival.source_address,
                )
            case Called(Door.RESULT | Door.TIMEOUT as door, inquiry_id):
                await _hear_answer(rt, arrival, InquiryId(inquiry_id), door)
            case Called(Door.PAYOUT_RESULT | Door.PAYOUT_TIMEOUT as door, payout_id):
                await _hear_result(rt, arrival, PayoutId(payout_id), door)
        handling.outcome = KEPT
    rt.passing(KillPoint.AFTER_CALLBACK)
    return refused


async def _hear_confirmation(rt: Runtime, arrival: Arrival, provider_id: ProviderId) -> None:
    """Hear of money that came to a short code, asked for or not."""
    provider = await providers.with_id(rt, provider_id)
    if provider is None:
        await _put_aside(rt, arrival, "no_such_short_code")
        return
    if provider.livemode and not sources.is_trusted(rt, arrival.source_address):
        await _put_aside(rt, arrival, "unlisted_address")
        return
    try:
        message = c2b.read_message(arrival.raw)
    except strict_json.Unreadable:
        await _put_aside(rt, arrival, "unreadable")
        return
    if not provider.shortcode.is_named(message.shortcode):
        await _put_aside(rt, arrival, "not_this_short_code")
        return
    await witnesses.hear(rt, Witness(
        Source.C2B, provider.merchant_id, provider.livemode, provider.shortcode, message.receipt,
        message.amount, message.paid_at or rt.now(), reference=message.reference,
        payer=message.payer, payer_masked=message.payer_masked, payer_hash=message.payer_hash,
        payer_name=message.payer_name, raw=arrival.raw,
    ))
    if message.version not in {None, provider.c2b_version}:
        await providers.note_version(rt, provider, message.version)


async def _hear_answer(
    rt: Runtime, arrival: Arrival, inquiry_id: InquiryId, door: Door,
) -> None:
    """Hear what M-Pesa answers to a question of ours, or that it waited too long in its queue.

    What our own mistake keeps us from reading is not tried again: the question can be put again.
    """
    def may_believe(inquiry: Inquiry) -> bool:
        return not inquiry.livemode or sources.is_trusted(rt, arrival.source_address)

    try:
        reason = await inquiries.hear(
            rt, inquiry_id, arrival.raw, door=door, may_believe=may_believe,
        )
    except strict_json.Unreadable:
        reason = "unreadable"
    except OUR_MISTAKES:
        log.exception("answer_not_interpreted", inquiry=inquiry_id)
        reason = "not_interpreted"
    if reason:
        await _put_aside(rt, arrival, reason)


async def _hear_result(rt: Runtime, arrival: Arrival, payout_id: PayoutId, door: Door) -> None:
    """Hear what became of an order of ours, or that it waited too long in M-Pesa's queue."""
    try:
        await _interpret_result(rt, arrival, payout_id, door)
    except OUR_MISTAKES:
        log.exception("callback_not_interpreted", payout=payout_id)
        await _put_aside(
            rt, arrival, "not_interpreted", payout_id=payout_id, again=door is Door.PAYOUT_RESULT,
        )


async def _interpret_result(
    rt: Runtime, arrival: Arrival, payout_id: PayoutId, door: Door,
) -> None:
    def may_believe(payout: Payout) -> bool:
        return not payout.livemode or sources.is_trusted(rt, arrival.source_address)

    try:
        reason = await payout_results.hear(
            rt, payout_id, arrival.raw, door=door, may_believe=may_believe,
        )
    except strict_json.Unreadable:
        reason = "unreadable"
    if reason:
        await _put_aside(rt, arrival, reason, payout_id=payout_id)


async def _put_stray_aside(rt: Runtime, arrival: Arrival) -> None:
    """Keep a callback to no address of ours, unless a stranger sends too many of them.

    Safaricom's own are all kept: if they are strays, the fault is in our settings.
    """
    address = arrival.source_address
    if not sources.is_listed(rt, address) and not rt.limits.may_keep_stray(
        address, now=rt.ticks(),
    ):
        log.debug("stray_callback_dropped", address=address)
        return
    await _put_aside(rt, arrival, "unknown_address")


async def _hear(rt: Runtime, arrival: Arrival, payment_id: PaymentId) -> None:
    try:
        await _interpret(rt, arrival, payment_id)
    except OUR_MISTAKES:
        log.exception("callback_not_interpreted", payment=payment_id)
        await _put_aside(rt, arrival, "not_interpreted", payment_id=payment_id, again=True)


async def _interpret(rt: Runtime, arrival: Arrival, payment_id: PaymentId) -> None:
    try:
        said = _said(wire.read_stk_callback(arrival.raw), arrival.raw)
    except strict_json.Unreadable:
        await _put_aside(rt, arrival, "unreadable", payment_id=payment_id)
        return
    try:
        change = await record_heard(
            rt, payment_id, lambda payment: _judge(rt, payment, said, arrival),
            seen=rt.pushed.recall(payment_id),
        )
        rt.telemetry.called_back(change)
    except Unheard:
        await _put_aside(rt, arrival, "not_this_payment", payment_id=payment_id)
    except NotFound:
        await _put_aside(rt, arrival, "no_such_payment", payment_id=payment_id)


def _judge(rt: Runtime, payment: Payment, said: Said, arrival: Arrival) -> Fact | None:
    """Return the fact in a callback, or None when it is not to be believed of this payment."""
    if payment.livemode and not sources.is_trusted(rt, arrival.source_address):
        return None
    return from_callback(payment, said) if is_about(payment, said) else None


def _said(callback: wire.StkCallback, raw: bytes) -> Said:
    result = callback.result
    return Said(
        succeeded=result.is_paid, canceled=result.is_canceled, reason=result.reason(),
        is_final=result.is_final,
        merchant_request_id=callback.merchant_request_id,
        checkout_request_id=callback.checkout_request_id,
        receipt=callback.receipt, amount=callback.amount, paid_at=callback.paid_at, raw=raw,
    )


async def _put_aside(
    rt: Runtime, arrival: Arrival, reason: str, *, payment_id: PaymentId | None = None,
    payout_id: PayoutId | None = None, again: bool = False,
) -> None:
    log.warning("callback_quarantined", reason=reason, address=arrival.source_address)
    now = rt.now()
    async with rt.store.transaction() as tx:
        await quarantine.put(
            tx, arrival.raw, reason=reason, source_address=arrival.source_address, now=now,
            payment_id=payment_id, payout_id=payout_id,
            next_try_at=now + timedelta(seconds=RETRY_SECONDS) if again else None,
        )
    rt.telemetry.quarantined(reason)


async def try_again(rt: Runtime) -> int:
    """Interpret what our own mistake kept us from reading; return how many were settled."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        held = await quarantine.take(tx, now=now, lease=now + timedelta(seconds=RETRY_SECONDS))
    return sum([await _tried_again(rt, each) for each in held])


async def _tried_again(rt: Runtime, held: Held) -> bool:
    arrival = Arrival(token="", raw=held.raw, source_address=held.source_address)
    try:
        if held.payout_id is not None:
            await _interpret_result(rt, arrival, held.payout_id, Door.PAYOUT_RESULT)
        if held.payment_id is not None:
            await _interpret(rt, arrival, held.payment_id)
    except OUR_MISTAKES:
        log.exception(
            "callback_not_interpreted", payment=held.payment_id, payout=held.payout_id,
            tries=held.tries,
        )
        if held.tries >= TRIES_MAX:
            async with rt.store.transaction() as tx:
                await quarantine.give_up(tx, held.id)
        return False
    async with rt.store.transaction() as tx:
        await quarantine.release(tx, held.id, now=rt.now())
    return True
