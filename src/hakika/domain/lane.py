"""How many deliveries one worker has under way, in all and in each lane.

A lane is an endpoint; payments' own addresses at one host of one merchant share a lane. A lane
opens slowly: it may have two under way at first, one more with each that is accepted, up to eight,
and one after a failure. While one of them is slow, nothing more is begun in its lane, and the slow
one stops counting against the others: so a receiver that hangs holds what it got in its first
second, and delays nobody.

A lane that takes them quickly may have a few more begun than are posted at once: they are at hand
when a place is free, and no exchange with the database has to be waited for.

`now` is any clock that never goes back, in seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from hakika.domain.ids import EndpointId

POSTED_MAX = 8
AT_HAND_MAX = 16
ROOM_AT_FIRST = 2

# Who answers within this keeps up with eight at once; others get nothing beforehand.
QUICK_MS = 100

# Ten times what a healthy receiver takes, and a fifteenth of what one may take.
SLOW_SECONDS = 1.0

# Slow ones beside the quick ones. Together they stay below the connections of one process.
SLOW_MAX = 400

# Endpoints that are remembered to have something waiting, in each lane: more than it could take in
# the second until somebody looks again. Payments' own addresses can be very many in one lane.
WAITING_MAX = 256

# Endpoints of one lane that are asked at once what waits for them, beyond those it has room for:
# with some it is another's turn first.
DRAWN_BEYOND = 4

# Lanes whose width is remembered: a payment's own address comes once, and need not be.
REMEMBERED_MAX = 10_000


class Lanes:
    """The lanes of one worker, with `quick_max` places for deliveries that are not slow."""

    def __init__(self, quick_max: int) -> None:
        self._quick_max = quick_max
        self._under_way: dict[str, dict[int, float]] = {}      # lane: delivery: begun
        self._widths: OrderedDict[str, int] = OrderedDict()

    def begin(self, lane: str, delivery: int, *, now: float) -> None:
        """Note that a delivery is under way."""
        self._under_way.setdefault(lane, {})[delivery] = now

    def end(self, lane: str, delivery: int, *, accepted: bool, duration_ms: int) -> None:
        """Note that a delivery has ended, and how long its POST took."""
        under_way = self._under_way[lane]
        del under_way[delivery]
        if not under_way:
            del self._under_way[lane]
        most = POSTED_MAX + (AT_HAND_MAX if duration_ms <= QUICK_MS else 0)
        self._widths[lane] = min(self._width(lane) + 1, most) if accepted else 1
        self._widths.move_to_end(lane)
        if len(self._widths) > REMEMBERED_MAX:
            self._widths.popitem(last=False)

    def free(self, *, now: float) -> int:
        """Return how many more may begin, whatever their lanes."""
        slow = quick = 0
        for under_way in self._under_way.values():
            for begun in under_way.values():
                if now - begun > SLOW_SECONDS:
                    slow += 1
                else:
                    quick += 1
        return max(min(self._quick_max - quick, self._quick_max + SLOW_MAX - quick - slow), 0)

    def room(self, lane: str, *, now: float) -> int:
        """Return how many more may begin in this lane."""
        under_way = self._under_way.get(lane, {})
        if any(now - begun > SLOW_SECONDS for begun in under_way.values()):
            return 0
        return max(self._width(lane) - len(under_way), 0)

    def rooms(self, *, now: float) -> Mapping[str, int]:
        """Return the room of each lane that has something under way."""
        return {lane: self.room(lane, now=now) for lane in self._under_way}

    def is_idle(self, lane: str) -> bool:
        """Say whether nothing is under way in this lane."""
        return lane not in self._under_way

    def _width(self, lane: str) -> int:
        return self._widths.get(lane, ROOM_AT_FIRST)


class Waiting:
    """The endpoints for which deliveries wait until there is room in their lanes."""

    def __init__(self) -> None:
        self._lanes: dict[str, dict[EndpointId, None]] = {}    # in the order in which they came
        self._lane_of: dict[EndpointId, str] = {}

    @property
    def lanes(self) -> Iterable[str]:
        """The lanes in which something waits."""
        return self._lanes.keys()

    def note(self, found: Mapping[EndpointId, str]) -> None:
        """Remember endpoints and their lanes, as many of one lane as are worth it."""
        for endpoint_id, lane in found.items():
            in_lane = self._lanes.setdefault(lane, {})
            if len(in_lane) < WAITING_MAX:
                in_lane[endpoint_id] = None
                self._lane_of[endpoint_id] = lane

    def forget(self, endpoints: Iterable[EndpointId]) -> None:
        """Forget endpoints for which nothing waits, or for which it is not the time."""
        for endpoint_id in endpoints:
            lane = self._lane_of.pop(endpoint_id)
            del self._lanes[lane][endpoint_id]
            if not self._lanes[lane]:
                del self._lanes[lane]

    def draw(self, room_of: Callable[[str], int]) -> dict[EndpointId, int]:
        """Return of which endpoints to take what waits, and how many of each, by their lanes' room.

        Of a lane of many endpoints a few: there would not be room for more.
        """
        return {
            endpoint_id: room
            for lane, in_lane in self._lanes.items() if (room := room_of(lane)) > 0
            for endpoint_id in islice(in_lane, room + DRAWN_BEYOND)
        }
