"""What a test may turn while the simulator runs, through `PUT /_simulator/switches`."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hakika_simulator.storage import Storage

CHOICES: dict[str, tuple[str | None, ...]] = {
    "push_outage": (None, "refuse", "503html", "hang"),
    "queue_timeout": (None, "only", "then_result"),
    "pull_fault": (None, "error_code", "stuck", "short_page", "500", "reset"),
    "spike_answer": ("429", "500.003.02"),
}
PERCENT_MAX = 100
PERCENTS = {"callbacks_off", "confirmations_off", "charge_percent", "results_off", "answers_off"}
RETRIES_MAX = 20
NO_LIMIT = float("inf")
WHOLE_FROM_TO = {
    "callback_retries": (0, RETRIES_MAX),
    "confirmation_copies": (1, RETRIES_MAX),
    "query_limit_per_minute": (1, NO_LIMIT),
    "calls_burst": (1, NO_LIMIT),
    "payout_charge_cents": (0, NO_LIMIT),
}
MAY_BE_NONE = {
    "payers_answer_seconds", "query_limit_per_minute", "result_code", "calls_per_second",
}  # fmt: skip


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
    result_code: str | None = None  # every result of an operator's call ends with it
    queue_timeout: str | None = None  # only, or then_result: the QueueTimeOutURL is called
    results_off: float = 0.0  # percent of operators' calls whose result is never sent
    answers_off: float = 0.0  # percent of them reset unanswered although M-Pesa took them
    calls_per_second: float | None = None  # of each app to each operators' API; real seconds
    calls_burst: int = 1  # how many of them may come at once
    spike_answer: str = "429"  # or 500.003.02: what a faster caller hears
    b2c_v3_refused: bool = False  # 403.002.1001: this app has v1 only
    payout_charge_cents: int = 0  # for each B2C and B2B, charged to the business
    result_keys_spaced: bool = False  # "Receipt No" for "ReceiptNo", as older payloads have it
    status_debit_party_twice: bool = False  # the credit party under the debit party's key
    status_echoes_originator: bool = False  # its ack and result bear the id that was asked about
    pull_fault: str | None = None  # what Pull's query does wrong: see pull.py
    charge_percent: float = 0.0  # of each collection, charged to the business
    charges_off_collections: bool = False  # charged to the account that collected or paid

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
    if value is None:
        return name in MAY_BE_NONE
    if name in PERCENTS:
        return _is_number(value, at_most=PERCENT_MAX)
    if name in WHOLE_FROM_TO:
        least, most = WHOLE_FROM_TO[name]
        return isinstance(value, int) and _is_number(value, most) and value >= least
    match name:
        case "callback_delay_seconds" | "payers_answer_seconds" | "calls_per_second":
            return _is_number(value) and (name != "calls_per_second" or value != 0)
        case "external_validation":
            return isinstance(value, list) and all(isinstance(code, str) for code in value)
        case "result_code":
            return isinstance(value, str)
    return isinstance(value, bool)


def _is_number(value: object, at_most: float = NO_LIMIT) -> bool:
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
