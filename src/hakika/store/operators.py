"""API operators: when M-Pesa took their credentials, and what is under way with them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from hakika.domain.ids import PayoutId, ProviderId
from hakika.domain.merchant import Owner
from hakika.store.transaction import Transaction

# Credentials that were put later than the question are others: what is said is not of them.
_OF: LiteralString = """
    from providers where merchant_id = %(merchant_id)s and livemode = %(livemode)s
     and shortcode = %(shortcode)s and updated_at <= %(asked_at)s
"""

_IS_OF_NOW: LiteralString = "select exists (select " + _OF + ") as is_of_now"

_PROVE: LiteralString = (
    "insert into operator_proofs as known (provider_id, proven_at) select id, %(now)s " + _OF + """
    on conflict (provider_id) do update set proven_at = excluded.proven_at
     where known.proven_at < (select updated_at from providers where id = known.provider_id)
"""
)

_IS_PROVEN: LiteralString = """
    select exists (select from operator_proofs o join providers p on p.id = o.provider_id
        where p.id = %(provider_id)s and o.proven_at >= p.updated_at) as is_proven
"""

_HOLD: LiteralString = "select id from providers where id = %(provider_id)s for no key update"

# In the words of the index payouts_state.
_UNDER_WAY: LiteralString = """
    select exists (select from payouts o join providers p on p.merchant_id = o.merchant_id
            and p.livemode = o.livemode and p.shortcode = o.shortcode
        where p.id = %(provider_id)s and o.id <> %(but)s
          and o.state in ('sending', 'pending', 'unknown')
          and o.asked_at >= greatest(p.updated_at, %(since)s)) as is_under_way
"""


_IS_ASKED: LiteralString = """
    select exists (select from inquiries i join providers p on p.id = i.provider_id
        where p.id = %(provider_id)s and i.state in ('asked', 'silent', 'timed_out')
          and i.asked_at >= greatest(p.updated_at, %(since)s)) as is_asked
"""

_STANDING: LiteralString = """
    select exists (select from operator_proofs o where o.provider_id = p.id
                      and o.proven_at >= p.updated_at) as is_proven,
           exists (select from payouts o where o.merchant_id = p.merchant_id
                      and o.livemode = p.livemode and o.shortcode = p.shortcode
                      and o.state in ('sending', 'pending', 'unknown')
                      and o.asked_at >= greatest(p.updated_at, %(since)s)) as is_under_way
      from providers p where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and shortcode = %(shortcode)s
"""


async def is_of_now(
    tx: Transaction, owner: Owner, shortcode: str, *, asked_at: datetime,
) -> bool:
    """Say whether what was asked at a time was asked with the credentials that stand now."""
    row = await tx.row(_IS_OF_NOW, _values(owner, shortcode, asked_at))
    return bool(row and row["is_of_now"])


async def prove(
    tx: Transaction, owner: Owner, shortcode: str, *, asked_at: datetime, now: datetime,
) -> None:
    """Note that M-Pesa took the operator's credentials, which stood at `asked_at`."""
    await tx.execute(_PROVE, _values(owner, shortcode, asked_at) | {"now": now})


async def is_proven(tx: Transaction, provider_id: ProviderId) -> bool:
    """Say whether M-Pesa ever took the credentials that stand now."""
    row = await tx.row(_IS_PROVEN, {"provider_id": provider_id})
    return bool(row and row["is_proven"])


async def standing(
    tx: Transaction, owner: Owner, shortcode: str, *, since: datetime,
) -> tuple[bool, bool]:
    """Say whether M-Pesa ever took the credentials that stand now, and whether they are tried."""
    row = await tx.row(_STANDING, {
        "merchant_id": owner.merchant_id, "livemode": owner.livemode, "shortcode": shortcode,
        "since": since,
    })
    return (row["is_proven"], row["is_under_way"]) if row else (True, False)


async def hold(tx: Transaction, provider_id: ProviderId) -> None:
    """Keep others from trying the same credentials until the transaction ends."""
    await tx.execute(_HOLD, {"provider_id": provider_id})


async def is_asked(tx: Transaction, provider_id: ProviderId, *, since: datetime) -> bool:
    """Say whether a question that was put with these credentials since a time is open still."""
    row = await tx.row(_IS_ASKED, {"provider_id": provider_id, "since": since})
    return bool(row and row["is_asked"])


async def is_under_way(
    tx: Transaction, provider_id: ProviderId, *, since: datetime, but: PayoutId,
) -> bool:
    """Say whether another order that was sent with these credentials since a time is open still."""
    row = await tx.row(_UNDER_WAY, {"provider_id": provider_id, "since": since, "but": but})
    return bool(row and row["is_under_way"])


def _values(owner: Owner, shortcode: str, asked_at: datetime) -> dict[str, Any]:
    return {
        "merchant_id": owner.merchant_id, "livemode": owner.livemode, "shortcode": shortcode,
        "asked_at": asked_at,
    }
