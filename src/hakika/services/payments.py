"""Ask a payer for money: the three commits of a payment, in order. Read `request` first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hakika.daraja.errors import DarajaRefused, DarajaSilent, DarajaUnreachable
from hakika.domain import account_reference
from hakika.domain.customer import Details
from hakika.domain.errors import (
    AssignedAlready,
    CollectionsStopped,
    Conflict,
    Forbidden,
    IdempotencyKeyInProgress,
    Invalid,
    LiveModeUnavailable,
    NotFound,
    PromptedTooOften,
    PromptIsOpen,
    ProviderUnreachable,
    TooMany,
    Unavailable,
)
from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.fee import Price
from hakika.domain.idempotency import Claim, check_same, fingerprint, renewed
from hakika.domain.ids import CustomerId, PaymentId
from hakika.domain.merchant import ApiKey
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Change, Origin, Payment, State, advance, born
from hakika.domain.payment_data import kept_key, payment_data
from hakika.domain.prompt import PromptGuard
from hakika.domain.shortcode import Shortcode
from hakika.services import customers, merchants, providers, sellers
from hakika.services.facts import Unheard, record, record_heard, with_next_check
from hakika.services.killpoints import KillPoint
from hakika.services.runtime import Runtime
from hakika.store import idempotency, payment_search, payments, webhooks
from hakika.store.payment_rows import HeardFact
from hakika.store.payment_search import Filter
from hakika.store.payments import Intent, PromptOpen, TooManyPrompts
from hakika.store.transaction import StoreUnavailable, Transaction

# The answer to a push is worth a short wait for a database that is just being restarted.
OUTCOME_TRIES_MAX = 5
OUTCOME_WAIT_SECONDS = 0.5

SECONDS_AN_HOUR = 3600

SALT_BITS = 128


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asks for, checked."""

    amount: Money
    payer: Msisdn
    idempotency_key: str
    body: Mapping[str, Any]             # the request as it came, for its fingerprint
    reference: str = ""                 # empty: one is made
    description: str = ""
    metadata: Mapping[str, str] | None = None
    callback_url: str = ""
    shortcode: str = ""                 # empty: the merchant's default
    customer_id: CustomerId | None = None
    customer: Details | None = None     # find the customer by the payer's phone, or make this one
    key_lives: timedelta | None = None  # then its key may be used again; None: never


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to an order: the payment as merchants read it, and whether it was given before."""

    data: Mapping[str, Any]
    replayed: bool = False

    @property
    def was_refused(self) -> bool:
        """Say whether Daraja itself refused to make the prompt."""
        return bool(self.data["confirmed_by"] == Source.DARAJA)


async def request(rt: Runtime, key: ApiKey, order: Order) -> Asked:
    """Ask a payer for money, at most once whatever crashes and however often this is called.

    Raises:
        Invalid: a `callback_url` without any webhook endpoint to take the secret from, a short
            code that the merchant does not collect on, a customer who is not there, or a seller
            who could not be paid.
        Forbidden: a customer is to be found or made, and the key may not make customers.
        LiveModeUnavailable: a live key, and no live credentials.
        CollectionsStopped: no new live payments just now.
        PromptIsOpen, PromptedTooOften: the payer is not to be asked now.
        IdempotencyKeyReused: the key was used with another body. Use a new key.
        IdempotencyKeyInProgress: the first request is still running. Ask again in a second.
        ProviderUnreachable: no prompt was sent. The same key tries the same payment again.
    """
    rt.passing(KillPoint.BEFORE_INTENT)
    order = replace(order, idempotency_key=kept_key(order.idempotency_key, key.seller_id))
    try:
        change = await _begun(rt, key, order)
    except (CollectionsStopped, Conflict, Invalid, LiveModeUnavailable, TooMany):
        # What stands in the way of a new payment does not take back the answer to an old one.
        if not await _is_claimed(rt, key, order):
            raise
        change = None
    if change is None:
        return await _repeated(rt, key, order)
    return await _push(rt, change.after)


class _Repeated(Exception):
    """The idempotency key was used before: whatever was written beside it is taken back."""


async def _begun(rt: Runtime, key: ApiKey, order: Order) -> Change | None:
    """Bear a new payment, about to be sent; None when its idempotency key was used before."""
    signer = await _signer_for_its_own_address(rt, key) if order.callback_url else ""
    if key.livemode:
        await merchants.refuse_stopped(rt, key.merchant_id)
    account = await providers.account(
        rt, key.merchant_id, livemode=key.livemode, shortcode=order.shortcode,
    )
    price = Price(order.amount, Money(0))
    if key.seller_id is not None:
        price = await sellers.priced(rt, key, order.amount)
    intent = Intent(
        fingerprint=_fingerprint(rt, order), endpoint_id=rt.new_id("whe") if signer else "",
        signs_with=signer, guard=_guard(rt),
    )
    names_a_customer = order.customer is not None or order.customer_id is not None
    try:
        # A payment alone is one statement; a customer is made beside it, or not at all.
        async with rt.store.transaction() if names_a_customer else rt.store.autocommit() as tx:
            customer_id = await _customer(rt, tx, key, order)
            change = _intent(rt, key, order, price, account.shortcode, customer_id)
            if not await payments.begin(tx, change, intent):
                raise _Repeated
    except _Repeated:
        return None
    except PromptOpen:
        raise await _prompt_is_open(rt, change.after) from None
    except TooManyPrompts:
        raise PromptedTooOften(
            f"This phone was asked {rt.settings.prompts_per_hour_max} times in the last hour.",
            retry_after_seconds=SECONDS_AN_HOUR,
        ) from None
    return change


async def _customer(
    rt: Runtime, tx: Transaction, key: ApiKey, order: Order,
) -> CustomerId | None:
    """Return whom the payment names as its customer, made with it if need be. None: nobody."""
    if key.seller_id is not None and (order.customer or order.customer_id):
        raise Forbidden("Customers are the platform's: a seller's payment names none.")
    if order.customer is not None:
        return await customers.paying(rt, tx, key, replace(order.customer, phone=order.payer))
    if order.customer_id is not None:
        return await customers.named(tx, key, order.customer_id)
    return None


def _fingerprint(rt: Runtime, order: Order) -> bytes:
    return fingerprint(order.body, key=rt.fingerprint_key)


async def _is_claimed(rt: Runtime, key: ApiKey, order: Order) -> bool:
    async with rt.store.autocommit() as tx:
        claim = await idempotency.claim(
            tx, order.idempotency_key, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    return claim is not None


def _guard(rt: Runtime) -> PromptGuard:
    now = rt.now()
    return PromptGuard(
        hour_ago=now - timedelta(seconds=SECONDS_AN_HOUR),
        prompts_max=rt.settings.prompts_per_hour_max,
        forgotten=rt.patience.prompts_forgotten(now=now),
    )


async def _prompt_is_open(rt: Runtime, payment: Payment) -> PromptIsOpen:
    """Return the refusal, which names the payment whose prompt it is, if it is open still."""
    async with rt.store.autocommit() as tx:
        payment_id = await payments.open_prompt(tx, payment, forgotten=_guard(rt).forgotten)
    # Of a seller's payment it is not said whose: it may be another seller's.
    named = f"of payment {payment_id} " if payment_id and not payment.seller_id else ""
    return PromptIsOpen(f"The prompt {named}is still on this phone.")


async def _signer_for_its_own_address(rt: Runtime, key: ApiKey) -> str:
    """Return the endpoint whose secret signs webhooks to a payment's own address: the first one.

    A secret of its own would have to be shown in the answer, and kept with every repetition of it.

    Raises:
        Invalid: there is no endpoint.
    """
    async with rt.store.autocommit() as tx:
        endpoints = await webhooks.endpoints(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, seller_id=key.seller_id,
        )
    if endpoints:
        return endpoints[0].id
    raise Invalid(
        "A callback_url needs a registered webhook endpoint, whose secret signs it too.",
        field="callback_url", code="callback_url_without_endpoint",
        hint="Register one first: POST /v1/webhook-endpoints.",
    )


def _intent(
    rt: Runtime, key: ApiKey, order: Order, price: Price, shortcode: Shortcode,
    customer_id: CustomerId | None,
) -> Change:
    """Return a new payment about to be sent, with its first fact."""
    now = rt.now()
    payment = born(Payment(
        id=PaymentId(rt.new_id("pay")), merchant_id=key.merchant_id, livemode=key.livemode,
        amount=price.amount, payer=order.payer, platform_fee=price.fee, seller_id=key.seller_id,
        shortcode=shortcode,
        reference=order.reference or _new_reference(rt), description=order.description,
        idempotency_key=order.idempotency_key, metadata=order.metadata or {},
        callback_url=order.callback_url, customer_id=customer_id, created_at=now, updated_at=now,
        salt=f"{rt.random_bits(SALT_BITS):x}",
    ))
    return with_next_check(rt, advance(payment, _asked(payment), now=now))


def _asked(payment: Payment) -> Fact:
    return Fact(Kind.ASKED, Source.CALLER, attempt=payment.attempts + 1)


async def _repeated(rt: Runtime, key: ApiKey, order: Order) -> Asked:
    """Answer a key that was used before; when its payment was never sent, try that one again."""
    async with rt.store.autocommit() as tx:
        claim = await idempotency.claim(
            tx, order.idempotency_key, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    assert claim is not None, "the key was taken when we tried to claim it, and keys are kept"
    if order.key_lives is not None and rt.now() >= claim.created_at + order.key_lives:
        again = renewed(order.idempotency_key, claim)
        return await request(rt, key, replace(order, idempotency_key=again))
    check_same(claim, fingerprint=_fingerprint(rt, order))
    if claim.answer is not None:
        return Asked(claim.answer, replayed=True)
    return await _unanswered(rt, key, claim)


async def _unanswered(rt: Runtime, key: ApiKey, claim: Claim) -> Asked:
    """Answer a key whose first request gave no answer: never sent, still running, or crashed."""
    payment = await read(rt, key, claim.payment_id)
    if payment.state is State.UNSENT:
        again = await _asked_again(rt, payment)
        if again.moved:
            return await _push(rt, again.after)
        payment = again.after
    if payment.state in {State.SENDING, State.UNSENT}:
        raise IdempotencyKeyInProgress(
            "The first request with this Idempotency-Key still runs.", payment_id=payment.id,
        )
    return Asked(payment_data(payment), replayed=True)


async def _asked_again(rt: Runtime, payment: Payment) -> Change:
    """Begin another push of a payment that was never sent, unless it is not to be sent now."""
    if payment.livemode:
        await merchants.refuse_stopped(rt, payment.merchant_id)
    try:
        return await record(rt, payment, _asked(payment))
    except PromptOpen:
        raise await _prompt_is_open(rt, payment) from None


async def _push(rt: Runtime, payment: Payment) -> Asked:
    """Ask Daraja for the prompt and record what came of it."""
    rt.passing(KillPoint.AFTER_INTENT)
    with rt.telemetry.daraja("stk_push", livemode=payment.livemode, payment=payment.id) as call:
        fact, wait_seconds = await _ask_daraja(rt, payment)
        call.outcome = fact.kind.value
    rt.passing(KillPoint.AFTER_PUSH)
    change = await _record_outcome(rt, payment, fact)
    rt.passing(KillPoint.AFTER_OUTCOME)
    rt.pushed.remember(change.after)
    if fact.kind is Kind.UNREACHABLE and change.after.state is State.UNSENT:
        raise ProviderUnreachable(
            "M-Pesa could not be reached. Nothing was sent to the payer.",
            retry_after_seconds=wait_seconds,
        )
    return Asked(payment_data(change.after))


async def _ask_daraja(rt: Runtime, payment: Payment) -> tuple[Fact, int]:
    """Return the fact in Daraja's answer, and for how long to stay away when there was none."""
    attempt, payer = payment.attempts, payment.payer
    assert payer is not None, "who is to be asked has a phone"
    try:
        account = await providers.account_of(rt, payment)
        if account is None:
            return _without_credentials(attempt), SECONDS_AN_HOUR
        accepted = await rt.daraja.stk_push(
            account, amount=payment.amount, payer=payer,
            reference=payment.reference, description=payment.description,
            callback_url=rt.callback_url(payment.id),
        )
    except DarajaUnreachable as failure:
        fact = Fact(
            Kind.UNREACHABLE, Source.DARAJA, attempt=attempt, reason=failure.reason,
            raw=failure.raw,
        )
        return fact, failure.retry_after_seconds
    except DarajaRefused as refusal:
        return Fact(
            Kind.REFUSED, Source.DARAJA, attempt=attempt, reason=refusal.reason, raw=refusal.raw,
        ), 0
    except DarajaSilent as silence:
        return Fact(
            Kind.SILENT, Source.DARAJA, attempt=attempt, note=silence.note, raw=silence.raw,
            merchant_request_id=silence.merchant_request_id,
            checkout_request_id=silence.checkout_request_id,
        ), 0
    except Unavailable as failure:  # the store is away: no credentials, or no token
        fact = Fact(Kind.UNREACHABLE, Source.DARAJA, attempt=attempt, note=failure.message)
        return fact, failure.retry_after_seconds
    return Fact(
        Kind.ACCEPTED, Source.DARAJA, attempt=attempt, raw=accepted.raw,
        merchant_request_id=accepted.merchant_request_id,
        checkout_request_id=accepted.checkout_request_id,
    ), 0


