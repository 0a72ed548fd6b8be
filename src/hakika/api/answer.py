"""The body of every answer: JSON."""

from __future__ import annotations

import orjson
from fastapi import Response


class Answer(Response):
    """An answer whose content is plain JSON values."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return the content as JSON in UTF-8."""
        return orjson.dumps(content)
