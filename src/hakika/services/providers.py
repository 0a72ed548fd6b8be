"""Merchants' ways into Daraja: put, proved, deleted; and which one a payment takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from hakika.daraja.credentials import LOOPBACK, Credentials, check_live
from hakika.domain.errors import (
    Conflict,
    Invalid,
    LiveModeUnavailable,
    NotFound,
)
from hakika.domain.ids import MerchantId, ProviderId
from hakika.domain.inquiry import next_turn
from hakika.domain.merchant import ApiKey
from hakika.domain.payment import Payment
from hakika.domain.payout import Payout
from hakika.domain.provider import Provider, Secrets, is_changed, refuse_masked
from hakika.domain.shortcode import Shortcode
from hakika.domain.tariff import COLLECTED_ON
from hakika.domain.validation import Terms
from hakika.services import stops
from hakika.services.runtime import Runtime
from hakika.store import inquiries, merchants, providers
from hakika.store.transaction import Transaction

PROVIDERS_MAX = 50

PUT_CREDENTIALS = (
    "Put the credentials of the short code with initiator (the API operator's name) and "
    "security_credential (its encrypted password): PUT /v1/merchant/providers."
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a merchant says of a short code, checked in form."""

    shortcode: Shortcode
    secrets: Secrets
    result_url: str = ""
    timeout_url: str = ""
    nominated_number: str = ""
    tariff: str | None = None          # None: as it is; "": none
    is_default: bool | None = None     # None: as it is; of the first one, yes


async def put(rt: Runtime, key: ApiKey, wanted: Wanted) -> Provider:
    """Keep credentials, new or instead of those of the same short code, and prove them.

    What Daraja says of them is in the answer (`valid`, `last_error`); they are kept either way.

    Raises:
        Invalid: a masked value, a sandbox's value for live money, or live money at an address of
            ours that Safaricom cannot reach.
        Conflict: there are 50 short codes already; or it is the default, and is not to be.
    """
    secrets = wanted.secrets
    refuse_masked(
        consumer_key=secrets.consumer_key, consumer_secret=secrets.consumer_secret,
        passkey=secrets.passkey, initiator=secrets.initiator,
        security_credential=secrets.security_credential,
        nominated_number=wanted.nominated_number,
    )
    _check_tariff(rt, wanted)
    provider = _provider(rt, key, wanted)
    _check_fit(rt, credentials(rt, provider))
    async with rt.store.transaction() as tx:
        await merchants.lock(tx, key.merchant_id)
        present = await providers.of(tx, key.merchant_id, livemode=key.livemode)
        provider = _beside(provider, present, wanted)
        await _guard(rt, tx, key, provider, present)
        await providers.put(tx, provider)
        may_ask = bool(secrets.initiator and secrets.security_credential)
        await inquiries.set_turn(
            tx, provider.id, next_ask_at=next_turn(rt.now()) if may_ask else None,
        )
    _forget(rt, key)
    return await _proved(rt, provider)


async def _guard(
    rt: Runtime, tx: Transaction, key: ApiKey, provider: Provider, present: Sequence[Provider],
) -> None:
    """Lift the stop of an operator that is mended; freeze when more than that is changed.

    Who changes with what money is sent, or whom Safaricom tells of it, may be a thief.
    """
    number = provider.shortcode.number
    is_mended = await stops.mended(rt, tx, key.owner, number, who=key.id)
    for before in present:
        if before.id == provider.id and is_changed(before, provider, is_mended=is_mended):
            what = f"The API operator or the contact of {number} was changed."
            await stops.freeze_after(rt, tx, key.owner, what, who=key.id)


def _provider(rt: Runtime, key: ApiKey, wanted: Wanted) -> Provider:
    now = rt.now()
    return Provider(
        id=ProviderId(rt.new_id("prv")), merchant_id=key.merchant_id, livemode=key.livemode,
        shortcode=wanted.shortcode, secrets=wanted.secrets, is_default=bool(wanted.is_default),
        result_url=wanted.result_url, timeout_url=wanted.timeout_url,
        nominated_number=wanted.nominated_number, tariff=wanted.tariff or "",
        created_at=now, updated_at=now,
    )


def _beside(
    provider: Provider, present: Sequence[Provider], wanted: Wanted,
) -> Provider:
    """Return `provider` as it fits among those that are there. Raises: Conflict."""
    for each in present:
        if each.shortcode.number == provider.shortcode.number:
            _check_heir(wanted.is_default, is_default=each.is_default)
            return replace(
                provider, id=each.id, created_at=each.created_at,
                is_default=provider.is_default or each.is_default, terms=each.terms,
                c2b_version=each.c2b_version,
                tariff=each.tariff if wanted.tariff is None else wanted.tariff,
            )
    if len(present) >= PROVIDERS_MAX:
        raise Conflict(f"There are {PROVIDERS_MAX} short codes already.", hint="Delete one first.")
    _check_heir(wanted.is_default, is_default=not present)
    return replace(provider, is_default=provider.is_default or not present)