def _without_credentials(attempt: int) -> Fact:
    note = "The credentials of its short code were deleted."
    return Fact(Kind.UNREACHABLE, Source.DARAJA, attempt=attempt, note=note)


async def _record_outcome(rt: Runtime, payment: Payment, fact: Fact) -> Change:
    """Record what came of a push; worth a few tries, because the push cannot be repeated.

    When the database stays away, the payment is left in *sending*: the sweep makes it *unknown*,
    the callback or a person settles it, and nothing is ever pushed twice.
    """
    for _ in range(OUTCOME_TRIES_MAX - 1):
        try:
            return await record(rt, payment, fact, keep_answer=fact.kind is not Kind.UNREACHABLE)
        except StoreUnavailable:
            await asyncio.sleep(OUTCOME_WAIT_SECONDS)
    return await record(rt, payment, fact, keep_answer=fact.kind is not Kind.UNREACHABLE)


async def read(rt: Runtime, key: ApiKey, payment_id: PaymentId) -> Payment:
    """Return a payment of this key's merchant and mode, or seller. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        payment = await payments.read(
            tx, payment_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    if payment is None or key.seller_id not in {None, payment.seller_id}:
        raise NotFound(f"There is no payment {payment_id} for this key.")
    return payment


async def read_by_checkout_id(rt: Runtime, key: ApiKey, checkout_request_id: str) -> Payment:
    """Return the payment that Daraja knows by this id. Raises: NotFound, as `read`."""
    async with rt.store.autocommit() as tx:
        payment = await payments.read_by_checkout_id(
            tx, checkout_request_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    if payment is None or key.seller_id not in {None, payment.seller_id}:
        raise NotFound("There is no payment with this CheckoutRequestID for this key.")
    return payment


async def assign(
    rt: Runtime, payment: Payment, assigned_to: str, *, replaces: bool = False,
) -> Payment:
    """Record what a payment that came unasked is for, and return it as it stands then.

    The same again changes nothing. `replaces`: whoever assigns it knows of what was said before.

    Raises:
        Conflict: it was asked for, so it is known what it is for.
        AssignedAlready: it is assigned to something else.
    """
    if payment.origin is not Origin.C2B:
        raise Conflict(
            "This payment was asked for, and is for what its reference says.",
            hint="Only payments that came unasked (source c2b) are assigned.",
        )

    def hears(payment: Payment) -> Fact | None:
        if payment.assigned_to and (payment.assigned_to == assigned_to or not replaces):
            return None
        return Fact(Kind.ASSIGNED, Source.CALLER, assigned_to=assigned_to)

    try:
        return (await record_heard(rt, payment.id, hears, seen=payment)).after
    except Unheard as unheard:
        found = unheard.payment
    if found.assigned_to != assigned_to:
        raise AssignedAlready(f"This payment is assigned to {found.assigned_to} already.")
    return found


async def timeline(
    rt: Runtime, key: ApiKey, payment_id: PaymentId, *, after: int = 0, limit: int = 100,
) -> list[HeardFact]:
    """Return up to `limit` facts of a payment, from sequence `after` on, oldest first.

    Raises:
        NotFound: no such payment for this key.
    """
    payment = await read(rt, key, payment_id)
    async with rt.store.autocommit() as tx:
        return await payment_search.facts(tx, payment, after=after, limit=limit)


async def find(rt: Runtime, key: ApiKey, wanted: Filter, *, limit: int) -> list[Payment]:
    """Return up to `limit` payments of this key's merchant and mode, or seller, newest first."""
    if key.seller_id is not None:
        wanted = replace(wanted, seller_id=key.seller_id)
    async with rt.store.autocommit() as tx:
        return await payment_search.find(
            tx, wanted, merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
        )


def _new_reference(rt: Runtime) -> str:
    """Return an account reference that no other payment has, in the 12 characters Daraja allows."""
    return account_reference.made_of(rt.random_bits(account_reference.BITS))

