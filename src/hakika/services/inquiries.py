"""Ask M-Pesa what became of a receipt, or what lies on a short code. Read `_put`, then `hear`.

A question is written before it is put, and put once: what is silent may still be answered. The
answer comes to an address of its own, and everything that follows from it is committed with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from hakika.daraja import inquiries as wire
from hakika.daraja.envelope_results import EnvelopeResult, envelope_result
from hakika.daraja.errors import DarajaRefused, DarajaSilent, DarajaUnreachable
from hakika.daraja.inquiries import Addresses, Operator, Question, Result, Taken
from hakika.domain import inquiry as rules
from hakika.domain import payout_verdict
from hakika.domain.bucket import Api
from hakika.domain.callback import Door
from hakika.domain.errors import NotFound, OperatorStopped, Unavailable
from hakika.domain.ids import InquiryId, PayoutId
from hakika.domain.inquiry import Inquiry, Kind, State, StatusSaid
from hakika.domain.ledger import named_account
from hakika.domain.merchant import ApiKey, Owner
from hakika.domain.money import Money
from hakika.domain.payout import Payout
from hakika.domain.provider import Provider
from hakika.domain.witness import Witness
from hakika.services import (
    buckets,
    operators,
    payout_facts,
    providers,
    registrations,
    witnesses,
)
from hakika.services.runtime import Runtime
from hakika.store import inquiries as store
from hakika.store.transaction import Transaction

log = structlog.get_logger(__name__)

# A question that never left is put again so much later: it was no try with a password.
AGAIN = timedelta(minutes=30)



@dataclass(frozen=True, slots=True)
class Asked:
    """An inquiry that was put. `taken` is what Daraja said at once; None: it said nothing."""

    inquiry: Inquiry
    taken: Taken | None


async def ask_status(
    rt: Runtime, key: ApiKey, *, receipt: str = "", conversation_id: str = "", shortcode: str = "",
) -> Asked:
    """Ask what became of a receipt, or of the order with this OriginatorConversationID.

    Raises:
        NotFound: no such short code.
        Invalid: its credentials name no API operator.
        ProviderRefused: Daraja will not answer, and says why.
        OperatorStopped: M-Pesa refused the API operator before, and was not asked.
        Unavailable: Daraja could not be asked. Ask again.
    """
    provider = await providers.operated(rt, key, shortcode)
    return await _of_caller(rt, provider, replace(
        _new(rt, provider, Kind.STATUS), receipt=receipt, asked_conversation_id=conversation_id,
    ))


async def ask_about_order(rt: Runtime, provider: Provider, payout: Payout) -> str:
    """Ask what became of an order of ours, and return in words how; "": it could not be asked."""
    async with rt.store.transaction() as tx:
        if not await operators.may_ask(rt, tx, provider.id):
            return ""
    inquiry = replace(
        _new(rt, provider, Kind.STATUS), asked_conversation_id=payout.known_as,
        payout_id=payout.id,
    )
    try:
        asked = await _put(rt, provider, inquiry)
    except DarajaRefused as refusal:
        return f"Inquiry {inquiry.id} was refused: {refusal.reason.code}."
    except (DarajaUnreachable, OperatorStopped):
        return ""
    return f"Asked by inquiry {asked.inquiry.id}."


async def ask_balance(rt: Runtime, key: ApiKey, shortcode: str = "") -> Asked:
    """Ask what lies on every account of a short code. Raises: as `ask_status`."""
    provider = await providers.operated(rt, key, shortcode)
    return await _of_caller(rt, provider, _new(rt, provider, Kind.BALANCE))


def _new(rt: Runtime, provider: Provider, kind: Kind) -> Inquiry:
    return Inquiry(
        InquiryId(rt.new_id("inq")), kind, provider.merchant_id, provider.livemode, provider.id,
        provider.shortcode, rt.now(),
    )


async def _of_caller(rt: Runtime, provider: Provider, inquiry: Inquiry) -> Asked:
    """Put a question, and raise what Daraja did as what the caller may do next."""
    try:
        return await _put(rt, provider, inquiry)
    except DarajaRefused as refusal:
        raise registrations.refusal(refusal.reason) from None
    except DarajaUnreachable as failure:
        raise Unavailable(
            "M-Pesa could not be reached. It was not asked.",
            hint="Ask again after Retry-After seconds.",
            retry_after_seconds=failure.retry_after_seconds,
        ) from None


async def _put(rt: Runtime, provider: Provider, inquiry: Inquiry) -> Asked:
    """Write a question, put it once, and write what Daraja said at once.

    Raises:
        DarajaRefused, DarajaUnreachable: it will not be answered; that is written.
        OperatorStopped: nothing is asked with this operator; nothing is written.
    """
    owner = Owner(inquiry.merchant_id, inquiry.livemode)
    async with rt.store.transaction() as tx:
        await operators.refuse_stopped(tx, owner, inquiry.shortcode.number)
        await store.add(tx, inquiry)
    question = _question(rt, provider, inquiry)
    try:
        taken = await rt.daraja.inquire(providers.credentials(rt, provider), question)
    except DarajaRefused as refusal:
        said = f"Daraja refused: {refusal.reason.developer_message}"
        await _note(
            rt, inquiry.id, State.REFUSED, said, daraja_code=refusal.reason.daraja_code,
        )
        raise
    except DarajaUnreachable as failure:
        await _heed(rt, provider, failure.rest_seconds)
        await _note(rt, inquiry.id, State.REFUSED, "M-Pesa could not be reached: it was not asked.")
        raise
    except DarajaSilent as failure:
        await _heed(rt, provider, failure.rest_seconds)
        said = f"M-Pesa did not say whether it took the question: {failure.note}."
        return Asked(await _note(rt, inquiry.id, State.SILENT, said), None)
    async with rt.store.autocommit() as tx:
        known = await store.note_taken(
            tx, inquiry.id, conversation_id=taken.conversation_id,
            originator_conversation_id=taken.originator_conversation_id,
        )
    if known != taken.conversation_id:
        log.warning("inquiry_answered_under_another_id", inquiry=inquiry.id)
    return Asked(replace(inquiry, conversation_id=known), taken)


async def _heed(rt: Runtime, provider: Provider, rest_seconds: int | None) -> None:
    await buckets.heed(
        rt, provider.shortcode.number, Api.STATUS, rest_seconds, livemode=provider.livemode,
    )


def _question(rt: Runtime, provider: Provider, inquiry: Inquiry) -> Question:
    operator = Operator(provider.secrets.initiator, provider.secrets.security_credential)
    addresses = Addresses(
        rt.callback_url(inquiry.id, Door.RESULT), rt.callback_url(inquiry.id, Door.TIMEOUT),
    )
    shortcode = provider.shortcode.business_short_code
    if inquiry.kind is Kind.BALANCE:
        return wire.balance_question(shortcode, operator, addresses)
    return wire.status_question(
        shortcode, operator, addresses, receipt=inquiry.receipt,
        conversation_id=inquiry.asked_conversation_id,
    )


async def _note(
    rt: Runtime, inquiry_id: InquiryId, state: State, said: str, *, daraja_code: str = "",
) -> Inquiry:
    """Write what came of asking, unless its answer is here already and says more."""
    async with rt.store.transaction() as tx:
        held = await store.lock(tx, inquiry_id)
        assert held is not None, "it was written before Daraja was asked, and none is deleted"
        after = rules.answered(held.inquiry, state, answer=said, now=rt.now())
        await store.move(tx, after)
        await _learn_of_operator(rt, tx, after, daraja_code)
    return after


async def read(rt: Runtime, key: ApiKey, inquiry_id: InquiryId) -> Inquiry:
    """Return an inquiry of this key's merchant and mode. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        found = await store.get(
            tx, inquiry_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    if found is None:
        raise NotFound(f"There is no inquiry {inquiry_id} for this key.")
    return found


