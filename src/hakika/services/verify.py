"""Check the invariants on the whole database, in one frozen picture. Changes nothing.

Safe at any time beside a running system. The `Report` names each row that breaks a rule; the rules
themselves are in `domain/invariant.py` (of one payment), `store/invariants.py` (of many rows) and
`domain/truth.py` (of a simulator's truth against our payments); those of money that goes out are in
files of the same names with `payout_` before them, and are joined in `payout_invariants.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hakika.domain import customer_invariant, invariant, ledger_invariant, refund_invariant
from hakika.domain import truth as truths
from hakika.domain.day_invariant import Closings, conservation_breaches
from hakika.domain.ids import PaymentId
from hakika.domain.invariant import GRACE, Story
from hakika.domain.ledger import Chain
from hakika.domain.payment import Payment
from hakika.domain.truth import Truth
from hakika.services import days, payout_invariants
from hakika.services.findings import SENTENCES_MAX, Finding
from hakika.services.runtime import Runtime
from hakika.store import customer_invariants, day_invariants, invariants, ledger_invariants
from hakika.store.invariants import Breach, Counts
from hakika.store.transaction import Transaction

# Longer than between a service's look at its clock and its commit, on machines whose clocks agree.
MOMENT = timedelta(seconds=5)

Progress = Callable[[int, int], None]

TITLES = {
    "I1": "Every shilling is here once",
    "I2": "The books balance, and nobody changed them",
    "I3": "The books are what the facts make",
    "I4": "Each state is what the facts come to",
    "I5": "Nothing waits where nobody looks",
    "I6": "No order was sent twice, and what went is here",
    "I7": "Refunds give back no more than came",
    "I8": "Each change was told once, in order",
    "I9": "Each event goes to each endpoint that wants it",
    "I10": "Each idempotency key has one payment",
    "I11": "Each outcome has its evidence, unchanged",
    "I12": "Each callback that was thanked for is kept",
    "I13": "Merchants and modes do not mix",
    "I14": "Days were closed in this order, and the books still say what was signed",
    "I15": "What M-Pesa says lies there is what the books say",
}

SENTENCES: Mapping[Breach, tuple[str, str]] = {
    Breach.RECEIPT_TWICE: (
        "I1", "Receipt {receipt} of short code {shortcode} is on several payments: {payment_ids}."),
    Breach.WITNESS_UNJUDGED: (
        "I1", "The {source} told of receipt {receipt} of short code {shortcode}, and nobody could "
        "say yet which payment that is."),
    Breach.POSTING_UNCHAINED: (
        "I2", "The posting of receipt {receipt} of payment {payment_id} is in no chain."),
    Breach.CHAIN_CUT: (
        "I2", "The chain of merchant {merchant_id} ({mode}) ends at {newest}, and {last} postings "
        "were chained."),
    Breach.SUM_WRONG: (
        "I3", "The sums of account {account} of merchant {merchant_id} ({mode}) are not those of "
        "its postings."),
    Breach.POSTING_WITHOUT_PAYMENT: (
        "I3", "The posting of receipt {receipt} is of payment {payment_id}, which is not here."),
    Breach.EVENT_WITHOUT_PAYMENT: (
        "I8", "Event {event_id} tells of payment {payment_id}, which is not here."),
    Breach.EVENT_WITHOUT_CUSTOMER: (
        "I8", "Event {event_id} tells of customer {customer_id}, who is not here."),
    Breach.NUMBER_TWICE: (
        "I8", "Events {id_before} and {event_id} have the same number {sequence}."),
    Breach.NUMBER_MISSING: (
        "I8", "Merchant {merchant_id} has no {mode} events with the numbers {first} to {last}."),
    Breach.COUNTER_WRONG: (
        "I8", "The counter of merchant {merchant_id} ({mode}) is at {last}, "
        "and the newest event has number {newest}."),
    Breach.DELIVERY_MISSING: (
        "I9", "Event {event_id} has no delivery to endpoint {endpoint_id}, which wanted it."),
    Breach.DELIVERY_TWICE: (
        "I9", "Event {event_id} has several deliveries to endpoint {endpoint_id}: "
        "{delivery_ids}."),
    Breach.DELIVERY_UNWANTED: (
        "I9", "Delivery {delivery_id} takes event {event_id} to endpoint {endpoint_id}, "
        "which did not want it."),
    Breach.DELIVERY_WITHOUT_EVENT: (
        "I9", "Delivery {delivery_id} is of event {event_id}, which is not here."),
    Breach.DELIVERY_UNPROVEN: (
        "I9", "Delivery {delivery_id} has succeeded, and no attempt of it was answered 2xx."),
    Breach.DELIVERY_UNEXPLAINED: (
        "I9", "Delivery {delivery_id} is {state}, and does not say why."),
    Breach.DELIVERY_FORGOTTEN: (
        "I9", "Delivery {delivery_id} is scheduled, and its next attempt is long overdue."),
    Breach.KEY_TWICE: (
        "I10", "One idempotency key of merchant {merchant_id} has several payments: "
        "{payment_ids}."),
    Breach.CLAIM_WITHOUT_PAYMENT: (
        "I10", "An idempotency key of merchant {merchant_id} names payment {payment_id}, "
        "which is not here or has another key."),
    Breach.PAYMENT_WITHOUT_CLAIM: (
        "I10", "Payment {payment_id} has an idempotency key that does not name it."),
    Breach.FACTS_WITHOUT_PAYMENT: (
        "I11", "There are {facts} facts of payment {payment_id}, which is not here."),
    Breach.DELIVERY_ASTRAY: (
        "I13", "Delivery {delivery_id} takes event {event_id} to endpoint {endpoint_id}, "
        "which is not for it."),
    Breach.ENDPOINT_ASTRAY: (
        "I13", "Endpoint {endpoint_id} belongs to another merchant or mode than its payment "
        "{payment_id}, or that is not here."),
    Breach.OVERSETTLED: (
        "I3", "Seller {seller_id} of merchant {merchant_id} was settled for more than it was "
        "ever owed."),
    Breach.SELLER_ASTRAY: (
        "I13", "{id} names seller {seller_id}, who belongs to another merchant or mode, or is not "
        "here."),
    Breach.CUSTOMER_ASTRAY: (
        "I13", "Payment {payment_id} names customer {customer_id}, who belongs to another merchant "
        "or mode, or is not here."),
}


@dataclass(frozen=True, slots=True)
class Check:
    """What came of one invariant."""

    code: str                           # I1 … I15; not all of them exist yet
    title: str
    looked_at: int                      # how many rows of the kind that the rule is about
    violations: tuple[str, ...]         # at most `SENTENCES_MAX`
    more: int = 0                       # violations beyond those
    notes: tuple[str, ...] = ()         # no violations, such as money in flight; as many at most
    more_notes: int = 0

    @property
    def green(self) -> bool:
        """Say whether the invariant holds."""
        return not self.violations


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all of them."""

    checks: tuple[Check, ...]

    @property
    def green(self) -> bool:
        """Say whether every invariant holds."""
        return all(check.green for check in self.checks)


