"""The one clock, and the one place that knows East Africa Time.

`speed` shortens every delay the simulator invents (a prompt's minute, a late callback), so that
a test need not wait. Token life and network timeouts are real seconds and do not go through it.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

EAT = timezone(timedelta(hours=3), "EAT")


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells the time in seconds since 1970, and how long a told delay really takes."""

    speed: float

    def now(self) -> float:
        """Return now, in seconds since 1970 (UTC)."""
        return time.time()

    def seconds(self, told: float) -> float:
        """Return the real seconds that a delay of `told` seconds takes at this speed."""
        return told / self.speed


def in_nairobi(at: float) -> datetime:
    """Return the wall-clock time in Nairobi at `at` (seconds since 1970)."""
    return datetime.fromtimestamp(at, EAT)


def stamp(at: float) -> str:
    """Return `at` as Daraja's fourteen digits, YYYYMMDDHHmmss in East Africa Time."""
    return in_nairobi(at).strftime("%Y%m%d%H%M%S")
