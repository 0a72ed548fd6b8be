"""Give a payment back, whole or in part: one refund of a payment at a time. Read `request`.

A refund is sent and watched as every payout is: `sending.py`, `payout_results.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hakika.domain import refund as rules
from hakika.domain.errors import NotFound
from hakika.domain.idempotency import fingerprint
from hakika.domain.ids import PaymentId, PayoutId, RefundId, bits_of, write
from hakika.domain.merchant import ApiKey
from hakika.domain.money import Money
from hakika.domain.payment import Payment
from hakika.domain.payout import Payee, Payout, Purpose, State, Way, born
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.refund import Allowed, Method
from hakika.services import guards, providers, sellers
from hakika.services.payout_facts import written
from hakika.services.payouts import SALT_BITS, Asked, known_of
from hakika.services.runtime import Runtime
from hakika.store import payments
from hakika.store import payouts as store
from hakika.store.payouts import Wanted

REASON = "Refund"    # M-Pesa wants some words


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asks for, checked."""

    payment_id: PaymentId
    idempotency_key: str                # empty: none was sent, and all of it is to go back
    body: Mapping[str, Any]             # the request as it came, for its fingerprint
    amount: Money | None = None         # None: all that is left
    method: Method | None = None        # None: a reversal of the whole, b2c of a part
    reason: str = ""


async def request(rt: Runtime, key: ApiKey, order: Order) -> Asked:
    """Make a refund, at most once for ever however often this is called with one key.

    Raises:
        NotFound: no such payment for this key, or its short code has no credentials any more.
        Invalid: the amount cannot be sent, or the credentials name no API operator.
        PaymentNotRefundable, RefundUnderWay, RefundTooLarge, PayerUnknown, FloatInsufficient: not
            now. Nothing was made; the idempotency key may be used again.
        IdempotencyKeyReused: the key was used with another body. Use a new key.
    """
    digest = fingerprint(order.body, key=rt.fingerprint_key)
    payment = await _read(rt, key, order.payment_id)
    provider = await providers.operated(rt, key, payment.shortcode.number)
    async with rt.store.transaction() as tx:
        await guards.wait_for_turn(tx, key.owner)
        held = await payments.lock(tx, payment.id)
        assert held is not None, "no payment is deleted"
        others = await store.refunds_of(tx, held.id)
        order = replace(order, idempotency_key=order.idempotency_key or _own_key(held, others))
        known = await known_of(
            tx, key, order.idempotency_key, digest, purpose=Purpose.REFUND,
        )
        if known is not None:
            return Asked(known, replayed=True)
        allowed = rules.check(held, others, amount=order.amount, method=order.method)
        fee = await sellers.fee_returned(tx, held, allowed.amount)
        payout = _new(rt, key, order, held, allowed, fee)
        assert payout.shortcode.number == provider.shortcode.number, "it was looked for by that"
        float_is_known = await guards.refuse_short(rt, tx, payout)
        is_new = await store.add(tx, payout, digest)
        assert is_new, "its key was looked for in this turn, and only one has it"
        fact = PayoutFact(Kind.RELEASED, Source.CALLER, who=key.id)
        change = await written(rt, tx, payout, fact)
    return Asked(change.after, float_is_known=float_is_known)


def _own_key(payment: Payment, others: Sequence[Payout]) -> str:
    """Return the key of a caller who sends none: another once a refund ended without money.

    No caller can send it.
    """
    ended = sum(each.state in {State.FAILED, State.CANCELED} for each in others)
    return f"whole·{payment.id}·{ended}"


async def _read(rt: Runtime, key: ApiKey, payment_id: PaymentId) -> Payment:
    async with rt.store.autocommit() as tx:
        payment = await payments.read(
            tx, payment_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    if payment is None:
        raise NotFound(f"There is no payment {payment_id} for this key.")
    return payment


def _new(
    rt: Runtime, key: ApiKey, order: Order, payment: Payment, allowed: Allowed,
    fee_returned: Money | None,
) -> Payout:
    now = rt.now()
    is_reversal = allowed.way is Way.REVERSAL
    return born(Payout(
        id=PayoutId(rt.new_id("pyo")), merchant_id=key.merchant_id, livemode=key.livemode,
        amount=allowed.amount, way=allowed.way, payee=Payee(phone=payment.payer),
        shortcode=payment.shortcode, idempotency_key=order.idempotency_key, created_at=now,
        updated_at=now, purpose=Purpose.REFUND, state=State.HELD,
        remarks=order.reason or REASON, created_by=key.id, payment_id=payment.id,
        seller_id=payment.seller_id, fee_returned=fee_returned,
        original_receipt=payment.receipt if is_reversal else "",
        salt=f"{rt.random_bits(SALT_BITS):x}",
    ))


async def read(rt: Runtime, key: ApiKey, refund_id: RefundId) -> Payout:
    """Return a refund of this key's merchant and mode. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        found = await store.read(
            tx, payout_id_of(refund_id), merchant_id=key.merchant_id, livemode=key.livemode,
        )
    if found is None or found.purpose is not Purpose.REFUND:
        raise NotFound(f"There is no refund {refund_id} for this key.")
    return found


async def find(
    rt: Runtime, key: ApiKey, wanted: Wanted, *, limit: int,
) -> list[Payout]:
    """Return up to `limit` refunds of this key's merchant and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await store.find(
            tx, wanted, merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
        )


def payout_id_of(refund_id: RefundId) -> PayoutId:
    """Return the id of the payout that a refund is."""
    return PayoutId(write("pyo", bits_of(refund_id)))
