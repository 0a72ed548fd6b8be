"""From an instruction to its end: waits its time, moves the money, and tells the result.

Ending an instruction, moving its money and keeping its result are one transaction, so that a
crash loses none of them: `start` waits again for what an earlier run left open.
"""

import asyncio
from dataclasses import dataclass

from hakika_simulator import results
from hakika_simulator.callback_plans import PlannedCallback
from hakika_simulator.callbacks import Callbacks
from hakika_simulator.clock import Clock
from hakika_simulator.faults import Fault
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.instructions import (
    COMPLETED,
    DECLINED,
    EXPIRED,
    Command,
    Instruction,
    Instructions,
)
from hakika_simulator.ledger import (
    MERCHANT,
    UTILITY,
    WORKING,
    CannotMove,
    Disbursement,
    Ledger,
    Movement,
    ReversedBefore,
)
from hakika_simulator.messages import Messages
from hakika_simulator.outcomes import Outcomes, business
from hakika_simulator.payees import NOBODYS_SHORTCODE_PREFIX
from hakika_simulator.result_plans import (
    RESULT_AFTER_TIMEOUT_SECONDS,
    RESULT_SECONDS,
    Told,
    plan_notice,
    plan_results,
)
from hakika_simulator.settings import Settings
from hakika_simulator.storage import Storage
from hakika_simulator.switches import SwitchBoard
from hakika_simulator.wallets import Wallets

B2C_CENTS_MIN, B2C_CENTS_MAX = 10_00, 250_000_00
PARTIAL = "The amount is not that of the original transaction."

