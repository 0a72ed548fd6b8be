"""Inquiries, the balances that they brought, and whose turn it is to be asked for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.ids import InquiryId, MerchantId, PaymentId, PayoutId, ProviderId
from hakika.domain.inquiry import Inquiry, Kind, Outcome, State
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

BALANCE_SOURCE = "balance"

_ADD: LiteralString = """
    insert into inquiries (id, kind, merchant_id, livemode, provider_id, shortcode_kind, shortcode,
        store_number, receipt, asked_conversation_id, payout_id, conversation_id,
        originator_conversation_id, state, answer, asked_at)
    values (%(id)s, %(kind)s, %(merchant_id)s, %(livemode)s, %(provider_id)s, %(shortcode_kind)s,
        %(shortcode)s, %(store_number)s, %(receipt)s, %(asked_conversation_id)s, %(payout_id)s,
        '', '', %(state)s, '', %(asked_at)s)
"""

# The answer may be here before Daraja has said that it took the question: then nothing moves back.
_TAKEN: LiteralString = """
    update inquiries set originator_conversation_id = %(originator_conversation_id)s,
           conversation_id = coalesce(nullif(conversation_id, ''), %(conversation_id)s)
     where id = %(id)s
    returning conversation_id
"""

_LOCK: LiteralString = "select * from inquiries where id = %(id)s for update"

_MOVE: LiteralString = """
    update inquiries set state = %(state)s, outcome = %(outcome)s, answer = %(answer)s,
           told = %(told)s, receipt = %(receipt)s, conversation_id = %(conversation_id)s,
           answered_at = %(answered_at)s, raws = raws || %(raws)s::bytea[]
     where id = %(id)s
"""

# Whatever has a receipt has its place in the books: so is the payment found, whenever it came.
_SELECT: LiteralString = """
    select i.*, p.payment_id from inquiries i left join postings p
           on p.receipt = i.receipt and p.shortcode = i.shortcode and p.livemode = i.livemode
          and p.move = 'collection' and p.merchant_id = i.merchant_id
     where i.merchant_id = %(merchant_id)s and i.livemode = %(livemode)s
"""

_GET: LiteralString = _SELECT + " and i.id = %(id)s"

_LIST: LiteralString = (
    _SELECT + """ and (%(before)s::text is null or i.id < %(before)s)
     order by i.id desc limit %(limit)s
"""
)

_ADD_BALANCE: LiteralString = """
    insert into balances (merchant_id, livemode, shortcode, account, observed_at, source,
        amount_cents)
    values (%(merchant_id)s, %(livemode)s, %(shortcode)s, %(account)s, %(observed_at)s, %(source)s,
        %(amount_cents)s)
    on conflict do nothing
"""

_SET_TURN: LiteralString = """
    insert into balance_turns (provider_id, next_ask_at)
    values (%(provider_id)s, %(next_ask_at)s)
    on conflict (provider_id) do update set next_ask_at = excluded.next_ask_at
"""

# Held by moving the turn to the next: whoever dies here asks no second time.
_TAKE_TURN: LiteralString = """
    update balance_turns set next_ask_at = %(next_ask_at)s
     where provider_id = (
        select provider_id from balance_turns where next_ask_at <= %(now)s
         order by next_ask_at limit 1 for update skip locked)
    returning provider_id
"""

_STOP_TURNS: LiteralString = """
    update balance_turns set next_ask_at = null
     where provider_id in (
        select id from providers where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and shortcode = %(shortcode)s)
"""


@dataclass(frozen=True, slots=True)
class Held:
    """An inquiry whose row is held, with everything that was heard of it, as it came."""

    inquiry: Inquiry
    raws: Sequence[bytes] = field(repr=False)


async def add(tx: Transaction, inquiry: Inquiry) -> None:
    """Write a new inquiry, before M-Pesa is asked."""
    shortcode = inquiry.shortcode
    await tx.execute(_ADD, {
        "id": inquiry.id, "kind": inquiry.kind.value, "merchant_id": inquiry.merchant_id,
        "livemode": inquiry.livemode, "provider_id": inquiry.provider_id,
        "shortcode_kind": shortcode.kind.value, "shortcode": shortcode.number,
        "store_number": shortcode.store_number, "receipt": inquiry.receipt,
        "asked_conversation_id": inquiry.asked_conversation_id,
        "payout_id": inquiry.payout_id, "state": inquiry.state.value,
        "asked_at": inquiry.asked_at,
    })


async def note_taken(
    tx: Transaction, inquiry_id: InquiryId, *, conversation_id: str,
    originator_conversation_id: str,
) -> str:
    """Write the ids that Daraja gave a question, and return the one that its answer must bear."""
    row = await tx.row(_TAKEN, {
        "id": inquiry_id, "conversation_id": conversation_id,
        "originator_conversation_id": originator_conversation_id,
    })
    assert row is not None, "it was written before Daraja was asked, and none is deleted"
    return str(row["conversation_id"])


async def lock(tx: Transaction, inquiry_id: InquiryId) -> Held | None:
    """Hold an inquiry, whoever's it is, until the transaction ends; None when there is none."""
    row = await tx.row(_LOCK, {"id": inquiry_id})
    if row is None:
        return None
    sealer = await tx.sealer(row["merchant_id"])
    raws = [sealer.open(_place("raws", inquiry_id), each) for each in row["raws"]]
    return Held(_inquiry_of(row, sealer), raws)


