"""How a command fails on purpose: one sentence for a person, a way out, and an exit code."""

from __future__ import annotations

EXIT_FAILED = 1     # it could not be done
EXIT_MISASKED = 2   # the command line or the settings are wrong
EXIT_UNPAID = 3     # `pay`: the payment did not complete
EXIT_RED = 4        # `verify`, `close`, `verify-report`: something is not as it must be


class CommandFailed(Exception):
    """The command cannot go on. `main.py` shows the sentence and the hint, and exits."""

    def __init__(self, sentence: str, *, hint: str = "", exit_code: int = EXIT_FAILED) -> None:
        self.sentence, self.hint, self.exit_code = sentence, hint, exit_code
        super().__init__(sentence)
