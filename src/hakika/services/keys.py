"""API keys: created, rotated, revoked, and recognised at the door."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hakika.domain import merchant as rules
from hakika.domain.errors import Forbidden, Invalid, KeyReplaced, NotFound, Unauthenticated
from hakika.domain.ids import KeyId, MerchantId, SellerId
from hakika.domain.merchant import ApiKey, KeyText, Scope
from hakika.services import stops
from hakika.services.runtime import Runtime
from hakika.store import keys, merchants
from hakika.store.transaction import Transaction

KEY_BITS = 200
LABEL_CHARACTERS_MAX = 100

PAGE = 1000  # that one statement reads for `all_of_them`

# What lets a key order money out, or change by which operator it leaves and who is told of it.
MONEY_OUT = frozenset({
    Scope.PAYOUTS_WRITE, Scope.PAYOUTS_APPROVE, Scope.REFUNDS_WRITE, Scope.MERCHANT_WRITE,
})

# The one name under which the handles of all living keys are known.
ALL = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new key is to be. Without scopes it may do everything."""

    livemode: bool
    scopes: Collection[Scope] = ()
    label: str = ""
    networks: Sequence[str] = ()
    expires_at: datetime | None = None
    seller_id: SellerId | None = None


async def create(
    rt: Runtime, merchant_id: MerchantId, wanted: Wanted, *, by: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Return a new key and its text, which is shown this once.

    Raises:
        NotFound: no such merchant.
        Forbidden: `by`, who makes it, may not do all that it may.
        Invalid: a label that is too long, a network that is none, an end that has passed.
    """
    key, text = _minted(rt, merchant_id, wanted)
    if by is not None:
        key = by.check_making(key)
    async with rt.store.transaction() as tx:
        if await merchants.read(tx, merchant_id) is None:
            raise NotFound(f"There is no merchant {merchant_id}.")
        await keys.add(tx, key)
        await _guard(rt, tx, key, by)
    rt.handles.forget(ALL)
    return key, text.write()


async def _guard(rt: Runtime, tx: Transaction, made: ApiKey, by: ApiKey | None) -> None:
    """Freeze money out when a key makes one that may move it. Whoever has the machine may."""
    if by is not None and made.scopes & MONEY_OUT:
        await stops.note_maker(rt, tx, made, by)
        what = f"Key {made.id}, which may move money out, was made by key {by.id}."
        await stops.freeze_after(rt, tx, made.owner, what, who=by.id)


def _minted(rt: Runtime, merchant_id: MerchantId, wanted: Wanted) -> tuple[ApiKey, KeyText]:
    if len(wanted.label) > LABEL_CHARACTERS_MAX:
        raise Invalid(
            f"A label has {LABEL_CHARACTERS_MAX} characters at most.",
            field="label", code="label_invalid",
        )
    if wanted.expires_at is not None and wanted.expires_at <= rt.now():
        raise Invalid(
            "A key cannot end before it begins.", field="expires_at", code="expires_at_invalid",
        )
    text = rules.mint_key(rt.random_bits(KEY_BITS), livemode=wanted.livemode)
    return ApiKey(
        id=KeyId(rt.new_id("key")), merchant_id=merchant_id, livemode=wanted.livemode,
        handle=text.handle, digest=rules.digest(text, pepper=rt.pepper),
        scopes=frozenset(wanted.scopes or Scope), label=wanted.label, created_at=rt.now(),
        networks=rules.read_networks(wanted.networks), expires_at=wanted.expires_at,
        seller_id=wanted.seller_id,
    ), text


async def find(
    rt: Runtime, by: ApiKey, *, before: KeyId | None = None, limit: int,
) -> list[ApiKey]:
    """Return up to `limit` keys of `by`'s merchant and mode, newest first, made before `before`."""
    async with rt.store.autocommit() as tx:
        return await keys.find(tx, *_within(by), before=before, limit=limit)


async def all_of_them(rt: Runtime) -> list[ApiKey]:
    """Return everybody's keys, oldest first, dead ones too."""
    found: list[ApiKey] = []
    async with rt.store.autocommit() as tx:
        while True:
            before = found[-1].id if found else None
            page = await keys.find(tx, None, None, before=before, limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found[::-1]


async def rotate(
    rt: Runtime, which: str, *, overlap_seconds: int = rules.OVERLAP_SECONDS,
    by: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Return a key that does what `which` does, and its text; the old one ends after the overlap.

    Raises:
        NotFound: no such key for `by`, or a dead one.
        KeyReplaced: `which` was rotated before, or `by` was: the end that this gave to them is not
            for their heirs, who would shut out their users when it comes.
        Forbidden: it may do more than `by`, who would get it.
        Invalid: the overlap is not 0 to 7 days.
    """
    overlap = rules.check_overlap(overlap_seconds)
    async with rt.store.transaction() as tx:
        old = await _living(rt, tx, which, by)
        for each in (old, by or old):
            _refuse_replaced(each)
        new, text = _minted(rt, old.merchant_id, Wanted(
            livemode=old.livemode, scopes=old.scopes, label=old.label, networks=old.networks,
            expires_at=_as_long(old, now=rt.now()), seller_id=old.seller_id,
        ))
        if by is not None:
            new = _rotated_by(by, new)
        await keys.add(tx, new)
        await _guard(rt, tx, new, by)
        await keys.replace(tx, old, by=new, ends_at=rt.now() + overlap)
    rt.keys.forget(old.handle)
    rt.handles.forget(ALL)
    return new, text.write()


def _refuse_replaced(key: ApiKey) -> None:
    if key.replaced_by is not None:
        raise KeyReplaced(f"Key {key.id} was replaced by {key.replaced_by}.")


def _rotated_by(by: ApiKey, new: ApiKey) -> ApiKey:
    made = by.check_making(new)
    if made.networks != new.networks:  # narrower than the old one: its users would be shut out
        raise Forbidden("A key cannot rotate a key that is good from elsewhere than itself.")
    return made


def _as_long(old: ApiKey, *, now: datetime) -> datetime | None:
    """Return when a key ends that lives as long as `old` was made to."""
    return old.expires_at and now + (old.expires_at - old.created_at)


async def revoke(rt: Runtime, which: str, *, by: ApiKey | None = None) -> ApiKey:
    """Revoke a key by its id or handle, within a second for every process. Raises: NotFound."""
    async with rt.store.transaction() as tx:
        key = await _living(rt, tx, which, by)
        await keys.revoke(tx, key, now=rt.now())
    rt.keys.forget(key.handle)
    return replace(key, revoked_at=rt.now())


async def _living(rt: Runtime, tx: Transaction, which: str, by: ApiKey | None) -> ApiKey:
    key = await keys.lock(tx, which, *_within(by))
    if key is None or not _is_alive(key, now=rt.now()):
        raise NotFound(f"There is no living key {which[:40]}.")
    return key


def _is_alive(key: ApiKey, *, now: datetime) -> bool:
    try:
        key.check_alive(now=now)
    except Unauthenticated:
        return False
    return True


def _within(by: ApiKey | None) -> tuple[MerchantId | None, bool | None]:
    return (by.merchant_id, by.livemode) if by is not None else (None, None)


async def authenticate(
    rt: Runtime, text: str, *, address: str | None = None, suspect: bool = False,
) -> ApiKey:
    """Return the key that `text` is, used from `address`; None: not over a network.

    Of a suspect, who has failed often, only keys that exist are looked up: a flood of made-up ones
    costs the database one question in half a second, however many there are.

    Raises:
        Unauthenticated: not a key, or none of ours. The answer does not tell which part is wrong.
        KeyRevoked, KeyExpired: it was one.
        AddressNotAllowed: it is one, and not to be used from there.
    """
    parts = rules.read_key(text)
    if suspect and parts.handle not in await rt.handles.get(ALL, lambda: _living_handles(rt)):
        raise Unauthenticated("This API key is not known here.")
    key = await rt.keys.get(parts.handle, lambda: _looked_up(rt, parts.handle))
    ours = key.digest if key is not None else bytes(32)
    if not hmac.compare_digest(ours, rules.digest(parts, pepper=rt.pepper)) or key is None:
        raise Unauthenticated("This API key is not known here.")
    key.check_alive(now=rt.now())
    if address is not None:
        key.check_address(address)
    if keys.is_touch_due(key, now=rt.now()):
        await _touch(rt, key)
    return key


async def _living_handles(rt: Runtime) -> frozenset[str]:
    async with rt.store.autocommit() as tx:
        return await keys.living_handles(tx, now=rt.now())


async def _looked_up(rt: Runtime, handle: str) -> ApiKey | None:
    async with rt.store.autocommit() as tx:
        return await keys.named(tx, handle)


async def _touch(rt: Runtime, key: ApiKey) -> None:
    """Note that a key was used: by who has all of it, not by who knows its handle."""
    async with rt.store.autocommit() as tx:
        await keys.touch(tx, key, now=rt.now())
    rt.keys.forget(key.handle)
