"""What was noted of requests and is not written yet: bounded, the oldest goes first."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from hakika.domain.merchant import ApiKey

# Ten seconds of a busy process, and 32 MB if every body were as long as is kept.
NOTES_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Note:
    """One request as the door saw it: nothing is masked yet."""

    started_at: datetime
    request_id: str
    key: ApiKey | None
    method: str
    route: str
    path: str
    query: bytes
    status: int | None
    error_code: str | None
    duration_ns: int
    idempotency_key: str | None
    replayed: bool
    client_address: str
    body: bytes                     # empty when it is too long to be kept
    body_bytes: int
    response_bytes: int | None


class Notes:
    """Requests that wait to be written."""

    def __init__(self, *, at_most: int = NOTES_MAX) -> None:
        self._notes: deque[Note] = deque()
        self._at_most = at_most
        self._dropped = 0           # since somebody last asked
        self.writing = asyncio.Lock()  # one writes at a time, so that whoever waits sees it done

    def __len__(self) -> int:
        return len(self._notes)

    def add(self, note: Note) -> None:
        """Keep a note; when there are too many, the oldest is dropped."""
        if len(self._notes) >= self._at_most:
            self._notes.popleft()
            self._dropped += 1
        self._notes.append(note)

    def take(self, at_most: int) -> list[Note]:
        """Return the oldest notes, which are no longer kept here."""
        return [self._notes.popleft() for _ in range(min(at_most, len(self._notes)))]

    def put_back(self, notes: list[Note]) -> None:
        """Keep again what could not be written, as far as there is room."""
        room = self._at_most - len(self._notes)
        self._dropped += max(0, len(notes) - room)
        self._notes.extendleft(reversed(notes[max(0, len(notes) - room):]))

    def dropped_meanwhile(self) -> int:
        """Return how many were dropped since this was last asked."""
        dropped, self._dropped = self._dropped, 0
        return dropped
