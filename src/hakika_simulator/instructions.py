"""Every order of an operator's that moves money out: B2C, B2B and reversals, open or ended.

An instruction is Initiated when M-Pesa takes it and ends exactly once: Completed, Declined, or
Expired if it never left a queue. Transaction Status and the private truth tell the same rows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from hakika_simulator.envelopes import Conversation
from hakika_simulator.faults import Fault, fault_from
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.questions import Question
from hakika_simulator.storage import Storage

INITIATED, COMPLETED, DECLINED, EXPIRED = "initiated", "completed", "declined", "expired"


@dataclass(frozen=True, slots=True)
class Command:
    """What an operator asks M-Pesa to do with money."""

    api: str  # b2c, b2b or reversal
    question: Question
    receiver: str  # the payee's phone or short code; of a reversal the receipt to undo
    cents: int
    reference: str = ""  # B2B's AccountReference
    occasion: str = ""
    originator_id: str | None = None  # the caller's own, of B2C v3
    misdirected: str | None = None  # the result code, if the receiver is named wrongly


@dataclass(frozen=True, slots=True)
class Instruction:
    """One command that M-Pesa took. Times are seconds since 1970."""

    conversation_id: str
    originator_id: str  # as acknowledged: the caller's own in B2C v3, else the gateway's
    told_originator_id: str  # as its result says: always in the gateway's style
    api: str  # b2c, b2b or reversal
    command: str  # the CommandID
    shortcode: str  # whose money it is
    receiver: str
    cents: int
    reference: str
    occasion: str
    result_url: str
    timeout_url: str
    fault: Fault
    due_code: str  # how it ends if it is not to be carried out; 0 to try
    due_at: float
    asked_times: int  # how often its OriginatorConversationID came
    asked_at: float
    state: str  # initiated, completed, declined or expired
    result_code: str | None  # the true one, whatever was told
    transaction_id: str | None  # the receipt if completed; a declined B2C's id proves nothing
    charge_cents: int
    finished_at: float | None

    @property
    def is_open(self) -> bool:
        """Whether the outcome is still to come."""
        return self.state == INITIATED

    @property
    def receipt(self) -> str | None:
        """The receipt, if money moved."""
        return self.transaction_id if self.state == COMPLETED else None

    def conversation(self, placeholder: str) -> Conversation:
        """Return what its callbacks bear; `placeholder` stands for a receipt."""
        return Conversation(
            conversation_id=self.conversation_id,
            originator_id=self.told_originator_id,
            result_url=self.result_url,
            timeout_url=self.timeout_url,
            placeholder=placeholder,
        )


NAMES = [field.name for field in fields(Instruction)]
SELECT = f"select {', '.join(NAMES)} from instructions"
ADD = f"insert into instructions ({', '.join(NAMES)}) values ({', '.join('?' * len(NAMES))})"


class Instructions:
    """Keeps the instructions. Callers hold the transaction."""

    def __init__(self, storage: Storage, identifiers: Identifiers) -> None:
        self._storage = storage
        self._identifiers = identifiers

    def add(
        self, command: Command, fault: Fault, *, due_code: str, due_at: float, now: float
    ) -> Instruction:
        """Keep a new instruction and return it."""
        gateways = self._identifiers.gateway_request_id()
        instruction = Instruction(
            conversation_id=self._identifiers.conversation_id(now),
            originator_id=command.originator_id or gateways,
            told_originator_id=gateways,
            api=command.api,
            command=command.question.command,
            shortcode=command.question.shortcode,
            receiver=command.receiver,
            cents=command.cents,
            reference=command.reference,
            occasion=command.occasion,
            result_url=command.question.result_url,
            timeout_url=command.question.timeout_url,
            fault=fault,
            due_code=due_code,
            due_at=due_at,
            asked_times=1,
            asked_at=now,
            state=INITIATED,
            result_code=None,
            transaction_id=None,
            charge_cents=0,
            finished_at=None,
        )
        values = {name: getattr(instruction, name) for name in NAMES} | {"fault": fault.as_json()}
        self._storage.write(ADD, *values.values())
        return instruction

    def ask_again(self, originator_id: str) -> Instruction | None:
        """Return the instruction that used this OriginatorConversationID, if any, and count it."""
        sql = "update instructions set asked_times = asked_times + 1 where originator_id = ?"
        asked = self._storage.write(sql, originator_id) == 1
        return self.by_originator(originator_id) if asked else None

    def end(
        self,
        instruction: Instruction,
        state: str,
        *,
        code: str | None,
        transaction_id: str | None,
        charge_cents: int,
        now: float,
    ) -> Instruction:
        """End an open instruction and return it."""
        moved = self._storage.write(
            "update instructions set state = ?, result_code = ?, transaction_id = ?,"
            " charge_cents = ?, finished_at = ? where conversation_id = ? and state = ?",
            state,
            code,
            transaction_id,
            charge_cents,
            now,
            instruction.conversation_id,
            INITIATED,
        )
        assert moved == 1, instruction.conversation_id
        ended = self.find(instruction.conversation_id)
        assert ended is not None
        return ended

    def find(self, conversation_id: str) -> Instruction | None:
        """Return the instruction with this ConversationID, or None."""
        return self._one("conversation_id = ?", conversation_id)

    def by_originator(self, originator_id: str) -> Instruction | None:
        """Return the instruction acknowledged or told under this id, or None."""
        return self._one("originator_id = ?1 or told_originator_id = ?1", originator_id)

    def by_transaction(self, transaction_id: str) -> Instruction | None:
        """Return the instruction whose result told this TransactionID, or None."""
        return self._one("transaction_id = ?", transaction_id)

    def all_open(self) -> list[Instruction]:
        """Return the open instructions, oldest first."""
        return self._all("state = 'initiated'")

    def count_open(self) -> int:
        """Return how many instructions are open."""
        return self._storage.number("select count(*) from instructions where state = 'initiated'")

    def matching(self, *, receiver: str | None, since: float | None) -> list[Instruction]:
        """Return the instructions that fit, in the order they were asked."""
        if receiver is None:
            return self._all("asked_at >= ?", since or 0.0)
        return self._all("asked_at >= ? and receiver = ?", since or 0.0, receiver)

    def reset(self) -> None:
        """Forget every instruction."""
        self._storage.write("delete from instructions")

    def _one(self, where: str, *values: object) -> Instruction | None:
        found = self._storage.row(f"{SELECT} where {where}", *values)
        return None if found is None else _known(found)

    def _all(self, where: str, *values: object) -> list[Instruction]:
        return [
            _known(row)
            for row in self._storage.rows(f"{SELECT} where {where} order by number", *values)
        ]


def _known(row: Sequence[Any]) -> Instruction:
    values = dict(zip(NAMES, row, strict=True))
    return Instruction(**{**values, "fault": fault_from(json.loads(values["fault"]))})