def _check_tariff(rt: Runtime, wanted: Wanted) -> None:
    if not wanted.tariff:
        return
    names = rt.tariffs.names(COLLECTED_ON[wanted.shortcode.kind])
    if wanted.tariff not in names:
        raise Invalid(
            f"No tariff of that name is known for a {wanted.shortcode.kind}.",
            field="mpesa.tariff", code="tariff_unknown",
            hint=f"Use one of these, or leave it out: {', '.join(names) or 'there is none'}.",
        )


def _check_heir(wanted: bool | None, *, is_default: bool) -> None:
    if wanted is False and is_default:
        raise Conflict(
            "One short code has to be the default, and it is this one.",
            hint="Put the other short code with default: true; or leave default out here.",
        )


def _check_fit(rt: Runtime, account: Credentials) -> None:
    """Raise Invalid when mode, values and this Hakika do not go together."""
    try:
        check_live(account)
    except Invalid as error:
        raise Invalid(
            error.message, field=f"mpesa.{error.errors[0].field}", code=error.errors[0].code,
            hint="Use the values of the go-live letter for live mode, and only there.",
        ) from None
    if not account.livemode or urlsplit(account.base_url).hostname in LOOPBACK:
        return
    if not rt.public_url.startswith("https://"):
        raise Invalid(
            "Safaricom calls back to https addresses alone, and this Hakika has none.",
            field="mpesa.env", code="public_url_not_https",
            hint="Set HAKIKA_PUBLIC_URL to the https address of this API, and restart it.",
        )
    if rt.settings.pace != 1.0:
        raise Invalid(
            "This Hakika runs faster than life, for tests.", field="mpesa.env",
            code="pace_not_real", hint="Start it without HAKIKA_PACE and --speed.",
        )


async def find(rt: Runtime, key: ApiKey) -> list[Provider]:
    """Return the short codes of this key's merchant and mode, oldest first."""
    async with rt.store.autocommit() as tx:
        return await providers.of(tx, key.merchant_id, livemode=key.livemode)


async def validate(rt: Runtime, key: ApiKey, shortcode: str = "") -> Provider:
    """Prove credentials anew: the default's, or those of `shortcode`. Raises: NotFound."""
    return await _proved(rt, await chosen(rt, key, shortcode))


async def _proved(rt: Runtime, provider: Provider) -> Provider:
    """Fetch an access token with these credentials, and keep what Daraja said of them."""
    reason = await rt.daraja.prove(credentials(rt, provider))
    now = rt.now()
    refused = reason is not None and reason.code == "oauth_refused"
    valid = True if reason is None else (False if refused else None)
    last_error = "" if reason is None else reason.developer_message
    async with rt.store.transaction() as tx:
        await providers.note_check(tx, provider, valid=valid, last_error=last_error, now=now)
    return replace(provider, valid=valid, last_error=last_error, checked_at=now)


async def delete(rt: Runtime, key: ApiKey, shortcode: str = "") -> None:
    """Delete the credentials of `shortcode`, or of the only one.

    Payments that wait for their outcome are still settled by callbacks, and asked about no more.

    Raises:
        NotFound: no such credentials.
        Conflict: no short code is named, and there are several. HTTP clients repeat a DELETE whose
            answer got lost, and the second one would delete the heir.
    """
    async with rt.store.transaction() as tx:
        await merchants.lock(tx, key.merchant_id)
        present = await providers.of(tx, key.merchant_id, livemode=key.livemode)
        if len(present) > 1 and not shortcode:
            raise Conflict(
                f"There are {len(present)} short codes; say which one is to be deleted.",
                hint="Name it: DELETE /v1/merchant/providers?shortcode=…",
            )
        unwanted = _found(present, shortcode)
        await providers.delete(
            tx, key.merchant_id, unwanted.shortcode.number, livemode=key.livemode,
        )
        await inquiries.set_turn(tx, unwanted.id, next_ask_at=None)
        if unwanted.secrets.initiator:  # put anew, it would be no change of anything
            what = f"The API operator of {unwanted.shortcode.number} was deleted."
            await stops.freeze_after(rt, tx, key.owner, what, who=key.id)
        heir = next((each for each in present if each.id != unwanted.id), None)
        if unwanted.is_default and heir is not None:
            await providers.put(tx, replace(heir, is_default=True))
    _forget(rt, key)


async def set_terms(rt: Runtime, key: ApiKey, provider: Provider, terms: Terms) -> Provider:
    """Set which of the payers' own payments are let in; return the provider as it is then."""
    async with rt.store.autocommit() as tx:
        await providers.set_terms(tx, provider.id, terms)
    _forget(rt, key)
    return replace(provider, terms=terms)


async def note_version(rt: Runtime, provider: Provider, version: int) -> None:
    """Keep which version of C2B M-Pesa speaks to a short code."""
    async with rt.store.autocommit() as tx:
        await providers.note_version(tx, provider.id, version)


async def note_b2c_version(rt: Runtime, provider: Provider, version: int) -> None:
    """Keep which version of B2C Safaricom lets a short code use."""
    async with rt.store.autocommit() as tx:
        await providers.note_b2c_version(tx, provider.id, version)
    rt.providers.forget(_name(provider.merchant_id, livemode=provider.livemode))


