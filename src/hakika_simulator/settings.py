"""What the person who starts a simulator may choose; fixed while it runs.

What may change while it runs is in `switches.py`.
"""

from dataclasses import dataclass, field
from pathlib import Path

# Public: Safaricom prints it in its own samples, for short code 174379 of the sandbox.
SANDBOX_PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"


@dataclass(frozen=True, slots=True)
class Settings:
    """How one simulator is set up."""

    data: Path | None = None  # where the state is kept; None keeps it in memory
    seed: int | None = None  # decides receipts and ids; a data folder keeps its first seed
    speed: float = 1.0  # told delays take 1/speed of their time
    credentials: frozenset[tuple[str, str]] = frozenset()  # key and secret; empty lets all in
    production: bool = False  # callback URLs must be https and public
    names: dict[str, str] = field(default_factory=dict)  # short code to organisation name
    # API operators of every short code: name to password
    operators: dict[str, str] = field(default_factory=lambda: {"testapi": "Simulated#1"})
    callback_hosts: dict[str, str] = field(default_factory=dict)  # public host to local base URL

    def organisation(self, shortcode: str) -> str:
        """Return the name that M-Pesa shows the payer for `shortcode`."""
        return self.names.get(shortcode, f"BUSINESS {shortcode}")
