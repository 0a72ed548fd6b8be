"""Who has asked how often: counted in this process, and shared with the others twice a second.

A request costs a look into a dictionary and never waits for the database. What this process let
pass is added up in one small table, from which it learns what the others let pass
(docs/decisions/0012). Read `Limits` first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import structlog

from hakika.domain.limit import Policy, Standing, mark_of, neighbourhood, seconds_of, spend
from hakika.settings import Settings
from hakika.store import limits as table
from hakika.store.transaction import StatementRefused, Store, StoreUnavailable

if TYPE_CHECKING:
    from hakika.services.runtime import Runtime

log = structlog.get_logger(__name__)

# Beyond this many the one that was quiet for longest is forgotten, and begins anew: somebody sends
# from everywhere. It is 5 MB for each policy.
SUBJECTS_MAX = 20_000

# What is told to the others: not before it is a fiftieth of the quota, and so many at a time.
SHARE = 50
TOLD_AT_ONCE_MAX = 300

# From all addresses together, for each that one may send.
ALL_FACTOR = 10
EVERYBODY = ""


@dataclass(slots=True)
class _Bucket:
    mark: int = 0
    untold: int = 0


class Buckets:
    """How everybody stands to one policy, in this process."""

    def __init__(self, policy: Policy, *, subjects_max: int = SUBJECTS_MAX) -> None:
        self.policy = policy
        self._subjects_max = subjects_max
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._due: dict[str, _Bucket] = {}
        self._tell_from = max(1, policy.quota // SHARE)

    def __len__(self) -> int:
        return len(self._buckets)

    def spend(self, subject: str, *, now: int) -> Standing:
        """Return how `subject` stands after one more request; refused ones cost nothing."""
        bucket = self._buckets.get(subject)
        if bucket is None:
            bucket = self._begin(subject)
        else:
            self._buckets.move_to_end(subject)
        standing = spend(self.policy, bucket.mark, now=now)
        if standing.is_within:
            bucket.mark = standing.mark
            bucket.untold += 1
            if bucket.untold == self._tell_from:
                self._due[subject] = bucket
        return standing

    def is_spent(self, subject: str, *, now: int) -> bool:
        """Say whether nothing is left for `subject`."""
        bucket = self._buckets.get(subject)
        return bucket is not None and not spend(self.policy, bucket.mark, now=now).is_within

    def _begin(self, subject: str) -> _Bucket:
        if len(self._buckets) >= self._subjects_max:
            forgotten, _ = self._buckets.popitem(last=False)
            self._due.pop(forgotten, None)
        bucket = self._buckets[subject] = _Bucket()
        return bucket

    def to_tell(self, at_most: int) -> dict[str, int]:
        """Return what the others should know: who was let pass how often since it was told."""
        return {subject: self._due[subject].untold for subject in list(self._due)[:at_most]}

    def told(self, subject: str, count: int, *, full_in: float, now: int) -> None:
        """Take over what all processes together know: in how many seconds the quota is full."""
        bucket = self._due.pop(subject, None)
        if bucket is None:
            return  # forgotten meanwhile
        bucket.untold -= count
        bucket.mark = mark_of(self.policy, max(0.0, full_in), more=bucket.untold, now=now)
        if bucket.untold >= self._tell_from:
            self._due[subject] = bucket


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one process. Addresses are whole /64 networks in IPv6."""

    by_key: Buckets
    by_address: Buckets
    failures: Buckets          # failed authentications, by address
    all_failures: Buckets      # of everybody together
    strays: Buckets            # callbacks to addresses that were never ours, by address
    all_strays: Buckets
    unlogged: Buckets          # lines of the request log that belong to no merchant

    SHARED: ClassVar[tuple[str, ...]] = ("by_key", "by_address", "failures")

    def is_suspect(self, address: str, *, now: int) -> bool:
        """Say whether so much failed that only keys which exist are worth looking up."""
        return (
            self.failures.is_spent(neighbourhood(address), now=now)
            or self.all_failures.is_spent(EVERYBODY, now=now)
        )

    def failed(self, address: str, *, now: int) -> Standing:
        """Return how `address` stands after one more failed authentication."""
        self.all_failures.spend(EVERYBODY, now=now)
        return self.failures.spend(neighbourhood(address), now=now)

    def may_keep_stray(self, address: str, *, now: int) -> bool:
        """Say whether a callback to no address of ours may still be put in quarantine."""
        return (
            self.strays.spend(neighbourhood(address), now=now).is_within
            and self.all_strays.spend(EVERYBODY, now=now).is_within
        )


def open_limits(settings: Settings) -> Limits:
    """Return limits from which nothing was taken."""
    failures = settings.failed_authentications_per_minute
    strays = settings.stray_callbacks_per_minute
    return Limits(
        by_key=Buckets(Policy("key", settings.key_requests_per_minute)),
        by_address=Buckets(Policy("address", settings.address_requests_per_minute)),
        failures=Buckets(Policy("failed-authentications", failures)),
        all_failures=Buckets(Policy("all-failed-authentications", failures * ALL_FACTOR)),
        strays=Buckets(Policy("stray-callbacks", strays)),
        all_strays=Buckets(Policy("all-stray-callbacks", strays * ALL_FACTOR)),
        unlogged=Buckets(Policy("log-lines", settings.unowned_log_lines_per_minute)),
    )


async def forget_full(rt: Runtime) -> int:
    """Forget what all processes know of quotas that are full again; return of how many."""
    async with rt.store.autocommit() as tx:
        return await table.prune(tx)


async def share(limits: Limits, store: Store, ticks: Callable[[], int]) -> int:
    """Tell the other processes what this one let pass, and learn the same; return of how many.

    Nothing is lost when the database is away: it is told the next time.
    """
    counts = {
        (name, subject): count
        for name in limits.SHARED
        for subject, count in getattr(limits, name).to_tell(TOLD_AT_ONCE_MAX).items()
    }
    if not counts:
        return 0
    taken = {
        f"{name} {subject}": seconds_of(getattr(limits, name).policy, count)
        for (name, subject), count in counts.items()
    }
    try:
        async with store.autocommit() as tx:
            full_in = await table.take(tx, taken)
    except (StoreUnavailable, StatementRefused) as error:
        log.warning("limits_not_shared", why=str(error))
        return 0
    now = ticks()
    for (name, subject), count in counts.items():
        getattr(limits, name).told(
            subject, count, full_in=full_in[f"{name} {subject}"], now=now,
        )
    return len(counts)
