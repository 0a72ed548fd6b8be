"""Hear a witness: keep it, find the payment that its money is for, or bear one. Read `hear`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from hakika.domain.fact import Fact, Kind
from hakika.domain.ids import CustomerId, PaymentId
from hakika.domain.payment import Origin, Payment, State, advance, born
from hakika.domain.payment_data import payment_data
from hakika.domain.witness import Verdict, Witness, contradicts, judge, may_be_for, paid
from hakika.services import customers
from hakika.services.facts import Unheard, record, record_heard, told
from hakika.services.mistakes import OUR_MISTAKES
from hakika.services.payments import SALT_BITS
from hakika.services.runtime import Runtime
from hakika.store import payments, witnesses
from hakika.store.payments import ReceiptTaken
from hakika.store.transaction import Transaction
from hakika.store.witnesses import Due

log = structlog.get_logger(__name__)

# Whoever judges a witness holds it so long; after a crash it is judged again then.
LEASE_SECONDS = 30

# How often one that may be of several payments is judged again.
AGAIN_SECONDS = 20

# One that cannot be read, or judged, waits for a mended version of us, or of its row.
PUT_OFF = timedelta(minutes=10)

# So many at once: judging each of them alone must take far less than the lease, and making payments
# of all must not keep the other requests of this process waiting.
TAKEN_MAX = 100

# While the database works for one share of them, this process does for the other.
SHARES = 2


class Outcome(StrEnum):
    """What came of hearing a witness."""

    KNOWN = "known"            # a payment has this receipt already, or this source told of it
    PAID = "paid"              # it completed the payment that the money is for
    UNASKED = "unasked"        # it became a payment of its own
    UNDECIDED = "undecided"    # it is judged again soon


async def hear(rt: Runtime, witness: Witness) -> Outcome:
    """Make a witness durable, then let follow what follows from it. Safe to repeat.

    Raises:
        StoreUnavailable: it may be kept or not. Hear it again.
    """
    now = rt.now()
    async with rt.store.autocommit() as tx:
        is_new = await keep(tx, witness, now=now)
    return await _settle(rt, witness, heard_at=now) if is_new else Outcome.KNOWN


async def hear_many(rt: Runtime, several: Sequence[Witness]) -> Counter[Outcome]:
    """Hear witnesses of one source and short code; return what came of how many. Safe to repeat.

    Nearly all that M-Pesa lists was told before, and is kept and settled in one statement. Raises:
    as `hear`.
    """
    now = rt.now()
    async with rt.store.autocommit() as tx:
        known = await witnesses.add_agreeing(tx, several, now=now)
    outcomes = Counter({Outcome.KNOWN: len(known)})
    for each in several:
        if each.receipt not in known:
            outcomes[await hear(rt, each)] += 1
    return outcomes


async def keep(tx: Transaction, witness: Witness, *, now: datetime) -> bool:
    """Make a witness durable with the rest of a transaction; False when it is known.

    Its keeper calls `judge_kept` after the commit; after a crash, `hear_again` does the same.
    """
    return await witnesses.add(
        tx, witness, now=now, next_try_at=now + timedelta(seconds=LEASE_SECONDS),
    )


async def judge_kept(rt: Runtime, witness: Witness, *, heard_at: datetime) -> Outcome:
    """Let follow what follows from a witness that was kept just now."""
    return await _settle(rt, witness, heard_at=heard_at)


async def hear_again(rt: Runtime) -> int:
    """Judge witnesses whose turn it is, TAKEN_MAX at most; return how many."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        due = await witnesses.take_due(
            tx, now=now, lease=now + timedelta(seconds=LEASE_SECONDS), limit=TAKEN_MAX,
        )
    await asyncio.gather(*(_judge(rt, due[at::SHARES]) for at in range(SHARES)))
    return len(due)


async def _judge(rt: Runtime, due: list[Due]) -> None:
    for each in await _bear_together(rt, due):
        await _settle_surely(rt, each)


async def _bear_together(rt: Runtime, due: list[Due]) -> list[Due]:
    """Make payments of all money that can be for nothing we know; return what else is to be judged.

    A statement may bring 100,000 lines of such money. If one of them cannot be borne, none is: each
    is judged alone then.
    """
    if len(due) <= 1:
        return due
    try:
        async with rt.store.autocommit() as tx:
            opened = [await witnesses.opened(tx, each) for each in due]
            strange = await witnesses.strange(tx, opened)
        if strange:
            await _bear(rt, [(opened[at], due[at].heard_at) for at in strange])
    except (ReceiptTaken, *OUR_MISTAKES):
        return due
    return [each for at, each in enumerate(due) if at not in strange]


