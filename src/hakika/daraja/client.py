"""Talking to Daraja: the push, orders, and every question. Start with `DarajaClient.stk_push`.

A push and an order are sent once. The one thing that is sent again is a request whose *token* the
gateway refused: that happens before M-Pesa sees it (daraja.md 3.1), and it happens once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import aiohttp

from hakika.daraja import failures, pull
from hakika.daraja.answers import AnswerClass
from hakika.daraja.c2b import REGISTER_PATH, Registration
from hakika.daraja.credentials import Credentials
from hakika.daraja.envelopes import Question, Taken
from hakika.daraja.errors import DarajaSilent, DarajaUnreachable
from hakika.daraja.pull import PullRow
from hakika.daraja.results import StkResult, stk_result
from hakika.daraja.strict_json import Unreadable
from hakika.daraja.token import Token, TokenSource
from hakika.daraja.transport import Answer, NeverSent, NoAnswer, Request, exchange, open_session
from hakika.daraja.wire import (
    ACCEPTED_CODE,
    STK_PUSH_PATH,
    STK_QUERY_PATH,
    stk_push,
    stk_query,
)
from hakika.domain.fact import Reason
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.shortcode import WhenUnheard

__all__ = [
    "DarajaClient", "QueryOutcome", "StkAccepted", "StkQueryAnswer", "open_session",
]

CONNECT_SECONDS = 5
PUSH_SECONDS = 30
QUERY_SECONDS = 15

# With less than this part of the time left (a slow token took the rest) a push would only become
# silent for want of patience, so it is not sent at all.
_TIME_LEFT_MIN = 0.2


@dataclass(frozen=True, slots=True)
class StkAccepted:
    """Daraja took the push and gave it ids. Nobody has paid yet."""

    merchant_request_id: str
    checkout_request_id: str = field(repr=False)  # holds the payer's last nine digits
    raw: bytes = field(repr=False)


class QueryOutcome(StrEnum):
    """What a status query brought."""

    PAID = "paid"        # says so, without receipt or amount
    FAILED = "failed"    # a code of the closed list; a verdict only once the prompt is dead
    PENDING = "pending"  # no verdict: under way, too early, throttled, unreadable, unreachable


@dataclass(frozen=True, slots=True)
class StkQueryAnswer:
    """What became of a push, as far as Daraja says.

    `reason` is there unless the outcome is PAID. The ids are those that Daraja answered with.
    """

    outcome: QueryOutcome
    reason: Reason | None = None
    note: str = ""                             # ours, safe to show: why there is no verdict
    result: StkResult | None = None            # when Daraja gave a ResultCode
    raw: bytes = field(default=b"", repr=False)
    throttled: bool = False                    # ask nothing of this app for `retry_after_seconds`
    retry_after_seconds: int = 0
    merchant_request_id: str = ""
    checkout_request_id: str = field(default="", repr=False)

    @property
    def result_code(self) -> str:
        """Safaricom's ResultCode as text, or "": it gave none."""
        return self.result.daraja_code if self.result else ""


