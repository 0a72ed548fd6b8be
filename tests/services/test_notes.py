"""What waits to be written into the request log never takes the process's memory."""

from __future__ import annotations

from datetime import UTC, datetime

from hakika.services.notes import Note, Notes


def note(number: int) -> Note:
    return Note(
        started_at=datetime(2026, 3, 2, 12, tzinfo=UTC), request_id=str(number), key=None,
        method="GET", route="/", path="/", query=b"", status=200, error_code=None, duration_ns=1,
        idempotency_key=None, replayed=False, client_address="", body=b"", body_bytes=0,
        response_bytes=None,
    )


def filled(*numbers: int) -> Notes:
    """Return notes that hold three at most, after these were added."""
    notes = Notes(at_most=3)
    for number in numbers:
        notes.add(note(number))
    return notes


def test_the_oldest_are_dropped_and_counted():
    """A database that is away for an hour must not take the process with it."""
    notes = filled(0, 1, 2, 3, 4)

    assert notes.take(10) == [note(2), note(3), note(4)]
    assert (notes.dropped_meanwhile(), notes.dropped_meanwhile()) == (2, 0)


def test_what_is_put_back_comes_first_again():
    """The order of requests is kept."""
    notes = filled(0, 1, 2)
    taken = notes.take(2)
    notes.put_back(taken)

    assert notes.take(10) == [note(0), note(1), note(2)]
    assert notes.dropped_meanwhile() == 0


def test_what_is_put_back_makes_room_for_what_is_newer():
    """The newest are what an operator looks at."""
    notes = filled(0, 1, 2)
    taken = notes.take(3)
    notes.add(note(3))
    notes.put_back(taken)

    assert notes.take(10) == [note(1), note(2), note(3)]
    assert notes.dropped_meanwhile() == 1
