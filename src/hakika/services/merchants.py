"""Merchants and API keys: created, listed, revoked, and recognised at the door."""

from __future__ import annotations

import hmac
from collections.abc import Collection

from hakika.domain import merchant as rules
from hakika.domain.errors import Invalid, KeyRevoked, NotFound, Unauthenticated
from hakika.domain.ids import KeyId, MerchantId
from hakika.domain.merchant import ApiKey, Merchant, Scope
from hakika.services.runtime import Runtime
from hakika.store import merchants

NAME_CHARACTERS_MAX = 100
KEY_BITS = 200


async def create(rt: Runtime, name: str) -> Merchant:
    """Return a new merchant. Raises: Invalid, when the name is empty or above 100 characters."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise Invalid(
            f"A merchant's name has 1 to {NAME_CHARACTERS_MAX} characters.",
            field="name", code="name_invalid",
        )
    merchant = Merchant(MerchantId(rt.new_id("mer")), name, rt.now())
    async with rt.store.transaction() as tx:
        await merchants.add(tx, merchant)
    return merchant


async def all_of_them(rt: Runtime) -> list[Merchant]:
    """Return merchants, oldest first."""
    async with rt.store.reading() as tx:
        return await merchants.all_of_them(tx)


async def create_key(
    rt: Runtime, merchant_id: MerchantId, *, livemode: bool, scopes: Collection[Scope] = (),
    label: str = "",
) -> tuple[ApiKey, str]:
    """Return a new key and its text, which is shown this once. Without `scopes` it may do all.

    Raises:
        NotFound: no such merchant.
    """
    text = rules.mint_key(rt.random_bits(KEY_BITS), livemode=livemode)
    key = ApiKey(
        id=KeyId(rt.new_id("key")), merchant_id=merchant_id, livemode=livemode,
        handle=text.handle, digest=rules.digest(text, pepper=rt.pepper),
        scopes=frozenset(scopes or Scope), label=label, created_at=rt.now(),
    )
    async with rt.store.transaction() as tx:
        if await merchants.read(tx, merchant_id) is None:
            raise NotFound(f"There is no merchant {merchant_id}.")
        await merchants.add_key(tx, key)
    return key, text.write()


async def keys(rt: Runtime) -> list[ApiKey]:
    """Return keys, oldest first, revoked ones too."""
    async with rt.store.reading() as tx:
        return await merchants.keys(tx)


async def revoke_key(rt: Runtime, which: str) -> None:
    """Revoke a key by its id or handle, at once for every process. Raises: NotFound."""
    async with rt.store.transaction() as tx:
        if not await merchants.revoke_key(tx, which, now=rt.now()):
            raise NotFound(f"There is no living key {which}.")


async def authenticate(rt: Runtime, text: str) -> ApiKey:
    """Return the key that `text` is.

    Raises:
        Unauthenticated: not a key, or none of ours. The answer does not tell which part is wrong.
        KeyRevoked: it was one.
    """
    parts = rules.read_key(text)
    async with rt.store.reading() as tx:
        key = await merchants.key(tx, parts.handle)
    ours = key.digest if key is not None else bytes(32)
    if not hmac.compare_digest(ours, rules.digest(parts, pepper=rt.pepper)) or key is None:
        raise Unauthenticated("This API key is not known here.")
    if key.revoked_at is not None:
        raise KeyRevoked("This API key was revoked.")
    return key
