"""What guards a merchant's money: its rules, held while they are applied, and what went lately.

Whoever asks for a payout, or lets one go, holds the row of its merchant and mode until the end: so
what is added up is true when the payout is written, however many ask at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.guard import Lately, Rules, defaults, rules_data, rules_of
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.payout import Payee
from hakika.store.payout_rows import payee_hash
from hakika.store.transaction import Transaction

_HOLD: LiteralString = """
    insert into payout_rules as held (merchant_id, livemode)
    values (%(merchant_id)s, %(livemode)s)
    on conflict (merchant_id, livemode) do update set livemode = held.livemode
    returning rules, burst_from, told_low
"""

_READ: LiteralString = """
    select rules from payout_rules where merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

_PUT: LiteralString = """
    update payout_rules set rules = %(rules)s
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

_BURST_FROM: LiteralString = """
    insert into payout_rules as held (merchant_id, livemode, burst_from)
    values (%(merchant_id)s, %(livemode)s, %(now)s)
    on conflict (merchant_id, livemode) do update set burst_from = excluded.burst_from
"""

_TOLD_LOW: LiteralString = """
    update payout_rules set told_low = %(told_low)s
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

# What was asked or let go since, whichever came later, and did not end without money. Nothing of it
# was written before: to be let go moves `updated_at`. What was never held went when it was asked.
_COUNTED: LiteralString = """
    select payee_hash, amount_cents, state, batch_id, created_at,
           case when held_for = '{}' then created_at else greatest(created_at, (
               select max(heard_at) from payout_facts f
                where f.payout_id = p.id and f.kind = 'released')) end as at
      from payouts p
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and purpose = 'payout'
       and updated_at > %(since)s
"""

_LATELY: LiteralString = (
    "with counted as (" + _COUNTED + """)
    select coalesce(sum(amount_cents) filter (where counts and at > %(hour)s), 0)::bigint as hour,
           coalesce(sum(amount_cents) filter (where counts and at > %(day)s), 0)::bigint as day,
           count(*) filter (where batch_id is null and created_at > %(burst)s) + (
               select count(*) from payout_files
                where merchant_id = %(merchant_id)s and livemode = %(livemode)s
                  and started_at > %(burst)s) as burst
      from counted, lateral (select state <> all(%(left_out)s) as counts) as judged
"""
)

# Added up once for all payees: a file has ten thousand of them.
_PAYEES: LiteralString = (
    "with counted as (" + _COUNTED + """ and payee_hash = any(%(payees)s)), summed as (
        select payee_hash, sum(amount_cents) as cents from counted
         where state <> all(%(left_out)s) and at > %(day)s group by payee_hash)
    select payee, coalesce(cents, 0)::bigint as cents, usable_from
      from unnest(%(payees)s::bytea[]) as payee left join summed on summed.payee_hash = payee
           left join beneficiaries b
           on b.merchant_id = %(merchant_id)s and b.livemode = %(livemode)s
          and b.payee_hash = payee
"""
)

_CHANGED: LiteralString = """
    insert into guard_changes (merchant_id, livemode, what, who, before, after, note, changed_at)
    values (%(merchant_id)s, %(livemode)s, %(what)s, %(who)s, %(before)s, %(after)s, %(note)s,
        %(now)s)
"""

_CHANGES: LiteralString = """
    select * from guard_changes where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (%(before)s::bigint is null or id < %(before)s) order by id desc limit %(limit)s
"""

_CAUSED: LiteralString = """
    select exists (select from guard_changes
        where merchant_id = %(merchant_id)s and livemode = %(livemode)s and who = any(%(who)s)
          and what = any(%(what)s) and changed_at >= %(since)s) as caused
"""

# Up and down, and not both: two keys that one person made for others are not of one line. What a
# key was rotated to is that key; who rotated it has the new one as well.
_LINE: LiteralString = """
    with recursive made as (
        select who as maker, after ->> 'key' as key_id from guard_changes
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s and what = %(made)s
        union all
        select id, replaced_by from api_keys
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and replaced_by is not null
    ), above as (
        select %(key_id)s::text as key_id
        union select made.maker from made join above on made.key_id = above.key_id
    ), below as (
        select %(key_id)s::text as key_id
        union select made.key_id from made join below on made.maker = below.key_id
    )
    select key_id from above union select key_id from below
"""

_WATCHING_FLOATS: LiteralString = """
    select merchant_id, livemode from payout_rules
     where rules -> 'float_low' <> '{}'::jsonb or told_low <> '{}' order by 1, 2
"""

_ENDED_WITHOUT_MONEY = ["failed", "canceled"]


@dataclass(frozen=True, slots=True)
class Held:
    """The rules of a merchant and mode, held until the transaction ends."""

    rules: Rules
    burst_from: datetime | None      # bursts are counted from here: the last freeze was lifted
    told_low: tuple[str, ...]        # short codes whose merchant was told that little is left