Kept = list[tuple[int, PlannedCallback]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why money did not move: a result code, and a text if the code's own does not fit."""

    code: str
    text: str | None = None


class Executions:
    """Carries instructions out."""

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        settings: Settings,
        switchboard: SwitchBoard,
        identifiers: Identifiers,
        wallets: Wallets,
        ledger: Ledger,
        messages: Messages,
        callbacks: Callbacks,
        instructions: Instructions,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._settings = settings
        self._switchboard = switchboard
        self._identifiers = identifiers
        self._wallets = wallets
        self._ledger = ledger
        self._messages = messages
        self._callbacks = callbacks
        self._instructions = instructions
        self._outcomes = Outcomes(ledger, settings)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Wait again for every instruction that an earlier run left open."""
        for instruction in self._instructions.all_open():
            self.arm(instruction)

    def stop(self) -> None:
        """Wait for nothing more; open instructions stay kept."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def accept(self, command: Command, fault: Fault, *, due_code: str) -> tuple[Instruction, Kept]:
        """Keep a command as a new instruction, and what its QueueTimeOutURL is told.

        The caller holds the transaction, and arms both after it.
        """
        now = self._clock.now()
        seconds = RESULT_SECONDS if fault.seconds is None else fault.seconds
        notice_at = now + self._clock.seconds(seconds)
        queued = RESULT_AFTER_TIMEOUT_SECONDS if fault.queue_timeout is not None else 0.0
        instruction = self._instructions.add(
            command,
            fault,
            due_code=due_code,
            due_at=notice_at + self._clock.seconds(queued),
            now=now,
        )
        conversation = instruction.conversation(self._identifiers.placeholder_receipt(now))
        return instruction, self._callbacks.keep(plan_notice(conversation, fault, at=notice_at))

    def arm(self, instruction: Instruction) -> None:
        """Have an instruction carried out when it is due."""
        delay = max(0.0, instruction.due_at - self._clock.now())
        self._timers[instruction.conversation_id] = asyncio.get_running_loop().call_later(
            delay, self._fall_due, instruction.conversation_id
        )

    async def carry_out_and_tell(self, instruction: Instruction) -> None:
        """Carry an instruction out now, and wait until the merchant was told."""
        await self._callbacks.wait_for(self._carry_out(instruction))

    def _fall_due(self, conversation_id: str) -> None:
        self._timers.pop(conversation_id, None)
        instruction = self._instructions.find(conversation_id)
        if instruction is not None and instruction.is_open:
            self._callbacks.arm(self._carry_out(instruction))

    def _carry_out(self, instruction: Instruction) -> Kept:
        fault, now = instruction.fault, self._clock.now()
        with self._storage.transaction():
            is_tried = instruction.due_code == results.PAID
            if is_tried and not fault.is_executed and fault.result_code is None:
                self._end(instruction, EXPIRED, None, None, now)
                return []
            moved = self._try(instruction, now)
            if isinstance(moved, Movement):
                self._end(instruction, COMPLETED, results.PAID, moved.receipt, now)
                true = self._outcomes.of_success(instruction, moved)
            else:
                # A failed B2C bears an id like a receipt; it is in nobody's books.
                is_b2c = instruction.api == "b2c"
                transaction_id = self._identifiers.receipt(now) if is_b2c else None
                self._end(instruction, DECLINED, moved.code, transaction_id, now)
                true = self._outcomes.of_failure(
                    instruction, moved.code, at=now, text=moved.text, transaction_id=transaction_id
                )
            return self._callbacks.keep(self._plan(instruction, Told(true), now))

    def _plan(self, instruction: Instruction, told: Told, now: float) -> list[PlannedCallback]:
        fault = instruction.fault
        if fault.result_code not in (None, told.true.code) and instruction.due_code == results.PAID:
            assert fault.result_code is not None
            false = self._outcomes.of_failure(instruction, fault.result_code, at=now)
            told = Told(told.true, false)
        return plan_results(
            instruction.conversation(self._identifiers.placeholder_receipt(now)),
            told,
            fault,
            self._switchboard.now,
            self._clock,
            at=now,
            luck=self._identifiers.chance(f"result {instruction.conversation_id}"),
        )

    def _end(
        self,
        instruction: Instruction,
        state: str,
        code: str | None,
        transaction_id: str | None,
        now: float,
    ) -> None:
        charge = 0 if state != COMPLETED else self._ledger.charge_cents(transaction_id or "")
        self._instructions.end(
            instruction,
            state,
            code=code,
            transaction_id=transaction_id,
            charge_cents=charge,
            now=now,
        )

    def _try(self, instruction: Instruction, now: float) -> Movement | Refusal:
        """Move the money, or say why not."""
        if instruction.due_code != results.PAID:
            return Refusal(instruction.due_code)
        if not instruction.fault.is_executed:
            assert instruction.fault.result_code is not None
            return Refusal(instruction.fault.result_code)
        match instruction.api:
            case "b2c":
                return self._pay_person(instruction, now)
            case "b2b":
                return self._pay_business(instruction, now)
            case _:
                return self._reverse(instruction, now)

    def _pay_person(self, it: Instruction, now: float) -> Movement | Refusal:
        if it.cents < B2C_CENTS_MIN:
            return Refusal(results.TOO_LITTLE)
        if it.cents > B2C_CENTS_MAX:
            return Refusal(results.TOO_MUCH)
        if not self._wallets.can_take(it.receiver, it.cents):
            return Refusal(results.RECEIVER_FULL)
        moved = self._disburse(self._disbursement(it, UTILITY, now, phone=it.receiver))
        if isinstance(moved, Movement):
            self._messages.write_payout(moved)
        return moved

    def _pay_business(self, it: Instruction, now: float) -> Movement | Refusal:
        if it.receiver.startswith(NOBODYS_SHORTCODE_PREFIX):
            return Refusal(results.WRONG_RECEIVER)
        account = MERCHANT if it.command == "BusinessBuyGoods" else UTILITY
        taker = (it.receiver, account)
        return self._disburse(self._disbursement(it, WORKING, now, taker=taker))

    def _reverse(self, it: Instruction, now: float) -> Movement | Refusal:
        original = self._ledger.collection(it.receiver)
        if original is None or original.shortcode not in self._ledger.codes_of(it.shortcode):
            return Refusal(results.NO_SUCH_ORIGINAL)
        if self._ledger.reversal_of(it.receiver) is None and original.cents != it.cents:
            return Refusal(results.INVALID_PARAMETERS, PARTIAL)
        try:
            moved = self._ledger.reverse(it.receiver, at=now)
        except ReversedBefore:
            return Refusal(results.REVERSED_BEFORE)
        except CannotMove:
            return Refusal(results.NOT_ENOUGH_MONEY)
        self._messages.write_reversal(moved)
        return moved

    def _disburse(self, disbursement: Disbursement) -> Movement | Refusal:
        try:
            return self._ledger.disburse(disbursement)
        except CannotMove:
            return Refusal(results.NOT_ENOUGH_MONEY)

    def _disbursement(
        self,
        it: Instruction,
        account: str,
        now: float,
        *,
        phone: str | None = None,
        taker: tuple[str, str] | None = None,
    ) -> Disbursement:
        return Disbursement(
            command=it.command,
            shortcode=it.shortcode,
            account=account,
            cents=it.cents,
            charge_cents=self._switchboard.now.payout_charge_cents,
            reference=it.reference,
            started_at=it.asked_at,
            at=now,
            phone=phone,
            taker=taker,
            taker_name="" if taker is None else business(self._settings, it.receiver),
            giver_name=business(self._settings, it.shortcode),
        )
