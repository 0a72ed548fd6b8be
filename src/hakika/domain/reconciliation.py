"""Reconciliation: a run over M-Pesa's own list, and from when to when it has to look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hakika.domain.ids import MerchantId, RunId
from hakika.domain.times import written

# M-Pesa's list may be behind: what is read whole is read again for so long (daraja.md 5.11).
OVERLAP = timedelta(hours=3)

# How far back M-Pesa can be asked, less a little for the time that asking takes.
HORIZON = timedelta(hours=48) - timedelta(minutes=5)

EVERY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Run:
    """One reading of a source for one short code. All times are UTC."""

    id: RunId
    merchant_id: MerchantId
    livemode: bool
    shortcode: str
    source: str
    since: datetime
    until: datetime
    started_at: datetime
    finished_at: datetime
    rows: int = 0
    synced: int = 0          # payments that this run completed
    skipped: int = 0         # receipts that were known
    not_found: int = 0       # money that nobody asked for: payments of their own now
    undecided: int = 0       # money that may be of several payments: judged again soon
    error: str | None = None


def span(pulled_to: datetime | None, *, now: datetime) -> tuple[datetime, datetime]:
    """Return from when to when a run has to read."""
    earliest = now - HORIZON
    since = earliest if pulled_to is None else max(earliest, pulled_to - OVERLAP)
    return since, now


def leaves_a_hole(pulled_to: datetime | None, *, now: datetime) -> bool:
    """Say whether a time that was never read is out of M-Pesa's reach."""
    return pulled_to is not None and pulled_to < now - HORIZON


def run_data(run: Run) -> dict[str, Any]:
    """Return a run as merchants read it."""
    return {
        "id": run.id, "livemode": run.livemode, "shortcode": run.shortcode, "source": run.source,
        "since": written(run.since), "until": written(run.until), "rows": run.rows,
        "synced": run.synced, "skipped": run.skipped, "not_found": run.not_found,
        "undecided": run.undecided, "error": run.error,
        "started_at": written(run.started_at), "finished_at": written(run.finished_at),
    }