async def move(tx: Transaction, inquiry: Inquiry, *, raw: bytes | None = None) -> None:
    """Write how far a held inquiry has come, and what was heard."""
    sealer = await tx.sealer(inquiry.merchant_id)
    told = orjson.dumps(inquiry.told) if inquiry.told else None
    await tx.execute(_MOVE, {
        "id": inquiry.id, "state": inquiry.state.value, "answer": inquiry.answer,
        "outcome": inquiry.outcome.value if inquiry.outcome else None,
        "told": sealer.seal(_place("told", inquiry.id), told) if told else None,
        "receipt": inquiry.receipt, "conversation_id": inquiry.conversation_id,
        "answered_at": inquiry.answered_at,
        "raws": [] if raw is None else [sealer.seal(_place("raws", inquiry.id), raw)],
    })


async def get(
    tx: Transaction, inquiry_id: InquiryId, *, merchant_id: MerchantId, livemode: bool,
) -> Inquiry | None:
    """Return an inquiry of this merchant and mode, or None."""
    row = await tx.row(_GET, {"id": inquiry_id, "merchant_id": merchant_id, "livemode": livemode})
    return None if row is None else _inquiry_of(row, await tx.sealer(merchant_id))


async def find(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool, before: InquiryId | None,
    limit: int,
) -> list[Inquiry]:
    """Return up to `limit` inquiries of this merchant and mode, newest first."""
    rows = await tx.rows(_LIST, {
        "merchant_id": merchant_id, "livemode": livemode, "before": before, "limit": limit,
    })
    sealer = await tx.sealer(merchant_id)
    return [_inquiry_of(row, sealer) for row in rows]


async def add_balance(
    tx: Transaction, inquiry: Inquiry, account: str, amount: Money, *, observed_at: datetime,
) -> None:
    """Keep what lay on an account at a time. Told again, it is kept once."""
    await tx.execute(_ADD_BALANCE, {
        "merchant_id": inquiry.merchant_id, "livemode": inquiry.livemode,
        "shortcode": inquiry.shortcode.number, "account": account, "observed_at": observed_at,
        "source": BALANCE_SOURCE, "amount_cents": amount.cents,
    })


async def set_turn(
    tx: Transaction, provider_id: ProviderId, *, next_ask_at: datetime | None,
) -> None:
    """Say when a short code is next asked for its balance by itself; None: never."""
    await tx.execute(_SET_TURN, {"provider_id": provider_id, "next_ask_at": next_ask_at})


async def take_turn(
    tx: Transaction, *, now: datetime, next_ask_at: datetime,
) -> ProviderId | None:
    """Return a short code whose turn it is, and set its next; None: it is nobody's."""
    row = await tx.row(_TAKE_TURN, {"now": now, "next_ask_at": next_ask_at})
    return ProviderId(row["provider_id"]) if row else None


async def stop_turns(tx: Transaction, owner: Owner, shortcode: str) -> None:
    """Ask a short code for its balance by itself no more: its operator is stopped."""
    await tx.execute(_STOP_TURNS, {
        "merchant_id": owner.merchant_id, "livemode": owner.livemode, "shortcode": shortcode,
    })


def _place(column: str, inquiry_id: str) -> str:
    return f"inquiries.{column} {inquiry_id}"


def _inquiry_of(row: Mapping[str, Any], sealer: Sealer) -> Inquiry:
    told = row["told"]
    payment_id = row.get("payment_id")
    return Inquiry(
        id=InquiryId(row["id"]), kind=Kind(row["kind"]),
        merchant_id=MerchantId(row["merchant_id"]), livemode=row["livemode"],
        provider_id=ProviderId(row["provider_id"]),
        shortcode=Shortcode(
            ShortcodeKind(row["shortcode_kind"]), row["shortcode"], row["store_number"],
        ),
        asked_at=row["asked_at"], receipt=row["receipt"],
        asked_conversation_id=row["asked_conversation_id"],
        payout_id=PayoutId(row["payout_id"]) if row["payout_id"] else None,
        conversation_id=row["conversation_id"],
        originator_conversation_id=row["originator_conversation_id"],
        state=State(row["state"]), outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        answer=row["answer"],
        told=orjson.loads(sealer.open(_place("told", row["id"]), told)) if told else {},
        answered_at=row["answered_at"],
        payment_id=PaymentId(payment_id) if payment_id else None,
    )
