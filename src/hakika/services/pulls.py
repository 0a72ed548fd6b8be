"""Read M-Pesa's own list of what a short code collected, and hear every row of it. Read `run`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from hakika.daraja.errors import DarajaRefused, DarajaSilent, DarajaUnreachable
from hakika.daraja.pull import PullRow
from hakika.domain import reconciliation
from hakika.domain.fact import Source
from hakika.domain.ids import ProviderId, RunId
from hakika.domain.merchant import ApiKey
from hakika.domain.provider import Provider
from hakika.domain.reconciliation import Run
from hakika.domain.witness import Witness
from hakika.services import providers, witnesses
from hakika.services.mistakes import OUR_MISTAKES
from hakika.services.runtime import Runtime
from hakika.services.witnesses import Outcome
from hakika.store import reconciliation as store

log = structlog.get_logger(__name__)

# Whoever reads a list holds it so long; after a crash another does.
LEASE = timedelta(minutes=10)

# A list that could not be read is read again soon.
AGAIN = timedelta(minutes=2)

TAKEN_MAX = 5

# Of a hundred rows each: more than a short code collects in two days.
PAGES_MAX = 10_000


class ListBroken(Exception):
    """M-Pesa's list does not come to an end, or repeats itself: nothing is known of this time."""


async def run_now(rt: Runtime, key: ApiKey, shortcode: str = "") -> Run:
    """Read a short code's list now and return what came of it; one that failed says why.

    Raises:
        NotFound: no such credentials.
    """
    return await run(rt, await providers.chosen(rt, key, shortcode))


async def runs(rt: Runtime, key: ApiKey, *, before: RunId | None, limit: int) -> list[Run]:
    """Return up to `limit` runs of this key's merchant and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await store.runs(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, before=before, limit=limit,
        )


async def run_due(rt: Runtime) -> int:
    """Read the lists whose turn it is; return how many. Safe beside other workers."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        due = await store.take_due(tx, now=now, lease=now + LEASE, limit=TAKEN_MAX)
    for provider_id in due:
        await _run_surely(rt, provider_id)
    return len(due)


async def _run_surely(rt: Runtime, provider_id: ProviderId) -> None:
    """Read one list of many; when our own mistake keeps us from it, say so and go on."""
    try:
        provider = await providers.with_id(rt, provider_id)
        if provider is not None:
            await run(rt, provider)
    except OUR_MISTAKES as mistake:
        log.exception("pull_broke", provider=provider_id)
        async with rt.store.autocommit() as tx:
            await store.put_off(
                tx, provider_id, error=f"Hakika could not read it: {type(mistake).__name__}.",
                next_pull_at=rt.now() + AGAIN,
            )


async def run(rt: Runtime, provider: Provider) -> Run:
    """Read a list from where it was last read whole, hear every row, and move the watermark.

    What fails moves nothing: the next run reads the same time again.
    """
    started_at = rt.now()
    async with rt.store.autocommit() as tx:
        pulled_to = await store.pulled_to(tx, provider.id)
    since, until = reconciliation.span(pulled_to, now=started_at)
    if reconciliation.leaves_a_hole(pulled_to, now=started_at):
        log.error("pull_left_a_hole", shortcode=provider.shortcode.number, since=str(pulled_to))
    made = Run(
        RunId(rt.new_id("run")), provider.merchant_id, provider.livemode,
        provider.shortcode.number, Source.PULL, since, until, started_at, started_at,
    )
    try:
        made = await _read(rt, provider, made)
    except (DarajaRefused, DarajaUnreachable) as failure:
        made = replace(made, error=failure.reason.developer_message)
    except DarajaSilent as failure:
        made = replace(made, error=f"Daraja's list cannot be read: {failure.note}.")
    except ListBroken as failure:
        made = replace(made, error=str(failure))
    made = replace(made, finished_at=rt.now())
    next_pull_at = made.finished_at + (AGAIN if made.error else reconciliation.EVERY)
    async with rt.store.transaction() as tx:
        await store.note(tx, provider.id, made, next_pull_at=next_pull_at)
    if made.error:
        log.warning("pull_failed", shortcode=made.shortcode, run=made.id, error=made.error)
    return made


async def _read(rt: Runtime, provider: Provider, made: Run) -> Run:
    """Hear every row of a list, page by page, until a page is empty."""
    account = providers.credentials(rt, provider)
    seen: set[str] = set()
    outcomes: Counter[Outcome] = Counter()
    for _ in range(PAGES_MAX):
        page = await rt.daraja.pull_page(
            account, since=made.since, until=made.until, offset=len(seen),
        )
        if not page:
            return _counted(made, len(seen), outcomes)
        fresh = [row for row in page if row.receipt not in seen]
        if len(fresh) < len(page):
            raise ListBroken("Daraja gave the same rows again, so its list has no end.")
        outcomes += await witnesses.hear_many(
            rt, [_witness(provider, row, rt.now()) for row in fresh],
        )
        seen.update(row.receipt for row in fresh)
    raise ListBroken(f"Daraja's list has more than {PAGES_MAX} pages.")


def _counted(made: Run, rows: int, outcomes: Counter[Outcome]) -> Run:
    return replace(
        made, rows=rows, synced=outcomes[Outcome.PAID], skipped=outcomes[Outcome.KNOWN],
        not_found=outcomes[Outcome.UNASKED], undecided=outcomes[Outcome.UNDECIDED],
    )


def _witness(provider: Provider, row: PullRow, now: datetime) -> Witness:
    return Witness(
        Source.PULL, provider.merchant_id, provider.livemode, provider.shortcode, row.receipt,
        row.amount, row.happened_at or now, reference=row.reference, payer=row.payer,
        payer_masked=row.payer_masked, payer_hash=row.payer_hash, raw=row.raw,
    )


