"""Check the invariants of money that goes out, as a part of `verify.py`. Read `check`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

from hakika.domain import payout_invariant, payout_posting_invariant, payout_truth
from hakika.domain.invariant import GRACE
from hakika.domain.payout import Payout
from hakika.domain.payout_invariant import PayoutStory
from hakika.domain.payout_truth import PayoutTruth
from hakika.services.findings import SENTENCES_MAX, Finding
from hakika.services.runtime import Runtime
from hakika.store import payout_invariants as store
from hakika.store.payout_invariants import Counts, PayoutBreach
from hakika.store.transaction import Transaction

__all__ = ["SENTENCES", "Counts", "check"]

SENTENCES: Mapping[PayoutBreach, tuple[str, str]] = {
    PayoutBreach.READY_FORGOTTEN: (
        "I5", "Payout {payout_id} is ready, no stop stands before it, and nobody sends it."),
    PayoutBreach.RECEIPT_TWICE: (
        "I6", "Receipt {receipt} of short code {shortcode} is on several payouts: {payout_ids}."),
    PayoutBreach.KEY_TWICE: (
        "I10", "One idempotency key of merchant {merchant_id} has several payouts: {payout_ids}."),
    PayoutBreach.FACTS_WITHOUT_PAYOUT: (
        "I11", "There are {facts} facts of payout {payout_id}, which is not here."),
    PayoutBreach.POSTING_WITHOUT_PAYOUT: (
        "I3", "The books have a {move} of payout {payout_id}, which is not here."),
    PayoutBreach.EVENT_WITHOUT_PAYOUT: (
        "I8", "Event {event_id} tells of payout {payout_id}, which is not here."),
    PayoutBreach.EVENT_ASTRAY: (
        "I13", "Event {event_id} belongs to another merchant, mode or seller than its payout "
        "{payout_id}, or calls it by another name."),
    PayoutBreach.PAYMENT_ASTRAY: (
        "I13", "Payout {payout_id} is of payment {payment_id}, which belongs to another merchant, "
        "mode or seller, or is not here."),
}


async def check(
    rt: Runtime, tx: Transaction, findings: Mapping[str, Finding], *,
    truth: Mapping[str, Any] | None, now: datetime,
) -> Counts:
    """Put every breach of money that goes out into `findings`; return how much was looked at.

    `truth` is what `verify` was given: a simulator's, or None.
    """
    for breach, (code, sentence) in SENTENCES.items():
        found = await store.breaches(
            tx, breach, late_before=now - GRACE, limit=SENTENCES_MAX,
        )
        findings[code].add(sentence.format(**row) for row in found.rows)
        findings[code].more += found.total - len(found.rows)
    told = None if truth is None else PayoutTruth.read(truth, rt.payout_called_about)
    absent = set() if told is None else told.payout_ids()
    async with aclosing(store.stories(tx)) as batches:
        async for batch in batches:
            for story in batch:
                absent.discard(story.id)
                _examine(findings, story, told, now=now)
    if told is not None:
        findings["I6"].add(payout_truth.lost_orders(told, absent))
    return await store.count(tx)


def _examine(
    found: Mapping[str, Finding], story: PayoutStory, truth: PayoutTruth | None, *, now: datetime,
) -> None:
    payout = story.payout
    if payout is None:
        found["I4"].add([f"Payout {story.id} has a row that cannot be read."])
        return
    found["I2"].add(payout_posting_invariant.held_breaches(payout, story.postings))
    found["I5"].looked_at += not payout.is_final
    found["I5"].add(payout_invariant.limbo_breaches(payout, now=now))
    found["I13"].add(payout_posting_invariant.owner_breaches(payout, story.postings))
    if truth is not None:
        found["I6"].add(payout_truth.order_breaches(payout, truth))
        found["I6"].note(payout_truth.in_flight(payout, truth))
    if story.unreadable:
        found["I11"].add(
            f"Fact {sequence} of payout {story.id} cannot be read."
            for sequence in story.unreadable
        )
        return  # a story with a hole in it proves nothing else
    _replay(found, payout, story)


def _replay(found: Mapping[str, Finding], payout: Payout, story: PayoutStory) -> None:
    changes = payout_invariant.replay(payout, story.facts)
    if not payout_invariant.is_intact(payout, story.facts, changes):
        found["I11"].add(payout_invariant.chain_breaches(payout, story.facts))
    found["I11"].add(payout_invariant.evidence_breaches(payout, story.facts))
    found["I4"].add(payout_invariant.state_breaches(payout, story.facts, changes))
    found["I6"].add(payout_invariant.order_breaches(payout, story.facts))
    found["I8"].add(payout_invariant.event_breaches(payout, story.events, changes))
    found["I3"].add(payout_posting_invariant.derivation_breaches(
        payout, story.postings, payout_invariant.newborn(payout), changes,
    ))
