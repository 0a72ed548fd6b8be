"""What was read from the database a moment ago, so that each request need not read it again.

Half a second: a key that was revoked, or a credential that was changed, is known to every process
well within the second that we promise, without any process having to be told
(docs/decisions/0010).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

SECONDS = 0.5

# Beyond this everything is forgotten: somebody is trying names.
ENTRIES_MAX = 10_000

Value = TypeVar("Value")


class Recently(Generic[Value]):
    """Values by name, each for half a second. `seconds_now` returns seconds that only grow."""

    def __init__(self, seconds_now: Callable[[], float]) -> None:
        self._seconds_now = seconds_now
        self._values: dict[str, tuple[float, Value]] = {}
        self._reads: dict[str, asyncio.Task[Value]] = {}

    async def get(self, name: str, read: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Return the value of `name`, read less than half a second ago.

        Whoever asks while it is being read waits for the same reading.
        """
        asked_at = self._seconds_now()
        known = self._values.get(name)
        if known is not None and asked_at - known[0] < SECONDS:
            return known[1]
        reading = self._reads.get(name)
        if reading is not None:
            return await asyncio.shield(reading)
        self._reads[name] = reading = asyncio.create_task(read())
        reading.add_done_callback(lambda _: self._reads.pop(name, None))
        value = await asyncio.shield(reading)
        if len(self._values) >= ENTRIES_MAX:
            self._values.clear()
        self._values[name] = (asked_at, value)
        return value

    def forget(self, name: str) -> None:
        """Read `name` anew when it is next asked for: this process has changed it."""
        self._values.pop(name, None)
