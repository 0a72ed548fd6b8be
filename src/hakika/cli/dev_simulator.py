"""The simulator as a child process of `hakika dev`: it never outlives us, however we end."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired

from hakika.cli.failure import CommandFailed

STOP_SECONDS_MAX = 5
_LOOK_SECONDS = 0.2
_LOG_LINES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator, and the file that it logs to."""

    process: Popen[str]
    log: Path

    def await_ready(self) -> None:
        """Return when it listens. Raises: CommandFailed, when it ended instead."""
        assert self.process.stdout is not None, "it was started with a pipe"
        try:
            json.loads(self.process.stdout.readline())
        except ValueError:
            self.process.wait(STOP_SECONDS_MAX)
            raise self._ended() from None

    async def watch(self) -> None:
        """Raise CommandFailed when it ends."""
        while self.process.poll() is None:  # noqa: ASYNC110 - nothing tells us, so we look
            await asyncio.sleep(_LOOK_SECONDS)
        raise self._ended()

    def stop(self) -> None:
        """End it, and wait for that. Safe to call twice."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ended(self) -> CommandFailed:
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return CommandFailed(
            f"The simulator ended by itself (exit code {self.process.returncode}), "
            "so `hakika dev` stopped.",
            hint="\n  ".join([f"Its log, {self.log}, ends with:", *said[-_LOG_LINES_SHOWN:]]),
        )


def launch(folder: Path, *, host: str, port: int, speed: float, seed: int | None) -> Simulator:
    """Start a simulator whose state is in `folder`. Call from the main thread: it dies with it."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "simulator.log"
    flags = ["--host", host, "--port", str(port), "--data", str(folder), "--speed", str(speed)]
    with log.open("w", encoding="utf-8") as output:
        process = Popen(
            # The pipe matters: should we die before the child asked to die with us, its JSON line
            # finds nobody and it ends.
            [
                sys.executable, "-m", "hakika_simulator", "--json", "--die-with-parent", *flags,
                *([] if seed is None else ["--seed", str(seed)]),
            ],
            stdin=DEVNULL, stdout=PIPE, stderr=output, text=True,
            start_new_session=True,  # Ctrl-C is for us; the simulator ends after API and worker
        )
    return Simulator(process, log)
