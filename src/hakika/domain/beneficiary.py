"""Beneficiaries: the payees that a merchant has listed, and from when each may be paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hakika.domain.ids import BeneficiaryId
from hakika.domain.payout import Payee
from hakika.domain.times import written


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """One listed payee. All times are UTC."""

    id: BeneficiaryId
    payee: Payee
    added_at: datetime
    added_by: str                # a key's id
    usable_from: datetime        # until then it cools off


def beneficiary_data(beneficiary: Beneficiary) -> dict[str, Any]:
    """Return `beneficiary` as merchants read it."""
    payee = beneficiary.payee
    return {
        "id": beneficiary.id,
        "payee": {
            "phone": payee.phone.digits if payee.phone else None,
            "phone_masked": payee.phone.masked if payee.phone else None,
            "number": payee.number or None, "account": payee.account or None,
            "name": payee.name or None,
        },
        "added_at": written(beneficiary.added_at), "added_by": beneficiary.added_by,
        "usable_from": written(beneficiary.usable_from),
    }