async def with_id(rt: Runtime, provider_id: ProviderId) -> Provider | None:
    """Return one way into Daraja, whoever's it is, or None: it was deleted."""
    async with rt.store.autocommit() as tx:
        return await providers.with_id(tx, provider_id)


async def chosen(rt: Runtime, key: ApiKey, shortcode: str = "") -> Provider:
    """Return the way of `shortcode`, or the default. Raises: NotFound."""
    return _found(await find(rt, key), shortcode)


async def operated(rt: Runtime, key: ApiKey, shortcode: str = "") -> Provider:
    """Return the way of `shortcode`, or the default, whose API operator may ask and order.

    Raises:
        NotFound: no such short code.
        Invalid: its credentials name no API operator.
    """
    try:
        provider = await chosen(rt, key, shortcode)
    except NotFound as error:
        raise NotFound(error.message, hint=PUT_CREDENTIALS) from None
    for name in ("initiator", "security_credential"):
        if not getattr(provider.secrets, name):
            raise Invalid(
                f"M-Pesa answers API operators alone, and {provider.shortcode.number} has no "
                f"{name}.", field=f"mpesa.{name}", code=f"{name}_missing", hint=PUT_CREDENTIALS,
            )
    return provider


async def account(
    rt: Runtime, merchant_id: MerchantId, *, livemode: bool, shortcode: str = "",
) -> Credentials:
    """Return what a payment goes through: of `shortcode`, or of the merchant's default.

    Without credentials of its own, a merchant's test mode is served by the simulator.

    Raises:
        LiveModeUnavailable: a live payment, and no live credentials.
        Invalid: the merchant has no such short code in this mode.
    """
    present = await _recent(rt, merchant_id, livemode=livemode)
    own = _chosen(present, shortcode)
    if own is not None:
        return credentials(rt, own)
    shared = rt.shared_account
    if not livemode and shortcode in {"", shared.shortcode.number}:
        return shared
    if not present and livemode:
        raise LiveModeUnavailable("This merchant has no live M-Pesa credentials.")
    raise Invalid(
        "This merchant does not collect on that short code.", field="shortcode",
        code="shortcode_unknown", hint="GET /v1/merchant/providers lists the short codes.",
    )


async def account_of(rt: Runtime, payment: Payment) -> Credentials | None:
    """Return what `payment` was asked through, or None: its credentials were deleted."""
    try:
        return await account(
            rt, payment.merchant_id, livemode=payment.livemode, shortcode=payment.shortcode.number,
        )
    except (Invalid, LiveModeUnavailable):
        return None


async def paying(
    rt: Runtime, merchant_id: MerchantId, *, livemode: bool,
) -> tuple[Shortcode, bool]:
    """Return the short code that pays by default, and whether an API operator may order it.

    Raises: LiveModeUnavailable, Invalid.
    """
    own = _chosen(await _recent(rt, merchant_id, livemode=livemode), "")
    if own is None:
        return (await account(rt, merchant_id, livemode=livemode)).shortcode, False
    return own.shortcode, bool(own.secrets.initiator and own.secrets.security_credential)


async def of_payout(rt: Runtime, payout: Payout) -> Provider | None:
    """Return the way of a payout's short code with its operator, or None: there is none now."""
    present = await _recent(rt, payout.merchant_id, livemode=payout.livemode)
    own = _chosen(present, payout.shortcode.number)
    has_operator = own and own.secrets.initiator and own.secrets.security_credential
    return own if has_operator else None


async def _recent(rt: Runtime, merchant_id: MerchantId, *, livemode: bool) -> list[Provider]:
    async def look() -> list[Provider]:
        async with rt.store.autocommit() as tx:
            return await providers.of(tx, merchant_id, livemode=livemode)

    return await rt.providers.get(_name(merchant_id, livemode=livemode), look)


def _chosen(present: Sequence[Provider], shortcode: str) -> Provider | None:
    for each in present:
        if each.shortcode.number == shortcode if shortcode else each.is_default:
            return each
    return None


def _found(present: Sequence[Provider], shortcode: str) -> Provider:
    found = _chosen(present, shortcode)
    if found is None:
        raise NotFound(
            "There are no such M-Pesa credentials for this key.",
            hint="Put them first: PUT /v1/merchant/providers. GET lists those that are there.",
        )
    return found


def credentials(rt: Runtime, provider: Provider) -> Credentials:
    """Return `provider` as the Daraja client wants it."""
    settings, secrets = rt.settings, provider.secrets
    return Credentials(
        consumer_key=secrets.consumer_key, consumer_secret=secrets.consumer_secret,
        passkey=secrets.passkey, shortcode=provider.shortcode, livemode=provider.livemode,
        base_url=settings.daraja_live_url if provider.livemode else settings.daraja_sandbox_url,
    )


def _forget(rt: Runtime, key: ApiKey) -> None:
    rt.providers.forget(_name(key.merchant_id, livemode=key.livemode))


def _name(merchant_id: MerchantId, *, livemode: bool) -> str:
    return f"{merchant_id} {'live' if livemode else 'test'}"
