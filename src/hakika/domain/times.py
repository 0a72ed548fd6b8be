"""Times as they are written for others, and days as people in Kenya count them."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

from hakika.domain.errors import Invalid

# East Africa Time: no daylight saving, ever. M-Pesa writes its times in it.
NAIROBI = timezone(timedelta(hours=3))

# Other years nobody means, and at the ends of the calendar days have no neighbours.
_DAY = re.compile(r"2\d{3}-\d{2}-\d{2}", re.ASCII)


def written(when: datetime) -> str:
    """Return a UTC time as RFC 3339 with a Z."""
    return when.isoformat().replace("+00:00", "Z")


def read_day(text: object, *, field: str) -> date:
    """Return the day that `text` says, such as 2026-01-31. Raises: Invalid."""
    try:
        if isinstance(text, str) and _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # the 31st of November
    raise Invalid("This is not a day. Write it like 2026-01-31.", field=field, code="day_invalid")