@dataclass(frozen=True, slots=True)
class Since:
    """From when on something counts."""

    hour: datetime
    day: datetime
    burst: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How a payee stands: what was asked for it in a day, and from when it may be paid."""

    lately: Money
    usable_from: datetime | None     # None: it is not listed


async def hold(tx: Transaction, owner: Owner) -> Held:
    """Return the rules, held: who asks or lets go waits here for whoever was first."""
    row = await tx.row(_HOLD, _whose(owner))
    assert row is not None, "it is made when it is not there"
    return Held(_rules_of(row, owner), row["burst_from"], tuple(row["told_low"]))


async def rules(tx: Transaction, owner: Owner) -> Rules:
    """Return the rules as they are."""
    return _rules_of(await tx.row(_READ, _whose(owner)), owner)


async def put(tx: Transaction, owner: Owner, wanted: Rules) -> None:
    """Write the rules, which are held."""
    await tx.execute(_PUT, _whose(owner) | {"rules": _json(rules_data(wanted))})


async def count_bursts_from(tx: Transaction, owner: Owner, now: datetime) -> None:
    """Count bursts anew: whoever lifted a freeze knows what was asked before."""
    await tx.execute(_BURST_FROM, _whose(owner) | {"now": now})


async def lately(tx: Transaction, owner: Owner, since: Since, *, with_held: bool) -> Lately:
    """Return what was asked, or let go; without `with_held`, only what was let go."""
    row = await tx.row(_LATELY, _whose(owner) | {
        "since": min(since.day, since.burst), "hour": since.hour, "day": since.day,
        "burst": since.burst, "left_out": _left_out(with_held=with_held),
    })
    assert row is not None, "a sum is always one row"
    return Lately(hour=Money(row["hour"]), day=Money(row["day"]), burst=row["burst"])


async def standings(
    tx: Transaction, owner: Owner, payees: Sequence[Payee], *, day: datetime, with_held: bool,
) -> list[tuple[bytes, Standing]]:
    """Return by what each payee is found, and how it stands; in the order of `payees`."""
    sealer = await tx.sealer(owner.merchant_id)
    found = [payee_hash(each, sealer) for each in payees]
    rows = await tx.rows(_PAYEES, _whose(owner) | {
        "since": day, "day": day, "payees": list(set(found)),
        "left_out": _left_out(with_held=with_held),
    })
    by_hash = {
        bytes(row["payee"]): Standing(Money(row["cents"]), row["usable_from"]) for row in rows
    }
    return [(each, by_hash[each]) for each in found]


def _left_out(*, with_held: bool) -> list[str]:
    return _ENDED_WITHOUT_MONEY if with_held else [*_ENDED_WITHOUT_MONEY, "held"]


@dataclass(frozen=True, slots=True)
class GuardChange:
    """Who changed what guards the money, from what to what."""

    id: str                          # a number that grows
    what: str
    who: str                         # a key's id, or who sat at the machine
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    note: str
    changed_at: datetime


async def note_change(
    tx: Transaction, owner: Owner, what: str, *, who: str, now: datetime,
    before: dict[str, Any] | None = None, after: dict[str, Any] | None = None, note: str = "",
) -> None:
    """Keep for ever who changed what."""
    await tx.execute(_CHANGED, _whose(owner) | {
        "what": what, "who": who, "before": _json(before), "after": _json(after), "note": note,
        "now": now,
    })


async def changes(
    tx: Transaction, owner: Owner, *, before: int | None, limit: int,
) -> list[GuardChange]:
    """Return up to `limit` changes of this merchant and mode, newest first."""
    rows = await tx.rows(_CHANGES, _whose(owner) | {"before": before, "limit": limit})
    return [
        GuardChange(
            str(row["id"]), row["what"], row["who"], row["before"], row["after"], row["note"],
            row["changed_at"],
        ) for row in rows
    ]


async def has_changed(
    tx: Transaction, owner: Owner, who: Sequence[str], what: Sequence[str], *, since: datetime,
) -> bool:
    """Say whether one of these made one of these changes at `since` or later."""
    row = await tx.row(_CAUSED, _whose(owner) | {
        "who": list(who), "what": list(what), "since": since,
    })
    return bool(row and row["caused"])


async def line_of(tx: Transaction, owner: Owner, key_id: str, made: str) -> list[str]:
    """Return a key, those that made it, and those it made, however far.

    `made` is what the change is called by which one key makes another.
    """
    rows = await tx.rows(_LINE, _whose(owner) | {"key_id": key_id, "made": made})
    return [row["key_id"] for row in rows]


async def watching_floats(tx: Transaction) -> list[Owner]:
    """Return who wants to be told when little is left on a float, or was told."""
    return [
        Owner(row["merchant_id"], row["livemode"]) for row in await tx.rows(_WATCHING_FLOATS)
    ]


async def set_told_low(tx: Transaction, owner: Owner, told_low: Sequence[str]) -> None:
    """Write of which short codes a merchant was told that little is left."""
    await tx.execute(_TOLD_LOW, _whose(owner) | {"told_low": list(told_low)})


def _rules_of(row: dict[str, Any] | None, owner: Owner) -> Rules:
    standard = defaults(livemode=owner.livemode)
    return standard if row is None or row["rules"] is None else rules_of(row["rules"], standard)


def _json(data: dict[str, Any] | None) -> str | None:
    return None if data is None else orjson.dumps(data).decode()


def _whose(owner: Owner) -> dict[str, Any]:
    return {"merchant_id": owner.merchant_id, "livemode": owner.livemode}
