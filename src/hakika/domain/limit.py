"""How often: quotas that refill steadily, counted exactly. Time is an argument.

A generic cell rate limiter. What is left of a quota is one whole number, its *mark*: the moment at
which the quota will be full again, in nanoseconds times the quota. So nothing is ever rounded, and
a request costs one sum and one comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

MINUTE_SECONDS = 60

_NANOSECONDS = 1_000_000_000

# What one customer of a provider is given of IPv6, to use as many addresses of as they like.
_IPV6_PREFIX_BITS = 64


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `quota` at once, and in the long run `quota` in each window."""

    name: str                              # letters and dashes: it stands in headers
    quota: int
    window_seconds: int = MINUTE_SECONDS

    @property
    def cost(self) -> int:
        """By how much one request moves the mark."""
        return self.window_seconds * _NANOSECONDS

    def written(self) -> str:
        """Return what RateLimit-Policy says (draft-ietf-httpapi-ratelimit-headers-11)."""
        return f'"{self.name}";q={self.quota};w={self.window_seconds}'


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands to a policy after a request."""

    policy: Policy
    is_within: bool                        # the request may pass
    mark: int
    at: int                                # the time of the request, on the scale of the mark

    @property
    def remaining(self) -> int:
        """How many more could pass at once."""
        cost = self.policy.cost
        return (cost * self.policy.quota - max(self.mark - self.at, 0)) // cost

    @property
    def wait_seconds(self) -> int:
        """In how many seconds the next one may pass, rounded up; 0: now."""
        cost, quota = self.policy.cost, self.policy.quota
        return max(0, -(-(self.mark + cost - cost * quota - self.at) // (quota * _NANOSECONDS)))

    def written(self) -> str:
        """Return what RateLimit says.

        `t` is for how long the rest has to last: whoever spreads it over that time keeps to the
        policy for ever, and whoever has nothing left may ask again after it.
        """
        remaining = self.remaining
        lasts = -(-remaining * self.policy.window_seconds // self.policy.quota)
        return f'"{self.policy.name}";r={remaining};t={lasts or self.wait_seconds}'


def spend(policy: Policy, mark: int, *, now: int) -> Standing:
    """Return the standing after a request at `now` (nanoseconds that only grow).

    A request that may not pass costs nothing. A `mark` of 0 is a quota that nothing was taken from.
    """
    at, cost = now * policy.quota, policy.cost
    after = (mark if mark > at else at) + cost
    if after - at > cost * policy.quota:
        return Standing(policy, False, mark, at)
    return Standing(policy, True, after, at)


def seconds_of(policy: Policy, count: int) -> float:
    """Return how long it takes until what `count` requests took is there again."""
    return count * policy.window_seconds / policy.quota


def mark_of(policy: Policy, seconds: float, *, more: int, now: int) -> int:
    """Return the mark of a quota that is full in `seconds`, and of which `more` are taken."""
    return int((now + seconds * _NANOSECONDS) * policy.quota) + more * policy.cost


@lru_cache(maxsize=4096)
def neighbourhood(address: str) -> str:
    """Return whose quota a request from `address` takes from: of IPv6, the whole /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    host_bits = parsed.max_prefixlen - _IPV6_PREFIX_BITS
    return f"{IPv6Address(int(parsed) >> host_bits << host_bits)}/{_IPV6_PREFIX_BITS}"
