"""Whether Daraja is away: it then answers nobody and calls nobody, while payers go on paying.

What should have been told meanwhile is dropped, or sent when the outage is over. An outage ends
with the process.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

MODES = ("refuse", "503html")
CALLBACKS = ("drop", "flush")


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage: how endpoints behave, and what becomes of callbacks that fall due."""

    mode: str  # refuse or 503html
    callbacks: str  # drop or flush


class Outages:
    """The outage there is, if any. Whoever flushes callbacks says so by `on_end`."""

    def __init__(self) -> None:
        self.now: Outage | None = None
        self.on_end: Callable[[], None] = lambda: None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, outage: Outage, *, real_seconds: float | None) -> None:
        """Be away for so long, or until told; a new outage replaces the one there is."""
        self._forget_timer()
        self.now = outage
        if real_seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(real_seconds, self.end)

    def end(self) -> None:
        """Be back."""
        self._forget_timer()
        if self.now is not None:
            self.now = None
            self.on_end()

    def stop(self) -> None:
        """Stop waiting for the end, since the process ends."""
        self._forget_timer()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
