"""Discrepancies: found again as the same ones, and resolved by people or by being found no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString

from hakika.domain.discrepancy import (
    NOBODY,
    OF_A_DAY,
    OFF_THE_FLOAT,
    Difference,
    Discrepancy,
    Kind,
)
from hakika.domain.ids import DiscrepancyId, MerchantId, PaymentId
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.store.transaction import Transaction

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, kind, shortcode, subject, day, receipt, payment_id, ours_cents,
    theirs_cents, words, found_at, assigned_to, resolution, resolved_by, resolved_at
"""

# Resolved ones stay resolved, unless they are about other amounts now. `is_news`: open, and it was
# not there or not open before.
_FIND: LiteralString = (
    """
    with before as (
        select id, resolved_at from discrepancies
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s and kind = %(kind)s
           and shortcode = %(shortcode)s and subject = %(subject)s
    ), found as (
        insert into discrepancies as old (""" + _COLUMNS + """)
        values (%(id)s, %(merchant_id)s, %(livemode)s, %(kind)s, %(shortcode)s, %(subject)s,
            %(day)s, %(receipt)s, %(payment_id)s, %(ours_cents)s, %(theirs_cents)s, %(words)s,
            %(now)s, '', '', '', null)
        on conflict on constraint discrepancies_subject_key do update
           set words = excluded.words, ours_cents = excluded.ours_cents,
               theirs_cents = excluded.theirs_cents, day = excluded.day,
               payment_id = excluded.payment_id,
               resolved_at = case
                   when old.resolved_by = %(nobody)s
                     or (old.ours_cents, old.theirs_cents)
                        is distinct from (excluded.ours_cents, excluded.theirs_cents)
                   then null else old.resolved_at end
        returning *
    )
    select """ + _COLUMNS + """, resolved_at is null and not exists (
        select from before where before.resolved_at is null) as is_news
      from found
"""
)

# Resolved by nobody: what it told of is not there any more.
_SETTLED: LiteralString = """
    with balance as (
        select day, theirs_cents - ours_cents as cents from discrepancies
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and kind = 'float_differs' and shortcode = %(shortcode)s
           and starts_with(subject, %(account)s || ' ')
           and resolved_at is not null and resolved_by <> %(nobody)s and day < %(day)s
         order by day desc limit 1
    )
    select (coalesce((select cents from balance), 0) + coalesce(sum(
               coalesce(theirs_cents, 0) - coalesce(ours_cents, 0)), 0))::bigint as cents
      from discrepancies
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and kind = any(%(kinds)s) and shortcode = %(shortcode)s
       and resolved_at is not null and resolved_by <> %(nobody)s and day < %(day)s
       and day > coalesce((select day from balance), '-infinity')
"""

_VANISH: LiteralString = """
    update discrepancies set resolved_at = %(now)s, resolved_by = %(nobody)s,
           resolution = 'It was found no more when the day was closed again.'
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and day = %(day)s
       and kind = any(%(kinds)s) and resolved_at is null and not id = any(%(found)s)
"""

_OF_DAY: LiteralString = (
    "select " + _COLUMNS + """ from discrepancies
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and day = %(day)s
       and kind = any(%(kinds)s)
     order by resolved_at is not null, shortcode, kind, subject
"""
)

_LIST: LiteralString = (
    "select " + _COLUMNS + """ from discrepancies
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (%(before)s::text is null or id < %(before)s)
       and (%(day)s::date is null or day = %(day)s)
       and (%(kind)s::text is null or kind = %(kind)s)
       and (%(is_open)s::boolean is null or (resolved_at is null) = %(is_open)s)
     order by id desc limit %(limit)s
"""
)

