"""What a test may turn while the simulator runs, through `PUT /_simulator/switches`."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hakika_simulator.storage import Storage

PUSH_OUTAGES = (None, "refuse", "503html", "hang")
PERCENT_MAX = 100
RETRIES_MAX = 20


class SwitchUnknown(ValueError):
    """The switch does not exist or cannot take that value; the message says which."""


@dataclass(frozen=True, slots=True)
class Switches:
    """All switches; the defaults are Daraja on a good day."""

    invalidate_previous_token: bool = False
    callbacks_off: float = 0.0  # percent of outcomes that are never told
    callback_delay_seconds: float = 0.0  # on top of what the number does; told seconds
    callback_retries: int = 0  # further tries when the receiver does not answer 2xx
    query_limit_per_minute: int | None = None  # per app, burst 1, as Apigee counts
    query_denies_paid_push: bool = False
    oauth_outage: bool = False
    push_outage: str | None = None  # refuse, 503html or hang; nothing is executed
    masked_phone: bool = False
    wrong_passkey_accepted: bool = False
    payers_answer_seconds: float | None = None  # people pay by themselves; for load tests
    external_validation: tuple[str, ...] = ()  # short codes whose C2B payments are validated
    register_once: bool = False  # C2B URLs, as in production
    confirmations_off: float = 0.0  # percent of C2B confirmations that are never sent
    confirmation_copies: int = 1  # how often each one is sent
    charge_percent: float = 0.0  # of each collection, charged to the business
    charges_off_collections: bool = False  # charged to the account that collected

    def changed(self, wanted: dict[str, Any]) -> "Switches":
        """Return these switches with `wanted` applied.

        Raises:
            SwitchUnknown: a name or a value is wrong. Nothing changed; tell the caller.
        """
        known = {field.name for field in fields(self)}
        for name, value in wanted.items():
            if name not in known or not _fits(name, value):
                raise SwitchUnknown(f"{name} cannot be {value!r}")
        if "external_validation" in wanted:
            wanted = wanted | {"external_validation": tuple(wanted["external_validation"])}
        return replace(self, **wanted)


def _fits(name: str, value: object) -> bool:
    match name:
        case "push_outage":
            return value in PUSH_OUTAGES
        case "callbacks_off" | "confirmations_off" | "charge_percent":
            return _is_number(value, at_most=PERCENT_MAX)
        case "external_validation":
            return isinstance(value, list) and all(isinstance(code, str) for code in value)
        case "confirmation_copies":
            return isinstance(value, int) and value >= 1 and _is_number(value, RETRIES_MAX)
        case "callback_retries":
            return isinstance(value, int) and _is_number(value, at_most=RETRIES_MAX)
        case "query_limit_per_minute":
            return value is None or (isinstance(value, int) and value > 0 and _is_number(value))
        case "callback_delay_seconds" | "payers_answer_seconds":
            may_be_none = name == "payers_answer_seconds"
            return (value is None and may_be_none) or _is_number(value)
        case _:
            return isinstance(value, bool)


def _is_number(value: object, at_most: float = float("inf")) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= at_most


class SwitchBoard:
    """The switches as they stand now; they survive a restart."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        kept = storage.row("select value from kept where name = 'switches'")
        self.now = Switches() if kept is None else Switches().changed(json.loads(kept[0]))

    def turn(self, switches: Switches) -> None:
        """Make `switches` hold from now on."""
        self._storage.write(
            "insert or replace into kept (name, value) values ('switches', ?)",
            json.dumps(asdict(switches)),
        )
        self.now = switches
