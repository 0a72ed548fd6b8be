"""Answer M-Pesa in time whether a payer's own payment is let in. Read `judge`.

Nothing is written: what is let in is no payment yet. Whoever was refused is in the log and counted.
"""

from __future__ import annotations

import asyncio

import orjson
import structlog

from hakika.daraja import c2b, strict_json
from hakika.daraja.c2b import C2bMessage
from hakika.domain import dialect, validation
from hakika.domain.dialect import CONTENT_TYPE
from hakika.domain.errors import Invalid
from hakika.domain.ids import ProviderId
from hakika.domain.merchant import ApiKey
from hakika.domain.payment_data import CURRENCY
from hakika.domain.provider import Provider
from hakika.domain.times import written
from hakika.domain.validation import Refused, Rule, Terms, Undecided
from hakika.services import providers, sources, webhooks
from hakika.services.mistakes import OUR_MISTAKES
from hakika.services.runtime import Runtime
from hakika.store import providers as store
from hakika.store import validations
from hakika.store import webhooks as endpoints
from hakika.store.transaction import StoreUnavailable

log = structlog.get_logger(__name__)

# M-Pesa waits for 8 seconds, the network between included; and so does the payer, phone in hand.
ANSWER_SECONDS_MAX = 2.0


async def set_terms(rt: Runtime, key: ApiKey, shortcode: str, terms: Terms) -> Provider:
    """Set what is let in at a short code, or at the default one; return it.

    Raises:
        NotFound: no such credentials.
        Invalid: terms that make no sense for it, or an address that may not be called.
    """
    provider = await providers.chosen(rt, key, shortcode)
    terms = validation.check(terms, provider.shortcode)
    if terms.callback_url:
        await _check_address(rt, key, terms.callback_url)
    return await providers.set_terms(rt, key, provider, terms)


async def _check_address(rt: Runtime, key: ApiKey, url: str) -> None:
    try:
        webhooks.checked_url(rt, key, url)
    except Invalid as error:
        raise Invalid(
            error.message, field="callback_url", code="callback_url_invalid", hint=error.hint,
        ) from None
    if not await webhooks.endpoints(rt, key):
        raise Invalid(
            "A callback_url needs a registered webhook endpoint, whose secret signs it too.",
            field="callback_url", code="callback_url_without_endpoint",
            hint="Register one first: POST /v1/webhook-endpoints.",
        )


async def judge(
    rt: Runtime, provider_id: ProviderId, raw: bytes, *, source_address: str,
) -> Refused | None:
    """Return why a payment is not let in, or None: it is. Takes `ANSWER_SECONDS_MAX` at most.

    Raises:
        StoreUnavailable: what the merchant has set is not known just now. Answer 503: then M-Pesa
            does what was registered with it.
    """
    deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS_MAX
    try:
        async with asyncio.timeout_at(deadline):
            async with rt.store.autocommit() as tx:
                provider = await store.with_id(tx, provider_id)
    except TimeoutError:
        raise StoreUnavailable("The database did not answer in time.") from None
    if provider is None:
        return None  # no short code, no terms; its confirmation will be put aside
    terms, is_decided = provider.terms, True
    try:
        async with asyncio.timeout_at(deadline):
            refused = await _judged(rt, provider, raw, source_address=source_address)
    except Undecided as error:
        log.warning("validation_undecided", shortcode=provider.shortcode.number, why=str(error))
        refused, is_decided = terms.fallback, False
    except (TimeoutError, StoreUnavailable, *OUR_MISTAKES):
        log.exception("validation_undecided", shortcode=provider.shortcode.number)
        refused, is_decided = terms.fallback, False
    if refused is not None:
        log.info(
            "payment_not_let_in", shortcode=provider.shortcode.number, rule=terms.rule.value,
            reason=refused.value, decided=is_decided, merchant=provider.merchant_id,
        )
    rt.telemetry.validated(provider, refused, is_decided=is_decided)
    return refused


async def _judged(
    rt: Runtime, provider: Provider, raw: bytes, *, source_address: str,
) -> Refused | None:
    rule = provider.terms.rule
    if rule is Rule.ACCEPT_ALL:
        return None
    if provider.livemode and not sources.is_trusted(rt, source_address):
        raise Undecided("it came from an address that is not Safaricom's")  # tell it nothing
    try:
        message = c2b.read_message(raw)
    except strict_json.Unreadable:
        raise Undecided("it cannot be read") from None
    if not provider.shortcode.is_named(message.shortcode):
        return Refused.SHORTCODE
    if rule is Rule.CALLBACK:
        return await _asked(rt, provider, message)
    async with rt.store.autocommit() as tx:
        if rule is Rule.KNOWN_REFERENCE:
            is_known = await validations.is_known(tx, provider, message.reference)
            return validation.by_reference(is_known=is_known)
        open_ = await validations.open_amounts(tx, provider, message.reference, now=rt.now())
    return validation.by_open_payment(message.amount, open_)


async def _asked(rt: Runtime, provider: Provider, message: C2bMessage) -> Refused | None:
    """Return what the merchant's own program says of a payment."""
    now, payer = rt.now(), message.payer
    async with rt.store.autocommit() as tx:
        found = await endpoints.endpoints(
            tx, merchant_id=provider.merchant_id, livemode=provider.livemode,
        )
    if not found:
        raise Undecided("there is no webhook endpoint, whose secret would sign the question")
    body = orjson.dumps({
        "type": "c2b.validation", "livemode": provider.livemode, "timestamp": written(now),
        "data": {
            "shortcode": provider.shortcode.number, "amount": str(message.amount),
            "currency": CURRENCY, "reference": message.reference,
            "phone_masked": payer.masked if payer else message.payer_masked or None,
        },
    })
    headers = dialect.standard_headers(
        rt.new_id("val"), body, secrets=found[0].secrets(now=now), now=now,
    )
    answer = await rt.outbound.post(
        provider.terms.callback_url, headers={**headers, **CONTENT_TYPE}, body=body,
        livemode=provider.livemode,
    )
    if not answer.accepted:
        raise Undecided(answer.error or "its answer is not 2xx")
    try:
        return validation.by_answer(orjson.loads(answer.body))
    except orjson.JSONDecodeError:
        raise Undecided("its answer is not JSON") from None