async def _settle_surely(rt: Runtime, due: Due) -> None:
    """Judge one of many; when that cannot be done, say so, put it off, and let the others be heard.

    `hakika verify` names it until it is judged.
    """
    try:
        async with rt.store.autocommit() as tx:
            witness = await witnesses.opened(tx, due)
        await _settle(rt, witness, heard_at=due.heard_at)
    except OUR_MISTAKES:
        log.exception("witness_not_judged", receipt=due.receipt, shortcode=due.shortcode)
        async with rt.store.autocommit() as tx:
            await witnesses.put_off(tx, due, until=rt.now() + PUT_OFF)


async def _settle(rt: Runtime, witness: Witness, *, heard_at: datetime) -> Outcome:
    """Find what the money is for; whoever was faster has found it already."""
    async with rt.store.autocommit() as tx:
        known = await witnesses.payment_with_receipt(tx, witness)
        asked = [] if known else await witnesses.asked(tx, witness)
    if known is not None:
        await _agree(rt, witness, known)
        return Outcome.KNOWN
    judged = judge(witness, asked, heard_at=heard_at, now=rt.now())
    match judged.verdict:
        case Verdict.UNDECIDED:
            await _note(rt, witness, None, again=True)
            return Outcome.UNDECIDED
        case Verdict.UNASKED:
            return await _bear_alone(rt, witness, heard_at=heard_at)
        case Verdict.PAYS:
            assert judged.payment is not None
            return await _pay(rt, witness, judged.payment)


async def _agree(rt: Runtime, witness: Witness, payment: Payment) -> None:
    """Note that a witness tells of a receipt that is known; record it when it says otherwise."""
    if (payment.merchant_id, payment.livemode) != (witness.merchant_id, witness.livemode):
        log.warning("witness_of_anothers_receipt", receipt=witness.receipt, payment=payment.id)
        await _note(rt, witness, None)
        return
    said = contradicts(witness, payment)
    if said and payment.receipt == witness.receipt:
        await record(rt, payment, Fact(
            Kind.CONTRADICTED, witness.source, note=said, raw=witness.raw,
        ))
    await _note(rt, witness, payment.id)


async def _pay(rt: Runtime, witness: Witness, payment: Payment) -> Outcome:
    """Complete a payment by a witness, unless it moved so that the money may not be for it."""

    def hears(payment: Payment) -> Fact | None:
        return paid(witness) if may_be_for(witness, payment) else None

    try:
        await record_heard(rt, payment.id, hears, seen=payment, may_contradict=False)
    except (Unheard, ReceiptTaken):  # it moved; or the money turned out to be another's just now
        await _note(rt, witness, None, again=True)
        return Outcome.UNDECIDED
    await _note(rt, witness, payment.id)
    return Outcome.PAID


async def _bear_alone(rt: Runtime, witness: Witness, *, heard_at: datetime) -> Outcome:
    """Make a payment of money that nobody asked for."""
    try:
        await _bear(rt, [(witness, heard_at)])
    except ReceiptTaken:  # its own callback came meanwhile, or another witness
        await _note(rt, witness, None, again=True)
        return Outcome.UNDECIDED
    return Outcome.UNASKED


async def _bear(rt: Runtime, unasked: Sequence[tuple[Witness, datetime]]) -> None:
    """Make a payment of each, all or none; beside each stands when it was heard first.

    Raises:
        ReceiptTaken: a payment has one of the receipts.
    """
    async with rt.store.transaction() as tx:
        payers = await customers.behind(tx, [witness for witness, _ in unasked])
        changes = [
            advance(
                _unasked(rt, witness, payer, heard_at=heard_at), paid(witness), now=rt.now(),
            )
            for (witness, heard_at), payer in zip(unasked, payers, strict=True)
        ]
        await payments.collect(tx, [
            (change, told(rt, change, payment_data(change.after))) for change in changes
        ])
        await witnesses.settle_many(tx, [
            (witness, change.after.id)
            for (witness, _), change in zip(unasked, changes, strict=True)
        ])
    for change in changes:
        rt.telemetry.recorded(change)


def _unasked(
    rt: Runtime, witness: Witness, customer_id: CustomerId | None, *, heard_at: datetime,
) -> Payment:
    return born(Payment(
        id=PaymentId(rt.new_id("pay")), merchant_id=witness.merchant_id,
        livemode=witness.livemode, amount=witness.amount, payer=witness.payer,
        shortcode=witness.shortcode, reference=witness.reference, description="",
        idempotency_key="", created_at=heard_at, updated_at=heard_at, state=State.UNSENT,
        origin=Origin.C2B, customer_id=customer_id, payer_masked=witness.payer_masked,
        salt=f"{rt.random_bits(SALT_BITS):x}",
    ))


async def _note(
    rt: Runtime, witness: Witness, payment_id: PaymentId | None, *, again: bool = False,
) -> None:
    next_try_at = rt.now() + timedelta(seconds=AGAIN_SECONDS) if again else None
    async with rt.store.autocommit() as tx:
        await witnesses.settle(tx, witness, payment_id=payment_id, next_try_at=next_try_at)
