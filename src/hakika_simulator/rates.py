"""The limit on STK queries, counted as Apigee's spike arrest counts: evenly spaced, burst 1."""

MINUTE_SECONDS = 60.0


class QueryRates:
    """Remembers for each app when it may ask again. Not kept: a minute heals it."""

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
