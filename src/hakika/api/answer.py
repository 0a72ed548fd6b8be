"""The body of every answer: JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import orjson
from fastapi import Response


class Answer(Response):
    """An answer whose content is plain JSON values."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return the content as JSON in UTF-8."""
        return orjson.dumps(content)


class Named(Protocol):
    """What a list can go on after."""

    @property
    def id(self) -> str:
        """The id, which the list is sorted by."""


Listed = TypeVar("Listed", bound=Named)


def page_of(found: Sequence[Listed], data: Callable[[Listed], Any], *, limit: int) -> Answer:
    """Return a page of `limit`. `found` has one more, if there is more: then `next` goes on."""
    page, more = found[:limit], len(found) > limit
    return Answer({
        "success": True, "data": [data(each) for each in page],
        "page": {"next": page[-1].id if more else None},
    })