async def verify(
    rt: Runtime, *, truth: Mapping[str, Any] | None = None, progress: Progress | None = None,
) -> Report:
    """Return what holds and what does not, as of the moment of asking.

    `truth` is the whole answer of the simulator's `/_simulator/truth`, taken before this call and
    when nothing moved any more; it must know every push that this database ever asked for.
    `progress` is told now and then how many payments were looked at, and how many there are.

    Raises:
        StoreUnavailable: the database went away; nothing was found out. Ask again.
    """
    findings = {code: Finding() for code in TITLES}
    told = None if truth is None else Truth.read(truth, rt.payment_called_about)
    async with rt.store.transaction() as tx:
        await invariants.freeze(tx)
        now = rt.now()
        counts = await invariants.count(tx)
        await _check_many_rows(tx, findings, now=now)
        await _check_customers(tx, findings)
        await _check_chains(tx, findings)
        await _check_closings(tx, findings)
        await _check_balances(tx, findings)
        examiner = _Examiner(findings, now, told, await invariants.quarantined(tx))
        done = 0
        async with aclosing(invariants.stories(tx)) as batches:
            async for batch in batches:
                for story in batch:
                    examiner.examine(story)
                done += len(batch)
                if progress is not None:
                    progress(done, counts.payments)
        examiner.look_for_the_absent()
        payouts = await payout_invariants.check(rt, tx, findings, truth=truth, now=now)
    return _report(findings, counts, payouts)


async def _check_many_rows(
    tx: Transaction, findings: Mapping[str, Finding], *, now: datetime,
) -> None:
    for breach, (code, sentence) in SENTENCES.items():
        found = await invariants.breaches(
            tx, breach, late_before=now - GRACE, moment=MOMENT, limit=SENTENCES_MAX,
        )
        findings[code].add(sentence.format(**row) for row in found.rows)
        findings[code].more += found.total - len(found.rows)


async def _check_customers(tx: Transaction, findings: Mapping[str, Finding]) -> None:
    async with aclosing(customer_invariants.stories(tx)) as batches:
        async for batch in batches:
            for story in batch:
                findings["I8"].add(customer_invariant.telling_breaches(story))
                findings["I13"].add(customer_invariant.owner_breaches(story))


async def _check_chains(tx: Transaction, findings: Mapping[str, Finding]) -> None:
    chain = Chain("", livemode=False)
    async with aclosing(ledger_invariants.chained(tx)) as batches:
        async for batch in batches:
            for merchant_id, livemode, posted in batch:
                if (merchant_id, livemode) != (chain.merchant_id, chain.livemode):
                    chain = Chain(merchant_id, livemode)
                findings["I2"].add(chain.breaches(posted))


