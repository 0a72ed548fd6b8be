"""Send money out: asked for, let go, taken back, read. Read `request`, then `sending.py`.

Nothing is sent here. A payout is made and its amount is set aside in one commit; a worker sends it
in its turn, and what M-Pesa says of it comes through `payout_facts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hakika.domain.errors import Conflict, Forbidden, IdempotencyKeyReused, NotFound
from hakika.domain.fact import Reason
from hakika.domain.idempotency import fingerprint
from hakika.domain.ids import PayoutId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.money import Money
from hakika.domain.payout import (
    NEVER_SENT,
    Change,
    Payee,
    Payout,
    Purpose,
    State,
    Way,
    born,
    first_events,
)
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.services import guards, providers
from hakika.services.payout_facts import record, tell, written
from hakika.services.runtime import Runtime
from hakika.store import payouts as store
from hakika.store.payout_rows import HeardFact
from hakika.store.payouts import Wanted
from hakika.store.transaction import Transaction

SALT_BITS = 128


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asks for, checked."""

    amount: Money
    way: Way
    payee: Payee
    idempotency_key: str
    body: Mapping[str, Any]             # the request as it came, for its fingerprint
    reference: str = ""
    remarks: str = ""
    metadata: Mapping[str, str] | None = None
    shortcode: str = ""                 # empty: the merchant's default


@dataclass(frozen=True, slots=True)
class Asked:
    """A payout as it stands, and whether its key had made it before."""

    payout: Payout
    replayed: bool = False
    float_is_known: bool | None = None      # None: it was not looked at now


async def request(rt: Runtime, key: ApiKey, order: Order) -> Asked:
    """Make a payout, at most once for ever however often this is called with one key.

    Raises:
        NotFound: no such short code.
        Invalid: its credentials name no API operator.
        IdempotencyKeyReused: the key was used with another body. Use a new key.
        Conflict: a rule of the merchant's forbids it, or the float cannot bear it.
    """
    digest = fingerprint(order.body, key=rt.fingerprint_key)
    async with rt.store.autocommit() as tx:
        known = await known_of(tx, key, order.idempotency_key, digest, purpose=Purpose.PAYOUT)
    if known is not None:
        return Asked(known, replayed=True)
    payout = await _new(rt, key, order)
    async with rt.store.transaction() as tx:
        await guards.wait_for_turn(tx, key.owner)
        known = await known_of(tx, key, order.idempotency_key, digest, purpose=Purpose.PAYOUT)
        if known is not None:
            return Asked(known, replayed=True)
        allowed = await guards.check(rt, tx, [payout], by=key.id)
        payout = born(replace(
            payout, held_for=allowed.held_for, next_check_at=allowed.usable_from,
        ))
        is_new = await store.add(tx, payout, digest)
        assert is_new, "its key was looked for in this turn, and only one has it"
        if not payout.held_for:
            fact = PayoutFact(Kind.RELEASED, Source.CALLER, who=key.id)
            payout = (await written(rt, tx, payout, fact)).after
        else:
            await tell(rt, tx, payout, first_events(payout))
    return Asked(payout, float_is_known=allowed.float_is_known)


async def known_of(
    tx: Transaction, key: ApiKey, idempotency_key: str, digest: bytes, *, purpose: Purpose,
) -> Payout | None:
    """Return what an idempotency key made before, or None. Raises: IdempotencyKeyReused."""
    found = await store.with_key(
        tx, idempotency_key, purpose=purpose, merchant_id=key.merchant_id, livemode=key.livemode,
    )
    if found is None:
        return None
    payout, made_of = found
    if made_of != digest:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used before with another body; nothing was sent now.",
        )
    return payout


async def _new(rt: Runtime, key: ApiKey, order: Order) -> Payout:
    provider = await providers.operated(rt, key, order.shortcode)
    now = rt.now()
    return Payout(
        id=PayoutId(rt.new_id("pyo")), merchant_id=key.merchant_id, livemode=key.livemode,
        amount=order.amount, way=order.way, payee=order.payee, shortcode=provider.shortcode,
        idempotency_key=order.idempotency_key, created_at=now, updated_at=now, state=State.HELD,
        reference=order.reference, remarks=order.remarks, metadata=order.metadata or {},
        created_by=key.id, salt=f"{rt.random_bits(SALT_BITS):x}",
    )


