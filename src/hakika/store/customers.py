"""Customers: sealed, found by keyed hashes of their phone and words, and erased for good.

`private` holds all that is personal. A deletion empties it and both kinds of hashes; what is left
of the row lets payments go on naming the customer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

import orjson
import psycopg
from psycopg import sql

from hakika.domain.customer import Customer, Details, words_of
from hakika.domain.ids import CustomerId, MerchantId
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import folded
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import PHONE, REFERENCE
from hakika.store.transaction import Transaction

# The kind of a word's blind index. That of a phone is a payment's.
_WORD = "customer word"

# Those of a phone as M-Pesa tells it of who pays unasked: hashed, or masked but for its end.
_HASHED, _TAIL = "customer phone hashed", "customer phone tail"
TAIL_DIGITS = 3

# One in a thousand customers has a given tail. A merchant with more than a million cannot be told
# theirs by a mask anyway.
SAME_TAIL_MAX = 1_000


class PhoneTaken(Exception):
    """Another living customer of this merchant and mode has this phone."""


class Tail(NamedTuple):
    """How a phone ends that belongs to a customer of this merchant and mode."""

    merchant_id: MerchantId
    livemode: bool
    digits: str                           # TAIL_DIGITS of them


@dataclass(frozen=True, slots=True)
class Sought:
    """What a list is narrowed to."""

    words: frozenset[str] | None = None   # all of these; or else the phone below
    search_phone: Msisdn | None = None    # the words, read as a phone number, when they are one
    phone: Msisdn | None = None
    before: CustomerId | None = None      # the last customer of the page before


_COLUMNS: LiteralString = "id, merchant_id, livemode, private, created_at, updated_at"

_ADD: LiteralString = """
    insert into customers (id, merchant_id, livemode, private, phone_hash, word_hashes,
        reference_hash, msisdn_hash, tail_hash, created_at, updated_at)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(private)s, %(phone_hash)s, %(word_hashes)s,
        %(reference_hash)s, %(msisdn_hash)s, %(tail_hash)s, %(created_at)s, %(updated_at)s)
    on conflict (merchant_id, livemode, phone_hash) where deleted_at is null do nothing
    returning id
"""

_LIVING: LiteralString = (
    "select " + _COLUMNS + " from customers where id = %(id)s and merchant_id = %(merchant_id)s"
    " and livemode = %(livemode)s and deleted_at is null"
)

_LOCK: LiteralString = _LIVING + " for update"

_WITH_PHONE: LiteralString = """
    select id from customers where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and phone_hash = %(phone_hash)s and deleted_at is null
"""

_HASHED_PHONE: LiteralString = """
    select id from customers where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and msisdn_hash = %(hash)s and deleted_at is null
"""

_WITH_TAILS: LiteralString = (
    "select place, found.* from unnest(%(merchant_ids)s::text[], %(livemodes)s::boolean[],"
    " %(hashes)s::bytea[]) with ordinality as each (merchant_id, livemode, hash, place)"
    " cross join lateral (select " + _COLUMNS + """ from customers c
         where c.merchant_id = each.merchant_id and c.livemode = each.livemode
           and c.tail_hash = each.hash and c.deleted_at is null limit %(limit)s
    ) found
"""
)

_CHANGE: LiteralString = """
    update customers set private = %(private)s, phone_hash = %(phone_hash)s,
           word_hashes = %(word_hashes)s, reference_hash = %(reference_hash)s,
           msisdn_hash = %(msisdn_hash)s, tail_hash = %(tail_hash)s, updated_at = %(updated_at)s
     where id = %(id)s and deleted_at is null
"""

_ERASE: LiteralString = """
    update customers set private = '', phone_hash = null, word_hashes = '{}',
           reference_hash = null, msisdn_hash = null, tail_hash = null,
           updated_at = %(now)s, deleted_at = %(now)s
     where id = %(id)s and deleted_at is null
