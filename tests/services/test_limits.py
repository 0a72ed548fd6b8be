"""Quotas in memory: bounded whoever sends, and shared by a handful of words."""

from __future__ import annotations

import asyncio
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from hakika.domain.limit import Policy
from hakika.services.limits import SHARE, Buckets, open_limits, share
from hakika.settings import read_settings
from hakika.store import limits as table
from hakika.store.transaction import open_store
from tests.vault import keyring

SECOND = 1_000_000_000
NOW = 3600 * SECOND
POLICY = Policy("key", 100)


def spent(buckets: Buckets, subject: str, count: int, *, now: int = NOW) -> int:
    """Spend, and return how many passed."""
    return sum(buckets.spend(subject, now=now).is_within for _ in range(count))


def test_a_million_addresses_take_no_more_memory_than_the_bound():
    """Somebody sends from everywhere."""
    buckets = Buckets(POLICY, subjects_max=100)
    for number in range(10_000):
        spent(buckets, str(number), SHARE)

    assert len(buckets) == 100
    assert len(buckets.to_tell(10**6)) == 100


def test_the_one_that_was_quiet_for_longest_is_forgotten_first():
    """A flood of strangers does not give back the quota of who is at it now."""
    buckets = Buckets(POLICY, subjects_max=3)
    spent(buckets, "busy", 100)
    for number in range(50):
        spent(buckets, str(number), 1)
        assert spent(buckets, "busy", 1) == 0

    assert spent(buckets, "0", 100) == 100


def test_small_change_is_not_told():
    """An honest integration costs the database nothing."""
    buckets = Buckets(POLICY)
    spent(buckets, "quiet", 100 // SHARE - 1)
    spent(buckets, "busy", 100 // SHARE)

    assert buckets.to_tell(10) == {"busy": 2}


def test_what_was_spent_while_it_was_told_is_told_the_next_time():
    """Requests go on while the database is asked."""
    buckets = Buckets(POLICY)
    spent(buckets, "a", 10)
    told = buckets.to_tell(10)
    spent(buckets, "a", 7)
    buckets.told("a", told["a"], full_in=30.0, now=NOW)  # the others took 40 besides

    assert buckets.to_tell(10) == {"a": 7}
    assert spent(buckets, "a", 100) == 100 - 50 - 7


def test_what_the_others_let_pass_beyond_the_quota_is_paid_back():
    """All together they may let pass too much for a moment, and less after it."""
    buckets = Buckets(POLICY)
    spent(buckets, "a", 10)
    buckets.told("a", 10, full_in=66.0, now=NOW)

    assert spent(buckets, "a", 1) == 0
    assert spent(buckets, "a", 1, now=NOW + 6 * SECOND) == 0
    assert spent(buckets, "a", 2, now=NOW + 7 * SECOND) == 1


def test_only_so_much_is_told_at_a_time():
    """The statement stays small, whatever happens; the rest is told half a second later."""
    buckets = Buckets(POLICY)
    for number in range(30):
        spent(buckets, str(number), 2)
    first = buckets.to_tell(20)
    for subject, count in first.items():
        buckets.told(subject, count, full_in=1.0, now=NOW)

    assert len(first) == 20
    assert buckets.to_tell(20).keys() == {str(number) for number in range(20, 30)}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=60))
def test_processes_that_share_never_let_pass_more_than_quota_and_the_stated_error(steps):
    """Three processes; between two exchanges each may be wrong by what it has not heard of."""
    processes = [Buckets(POLICY) for _ in range(3)]
    ahead, passed, between = 0.0, 0, []
    for which, count in steps:
        let_pass = spent(processes[which], "a", count)
        passed += let_pass
        between.append(let_pass)
        for subject, told in processes[which].to_tell(10).items():
            ahead += told * POLICY.window_seconds / POLICY.quota
            processes[which].told(subject, told, full_in=ahead, now=NOW)

    # Each spoke with the table right after it let something pass: the error is what one process
    # lets pass in one go, for each of the two others, and the small change.
    assert passed <= POLICY.quota + 2 * (max(between, default=0) + POLICY.quota // SHARE)


async def test_processes_add_up_in_the_table(database_url):
    """The same through PostgreSQL, at the same time, in any order of subjects."""
    store = await open_store(database_url, connections_max=4, keyring=keyring())
    settings = read_settings({}, key_requests_per_minute=100)
    processes = [open_limits(settings) for _ in range(3)]
    for each in processes:
        for subject in ("a", "b"):
            spent(each.by_key, subject, 30)
    await asyncio.gather(*(share(each, store, lambda: NOW) for each in processes))
    for each in processes:  # each has told what it did, and heard of those who had told before
        spent(each.by_key, "a", 2)
        await share(each, store, lambda: NOW)

    assert all(spent(each.by_key, "a", 100) <= 10 for each in processes)
    async with store.transaction() as tx:
        rows = await tx.rows("select subject from limits order by 1")
        assert [row["subject"] for row in rows] == ["by_key a", "by_key b"]
        assert await table.prune(tx) == 0
        await tx.execute("update limits set full_at = now() - interval '1 second'")
        assert await table.prune(tx) == 2
    await store.close()


def test_every_limit_has_a_quota_of_its_settings():
    """A setting that nobody reads is a promise that nobody keeps."""
    limits = open_limits(read_settings(
        {}, key_requests_per_minute=11, address_requests_per_minute=12,
        failed_authentications_per_minute=13, stray_callbacks_per_minute=14,
        unowned_log_lines_per_minute=15,
    ))

    assert {each.name: getattr(limits, each.name).policy.quota for each in fields(limits)} == {
        "by_key": 11, "by_address": 12, "failures": 13, "all_failures": 130, "strays": 14,
        "all_strays": 140, "unlogged": 15,
    }
