"""Witnesses: what each source says of each receipt. Kept first, judged after; none is changed.

A witness whose money has no payment yet is due, like a job: `next_try_at`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain import ids
from hakika.domain.fact import Source
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Payment, folded
from hakika.domain.shortcode import Kind, Shortcode
from hakika.domain.witness import (
    ASKED_AFTER_MAX,
    ASKED_BEFORE_MAX,
    WITHOUT_RECEIPT,
    WITHOUT_REFERENCE,
    Witness,
)
from hakika.store import payments
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import PHONE, REFERENCE, payment_of
from hakika.store.payment_statements import COLUMNS
from hakika.store.transaction import Transaction

# More than these are never all looked at: they cannot be told apart anyway.
ASKED_MAX = 20

_STATES = [state.value for state in WITHOUT_RECEIPT]

_NAMES = ("receipt", "shortcode", "livemode", "source")
_SOUGHT = (
    "receipt", "shortcode", "merchant_id", "livemode", "amount_cents", "reference_hash", "first",
    "beyond",
)

_ADD: LiteralString = """
    insert into witnesses (receipt, shortcode, livemode, source, merchant_id, amount_cents,
        happened_at, heard_at, private, next_try_at)
    values (%(receipt)s, %(shortcode)s, %(livemode)s, %(source)s, %(merchant_id)s,
        %(amount_cents)s, %(happened_at)s, %(now)s, %(private)s, %(next_try_at)s)
    on conflict do nothing returning receipt
"""

_ADD_MANY: LiteralString = """
    insert into witnesses (merchant_id, livemode, shortcode, source, heard_at, next_try_at, receipt,
        amount_cents, happened_at, private)
    select %(merchant_id)s, %(livemode)s, %(shortcode)s, %(source)s, %(now)s, %(now)s, each.*
      from unnest(%(receipts)s::text[], %(amounts)s::bigint[], %(happened)s::timestamptz[],
        %(privates)s::bytea[]) as each
    on conflict do nothing
"""

_TOLD: LiteralString = """
    select receipt from witnesses
     where receipt = any(%(receipts)s) and shortcode = %(shortcode)s and livemode = %(livemode)s
       and source = %(source)s
"""

# Nothing follows from a witness that says what a payment says.
_ADD_AGREEING: LiteralString = """
    insert into witnesses (merchant_id, livemode, shortcode, source, heard_at, receipt,
        amount_cents, happened_at, private, payment_id)
    select %(merchant_id)s, %(livemode)s, %(shortcode)s, %(source)s, %(now)s, each.*, payments.id
      from unnest(%(receipts)s::text[], %(amounts)s::bigint[], %(happened)s::timestamptz[],
        %(privates)s::bytea[]) as each (receipt, amount_cents, happened_at, private)
      join payments on payments.receipt = each.receipt and payments.shortcode = %(shortcode)s
       and payments.livemode = %(livemode)s and payments.merchant_id = %(merchant_id)s
       and payments.amount_received_cents = each.amount_cents
    on conflict do nothing returning receipt
"""

# Whatever a payment got has its place in the books, a second receipt too.
_WITH_RECEIPT: LiteralString = (
    "select " + COLUMNS + """ from payments where id = (
        select payment_id from postings
         where receipt = %(receipt)s and shortcode = %(shortcode)s and livemode = %(livemode)s
           and move = 'collection')
"""
)

# By the reference, which the prompt brought along: an index of its own.
_ASKED_BY_REFERENCE: LiteralString = (
    "select " + COLUMNS + """ from payments
     where reference_hash = %(reference_hash)s and merchant_id = %(merchant_id)s
       and livemode = %(livemode)s and shortcode = %(shortcode)s
       and amount_cents = %(amount_cents)s and state = any(%(states)s)
       and id >= %(first)s and id < %(beyond)s
     order by id desc limit %(limit)s
