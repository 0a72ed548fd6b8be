"""Times as they are written for others, and days as people in Kenya count them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

# East Africa Time: no daylight saving, ever. M-Pesa writes its times in it.
NAIROBI = timezone(timedelta(hours=3))


def written(when: datetime) -> str:
    """Return a UTC time as RFC 3339 with a Z."""
    return when.isoformat().replace("+00:00", "Z")
