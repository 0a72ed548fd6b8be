"""Beneficiaries: who is listed is sealed, and found by a blind index as payees of payouts are."""

from __future__ import annotations

from typing import Any, LiteralString

import orjson

from hakika.domain.beneficiary import Beneficiary
from hakika.domain.ids import BeneficiaryId
from hakika.domain.merchant import Owner
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Payee
from hakika.store.keyring import Sealer
from hakika.store.payout_rows import payee_hash
from hakika.store.transaction import Transaction

_ADD: LiteralString = """
    insert into beneficiaries (id, merchant_id, livemode, payee_hash, private, added_at, added_by,
        usable_from)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(payee_hash)s, %(private)s, %(added_at)s,
        %(added_by)s, %(usable_from)s)
    on conflict on constraint beneficiaries_once do nothing returning id
"""

_WITH_PAYEE: LiteralString = """
    select * from beneficiaries where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and payee_hash = %(payee_hash)s
"""

_FIND: LiteralString = """
    select * from beneficiaries where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (%(before)s::text is null or id < %(before)s) order by id desc limit %(limit)s
"""

_REMOVE: LiteralString = """
    delete from beneficiaries
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and id = %(id)s returning id
"""


async def add(tx: Transaction, owner: Owner, wanted: Beneficiary) -> Beneficiary | None:
    """List a payee; return the one that is listed already, or None: it was not."""
    sealer = await tx.sealer(owner.merchant_id)
    found_by = payee_hash(wanted.payee, sealer)
    row = await tx.row(_ADD, _whose(owner) | {
        "id": wanted.id, "payee_hash": found_by,
        "private": sealer.seal(_place(wanted.id), _private(wanted.payee)),
        "added_at": wanted.added_at, "added_by": wanted.added_by,
        "usable_from": wanted.usable_from,
    })
    if row is not None:
        return None
    present = await tx.row(_WITH_PAYEE, _whose(owner) | {"payee_hash": found_by})
    assert present is not None, "the rules are held, so nobody removed it meanwhile"
    return _beneficiary_of(present, sealer)


async def find(
    tx: Transaction, owner: Owner, *, before: BeneficiaryId | None, limit: int,
) -> list[Beneficiary]:
    """Return up to `limit` beneficiaries, newest first."""
    rows = await tx.rows(_FIND, _whose(owner) | {"before": before, "limit": limit})
    sealer = await tx.sealer(owner.merchant_id)
    return [_beneficiary_of(row, sealer) for row in rows]


async def remove(tx: Transaction, owner: Owner, which: BeneficiaryId) -> bool:
    """List a payee no more; False when there is no such beneficiary."""
    return await tx.row(_REMOVE, _whose(owner) | {"id": which}) is not None


def _private(payee: Payee) -> bytes:
    return orjson.dumps([
        payee.phone.digits if payee.phone else None, payee.number, payee.account, payee.name,
    ])


def _place(beneficiary_id: str) -> str:
    return f"beneficiaries.private {beneficiary_id}"


def _beneficiary_of(row: dict[str, Any], sealer: Sealer) -> Beneficiary:
    phone, number, account, name = orjson.loads(sealer.open(_place(row["id"]), row["private"]))
    return Beneficiary(
        BeneficiaryId(row["id"]),
        Payee(Msisdn(phone) if phone else None, number, account, name),
        row["added_at"], row["added_by"], row["usable_from"],
    )


def _whose(owner: Owner) -> dict[str, Any]:
    return {"merchant_id": owner.merchant_id, "livemode": owner.livemode}