"""
)

# A till's payer types no reference: among those that were asked for lately.
_ASKED_LATELY: LiteralString = (
    "select " + COLUMNS + """ from payments
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and shortcode = %(shortcode)s and amount_cents = %(amount_cents)s
       and state <> 'completed' and state = any(%(states)s)
       and id >= %(first)s and id < %(beyond)s
     order by id desc limit %(limit)s
"""
)

# Whether anybody knows a receipt, or was asked for such money: what it can be for is nothing else.
# Laterals, for they look each one up: as joins they might read whole tables.
_STRANGE: LiteralString = """
    select each.place from unnest(%(places)s::integer[], %(receipt)s::text[],
        %(shortcode)s::text[], %(merchant_id)s::text[], %(livemode)s::boolean[],
        %(amount_cents)s::bigint[], %(reference_hash)s::bytea[], %(first)s::text[],
        %(beyond)s::text[])
        as each (place, receipt, shortcode, merchant_id, livemode, amount_cents, reference_hash,
            first, beyond)
      left join lateral (
        select true as found from postings p
         where p.receipt = each.receipt and p.shortcode = each.shortcode
           and p.livemode = each.livemode and p.move = 'collection' limit 1
      ) known on true
      left join lateral (
        select true as found from payments p
         where p.reference_hash = each.reference_hash and p.merchant_id = each.merchant_id
           and p.livemode = each.livemode and p.shortcode = each.shortcode
           and p.amount_cents = each.amount_cents and p.state = any(%(states)s)
           and p.id >= each.first and p.id < each.beyond limit 1
      ) asked on true
      left join lateral (
        select true as found from payments p
         where each.reference_hash is null and p.merchant_id = each.merchant_id
           and p.livemode = each.livemode and p.shortcode = each.shortcode
           and p.amount_cents = each.amount_cents
           and p.state <> 'completed' and p.state = any(%(states)s)
           and p.id >= each.first and p.id < each.beyond limit 1
      ) asked_lately on true
     where known.found is null and asked.found is null and asked_lately.found is null
     order by each.receipt, each.shortcode
"""

# Of this payer: an index of its own.
_ASKED_OF_PAYER: LiteralString = (
    "select " + COLUMNS + """ from payments
     where phone_hash = %(phone_hash)s and merchant_id = %(merchant_id)s
       and livemode = %(livemode)s and shortcode = %(shortcode)s
       and amount_cents = %(amount_cents)s and state = any(%(states)s)
       and id >= %(first)s and id < %(beyond)s
     order by id desc limit %(limit)s
"""
)

_SETTLED: LiteralString = """
    update witnesses set payment_id = %(payment_id)s, next_try_at = %(next_try_at)s
     where receipt = %(receipt)s and shortcode = %(shortcode)s and livemode = %(livemode)s
       and source = %(source)s
"""

_SETTLED_MANY: LiteralString = """
    update witnesses w set payment_id = each.payment_id, next_try_at = null
      from unnest(%(receipt)s::text[], %(shortcode)s::text[], %(livemode)s::boolean[],
        %(source)s::text[], %(payment_ids)s::text[])
        as each (receipt, shortcode, livemode, source, payment_id)
     where w.receipt = each.receipt and w.shortcode = each.shortcode
       and w.livemode = each.livemode and w.source = each.source
"""

_DUE: LiteralString = """
    update witnesses set next_try_at = %(lease)s
     where (receipt, shortcode, livemode, source) in (
        select receipt, shortcode, livemode, source from witnesses
         where next_try_at <= %(now)s order by next_try_at limit %(limit)s
         for update skip locked)
    returning *