async def _check_closings(tx: Transaction, findings: Mapping[str, Finding]) -> None:
    closings = Closings("", livemode=False)
    async with aclosing(day_invariants.closings(tx)) as batches:
        async for batch in batches:
            for stored in batch:
                if (stored.merchant_id, stored.livemode) != (
                    closings.merchant_id, closings.livemode,
                ):
                    closings = Closings(stored.merchant_id, stored.livemode)
                findings["I14"].looked_at += 1
                findings["I14"].add(closings.breaches(stored))


async def _check_balances(tx: Transaction, findings: Mapping[str, Finding]) -> None:
    for owner, told in await day_invariants.newest_balances(tx):
        reported = await days.held_against(tx, owner, told)
        findings["I15"].looked_at += 1
        findings["I15"].add(conservation_breaches(owner.merchant_id, reported))


class _Examiner:
    """Judges one payment after the other."""

    def __init__(
        self, findings: Mapping[str, Finding], now: datetime, truth: Truth | None,
        quarantined: Mapping[PaymentId, int],
    ) -> None:
        self._findings = findings
        self._now = now
        self._truth = truth
        self._quarantined = quarantined
        self._absent = set() if truth is None else truth.payment_ids()

    def examine(self, story: Story) -> None:
        """Put every breach in a payment's story into the findings."""
        found = self._findings
        self._absent.discard(story.id)
        payment = story.payment
        if payment is None:
            found["I4"].add([f"Payment {story.id} has a row that cannot be read."])
            return
        found["I1"].add(invariant.receipt_breaches(payment))
        found["I5"].looked_at += not payment.is_final
        found["I5"].add(invariant.limbo_breaches(payment, now=self._now))
        found["I13"].add(invariant.owner_breaches(payment, story.events))
        found["I13"].add(ledger_invariant.owner_breaches(payment, story.postings))
        found["I7"].looked_at += len(story.refunds)
        self._replay(payment, story)
        if self._truth is not None:
            self._compare(payment, story, self._truth)

    def _replay(self, payment: Payment, story: Story) -> None:
        found = self._findings
        if story.unreadable:
            found["I11"].add(
                f"Fact {sequence} of payment {story.id} cannot be read."
                for sequence in story.unreadable
            )
            return  # a story with a hole in it proves nothing else
        changes = invariant.replay(payment, story.facts)
        if not invariant.is_intact(payment, story.facts, changes):
            found["I11"].add(invariant.chain_breaches(payment, story.facts))
        found["I11"].add(invariant.evidence_breaches(payment, story.facts))
        found["I4"].add(invariant.state_breaches(payment, story.facts, changes))
        found["I8"].add(invariant.event_breaches(payment, story.events, changes))
        found["I3"].add(ledger_invariant.derivation_breaches(payment, story.postings, changes))
        found["I7"].add(refund_invariant.refund_breaches(
            payment, story.refunds, [each.fact for each in story.facts],
        ))

    def _compare(self, payment: Payment, story: Story, truth: Truth) -> None:
        found = self._findings
        found["I1"].add(truths.money_breaches(payment, truth))
        found["I1"].note(truths.in_flight(payment, truth))
        found["I12"].looked_at += truth.thanked.get(story.id, 0)
        found["I12"].add(
            truths.thanks_breaches(
                story.id, story.facts, truth, set_aside=self._quarantined.get(story.id, 0),
            ),
        )

    def look_for_the_absent(self) -> None:
        """Find what the truth says of payments that are not here, once all were examined."""
        if self._truth is None:
            return
        self._findings["I1"].add(truths.lost_pushes(self._truth, self._absent))
        for payment_id in sorted(self._absent):
            self._findings["I12"].looked_at += self._truth.thanked.get(payment_id, 0)
            self._findings["I12"].add(
                truths.thanks_breaches(
                    payment_id, (), self._truth, set_aside=self._quarantined.get(payment_id, 0),
                ),
            )


def _report(
    findings: Mapping[str, Finding], counts: Counts, payouts: payout_invariants.Counts,
) -> Report:
    looked_at = {
        "I1": counts.payments, "I2": counts.postings, "I3": counts.postings,
        "I4": counts.payments + payouts.payouts, "I6": payouts.payouts, "I8": counts.events,
        "I9": counts.deliveries, "I10": counts.claims + payouts.payouts,
        "I11": counts.facts + payouts.facts,
        "I13": counts.events + counts.deliveries,
    }
    return Report(
        tuple(
            Check(
                code, title, looked_at.get(code, findings[code].looked_at),
                tuple(findings[code].violations), findings[code].more,
                tuple(findings[code].notes), findings[code].more_notes,
            )
            for code, title in TITLES.items()
        ),
    )
