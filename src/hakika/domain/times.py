"""Times as they are written for others."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

# Kenya has had no other time since 1960, so a fixed offset is its whole calendar.
NAIROBI = timezone(timedelta(hours=3))


def written(when: datetime) -> str:
    """Return a UTC time as RFC 3339 with a Z."""
    return when.isoformat().replace("+00:00", "Z")