"""


_PUT_OFF: LiteralString = """
    update witnesses set next_try_at = %(until)s
     where receipt = %(receipt)s and shortcode = %(shortcode)s and livemode = %(livemode)s
       and source = %(source)s and next_try_at is not null
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A witness whose money has no payment yet, sealed as it is; since when it is known."""

    row: Mapping[str, Any]

    @property
    def receipt(self) -> str:
        """What it tells of."""
        return str(self.row["receipt"])

    @property
    def shortcode(self) -> str:
        """Where the money came in."""
        return str(self.row["shortcode"])

    @property
    def heard_at(self) -> datetime:
        """When it was first heard (UTC)."""
        heard_at: datetime = self.row["heard_at"]
        return heard_at


async def add(
    tx: Transaction, witness: Witness, *, now: datetime, next_try_at: datetime,
) -> bool:
    """Keep a witness; False when this source told of this receipt before."""
    sealer = await tx.sealer(witness.merchant_id)
    return await tx.row(_ADD, _names(witness) | {
        "merchant_id": witness.merchant_id, "amount_cents": witness.amount.cents,
        "happened_at": witness.happened_at, "now": now, "next_try_at": next_try_at,
        "private": sealer.seal(_place(witness), _private(witness)),
    }) is not None


async def add_many(tx: Transaction, several: Sequence[Witness], *, now: datetime) -> None:
    """Keep witnesses of one source and short code, to be judged at once."""
    await tx.execute(_ADD_MANY, await _many(tx, several) | {"now": now})


async def add_agreeing(
    tx: Transaction, several: Sequence[Witness], *, now: datetime,
) -> set[str]:
    """Keep those of several witnesses that say what a payment says, for good.

    They are of one source and short code. Returns their receipts, and those that this source told
    of before: of all these, there is nothing more to do.
    """
    names = _names(several[0]) | {"receipts": [each.receipt for each in several]}
    told = {row["receipt"] for row in await tx.rows(_TOLD, names)}
    news = [each for each in several if each.receipt not in told]
    if news:
        kept = await tx.rows(_ADD_AGREEING, await _many(tx, news) | {"now": now})
        told |= {row["receipt"] for row in kept}
    return told


async def payment_with_receipt(tx: Transaction, witness: Witness) -> Payment | None:
    """Return the payment whose receipt this is, first or second, or None."""
    return await payments.opened(tx, await tx.row(_WITH_RECEIPT, _names(witness)))


async def asked(tx: Transaction, witness: Witness) -> list[Payment]:
    """Return payments that were asked for, and that this money may be for; newest first."""
    sealer = await tx.sealer(witness.merchant_id)
    sought = _sought(witness, sealer)
    statement = _ASKED_BY_REFERENCE if sought["reference_hash"] else _ASKED_LATELY
    if witness.source in WITHOUT_REFERENCE:
        statement = _ASKED_OF_PAYER if witness.payer else _ASKED_LATELY
    rows = await tx.rows(statement, sought | {
        "states": _STATES, "limit": ASKED_MAX,
        "phone_hash": sealer.blind(PHONE, witness.payer.digits) if witness.payer else None,
    })
    return [payment_of(row, sealer) for row in rows]


async def strange(tx: Transaction, several: Sequence[Witness]) -> list[int]:
    """Return the places of those whose money can be for nothing we know, each receipt once.

    In an order that is the same for everybody, so that two who bear them wait for each other once.
    """
    places = {
        (each.receipt, each.shortcode.number, each.livemode): at
        for at, each in enumerate(several) if each.source not in WITHOUT_REFERENCE
    }
    sought = [
        _sought(several[at], await tx.sealer(several[at].merchant_id)) for at in places.values()
    ]
    rows = await tx.rows(_STRANGE, {
        "states": _STATES, "places": list(places.values()),
        **{name: [each[name] for each in sought] for name in _SOUGHT},
    })
    return [row["place"] for row in rows]


def _sought(witness: Witness, sealer: Sealer) -> dict[str, Any]:
    """Return what a payment has that this money may be for; no reference where payers type none."""
    has_reference = bool(witness.reference) or witness.shortcode.kind is Kind.PAYBILL
    return {
        "receipt": witness.receipt, "merchant_id": witness.merchant_id,
        "livemode": witness.livemode, "shortcode": witness.shortcode.number,
        "amount_cents": witness.amount.cents,
        "reference_hash":
            sealer.blind(REFERENCE, folded(witness.reference)) if has_reference else None,
        "first": _id_at(witness.happened_at - ASKED_BEFORE_MAX),
        "beyond": _id_at(witness.happened_at + ASKED_AFTER_MAX),
    }


async def settle(
    tx: Transaction, witness: Witness, *, payment_id: PaymentId | None,
    next_try_at: datetime | None = None,
) -> None:
    """Note which payment a witness tells of; or when to judge it again."""
    await tx.execute(_SETTLED, _names(witness) | {
        "payment_id": payment_id, "next_try_at": next_try_at,
    })


async def settle_many(
    tx: Transaction, settled: Sequence[tuple[Witness, PaymentId]],
) -> None:
    """Note which payments witnesses tell of."""
    names = [_names(witness) for witness, _ in settled]
    await tx.execute(_SETTLED_MANY, {
        "payment_ids": [payment_id for _, payment_id in settled],
        **{name: [each[name] for each in names] for name in _NAMES},
    })


async def take_due(
    tx: Transaction, *, now: datetime, lease: datetime, limit: int,
) -> list[Due]:
    """Hold witnesses whose turn it is until `lease`, and return them unopened."""
    return [Due(row) for row in await tx.rows(_DUE, {"now": now, "lease": lease, "limit": limit})]


async def opened(tx: Transaction, due: Due) -> Witness:
    """Return what a witness says.

    Raises:
        SealBroken, MasterKeyMissing, ValueError: its row does not open, or cannot be read.
    """
    return _witness_of(due.row, await tx.sealer(due.row["merchant_id"]))


async def put_off(tx: Transaction, due: Due, *, until: datetime) -> None:
    """Let a witness that is still due be so later."""
    await tx.execute(_PUT_OFF, {**due.row, "until": until})


async def _many(tx: Transaction, several: Sequence[Witness]) -> dict[str, Any]:
    """Return witnesses of one merchant, source and short code, a column in each value."""
    first = several[0]
    sealer = await tx.sealer(first.merchant_id)
    return _names(first) | {
        "merchant_id": first.merchant_id,
        "receipts": [each.receipt for each in several],
        "amounts": [each.amount.cents for each in several],
        "happened": [each.happened_at for each in several],
        "privates": [sealer.seal(_place(each), _private(each)) for each in several],
    }


def _names(witness: Witness) -> dict[str, Any]:
    return {
        "receipt": witness.receipt, "shortcode": witness.shortcode.number,
        "livemode": witness.livemode, "source": witness.source.value,
    }


def _id_at(when: datetime) -> str:
    return ids.first_at("pay", max(0, int(when.timestamp() * 1000)))


def _place(witness: Witness) -> str:
    return f"witnesses.private {witness.receipt} {witness.shortcode.number} {witness.source}"


def _private(witness: Witness) -> bytes:
    shortcode = witness.shortcode
    head = orjson.dumps([
        shortcode.kind, shortcode.store_number, witness.reference,
        witness.payer.digits if witness.payer else None, witness.payer_masked, witness.payer_name,
        witness.payer_hash,
    ])
    return head + b"\n" + witness.raw


def _witness_of(row: Mapping[str, Any], sealer: Sealer) -> Witness:
    place = f"witnesses.private {row['receipt']} {row['shortcode']} {row['source']}"
    head, _, raw = sealer.open(place, row["private"]).partition(b"\n")
    (
        kind, store_number, reference, payer, payer_masked, payer_name, payer_hash,
    ) = orjson.loads(head)
    return Witness(
        Source(row["source"]), MerchantId(row["merchant_id"]), row["livemode"],
        Shortcode(Kind(kind), row["shortcode"], store_number), row["receipt"],
        Money(row["amount_cents"]), row["happened_at"], reference=reference,
        payer=Msisdn(payer) if payer else None, payer_masked=payer_masked, payer_name=payer_name,
        payer_hash=payer_hash, raw=raw,
    )
