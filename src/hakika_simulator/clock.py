"""The one clock, and the one place that knows East Africa Time.

`speed` shortens every delay the simulator invents (a prompt's minute, a late callback), so that
a test need not wait. The clock can also be set to another day (`set`): M-Pesa's own dates follow
it, and running delays stay as long as they are. Token life, the age of a caller's Timestamp and
network timeouts are real time and go through neither.
"""

import time
from datetime import datetime, timedelta, timezone

EAT = timezone(timedelta(hours=3), "EAT")


class Clock:
    """Tells M-Pesa's time in seconds since 1970, and how long a told delay really takes."""

    def __init__(self, speed: float, ahead_seconds: float = 0.0) -> None:
        self.speed = speed
        self.ahead_seconds = ahead_seconds

    def now(self) -> float:
        """Return now at M-Pesa, in seconds since 1970 (UTC)."""
        return time.time() + self.ahead_seconds

    def real_now(self) -> float:
        """Return now for everybody else, in seconds since 1970 (UTC)."""
        return time.time()

    def set(self, at: float) -> None:
        """Make it `at` now; time runs on from there."""
        self.ahead_seconds = at - time.time()

    def seconds(self, told: float) -> float:
        """Return the real seconds that a delay of `told` seconds takes at this speed."""
        return told / self.speed


def in_nairobi(at: float) -> datetime:
    """Return the wall-clock time in Nairobi at `at` (seconds since 1970)."""
    return datetime.fromtimestamp(at, EAT)


def stamp(at: float) -> str:
    """Return `at` as Daraja's fourteen digits, YYYYMMDDHHmmss in East Africa Time."""
    return in_nairobi(at).strftime("%Y%m%d%H%M%S")


def moment_from(text: str) -> float:
    """Return the seconds since 1970 of an ISO 8601 time; without an offset it is Nairobi's.

    Raises:
        ValueError: it is no such time.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=EAT)).timestamp()