async def find(
    rt: Runtime, key: ApiKey, *, before: InquiryId | None, limit: int,
) -> list[Inquiry]:
    """Return up to `limit` inquiries of this key's merchant and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await store.find(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, before=before, limit=limit,
        )


async def ask_soon(rt: Runtime, provider: Provider) -> None:
    """Let a worker ask a short code for its balance at once: by then the answer can be heard."""
    async with rt.store.autocommit() as tx:
        await store.set_turn(tx, provider.id, next_ask_at=rt.now())


async def ask_due(rt: Runtime) -> int:
    """Ask each short code whose turn it is for its balance; return how many. Safe beside others.

    Its turn comes once a day, whatever comes of it: wrong passwords lock an operator. (T14)
    """
    asked = 0
    while True:
        now = rt.now()
        async with rt.store.autocommit() as tx:
            provider_id = await store.take_turn(
                tx, now=now, next_ask_at=rules.next_turn(now),
            )
        if provider_id is None:
            return asked
        provider = await providers.with_id(rt, provider_id)
        if provider is not None:  # else it was deleted just now
            await _ask_in_turn(rt, provider)
            asked += 1


async def _ask_in_turn(rt: Runtime, provider: Provider) -> None:
    try:
        await _put(rt, provider, _new(rt, provider, Kind.BALANCE))
    except DarajaRefused as refusal:
        log.warning(
            "balance_refused", shortcode=provider.shortcode.number, code=refusal.reason.code,
        )
    except OperatorStopped:
        log.info("balance_waits_for_operator", shortcode=provider.shortcode.number)
    except DarajaUnreachable:
        now = rt.now()
        async with rt.store.autocommit() as tx:
            await store.set_turn(
                tx, provider.id, next_ask_at=min(now + AGAIN, rules.next_turn(now)),
            )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an answer comes to: the inquiry after it, and what it told of money."""

    inquiry: Inquiry
    witness: Witness | None = None
    balances: tuple[tuple[str, Money], ...] = ()
    observed_at: datetime | None = None
    daraja_code: str = ""
    said: StatusSaid | None = None


