"""What a test may turn while the simulator runs, through `PUT /_simulator/switches`."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hakika_simulator.storage import Storage

CHOICES: dict[str, tuple[str | None, ...]] = {
    "push_outage": (None, "refuse", "503html", "hang"),
    "queue_timeout": (None, "only", "then_result"),
    "pull_fault": (None, "error_code", "stuck", "short_page", "500", "reset"),
}
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
    result_code: str | None = None  # every result of Status and Balance ends with it
    queue_timeout: str | None = None  # only, or then_result: the QueueTimeOutURL is called
    result_keys_spaced: bool = False  # "Receipt No" for "ReceiptNo", as older payloads have it
    status_debit_party_twice: bool = False  # the credit party under the debit party's key
    pull_fault: str | None = None  # what Pull's query does wrong: see pull.py
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
    if name in CHOICES:
        return value in CHOICES[name]
    match name:
        case "callbacks_off" | "confirmations_off" | "charge_percent":
            return _is_number(value, at_most=PERCENT_MAX)
        case "callback_delay_seconds":
            return _is_number(value)
        case "callback_retries" | "confirmation_copies":
            least = 1 if name == "confirmation_copies" else 0
            return isinstance(value, int) and _is_number(value, RETRIES_MAX) and value >= least
        case "external_validation":
            return isinstance(value, list) and all(isinstance(code, str) for code in value)
        case "payers_answer_seconds" | "query_limit_per_minute" | "result_code":
            return value is None or _fits_if_given(name, value)
    return isinstance(value, bool)


def _fits_if_given(name: str, value: object) -> bool:
    match name:
        case "query_limit_per_minute":
            return isinstance(value, int) and value > 0 and _is_number(value)
        case "result_code":
            return isinstance(value, str)
    return _is_number(value)


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