"""

_CLAUSES = {
    "words": "(word_hashes @> %(words)s or phone_hash = %(search_phone)s)",
    "phone": "phone_hash = %(phone)s",
    "before": "id < %(before)s",
}


async def add(tx: Transaction, customer: Customer) -> bool:
    """Write a new customer; False, and nothing written, when another living one has its phone."""
    sealer = await tx.sealer(customer.merchant_id)
    return await tx.row(_ADD, _values(customer, sealer)) is not None


async def read(
    tx: Transaction, customer_id: CustomerId, *, merchant_id: MerchantId, livemode: bool,
) -> Customer | None:
    """Return one living customer of this merchant and mode, or None."""
    return await _one(tx, _LIVING, customer_id, merchant_id, livemode=livemode)


async def lock(
    tx: Transaction, customer_id: CustomerId, *, merchant_id: MerchantId, livemode: bool,
) -> Customer | None:
    """Return the same, held until the transaction ends."""
    return await _one(tx, _LOCK, customer_id, merchant_id, livemode=livemode)


async def _one(
    tx: Transaction, statement: LiteralString, customer_id: CustomerId, merchant_id: MerchantId, *,
    livemode: bool,
) -> Customer | None:
    row = await tx.row(
        statement, {"id": customer_id, "merchant_id": merchant_id, "livemode": livemode},
    )
    return None if row is None else customer_of(row, await tx.sealer(merchant_id))


async def with_phone(
    tx: Transaction, phone: Msisdn, *, merchant_id: MerchantId, livemode: bool,
) -> CustomerId | None:
    """Return the living customer who has this phone, or None."""
    sealer = await tx.sealer(merchant_id)
    row = await tx.row(_WITH_PHONE, {
        "merchant_id": merchant_id, "livemode": livemode,
        "phone_hash": sealer.blind(PHONE, phone.digits),
    })
    return CustomerId(row["id"]) if row else None


async def with_hashed_phone(
    tx: Transaction, payer_hash: str, *, merchant_id: MerchantId, livemode: bool,
) -> CustomerId | None:
    """Return the living customer whose phone has this SHA-256, or None."""
    sealer = await tx.sealer(merchant_id)
    row = await tx.row(_HASHED_PHONE, {
        "merchant_id": merchant_id, "livemode": livemode,
        "hash": sealer.blind(_HASHED, payer_hash),
    })
    return CustomerId(row["id"]) if row else None


async def with_tails(
    tx: Transaction, tails: Collection[Tail],
) -> dict[Tail, list[Customer]]:
    """Return the living customers whose phones end so; left out: a tail that too many have."""
    sealers = {tail.merchant_id: await tx.sealer(tail.merchant_id) for tail in tails}
    sought = list(tails)
    rows = await tx.rows(_WITH_TAILS, {
        "merchant_ids": [tail.merchant_id for tail in sought],
        "livemodes": [tail.livemode for tail in sought],
        "hashes": [sealers[tail.merchant_id].blind(_TAIL, tail.digits) for tail in sought],
        "limit": SAME_TAIL_MAX + 1,
    })
    found: dict[Tail, list[Customer]] = {}
    for row in rows:
        found.setdefault(sought[row["place"] - 1], []).append(
            customer_of(row, sealers[row["merchant_id"]]),
        )
    return {tail: those for tail, those in found.items() if len(those) <= SAME_TAIL_MAX}


async def change(tx: Transaction, customer: Customer) -> None:
    """Write what changed of a customer that is locked.

    Raises:
        PhoneTaken: another has this phone. Let the transaction fail.
    """
    sealer = await tx.sealer(customer.merchant_id)
    try:
        await tx.execute(_CHANGE, _values(customer, sealer))
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "customers_phone":
            raise PhoneTaken from None
        raise


async def erase(tx: Transaction, customer_id: CustomerId, *, now: datetime) -> None:
    """Empty the row of a customer that is locked: nobody can bring back what was in it."""
    await tx.execute(_ERASE, {"id": customer_id, "now": now})


async def find(
    tx: Transaction, sought: Sought, *, merchant_id: MerchantId, livemode: bool, limit: int,
) -> list[Customer]:
    """Return up to `limit` living customers of this merchant and mode, newest first."""
    sealer = await tx.sealer(merchant_id)
    values = _sought_values(sought, sealer) | {
        "merchant_id": merchant_id, "livemode": livemode, "limit": limit,
    }
    if values["words"] == []:
        return []  # a search for signs alone: nobody has such a word
    clauses = [
        sql.SQL("merchant_id = %(merchant_id)s"), sql.SQL("livemode = %(livemode)s"),
        sql.SQL("deleted_at is null"),
        *(sql.SQL(text) for name, text in _CLAUSES.items() if values[name] is not None),
    ]
    query = sql.SQL("select {} from customers where {} order by id desc limit %(limit)s").format(
        sql.SQL(_COLUMNS), sql.SQL(" and ").join(clauses),
    )
    cursor = await tx.connection.execute(query, values)
    return [customer_of(row, sealer) for row in await cursor.fetchall()]


def _sought_values(sought: Sought, sealer: Sealer) -> dict[str, Any]:
    def blind(phone: Msisdn | None) -> bytes | None:
        return sealer.blind(PHONE, phone.digits) if phone else None

    words = sought.words
    return {
        "words": None if words is None else [sealer.blind(_WORD, word) for word in words],
        "search_phone": blind(sought.search_phone), "phone": blind(sought.phone),
        "before": sought.before,
    }


def _values(customer: Customer, sealer: Sealer) -> dict[str, Any]:
    details = customer.details
    phone = details.phone.digits if details.phone else None
    private = orjson.dumps(
        [details.name, phone, details.email, details.reference, dict(details.metadata)],
    )
    return {
        "id": customer.id, "merchant_id": customer.merchant_id, "livemode": customer.livemode,
        "private": sealer.seal(_place(customer.id), private),
        "phone_hash": sealer.blind(PHONE, phone) if phone else None,
        "word_hashes": sorted(sealer.blind(_WORD, word) for word in words_of(details)),
        "msisdn_hash": sealer.blind(_HASHED, details.phone.sha256) if details.phone else None,
        "tail_hash": sealer.blind(_TAIL, phone[-TAIL_DIGITS:]) if phone else None,
        "reference_hash": (
            sealer.blind(REFERENCE, folded(details.reference)) if details.reference else None
        ),
        "created_at": customer.created_at, "updated_at": customer.updated_at,
    }


def customer_of(row: dict[str, Any], sealer: Sealer) -> Customer:
    """Return the customer of one row. Raises: SealBroken."""
    name, phone, email, reference, metadata = orjson.loads(
        sealer.open(_place(row["id"]), row["private"]),
    )
    return Customer(
        id=CustomerId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"],
        details=Details(
            name=name, phone=Msisdn(phone) if phone else None, email=email, reference=reference,
            metadata=metadata,
        ),
        created_at=row["created_at"], updated_at=row["updated_at"],
    )


def _place(customer_id: str) -> str:
    return f"customers.private {customer_id}"
