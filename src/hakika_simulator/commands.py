"""Commands that move money: taken or not, acknowledged or not, and carried out later.

The order of things is Daraja's: a planned fault of the gateway's, then the duplicate, then M-Pesa.
"""

from starlette.responses import Response

from hakika_simulator import results
from hakika_simulator.conversations import acknowledge
from hakika_simulator.faults import NO_FAULT, Fault
from hakika_simulator.instructions import Command, Instruction
from hakika_simulator.refusals import duplicate_originator
from hakika_simulator.simulation import Simulation


async def instruct(simulation: Simulation, command: Command) -> Response:
    """Take a command and answer it; it is carried out a second from now.

    Raises:
        Refused: it is a duplicate, or a fault refuses it.
    """
    planned = simulation.faults.planned(command.api, command.receiver)
    if planned is None or planned.is_accepted:
        twin = _twin(simulation, command)
        if twin is not None and planned is None:
            raise duplicate_originator()
        if twin is not None and planned is not None:
            return _answer_duplicate(simulation, planned, twin)
    fault = planned or _fault_of_payee(simulation, command)
    fault = fault.filled_by(simulation.switchboard.now)
    if not fault.is_accepted:
        return _answer_unaccepted(simulation, command, fault)
    return await _take(simulation, command, fault)


def _twin(simulation: Simulation, command: Command) -> Instruction | None:
    if command.originator_id is None:
        return None
    return simulation.instructions.ask_again(command.originator_id)


def _answer_duplicate(simulation: Simulation, planned: Fault, twin: Instruction) -> Response:
    if planned.answer == NO_FAULT.answer:
        raise duplicate_originator()
    return acknowledge(simulation, planned, twin.conversation_id, twin.originator_id)


def _fault_of_payee(simulation: Simulation, command: Command) -> Fault:
    if command.api != "b2c":
        return NO_FAULT
    return simulation.faults.of_payee(command.receiver)


def _answer_unaccepted(simulation: Simulation, command: Command, fault: Fault) -> Response:
    gateways = simulation.identifiers.gateway_request_id()
    conversation_id = simulation.identifiers.conversation_id(simulation.clock.now())
    return acknowledge(simulation, fault, conversation_id, command.originator_id or gateways)


async def _take(simulation: Simulation, command: Command, fault: Fault) -> Response:
    question = command.question
    with simulation.storage.transaction():
        code = simulation.operators.check(question.initiator, question.credential)
        if code == results.PAID and command.misdirected is not None:
            code = command.misdirected
        instruction, kept = simulation.executions.accept(command, fault, due_code=code)
    simulation.callbacks.arm(kept)
    if fault.is_told_before_answer:
        await simulation.executions.carry_out_and_tell(instruction)
    else:
        simulation.executions.arm(instruction)
    return acknowledge(simulation, fault, instruction.conversation_id, instruction.originator_id)