async def hear(
    rt: Runtime, inquiry_id: InquiryId, raw: bytes, *, door: Door,
    may_believe: Callable[[Inquiry], bool],
) -> str:
    """Make an answer durable with all that follows from it; return "", or why it is put aside.

    Raises:
        Unreadable: it is no result that can be read; nothing was written.
        StoreUnavailable: it was not made durable.
    """
    now = rt.now()
    async with rt.store.transaction() as tx:
        held = await store.lock(tx, inquiry_id)
        if held is None:
            return "no_such_inquiry"
        if not may_believe(held.inquiry):
            return "unlisted_address"
        if raw in held.raws:
            return ""
        if len(held.raws) >= rules.RAWS_MAX:
            return "too_many_answers"
        read = _timed_out if door is Door.TIMEOUT else _read
        answer = read(held.inquiry, raw, now)
        if answer is None:
            return "not_this_inquiry"
        await store.move(tx, answer.inquiry, raw=raw)
        is_new = await _keep(rt, tx, answer, now=now)
    if answer.witness is not None and is_new:
        await witnesses.judge_kept(rt, answer.witness, heard_at=now)
    if answer.said is not None and answer.inquiry.payout_id is not None:
        await _tell_payout(rt, answer.inquiry.payout_id, answer.said, raw)
    return ""


async def _tell_payout(rt: Runtime, payout_id: PayoutId, said: StatusSaid, raw: bytes) -> None:
    """Let a payout hear what M-Pesa answered about it, if that decides anything."""
    await payout_facts.record(
        rt, payout_id, lambda payout: payout_verdict.from_status(payout, said, raw=raw),
    )