_READ: LiteralString = (
    "select " + _COLUMNS + """ from discrepancies
     where id = %(id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""
)

_ASSIGN: LiteralString = """
    update discrepancies set assigned_to = %(to)s
     where id = %(id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

_RESOLVE: LiteralString = """
    update discrepancies set resolved_at = %(now)s, resolved_by = %(who)s, resolution = %(reason)s
     where id = %(id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and resolved_at is null
    returning id
"""


# A question that was asked once is not asked again, however it was answered.
_UNASKED: LiteralString = """
    select id from payments p
     where (disputed or state = 'review' or late_action in ('hold', 'refund'))
       and not exists (
        select from discrepancies d
         where d.merchant_id = p.merchant_id and d.livemode = p.livemode
           and d.shortcode = p.shortcode and d.subject = p.id
           and d.kind = case when disputed or state = 'review' then 'review' else 'late_money' end)
     order by id limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Sought:
    """What a list is narrowed to."""

    day: date | None = None
    kind: Kind | None = None
    is_open: bool | None = None
    before: DiscrepancyId | None = None   # the last one of the page before


async def find(
    tx: Transaction, discrepancy: Discrepancy,
) -> tuple[Discrepancy, bool]:
    """Keep what was found, or find it again; return it as it is kept, and whether it is news."""
    difference = discrepancy.difference
    row = await tx.row(_FIND, {
        "id": discrepancy.id, "merchant_id": discrepancy.merchant_id,
        "livemode": discrepancy.livemode, "kind": difference.kind.value,
        "shortcode": difference.shortcode, "subject": difference.subject,
        "day": discrepancy.day, "receipt": difference.receipt,
        "payment_id": difference.payment_id, "words": difference.words,
        "ours_cents": None if difference.ours is None else difference.ours.cents,
        "theirs_cents": None if difference.theirs is None else difference.theirs.cents,
        "now": discrepancy.found_at, "nobody": NOBODY,
    })
    assert row is not None, "it is written or found"
    return discrepancy_of(row), row["is_news"]


async def settled(tx: Transaction, owner: Owner, shortcode: str, account: str, day: date) -> int:
    """Return by how many cents M-Pesa's balance of an account is off for settled reasons.

    What people settled moved no money, so it stands on every day after. A balance that they let be
    holds everything before it.
    """
    row = await tx.row(_SETTLED, _whose(owner) | {
        "shortcode": shortcode, "account": account, "day": day, "nobody": NOBODY,
        "kinds": [each.value for each in OFF_THE_FLOAT],
    })
    assert row is not None, "a sum is one row"
    return int(row["cents"])


async def vanish(
    tx: Transaction, owner: Owner, day: date, *, found: Sequence[DiscrepancyId], now: datetime,
) -> None:
    """Resolve what is open of a day and was not among what was `found` now."""
    await tx.execute(_VANISH, _whose(owner) | {
        "day": day, "found": list(found), "now": now, "nobody": NOBODY, "kinds": _KINDS_OF_A_DAY,
    })


async def of_day(tx: Transaction, owner: Owner, day: date) -> list[Discrepancy]:
    """Return what was ever found of a day, the open ones first."""
    rows = await tx.rows(_OF_DAY, _whose(owner) | {"day": day, "kinds": _KINDS_OF_A_DAY})
    return [discrepancy_of(row) for row in rows]


async def listed(
    tx: Transaction, owner: Owner, sought: Sought, *, limit: int,
) -> list[Discrepancy]:
    """Return up to `limit` discrepancies, newest first."""
    rows = await tx.rows(_LIST, _whose(owner) | {
        "day": sought.day, "kind": sought.kind, "is_open": sought.is_open,
        "before": sought.before, "limit": limit,
    })
    return [discrepancy_of(row) for row in rows]


async def read(
    tx: Transaction, owner: Owner, discrepancy_id: DiscrepancyId,
) -> Discrepancy | None:
    """Return one, or None."""
    row = await tx.row(_READ, _whose(owner) | {"id": discrepancy_id})
    return None if row is None else discrepancy_of(row)


async def assign(
    tx: Transaction, owner: Owner, discrepancy_id: DiscrepancyId, *, to: str,
) -> None:
    """Note who looks into it; "" for nobody."""
    await tx.execute(_ASSIGN, _whose(owner) | {"id": discrepancy_id, "to": to})


async def resolve(
    tx: Transaction, owner: Owner, discrepancy_id: DiscrepancyId, *, who: str, reason: str,
    now: datetime,
) -> bool:
    """Resolve an open one; False when it is open no more."""
    return await tx.row(_RESOLVE, _whose(owner) | {
        "id": discrepancy_id, "who": who, "reason": reason, "now": now,
    }) is not None


async def unasked(tx: Transaction, *, limit: int) -> list[PaymentId]:
    """Return payments about which there is a question that nobody was asked yet."""
    return [PaymentId(row["id"]) for row in await tx.rows(_UNASKED, {"limit": limit})]


_KINDS_OF_A_DAY = sorted(kind.value for kind in OF_A_DAY)


def _whose(owner: Owner) -> dict[str, Any]:
    return {"merchant_id": owner.merchant_id, "livemode": owner.livemode}


def _money(cents: int | None) -> Money | None:
    return None if cents is None else Money(cents)


def discrepancy_of(row: Mapping[str, Any]) -> Discrepancy:
    """Return the discrepancy of one row."""
    return Discrepancy(
        DiscrepancyId(row["id"]), MerchantId(row["merchant_id"]), row["livemode"], row["day"],
        Difference(
            Kind(row["kind"]), row["shortcode"], row["subject"], row["words"],
            receipt=row["receipt"],
            payment_id=PaymentId(row["payment_id"]) if row["payment_id"] else None,
            ours=_money(row["ours_cents"]), theirs=_money(row["theirs_cents"]),
        ),
        row["found_at"], row["assigned_to"], row["resolution"], row["resolved_by"],
        row["resolved_at"],
    )
