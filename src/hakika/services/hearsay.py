"""Hear what comes to addresses that anybody can guess: it is kept, and never believed.

Other services had one such address for everybody, and whoever moves from them has it written down
in places that nobody remembers. What comes there says no more than "look": the payment or payout
that it names is asked about now instead of a little later, by a question of our own. That question
would have been put anyway, and is the first one. So a flood of forgeries, even with the right ids,
costs no question more than silence does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from hakika.daraja import envelopes, strict_json, wire
from hakika.domain.callback import GUESSABLE
from hakika.domain.patience import HURRIED_SECONDS
from hakika.services import sources
from hakika.services.runtime import Runtime
from hakika.services.telemetry import KEPT
from hakika.store import hearsay as store
from hakika.store import quarantine
from hakika.store.transaction import Transaction

log = structlog.get_logger(__name__)

REASON = "guessable_address"


def is_ours(rt: Runtime, url: str) -> bool:
    """Say whether `url` is one of these addresses here."""
    return url.startswith(rt.public_url) and url.removeprefix(rt.public_url) in GUESSABLE


async def receive(rt: Runtime, raw: bytes, *, source_address: str) -> None:
    """Keep a message and look where it points; whatever it says, answer the same thanks.

    Strangers who send too many are not heard at all. Raises: StoreUnavailable, nothing was kept.
    """
    listed = sources.is_listed(rt, source_address)
    if not listed and not rt.limits.may_keep_stray(source_address, now=rt.ticks()):
        log.debug("hearsay_dropped", address=source_address)
        return
    modes = [False, True] if sources.is_trusted(rt, source_address) else [False]
    now = rt.now()
    with rt.telemetry.callback() as handling:
        async with rt.store.transaction() as tx:
            await _look_sooner(rt, tx, raw, modes=modes, now=now)
            await quarantine.put(
                tx, raw, reason=REASON, source_address=source_address, now=now,
            )
        handling.outcome = KEPT
    log.info("hearsay_kept", address=source_address)
    rt.telemetry.quarantined(REASON)


async def _look_sooner(
    rt: Runtime, tx: Transaction, raw: bytes, *, modes: Sequence[bool], now: datetime,
) -> None:
    """Bring forward the first look at what a message names, if it names anything that waits."""
    pause = rt.patience.seconds(HURRIED_SECONDS)
    try:
        said = wire.read_stk_callback(raw)
    except strict_json.Unreadable:
        ids = _conversation_ids(raw)
        await store.look_at_payouts(tx, ids, modes=modes, pause=pause, now=now)
        return
    waiting = await store.payments_called(tx, said.merchant_request_id, modes=modes, now=now)
    await store.look_at_payments(tx, [
        each.id for each in waiting if each.checkout_request_id == said.checkout_request_id
    ], pause=pause, now=now)


def _conversation_ids(raw: bytes) -> set[str]:
    """Return the ids in a result, or in a queue's notice; none are in what cannot be read."""
    try:
        result = envelopes.read_result(raw)
    except strict_json.Unreadable:
        ids = {envelopes.conversation_in(raw)}
    else:
        ids = {result.conversation_id, result.originator_conversation_id}
    return ids - {""}