class DarajaClient:
    """One object for a process. Give it the session of `transport.open_session`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        tokens: TokenSource,
        now: Callable[[], datetime],
        *,
        connect_seconds: float = CONNECT_SECONDS,
        push_seconds: float = PUSH_SECONDS,
        query_seconds: float = QUERY_SECONDS,
    ) -> None:
        self._session, self._tokens, self._now = session, tokens, now
        self._connect_seconds = connect_seconds
        self._push_seconds, self._query_seconds = push_seconds, query_seconds

    async def prove(self, credentials: Credentials) -> Reason | None:
        """Return why Daraja gives no access token for these, or None: it does."""
        return await self._tokens.prove(credentials)

    async def stk_push(
        self, credentials: Credentials, *, amount: Money, payer: Msisdn, reference: str,
        description: str, callback_url: str,
    ) -> StkAccepted:
        """Ask the payer for the PIN, once, and return the ids under which Daraja knows the push.

        Raises:
            DarajaRefused: nobody was prompted, and asking again will not help. Tell the caller.
            DarajaUnreachable: Daraja was never asked. The same push may be sent later.
            DarajaSilent: somebody may have been prompted. Never send again; find out.
        """
        push = stk_push(
            credentials, amount=amount, payer=payer, reference=reference,
            description=description, callback_url=callback_url, now=self._now(),
        )
        secrets = (push.Password, credentials.passkey)
        try:
            answer = await self._ask(
                credentials, STK_PUSH_PATH, push.body(), secrets, seconds=self._push_seconds,
            )
        except NoAnswer as failure:
            raise DarajaSilent(b"", note=failure.what) from None
        return _accepted(answer)

    async def register_c2b(
        self, credentials: Credentials, *, confirmation_url: str, validation_url: str,
        when_unheard: WhenUnheard,
    ) -> None:
        """Have M-Pesa tell us of every payment to a short code. In live mode it does so once.

        Raises: DarajaRefused, DarajaUnreachable or DarajaSilent, as a push does.
        """
        body = Registration(
            credentials.shortcode.business_short_code, when_unheard, confirmation_url,
            validation_url,
        ).body()
        answer = await self._told(credentials, REGISTER_PATH, body)
        read = failures.read(answer)
        if not (answer.is_success and read.response_code == ACCEPTED_CODE and not read.error_code):
            raise failures.failure(answer)

    async def register_pull(
        self, credentials: Credentials, *, nominated_number: str, callback_url: str,
    ) -> None:
        """Have M-Pesa list a short code's collections. Registered before is as good.

        Raises: DarajaRefused, DarajaUnreachable or DarajaSilent, as a push does.
        """
        body = pull.registration(
            credentials.shortcode.business_short_code, nominated_number=nominated_number,
            callback_url=callback_url,
        )
        answer = await self._told(credentials, pull.REGISTER_PATH, body)
        if not (answer.is_success and pull.is_registered(answer.body)):
            raise failures.failure(answer)

    async def pull_page(
        self, credentials: Credentials, *, since: datetime, until: datetime, offset: int,
    ) -> Sequence[PullRow]:
        """Return rows of what was collected, from the `offset`-th on; none at the end.

        Raises: DarajaRefused, DarajaUnreachable or DarajaSilent: nothing is known of this time.
        """
        body = pull.query(
            credentials.shortcode.business_short_code, since=since, until=until, offset=offset,
        )
        answer = await self._told(credentials, pull.QUERY_PATH, body)
        if not (answer.is_success and answer.complete):
            raise failures.failure(answer)
        try:
            return pull.read_page(answer.body)
        except Unreadable as failure:
            raise DarajaSilent(answer.body, note=str(failure)) from None

    async def inquire(self, credentials: Credentials, question: Question) -> Taken:
        """Put a question, once, whose answer comes later to an address in it.

        Raises:
            DarajaRefused: it will not be answered.
            DarajaUnreachable: Daraja was never asked. The same question may be put later.
            DarajaSilent: it may be answered. Not put again by itself.
        """
        answer = await self._told(
            credentials, question.path, question.body, secrets=(question.secret,),
        )
        taken = failures.taken(answer)
        if taken is None:
            raise failures.failure(answer)
        return taken

    async def order(self, credentials: Credentials, order: Question) -> Taken:
        """Order money to be sent, once, and return the ids under which its result will come.

        No money has moved yet. `order` is one of `payouts`.

        Raises:
            DarajaRefused: the order was not made, and making it again will not help.
            DarajaUnreachable: Daraja was never asked. The same order may be sent later.
            DarajaDuplicate: Daraja has had this order before. Never another; confirm the first.
            DarajaSilent: the order may have been made. Never send it again; find out.
        """
        answer = await self._told(
            credentials, order.path, order.body, secrets=(order.secret,),
            seconds=self._push_seconds,
        )
        taken = failures.taken(answer)
        if taken is None:
            raise failures.order_failure(answer, order.path)
        return taken

    async def _told(
        self, credentials: Credentials, path: str, body: bytes, *, secrets: tuple[str, ...] = (),
        seconds: float | None = None,
    ) -> Answer:
        """Return the answer to a request. Raises: DarajaUnreachable, DarajaSilent."""
        try:
            return await self._ask(
                credentials, path, body, secrets, seconds=seconds or self._query_seconds,
            )
        except NoAnswer as failure:
            raise DarajaSilent(b"", note=failure.what) from None

    async def stk_query(
        self, credentials: Credentials, checkout_request_id: str,
    ) -> StkQueryAnswer:
        """Return what became of a push. Safe to repeat. Whatever Daraja does: PENDING at worst."""
        query = stk_query(credentials, checkout_request_id, now=self._now())
        secrets = (query.Password, credentials.passkey)
        try:
            answer = await self._ask(
                credentials, STK_QUERY_PATH, query.body(), secrets, seconds=self._query_seconds,
            )
        except DarajaUnreachable as failure:
            return replace(
                _pending(failure.reason), retry_after_seconds=failure.retry_after_seconds,
            )
        except NoAnswer as failure:
            return _pending(failures.unheard("query_silent", failure.what))
        return _verdict(answer)

    async def _ask(
        self, credentials: Credentials, path: str, body: bytes, secrets: tuple[str, ...], *,
        seconds: float,
    ) -> Answer:
        """Return Daraja's answer, sent again once with a new token when the gateway refused ours.

        Raises: DarajaUnreachable, when it was never asked; NoAnswer, when nobody knows.
        """
        deadline = asyncio.get_running_loop().time() + seconds

        async def sent(token: Token) -> Answer:
            left = deadline - asyncio.get_running_loop().time()
            if left < seconds * _TIME_LEFT_MIN:
                raise failures.unreachable("there was no access token in time")
            headers = {
                "Authorization": f"Bearer {token.value}", "Content-Type": "application/json",
            }
            request = Request(
                "POST", credentials.url(path), headers, body, (token.value, *secrets),
            )
            # Connecting ends before everything does: only then is it plain that nothing was sent.
            connect = min(self._connect_seconds, left / 2)
            limits = aiohttp.ClientTimeout(total=left, connect=connect, sock_connect=connect)
            try:
                return await exchange(self._session, request, limits)
            except NeverSent as failure:
                raise failures.unreachable(failure.what) from None

        token = await self._tokens.token(credentials)
        answer = await sent(token)
        if failures.error_of(answer).kind is AnswerClass.AUTH:
            answer = await sent(await self._tokens.replace(credentials, token))
        return answer


def _accepted(answer: Answer) -> StkAccepted:
    """Return the ids of an accepted push, or raise what the answer means instead."""
    read = failures.read(answer)
    if answer.is_success and read.is_accepted:
        return StkAccepted(read.merchant_request_id, read.checkout_request_id, answer.body)
    if read.checkout_request_id:
        # Whatever else it says, it gave the push an id: then somebody may be looking at a prompt.
        raise DarajaSilent(
            answer.body, note=f"an answer with an id and no acceptance (HTTP {answer.status})",
            merchant_request_id=read.merchant_request_id,
            checkout_request_id=read.checkout_request_id,
        )
    raise failures.failure(answer)


def _verdict(answer: Answer) -> StkQueryAnswer:
    """Return what a query's answer decides: nothing, unless it is whole, documented and listed."""
    read = failures.read(answer)
    if answer.is_success and read.is_answered:
        return replace(
            _said(stk_result(read.result_code, read.result_text)),
            raw=answer.body,
            merchant_request_id=read.merchant_request_id,
            checkout_request_id=read.checkout_request_id,
        )
    error = failures.error_of(answer)
    throttled = error.kind in {AnswerClass.THROTTLED, AnswerClass.BUSY}
    return replace(
        _pending(error.reason()),
        raw=answer.body,
        throttled=throttled,
        retry_after_seconds=failures.wait(answer, error) if throttled else 0,
    )


def _said(result: StkResult) -> StkQueryAnswer:
    if result.is_paid:
        return StkQueryAnswer(QueryOutcome.PAID, result=result)
    if result.settles_by_query:
        return StkQueryAnswer(QueryOutcome.FAILED, result.reason(), result=result)
    return replace(_pending(result.reason()), result=result)


def _pending(reason: Reason) -> StkQueryAnswer:
    return StkQueryAnswer(
        QueryOutcome.PENDING, reason, note=f"{reason.code}: {reason.developer_message}",
    )
