"""How many deliveries a worker has under way, and that one endpoint never has them all."""

from __future__ import annotations

from hakika.domain.ids import EndpointId
from hakika.domain.lane import (
    AT_HAND_MAX,
    DRAWN_BEYOND,
    POSTED_MAX,
    ROOM_AT_FIRST,
    SLOW_MAX,
    SLOW_SECONDS,
    WAITING_MAX,
    Lanes,
    Waiting,
)

QUICK_MAX = 50
A, B = "whe_a", "whe_b"


def grown(lanes: Lanes, lane: str, *, times: int, duration_ms: int = 5) -> Lanes:
    """Let deliveries be accepted in a lane, one after another."""
    for number in range(times):
        lanes.begin(lane, number, now=0)
        lanes.end(lane, number, accepted=True, duration_ms=duration_ms)
    return lanes


def test_a_new_lane_begins_small():
    """A thousand dead endpoints at once must not take every place."""
    assert Lanes(QUICK_MAX).room(A, now=0) == ROOM_AT_FIRST


def test_a_lane_grows_with_each_that_is_accepted():
    rooms = [grown(Lanes(QUICK_MAX), A, times=times).room(A, now=0) for times in range(40)]

    assert rooms[:5] == [2, 3, 4, 5, 6]
    assert rooms[-1] == POSTED_MAX + AT_HAND_MAX


def test_one_that_answers_slowly_gets_no_more_than_it_is_posted_at_once():
    """What is begun beforehand must be posted soon, or another worker could have it."""
    assert grown(Lanes(QUICK_MAX), A, times=40, duration_ms=500).room(A, now=0) == POSTED_MAX


def test_a_failure_makes_it_narrow():
    lanes = grown(Lanes(QUICK_MAX), A, times=40)
    lanes.begin(A, 1, now=0)
    lanes.end(A, 1, accepted=False, duration_ms=5)

    assert lanes.room(A, now=0) == 1
    assert lanes.room(B, now=0) == ROOM_AT_FIRST


def test_nothing_is_begun_beside_one_that_hangs():
    lanes = grown(Lanes(QUICK_MAX), A, times=5)
    lanes.begin(A, 1, now=0)
    before, later = lanes.room(A, now=SLOW_SECONDS), lanes.room(A, now=SLOW_SECONDS + 0.1)

    assert (before, later) == (6, 0)


def test_those_that_hang_leave_their_places_to_others():
    """Twenty hanging endpoints hold nobody up for longer than a second."""
    lanes = Lanes(QUICK_MAX)
    for number in range(QUICK_MAX):
        lanes.begin(f"whe_{number // 2}", number, now=0)

    assert lanes.free(now=0) == 0
    assert lanes.free(now=SLOW_SECONDS + 0.1) == QUICK_MAX


def test_there_is_an_end_to_all_that_hang_together():
    """Below the connections that one process may have open."""
    lanes = Lanes(QUICK_MAX)
    for number in range(SLOW_MAX + QUICK_MAX):
        lanes.begin(f"whe_{number}", number, now=0)

    assert lanes.free(now=SLOW_SECONDS + 0.1) == 0


def test_only_lanes_with_something_under_way_are_told():
    lanes = grown(Lanes(QUICK_MAX), A, times=5)
    lanes.begin(B, 1, now=0)

    assert lanes.rooms(now=0) == {B: ROOM_AT_FIRST - 1}
    assert (lanes.is_idle(A), lanes.is_idle(B)) == (True, False)


def waiting_in(lane: str, count: int) -> dict[EndpointId, str]:
    return {EndpointId(f"whe_{lane}_{number}"): lane for number in range(count)}


class TestWaiting:
    def test_what_waits_is_drawn_where_there_is_room(self):
        waiting = Waiting()
        waiting.note(waiting_in(A, 1) | waiting_in(B, 1))

        assert waiting.draw({A: 3, B: 0}.__getitem__) == {EndpointId("whe_whe_a_0"): 3}

    def test_a_lane_of_very_many_addresses_costs_what_a_lane_of_some_does(self):
        """At a host that hangs, each payment has an address of its own: there may be 50,000."""
        waiting = Waiting()
        waiting.note(waiting_in(A, 10 * WAITING_MAX))
        waiting.note(waiting_in(B, 1))
        drawn = waiting.draw(lambda _: ROOM_AT_FIRST)
        waiting.forget(waiting_in(A, WAITING_MAX))

        assert list(drawn.values()) == [ROOM_AT_FIRST] * (ROOM_AT_FIRST + DRAWN_BEYOND + 1)
        assert list(waiting.draw(lambda _: 1)) == [*waiting_in(B, 1)]

    def test_what_is_forgotten_is_drawn_no_more(self):
        waiting = Waiting()
        waiting.note(waiting_in(A, 2))
        waiting.forget([EndpointId("whe_whe_a_0")])
        left = list(waiting.draw(lambda _: 1))
        waiting.forget([EndpointId("whe_whe_a_1")])

        assert left == [EndpointId("whe_whe_a_1")]
        assert not list(waiting.lanes)
