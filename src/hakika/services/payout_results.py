"""Hear what M-Pesa says of an order, at the address that was made for it alone. Read `hear`."""

from __future__ import annotations

from collections.abc import Callable

from hakika.daraja import payouts as wire
from hakika.daraja.envelope_results import envelope_result
from hakika.daraja.envelopes import conversation_in
from hakika.daraja.payouts import OrderResult
from hakika.domain import payout_verdict
from hakika.domain.callback import Door
from hakika.domain.errors import NotFound
from hakika.domain.ids import PayoutId
from hakika.domain.payout import Payout
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.payout_verdict import ResultSaid
from hakika.services.killpoints import KillPoint
from hakika.services.payout_facts import record
from hakika.services.runtime import Runtime

# An order has one result, perhaps a notice before it. So many facts are somebody's game.
FACTS_MAX = 200



async def hear(
    rt: Runtime, payout_id: PayoutId, raw: bytes, *, door: Door,
    may_believe: Callable[[Payout], bool],
) -> str:
    """Make a result durable with all that follows from it; return "", or why it is put aside.

    Raises:
        Unreadable: it is no result that can be read; nothing was written.
        StoreUnavailable: it was not made durable.
    """
    read: ResultSaid | PayoutFact
    if door is Door.PAYOUT_TIMEOUT:
        read = _timed_out(raw)
    else:
        read = _said(wire.read_order_result(raw), raw)
    reason = ""

    def judge(payout: Payout) -> PayoutFact | None:
        nonlocal reason
        reason = _why_not(payout, read, may_believe=may_believe(payout))
        if reason:
            return None
        return payout_verdict.from_result(payout, read) if isinstance(read, ResultSaid) else read

    rt.passing(KillPoint.BEFORE_RESULT)
    try:
        await record(rt, payout_id, judge)
    except NotFound:
        return "no_such_payout"
    rt.passing(KillPoint.AFTER_RESULT)
    return reason


def _why_not(payout: Payout, read: ResultSaid | PayoutFact, *, may_believe: bool) -> str:
    if not may_believe:
        return "unlisted_address"
    if payout.facts_count >= FACTS_MAX:
        return "too_many_answers"
    if payout.conversation_id not in {"", read.conversation_id}:
        return "not_this_payout"
    return ""


def _timed_out(raw: bytes) -> PayoutFact:
    """Return what a queue's notice comes to: no verdict, for it may still be done. (T45)"""
    return PayoutFact(
        Kind.QUEUED_OUT, Source.RESULT, conversation_id=conversation_in(raw), raw=raw,
        note="It waited too long in M-Pesa's queue. It may still be done.",
    )


def _said(result: OrderResult, raw: bytes) -> ResultSaid:
    row = envelope_result(result.code)
    return ResultSaid(
        row.sense, result.conversation_id, reason=row.reason(), is_final=result.is_final,
        receipt=result.receipt, amount=result.amount, happened_at=result.happened_at,
        original_receipt=result.original_receipt, raw=raw,
    )

