"""What goes wrong with operators' calls: planned call by call, or by who is to be paid.

A test plans faults (`POST /_simulator/faults`): each is for the next calls of one API, or to one
receiver, and is used up by them. Without a plan a B2C's payee may bring a fault of its own
(`payees.py`), and what both leave open is filled in by switches.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hakika_simulator import results
from hakika_simulator.numbers import NOT_EXECUTED, Answer, Telling
from hakika_simulator.payees import Payee, payee_of
from hakika_simulator.storage import Storage
from hakika_simulator.switches import CHOICES, Switches

APIS = ("b2c", "b2b", "reversal", "status", "balance")
TELLINGS = {
    telling.name.lower(): telling
    for telling in (
        Telling.ONCE,
        Telling.NEVER,
        Telling.THRICE,
        Telling.BEFORE_ANSWER,
        Telling.LATE,
        Telling.AFTER_A_FAILURE,
    )
}
ANSWERS = {answer.name.lower(): answer for answer in Answer}


class FaultUnknown(ValueError):
    """There is no such fault; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What one call meets. None leaves it to whatever follows from the rest."""

    answer: str = "ack"
    accepted: bool | None = None  # whether M-Pesa gets the call at all
    executed: bool | None = None  # whether money moves, once M-Pesa has it
    result_code: str | None = None
    telling: str = "once"
    queue_timeout: str | None = None  # only or then_result, as the switch
    seconds: float | None = None  # how long an order stays Initiated; told seconds

    @property
    def is_accepted(self) -> bool:
        """Whether M-Pesa gets the call: unless told otherwise, if the answer does not refuse it."""
        if self.accepted is not None:
            return self.accepted
        return ANSWERS[self.answer] not in NOT_EXECUTED

    @property
    def is_executed(self) -> bool:
        """Whether money moves: unless told otherwise, if nothing says that it failed.

        A result that is corrected later was wrong, so what it spoke of did happen.
        """
        if self.executed is not None:
            return self.executed
        failed = self.result_code not in (None, results.PAID)
        is_corrected = TELLINGS[self.telling] is Telling.AFTER_A_FAILURE
        return (not failed or is_corrected) and self.queue_timeout != "only"

    @property
    def is_told_before_answer(self) -> bool:
        """Whether the result comes before the caller has its answer."""
        return TELLINGS[self.telling] is Telling.BEFORE_ANSWER

    def filled_by(self, switches: Switches) -> "Fault":
        """Return this fault with what it leaves open taken from the switches."""
        code = self.result_code or switches.result_code
        return replace(
            self,
            result_code=None if code == results.PAID else code,  # success is nobody's to force
            queue_timeout=self.queue_timeout or switches.queue_timeout,
        )

    def as_json(self) -> str:
        """Return it as it is kept."""
        return json.dumps(asdict(self))


NO_FAULT = Fault()


def fault_from(asked: dict[str, Any]) -> Fault:
    """Return the fault that `asked` describes.

    Raises:
        FaultUnknown: a name or a value is wrong.
    """
    known = {field.name for field in fields(Fault)}
    for name, value in asked.items():
        if name not in known or not _fits(name, value):
            raise FaultUnknown(f"{name} cannot be {value!r}")
    return Fault(**asked)


def _fits(name: str, value: object) -> bool:
    match name:
        case "answer":
            return value in ANSWERS
        case "telling":
            return value in TELLINGS
        case "accepted" | "executed":
            return value is None or isinstance(value, bool)
        case "queue_timeout":
            return value in CHOICES["queue_timeout"]
        case "result_code":
            return value is None or (isinstance(value, str) and value != "")
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    )


class Faults:
    """The faults that tests planned, and the turns of payees who fail every other call."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._turned_away: set[str] = set()  # not kept: a restart turns them away once more

    def plan(
        self, fault: Fault, *, api: str | None, receiver: str | None, times: int | None
    ) -> None:
        """Keep a fault for the next `times` calls that fit, for all of them if None."""
        sql = "insert into faults (api, receiver, times_left, fault) values (?, ?, ?, ?)"
        self._storage.write(sql, api, receiver, times, fault.as_json())

    def planned(self, api: str, receiver: str | None) -> Fault | None:
        """Return the oldest planned fault that fits this call, used up by one, or None."""
        row = self._storage.row(
            "select number, times_left, fault from faults"
            " where (api is null or api = ?) and (receiver is null or receiver = ?)"
            " order by number limit 1",
            api,
            receiver,
        )
        if row is None:
            return None
        number, times_left, fault = row
        if times_left == 1:
            self._storage.write("delete from faults where number = ?", number)
        elif times_left is not None:
            self._storage.write(
                "update faults set times_left = times_left - 1 where number = ?", number
            )
        return fault_from(json.loads(fault))

    def of_payee(self, phone: str) -> Fault:
        """Return what a B2C to this phone meets by itself; some payees fail every other call."""
        payee = payee_of(phone)
        if payee.every_other_call and phone in self._turned_away:
            self._turned_away.remove(phone)
            return NO_FAULT
        if payee.every_other_call:
            self._turned_away.add(phone)
        return _of(payee)

    def all_planned(self) -> list[dict[str, Any]]:
        """Return the faults still planned, oldest first."""
        rows = self._storage.rows(
            "select api, receiver, times_left, fault from faults order by number"
        )
        return [
            {"api": api, "receiver": receiver, "times": times} | json.loads(fault)
            for api, receiver, times, fault in rows
        ]

    def reset(self) -> None:
        """Forget every fault."""
        self._storage.write("delete from faults")
        self._turned_away.clear()


def _of(payee: Payee) -> Fault:
    return fault_from(dict(payee.fault))
