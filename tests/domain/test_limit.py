"""Quotas are counted exactly: nobody gets one request more, and nobody honest gets one less."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakika.domain.limit import Policy, mark_of, neighbourhood, seconds_of, spend

SECOND = 1_000_000_000
BEGIN = 7 * 24 * 3600 * SECOND  # a machine that has been up for a week

policies = st.builds(Policy, st.just("key"), st.integers(1, 10_000), st.integers(1, 3600))
pauses = st.lists(st.integers(0, 90 * SECOND), max_size=200)


def moments(pauses: list[int]) -> list[int]:
    now, found = BEGIN, []
    for pause in pauses:
        now += pause
        found.append(now)
    return found


def passing(policy: Policy, at: list[int]) -> list[int]:
    """Return the moments at which a request passed."""
    mark, passed = 0, []
    for now in at:
        standing = spend(policy, mark, now=now)
        mark = standing.mark
        if standing.is_within:
            passed.append(now)
    return passed


@given(policies)
def test_the_whole_quota_passes_at_once_and_not_one_more(policy):
    """A shop that was quiet may send everything it has queued up."""
    assert len(passing(policy, [BEGIN] * (policy.quota + 3))) == policy.quota


@given(st.builds(Policy, st.just("key"), st.integers(1, 20), st.integers(1, 60)), pauses)
def test_in_no_span_of_time_does_more_pass_than_quota_and_refill(policy, pauses):
    """The promise to the machine behind it, in every span that anybody may look at."""
    passed = passing(policy, moments(pauses))

    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            refill = (passed[last] - begin) * policy.quota // (policy.window_seconds * SECOND)
            assert last - first + 1 <= policy.quota + refill


@given(policies, st.integers(0, 500))
def test_whoever_keeps_to_the_rate_is_never_refused(policy, count):
    """Not by a rounding error either, after however long."""
    window = policy.window_seconds * SECOND
    at = [BEGIN + -(-number * window // policy.quota) for number in range(count)]

    assert passing(policy, at) == at


@given(policies, pauses)
def test_a_refused_request_costs_nothing(policy, pauses):
    """Else a client that asks too eagerly would be locked out for good."""
    mark = 0
    for now in moments(pauses):
        standing = spend(policy, mark, now=now)
        assert standing.is_within or standing.mark == mark
        mark = standing.mark


@given(policies, pauses)
def test_what_remains_passes_at_once_and_no_more(policy, pauses):
    """`r` of the header is a promise."""
    mark, now = 0, BEGIN
    for now in moments(pauses):
        standing = spend(policy, mark, now=now)
        mark = standing.mark
        remaining = standing.remaining
        assert 0 <= remaining < policy.quota
        if remaining < 50:
            after = mark
            for _ in range(remaining):
                next_one = spend(policy, after, now=now)
                assert next_one.is_within
                after = next_one.mark
            assert not spend(policy, after, now=now).is_within


@given(policies)
def test_after_the_wait_one_more_passes_and_not_a_second_sooner(policy):
    """Retry-After is in whole seconds: rounded up, and by less than one."""
    mark = 0
    for _ in range(policy.quota):
        mark = spend(policy, mark, now=BEGIN).mark
    refused = spend(policy, mark, now=BEGIN)
    wait = refused.wait_seconds

    assert not refused.is_within
    assert wait >= 1
    assert spend(policy, mark, now=BEGIN + wait * SECOND).is_within
    assert not spend(policy, mark, now=BEGIN + (wait - 1) * SECOND).is_within


@given(policies, st.integers(1, 300))
def test_whoever_spreads_the_rest_as_told_is_never_refused(policy, count):
    """A client that reads `r` and `t` of RateLimit, and believes them."""
    mark, now = 0, BEGIN
    for _ in range(count):
        standing = spend(policy, mark, now=now)
        assert standing.is_within
        mark = standing.mark
        _, remaining, lasts = standing.written().split(";")
        r, t = int(remaining[2:]), int(lasts[2:])
        assert r * policy.window_seconds <= policy.quota * t  # no more than the policy's own rate
        now += -(-t * SECOND // r) if r else t * SECOND


def test_the_headers_are_those_of_the_draft():
    """draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4: strings with parameters."""
    standing = spend(Policy("key", 6000), 0, now=BEGIN)

    assert standing.policy.written() == '"key";q=6000;w=60'
    assert standing.written() == '"key";r=5999;t=60'


def test_with_nothing_left_the_header_says_when_to_come_again():
    """The draft wants Retry-After and `t` to agree."""
    policy = Policy("key", 2)
    last = spend(policy, spend(policy, 0, now=BEGIN).mark, now=BEGIN)
    refused = spend(policy, last.mark, now=BEGIN)

    assert last.written() == refused.written() == '"key";r=0;t=30'
    assert refused.wait_seconds == 30


@given(policies, st.integers(0, 5000), st.integers(0, 5000))
def test_a_quota_that_is_told_in_seconds_is_the_same_quota(policy, count, more):
    """What the processes tell each other goes through the database's clock, in seconds."""
    mark = mark_of(policy, seconds_of(policy, count), more=more, now=BEGIN)
    exact = BEGIN * policy.quota + (count + more) * policy.cost

    assert abs(mark - exact) <= policy.quota * 2_000  # two microseconds


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("41.90.1.2", "41.90.1.2"), ("2c0f:fe38:1:2:3:4:5:6", "2c0f:fe38:1:2::/64"),
        ("2c0f:fe38:1:2::", "2c0f:fe38:1:2::/64"), ("::1", "::/64"), ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_one_customer_of_a_provider_has_one_quota(address, who):
    """With IPv6 everybody has 18 trillion million addresses to send from."""
    assert neighbourhood(address) == who


def test_neighbours_are_told_apart():
    """Two customers, two quotas."""
    who = [neighbourhood(f"2c0f:fe38:1:{number:x}::1") for number in range(4)]

    assert all(one != other for one, other in pairwise(who))
