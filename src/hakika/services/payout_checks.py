"""Look again at money that is on its way and of which nothing was heard. Read `look_again`."""

from __future__ import annotations

from hakika.domain.payout import Payout, State
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.payout_patience import POSTPONED_SECONDS
from hakika.services import buckets, inquiries, providers, sending
from hakika.services.payout_facts import record
from hakika.services.runtime import Runtime
from hakika.store import payouts as store

AT_ONCE = 10
LEASE_SECONDS = 60
WATCHED = frozenset({State.SENDING, State.PENDING, State.UNKNOWN})


async def look_again(rt: Runtime) -> int:
    """Look at every payout that is due to be looked at; return how many. Safe beside others."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        lease = now + rt.payout_patience.seconds(LEASE_SECONDS)
        due = await store.take_watched(tx, WATCHED, now=now, lease=lease, limit=AT_ONCE)
    for each in due:
        await _look(rt, each)
    return len(due)


async def _look(rt: Runtime, payout: Payout) -> None:
    now, patience = rt.now(), rt.payout_patience
    if payout.state is State.SENDING:
        if patience.was_left_sending(payout, now=now):
            note = "Whoever was sending it has died. It may have been sent."
            await record(rt, payout.id, lambda seen: PayoutFact(
                Kind.SILENT, Source.CLOCK, attempt=payout.attempts, note=note,
            ) if seen.state is State.SENDING else None)
    elif patience.has_lapsed(payout, now=now):
        await record(rt, payout.id, lambda _: PayoutFact(Kind.LAPSED, Source.CLOCK))
    elif not payout.known_as or await buckets.may_ask(
        rt, payout.shortcode.number, livemode=payout.livemode,
    ):
        await (sending.send(rt, payout) if patience.may_be_sent_again(payout) else _ask(rt, payout))
    # else it is due again when our hold ends: money that goes out comes first


async def _ask(rt: Runtime, payout: Payout) -> None:
    """Ask M-Pesa what became of an order. Its answer comes later, to the inquiry's address."""
    note = "M-Pesa told no id by which it could be asked."
    if payout.known_as:
        provider = await providers.of_payout(rt, payout)
        note = "" if provider is None else await inquiries.ask_about_order(rt, provider, payout)
    if note:
        await record(rt, payout.id, lambda _: PayoutFact(Kind.INQUIRED, Source.STATUS, note=note))
        return
    async with rt.store.transaction() as tx:
        later = rt.now() + rt.payout_patience.seconds(POSTPONED_SECONDS)
        await store.postpone(tx, payout.id, until=later)
