"""Merchants' ways into Daraja. Secrets are sealed; everything else is there to be read."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.ids import MerchantId, ProviderId
from hakika.domain.provider import Provider, Secrets
from hakika.domain.shortcode import Kind, Shortcode
from hakika.domain.validation import Rule, Terms, WhenUndecided
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, shortcode_kind, shortcode, store_number, private, is_default, valid,
    checked_at, last_error, validation_rule, validation_url, when_undecided, c2b_version,
    b2c_version, tariff, created_at, updated_at
"""

_LIST: LiteralString = (
    "select " + _COLUMNS + """ from providers
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s order by id limit 100
"""
)

_WITH_ID: LiteralString = "select " + _COLUMNS + " from providers where id = %(id)s"

# Credentials that are put again keep their id: it is what their secrets are sealed for. What is let
# in stays as it was set: it has nothing to do with them.
_PUT: LiteralString = (
    "insert into providers (" + _COLUMNS + """)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(shortcode_kind)s, %(shortcode)s,
        %(store_number)s, %(private)s, %(is_default)s, %(valid)s, %(checked_at)s, %(last_error)s,
        %(validation_rule)s, %(validation_url)s, %(when_undecided)s, %(c2b_version)s,
        %(b2c_version)s, %(tariff)s, %(created_at)s, %(updated_at)s)
    on conflict (id) do update set
        shortcode_kind = excluded.shortcode_kind, store_number = excluded.store_number,
        private = excluded.private, is_default = excluded.is_default, valid = excluded.valid,
        tariff = excluded.tariff, checked_at = excluded.checked_at,
        last_error = excluded.last_error,
        updated_at = excluded.updated_at
"""
)

_SET_TERMS: LiteralString = """
    update providers set validation_rule = %(validation_rule)s, validation_url = %(validation_url)s,
           when_undecided = %(when_undecided)s
     where id = %(id)s
"""

_NOTE_VERSION: LiteralString = """
    update providers set c2b_version = %(version)s where id = %(id)s
"""

_NOTE_B2C_VERSION: LiteralString = """
    update providers set b2c_version = %(version)s where id = %(id)s
"""

_NO_DEFAULT: LiteralString = """
    update providers set is_default = false
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and is_default
"""

# Written only while the secrets that were tried are still the ones that stand.
_CHECKED: LiteralString = """
    update providers set valid = %(valid)s, checked_at = %(now)s, last_error = %(last_error)s
     where id = %(id)s and updated_at = %(updated_at)s
"""

_DELETE: LiteralString = """
    delete from providers
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and shortcode = %(shortcode)s
    returning is_default
"""


async def of(tx: Transaction, merchant_id: MerchantId, *, livemode: bool) -> list[Provider]:
    """Return the ways of one merchant in one mode, oldest first."""
    rows = await tx.rows(_LIST, {"merchant_id": merchant_id, "livemode": livemode})
    sealer = await tx.sealer(merchant_id)
    return [_provider_of(row, sealer) for row in rows]


async def with_id(tx: Transaction, provider_id: ProviderId) -> Provider | None:
    """Return one way, whoever's it is, or None."""
    row = await tx.row(_WITH_ID, {"id": provider_id})
    return None if row is None else _provider_of(row, await tx.sealer(row["merchant_id"]))


async def put(tx: Transaction, provider: Provider) -> None:
    """Write a way, new or put again. When it is the default, no other stays it."""
    sealer = await tx.sealer(provider.merchant_id)
    whose = {"merchant_id": provider.merchant_id, "livemode": provider.livemode}
    if provider.is_default:
        await tx.execute(_NO_DEFAULT, whose)
    await tx.execute(_PUT, whose | {
        "id": provider.id, "shortcode_kind": provider.shortcode.kind.value,
        "shortcode": provider.shortcode.number, "store_number": provider.shortcode.store_number,
        "private": sealer.seal(_place(provider.id), _private(provider)),
        "is_default": provider.is_default, "valid": provider.valid,
        "checked_at": provider.checked_at, "last_error": provider.last_error,
        "tariff": provider.tariff, "c2b_version": provider.c2b_version,
        "b2c_version": provider.b2c_version, **_terms(provider.terms),
        "created_at": provider.created_at, "updated_at": provider.updated_at,
    })


async def set_terms(tx: Transaction, provider_id: ProviderId, terms: Terms) -> None:
    """Write which of the payers' own payments are let in."""
    await tx.execute(_SET_TERMS, {"id": provider_id, **_terms(terms)})


async def note_version(tx: Transaction, provider_id: ProviderId, version: int) -> None:
    """Write which version of C2B M-Pesa speaks to a short code."""
    await tx.execute(_NOTE_VERSION, {"id": provider_id, "version": version})


async def note_b2c_version(tx: Transaction, provider_id: ProviderId, version: int) -> None:
    """Write which version of B2C Safaricom lets a short code use."""
    await tx.execute(_NOTE_B2C_VERSION, {"id": provider_id, "version": version})


async def note_check(
    tx: Transaction, provider: Provider, *, valid: bool | None, last_error: str, now: datetime,
) -> None:
    """Write what Daraja said of a way, unless it was changed since."""
    await tx.execute(_CHECKED, {
        "id": provider.id, "updated_at": provider.updated_at, "valid": valid, "now": now,
        "last_error": last_error,
    })


async def delete(
    tx: Transaction, merchant_id: MerchantId, shortcode: str, *, livemode: bool,
) -> bool:
    """Delete a way with its secrets; False when the merchant has no such one."""
    return await tx.row(
        _DELETE, {"merchant_id": merchant_id, "livemode": livemode, "shortcode": shortcode},
    ) is not None


def _terms(terms: Terms) -> dict[str, str]:
    return {
        "validation_rule": terms.rule.value, "validation_url": terms.callback_url,
        "when_undecided": terms.when_undecided.value,
    }


def _place(provider_id: str) -> str:
    return f"providers.private {provider_id}"


def _private(provider: Provider) -> bytes:
    return orjson.dumps(asdict(provider.secrets) | {
        "result_url": provider.result_url, "timeout_url": provider.timeout_url,
        "nominated_number": provider.nominated_number,
    })


def _provider_of(row: dict[str, Any], sealer: Sealer) -> Provider:
    private = orjson.loads(sealer.open(_place(row["id"]), row["private"]))
    beside = {name: private.pop(name) for name in ("result_url", "timeout_url", "nominated_number")}
    return Provider(
        id=ProviderId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"],
        shortcode=Shortcode(Kind(row["shortcode_kind"]), row["shortcode"], row["store_number"]),
        secrets=Secrets(**private), is_default=row["is_default"], valid=row["valid"],
        checked_at=row["checked_at"], last_error=row["last_error"],
        terms=Terms(
            Rule(row["validation_rule"]), row["validation_url"],
            WhenUndecided(row["when_undecided"]),
        ),
        c2b_version=row["c2b_version"], b2c_version=row["b2c_version"],
        tariff=row["tariff"],
        created_at=row["created_at"], updated_at=row["updated_at"], **beside,
    )
