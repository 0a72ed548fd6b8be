"""Times as they are written for others."""

from __future__ import annotations

from datetime import datetime


def written(when: datetime) -> str:
    """Return a UTC time as RFC 3339 with a Z."""
    return when.isoformat().replace("+00:00", "Z")
