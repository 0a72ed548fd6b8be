"""One simulator's parts, made and joined in one place, started and stopped together."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from hakika_simulator.arrivals import Arrivals
from hakika_simulator.balances import Balances
from hakika_simulator.callbacks import Callbacks
from hakika_simulator.clock import Clock
from hakika_simulator.confirmations import Confirmations
from hakika_simulator.executions import Executions
from hakika_simulator.faults import Faults
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.instructions import Instructions
from hakika_simulator.ledger import Ledger
from hakika_simulator.messages import Messages
from hakika_simulator.operators import Operators
from hakika_simulator.outages import Outages
from hakika_simulator.payments import Payments
from hakika_simulator.prompts import Prompts
from hakika_simulator.rates import CallRates, QueryRates
from hakika_simulator.registrations import Registrations
from hakika_simulator.settings import Settings
from hakika_simulator.storage import Storage
from hakika_simulator.switches import SwitchBoard, Switches
from hakika_simulator.tokens import Tokens
from hakika_simulator.wallets import Wallets

SEED_BITS = 32


@dataclass(frozen=True, slots=True)
class Simulation:
    """Everything a route may need. Used by one event loop."""

    settings: Settings
    clock: Clock
    storage: Storage
    switchboard: SwitchBoard
    identifiers: Identifiers
    tokens: Tokens
    rates: QueryRates
    call_rates: CallRates
    balances: Balances
    wallets: Wallets
    ledger: Ledger
    payments: Payments
    messages: Messages
    callbacks: Callbacks
    outages: Outages
    operators: Operators
    registrations: Registrations
    arrivals: Arrivals
    prompts: Prompts
    faults: Faults
    instructions: Instructions
    executions: Executions
    answered_stale: set[str]  # phones whose last push got 404.001.03 as a fault

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep timers and connections alive while inside; take up what an earlier run left."""
        await self.callbacks.start()
        self.prompts.start()
        self.arrivals.start()
        self.executions.start()
        try:
            yield
        finally:
            self.prompts.stop()
            self.arrivals.stop()
            self.executions.stop()
            self.outages.stop()
            await self.callbacks.stop()
            self.storage.close()

    def reset(self) -> None:
        """Forget all pushes, money, messages and switches. Tokens stay, and ids never repeat."""
        self.prompts.stop()
        self.executions.stop()
        with self.storage.transaction():
            self.callbacks.reset()
            self.payments.reset()
            self.arrivals.reset()
            self.instructions.reset()
            self.faults.reset()
            self.registrations.reset()
            self.operators.reset()
            self.messages.reset()
            self.wallets.reset()
            self.ledger.reset()
            self.balances.reset()
        self.outages.end()
        self.call_rates.reset()
        self.switchboard.turn(Switches())
        self.set_clock(self.clock.real_now())
        self.answered_stale.clear()

    def set_clock(self, at: float) -> None:
        """Make it `at` (seconds since 1970) at M-Pesa now; a restart keeps the difference."""
        self.clock.set(at)
        self.rates.reset()
        self.storage.write(
            "insert or replace into kept (name, value) values ('ahead_seconds', ?)",
            str(self.clock.ahead_seconds),
        )


def build(settings: Settings) -> Simulation:
    """Open the storage and join the parts; nothing runs yet."""
    storage = Storage(settings.data)
    clock = Clock(settings.speed, _ahead_seconds(storage))
    identifiers = Identifiers(storage, _seed(storage, settings.seed))
    switchboard = SwitchBoard(storage)
    balances = Balances(storage)
    wallets = Wallets(storage, balances)
    ledger = Ledger(storage, balances, wallets, identifiers, switchboard)
    payments = Payments(storage, wallets, ledger, identifiers)
    messages = Messages(storage, wallets, settings)
    outages = Outages()
    callbacks = Callbacks(storage, clock, settings, outages)
    registrations = Registrations(storage)
    instructions = Instructions(storage, identifiers)
    confirmations = Confirmations(
        registrations=registrations,
        ledger=ledger,
        identifiers=identifiers,
        switchboard=switchboard,
        clock=clock,
    )
    shared: dict[str, Any] = {
        "storage": storage,
        "clock": clock,
        "switchboard": switchboard,
        "identifiers": identifiers,
        "wallets": wallets,
        "messages": messages,
        "callbacks": callbacks,
    }
    return Simulation(
        settings=settings,
        clock=clock,
        storage=storage,
        switchboard=switchboard,
        identifiers=identifiers,
        tokens=Tokens(storage, identifiers),
        rates=QueryRates(),
        call_rates=CallRates(),
        balances=balances,
        wallets=wallets,
        ledger=ledger,
        payments=payments,
        messages=messages,
        callbacks=callbacks,
        outages=outages,
        operators=Operators(storage, settings),
        registrations=registrations,
        arrivals=Arrivals(ledger=ledger, confirmations=confirmations, **shared),
        prompts=Prompts(
            settings=settings, payments=payments, confirmations=confirmations, **shared
        ),
        faults=Faults(storage),
        instructions=instructions,
        executions=Executions(
            settings=settings, ledger=ledger, instructions=instructions, **shared
        ),
        answered_stale=set(),
    )


def simulation_of(request: Request) -> Simulation:
    """Return the simulation that a request talks to."""
    simulation: Simulation = request.app.state.simulation
    return simulation


def _seed(storage: Storage, wished: int | None) -> int:
    """Return the data folder's seed: another one could mint its receipts a second time."""
    storage.write(
        "insert or ignore into kept (name, value) values ('seed', ?)",
        str(secrets.randbits(SEED_BITS) if wished is None else wished),
    )
    return storage.number("select value from kept where name = 'seed'")


def _ahead_seconds(storage: Storage) -> float:
    found = storage.row("select value from kept where name = 'ahead_seconds'")
    return 0.0 if found is None else float(found[0])