async def read(rt: Runtime, key: ApiKey, payout_id: PayoutId) -> Payout:
    """Return a payout of this key's merchant and mode, or seller; no refund. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        payout = await store.read(
            tx, payout_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    is_theirs = payout is not None and key.seller_id in {None, payout.seller_id}
    if payout is None or not is_theirs or payout.purpose is Purpose.REFUND:
        raise NotFound(f"There is no payout {payout_id} for this key.")
    return payout


async def find(rt: Runtime, key: ApiKey, wanted: Wanted, *, limit: int) -> list[Payout]:
    """Return up to `limit` payouts of this key's merchant and mode, or seller, newest first."""
    if key.seller_id is not None:
        wanted = replace(wanted, seller_id=key.seller_id)
    async with rt.store.autocommit() as tx:
        return await store.find(
            tx, wanted, merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
        )


async def timeline(rt: Runtime, payout: Payout) -> list[HeardFact]:
    """Return every fact of a payout or refund, oldest first."""
    async with rt.store.autocommit() as tx:
        return await store.facts(tx, payout)


async def approve(rt: Runtime, key: ApiKey, payout_id: PayoutId) -> Payout:
    """Let a held payout go.

    Raises:
        NotFound: no such payout for this key.
        Forbidden: this key asked for it: nobody approves their own.
        Conflict: it is not held, or a rule of the merchant's forbids it now.
    """
    payout = await read(rt, key, payout_id)
    if payout.created_by == key.id:
        raise Forbidden(
            "This key asked for the payout, and nobody approves their own.",
            hint="Approve it with a key of somebody else, with the scope payouts:approve.",
        )
    fact = PayoutFact(Kind.RELEASED, Source.OPERATOR, who=key.id)
    change = await guards.let_go(rt, payout.id, fact)
    return _after(payout, change, "It is not held for anybody's approval.")


async def cancel(rt: Runtime, key: ApiKey, payout_id: PayoutId) -> Payout:
    """Take back a payout that was not sent.

    Raises:
        NotFound: no such payout for this key.
        Forbidden: somebody may have sent it by hand, and this key may not say otherwise.
        Conflict: it was sent, or may have been.
    """
    payout = await read(rt, key, payout_id)
    if payout.state is State.MANUAL:
        key.require(Scope.PAYOUTS_APPROVE)
    fact = PayoutFact(Kind.WITHDRAWN, Source.OPERATOR, who=key.id)
    change = await record(
        rt, payout.id, lambda each: fact if each.state in NEVER_SENT else None,
    )
    return _after(payout, change, "It was sent, or may have been.")


async def resolve(
    rt: Runtime, key: ApiKey, payout: Payout, *, receipt: str, note: str,
) -> Payout:
    """Record what a person saw on M-Pesa's portal of an order that nobody knows the end of.

    With its receipt the money went; without one it did not. M-Pesa's own word, whenever it comes,
    is stronger than "it did not".

    Raises:
        Forbidden: this key asked for it.
        Conflict: its end is known, or the receipt is another payout's.
    """
    if payout.created_by == key.id:
        raise Forbidden(
            "This key asked for the payout, and nobody vouches for their own.",
            hint="Let somebody else look, with a key that has the scope payouts:approve.",
        )
    fact = PayoutFact(
        Kind.PAID if receipt else Kind.DENIED, Source.OPERATOR, receipt=receipt,
        amount=payout.amount if receipt else None, reason=None if receipt else _DENIED,
        who=key.id, note=note,
    )
    change = await record(
        rt, payout.id, lambda each: fact if each.state is State.UNKNOWN else None,
    )
    resolved = _after(payout, change, "Its end is known: nobody needs to look.")
    if resolved.state is State.UNKNOWN:
        raise Conflict(
            f"The receipt {receipt} belongs to another payout.",
            hint="Look at the portal again: every payout has a receipt of its own.",
        )
    return resolved


_DENIED = Reason(
    code="not_sent_says_a_person", daraja_code="", payer_message="", payer_message_sw="",
    developer_message="A person looked at M-Pesa's portal, and no money went.",
)


def _after(payout: Payout, change: Change | None, otherwise: str) -> Payout:
    if change is None:
        raise Conflict(otherwise, hint=f"Read it again: GET /v1/payouts/{payout.id}.")
    return change.after
