"""How fast an app may call: STK queries by their spacing, operators' calls by a token bucket."""

MINUTE_SECONDS = 60.0


class QueryRates:
    """The limit on STK queries, counted as Apigee's spike arrest counts: evenly spaced, burst 1.

    Remembers for each app when it may ask again. Not kept: a minute heals it.
    """

    def __init__(self) -> None:
        self._free_at: dict[str, float] = {}

    def admits(self, app: str, *, every_seconds: float, now: float) -> bool:
        """Tell whether `app` may ask now; if so, its next turn is `every_seconds` later."""
        if now < self._free_at.get(app, 0.0):
            return False
        self._free_at[app] = now + every_seconds
        return True

    def reset(self) -> None:
        """Let everybody ask again."""
        self._free_at.clear()


class CallRates:
    """The limit on operators' calls: so many a second, and so many at once. Not kept.

    Seconds are real ones at any speed, for a caller's own pace does not run faster.
    """

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def admits(
        self, app: str, api: str, *, per_second: float, burst: int, now: float
    ) -> bool:
        """Tell whether `app` may call `api` now, and count the call if so."""
        left, since = self._buckets.get((app, api), (float(burst), now))
        left = min(float(burst), left + (now - since) * per_second)
        admitted = left >= 1
        self._buckets[app, api] = (left - admitted, now)
        return admitted

    def reset(self) -> None:
        """Let everybody call again."""
        self._buckets.clear()
