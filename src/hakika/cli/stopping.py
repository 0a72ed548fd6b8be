"""Being told to stop, by SIGTERM or Ctrl-C, at any moment of a start.

An exception out of a signal handler, which is Python's way with Ctrl-C, is swallowed when it comes
inside a fork, and leaves logging's lock held: seen with `hakika dev`, which then hung. So a signal
only leaves a note here, which is read between the steps of a start and, later, by the loop.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

_STOPPED_HARD = 130  # as a shell counts a program that Ctrl-C ended
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(Exception):
    """Somebody told this process to stop while it started."""


class StopNote:
    """Whether this process was told to stop. The second time ends it at once.

    Nothing is lost by that: kill -9 is survived as well.
    """

    def __init__(self) -> None:
        self.is_written = False
        for number in SIGNALS:
            signal.signal(number, self._signaled)

    def obey(self) -> None:
        """Raise Stopped when we were told to stop."""
        if self.is_written:
            raise Stopped

    def write(self) -> None:
        """Note that we were told to stop."""
        if self.is_written:
            os._exit(_STOPPED_HARD)
        self.is_written = True

    def _signaled(self, number: int, frame: FrameType | None) -> None:
        self.write()