async def _learn_of_operator(
    rt: Runtime, tx: Transaction, inquiry: Inquiry, daraja_code: str,
) -> None:
    """Stop the operator that M-Pesa refused; note that it took the one of an answer."""
    owner, shortcode = Owner(inquiry.merchant_id, inquiry.livemode), inquiry.shortcode.number
    if inquiry.state is State.ANSWERED:
        await operators.proven(rt, tx, owner, shortcode, asked_at=inquiry.asked_at)
    elif daraja_code:
        await operators.heard(
            rt, tx, owner, shortcode, daraja_code=daraja_code, asked_at=inquiry.asked_at,
        )


async def _keep(rt: Runtime, tx: Transaction, answer: _Answer, *, now: datetime) -> bool:
    """Write what an answer told; return whether it told of a receipt for the first time."""
    await _learn_of_operator(rt, tx, answer.inquiry, answer.daraja_code)
    for account, amount in answer.balances:
        assert answer.observed_at is not None
        await store.add_balance(
            tx, answer.inquiry, account, amount, observed_at=answer.observed_at,
        )
    return answer.witness is not None and await witnesses.keep(tx, answer.witness, now=now)


def _timed_out(inquiry: Inquiry, raw: bytes, now: datetime) -> _Answer | None:
    """Return what a queue's notice comes to: no verdict, for an answer may still follow. (T45)"""
    if not rules.is_about(inquiry, wire.conversation_in(raw) or inquiry.conversation_id):
        return None
    said = "The question waited too long in M-Pesa's queue. An answer may still come."
    return _Answer(rules.answered(inquiry, State.TIMED_OUT, answer=said, now=now))


def _read(inquiry: Inquiry, raw: bytes, now: datetime) -> _Answer | None:
    """Return what a result comes to; None when it is about something else."""
    result = wire.read_result(raw)
    if not rules.is_about(inquiry, result.conversation_id):
        return None
    inquiry = replace(inquiry, conversation_id=result.conversation_id)
    if not result.is_final:
        return _Answer(inquiry)
    if result.code != wire.DONE:
        return _refused(inquiry, envelope_result(result.code), now)
    if inquiry.kind is Kind.BALANCE:
        return _balances(inquiry, result, now)
    return _status(inquiry, result, raw, now)


def _refused(inquiry: Inquiry, row: EnvelopeResult, now: datetime) -> _Answer:
    is_operators = row.code.startswith("operator_")
    to_do = row.developer_message if is_operators else "It says nothing about what was asked."
    return _Answer(
        rules.answered(
            inquiry, State.REFUSED, now=now, told={"result_code": row.daraja_code},
            answer=f"M-Pesa did not answer (result {row.daraja_code}): {row.meaning} {to_do}",
        ),
        daraja_code=row.daraja_code,
    )


def _status(inquiry: Inquiry, result: Result, raw: bytes, now: datetime) -> _Answer | None:
    said = wire.read_status(result)
    if inquiry.asked_conversation_id == "" and said.receipt != inquiry.receipt:
        return None
    witness = rules.collection(inquiry, said, heard_at=now, raw=raw)
    told: dict[str, Any] = {
        "transaction_status": said.status, "reason_type": said.reason_type or None,
        "amount": str(said.amount) if said.amount else None,
    }
    words = rules.status_words(inquiry, said, is_collection=witness is not None)
    return _Answer(
        rules.answered(
            inquiry, State.ANSWERED, answer=words, now=now, told=told, receipt=said.receipt,
            outcome=rules.outcome_of(said.status),
        ),
        witness, said=said,
    )


def _balances(inquiry: Inquiry, result: Result, now: datetime) -> _Answer:
    found = wire.read_balances(result)
    named = [(name, named_account(inquiry.shortcode, name), each) for name, each in found.accounts]
    observed_at = rules.observed_at(found.completed_at, asked_at=inquiry.asked_at, now=now)
    told = {"accounts": [
        {"name": name, "account": account, "amount": str(amount)} for name, account, amount in named
    ]}
    return _Answer(
        rules.answered(
            inquiry, State.ANSWERED, now=now, told=told,
            answer=f"M-Pesa told what lies on {len(named)} accounts.",
        ),
        balances=tuple((account, amount) for _, account, amount in named if account),
        observed_at=observed_at,
    )
