"""C2B payments: money that a payer sends to a pay bill or till unasked.

Where external validation is on, the merchant is asked first and may refuse; a merchant who is
late, unreachable or unreadable leaves it to the ResponseType registered (daraja.md 5.3).
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hakika_simulator.callbacks import Callbacks, Reply
from hakika_simulator.clock import Clock
from hakika_simulator.confirmations import Confirmations
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.ledger import Collection, Ledger
from hakika_simulator.messages import Messages
from hakika_simulator.registrations import CANCELLED, Registration
from hakika_simulator.storage import Storage
from hakika_simulator.switches import SwitchBoard
from hakika_simulator.wallets import Wallets

ACCEPTED = "0"
NOT_ENOUGH_MONEY = "1"
NOT_VALIDATED = "Cancelled"  # validation failed, and that is what the ResponseType says
VALIDATION_SECONDS_MAX = 8.0
# Speed must not leave a merchant on a busy machine less than this.
VALIDATION_REAL_SECONDS_MIN = 2.0
SIMULATED_AFTER_SECONDS = 1.0
REASONS = {
    NOT_ENOUGH_MONEY: "You do not have enough money in your M-PESA account.",
    "C2B00011": "The phone number was not accepted.",
    "C2B00012": "The account number entered is not correct.",
    "C2B00013": "The amount entered is not correct.",
    "C2B00014": "The details of the payer were not accepted.",
    "C2B00015": "The business number is not correct.",
    "C2B00016": "The business did not accept the payment.",
}
COLUMNS = (
    "receipt, originator_id, shortcode, is_to_till, phone, cents, reference, started_at, state,"
    " reason, finished_at"
)
SELECT = f"select {COLUMNS} from arrivals"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One C2B payment, whatever became of it. Times are seconds since 1970."""

    receipt: str
    originator_id: str
    shortcode: str
    is_to_till: bool
    phone: str
    cents: int
    reference: str
    started_at: float
    state: str  # waiting, completed or declined
    reason: str | None  # the code that declined it
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of the validation."""

    code: str
    third_party_id: str = ""


class Arrivals:
    """Lets payers pay, and remembers who tried."""

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        switchboard: SwitchBoard,
        identifiers: Identifiers,
        wallets: Wallets,
        ledger: Ledger,
        messages: Messages,
        callbacks: Callbacks,
        confirmations: Confirmations,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._switchboard = switchboard
        self._identifiers = identifiers
        self._wallets = wallets
        self._ledger = ledger
        self._messages = messages
        self._callbacks = callbacks
        self._confirmations = confirmations
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Finish what an earlier run left; a merchant may be asked for a validation twice."""
        for row in self._storage.rows(f"{SELECT} where state = 'waiting'"):
            self.finish_soon(_known(row))

    def stop(self) -> None:
        """Let no payment go on that was announced; a restart finishes it."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def begin(self, *, phone: str, shortcode: str, cents: int, account: str) -> Arrival:
        """Give a payment its receipt; without an account number it goes to a till."""
        now = self._clock.now()
        arrival = Arrival(
            receipt=self._identifiers.receipt(now),
            originator_id=self._identifiers.gateway_request_id(),
            shortcode=shortcode,
            is_to_till=not account,
            phone=phone,
            cents=cents,
            reference=account,
            started_at=now,
            state="waiting",
            reason=None,
            finished_at=None,
        )
        self._storage.write(
            f"insert into arrivals ({COLUMNS}) values ({', '.join('?' * 11)})",
            *(getattr(arrival, name) for name in COLUMNS.split(", ")),
        )
        return arrival

    def finish_soon(self, arrival: Arrival) -> None:
        """Have a payment finished by itself, a second from now."""

        async def wait_and_finish() -> None:
            await asyncio.sleep(self._clock.seconds(SIMULATED_AFTER_SECONDS))
            await self.finish(arrival)

        task = asyncio.get_running_loop().create_task(wait_and_finish())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, arrival: Arrival) -> Arrival:
        """Ask the merchant if need be, move the money, and return what became of it."""
        verdict = Verdict(ACCEPTED)
        registration = self._confirmations.registration_for(arrival.shortcode)
        if self._wallets.balance_cents(arrival.phone) < arrival.cents:
            verdict = Verdict(NOT_ENOUGH_MONEY)
        elif registration is not None and self._is_validated(registration, arrival):
            verdict = await self._validate(arrival, registration)
        with self._storage.transaction():
            finished, told = self._end(arrival, verdict)
            kept = self._callbacks.keep(told)
        self._callbacks.arm(kept)
        return finished

    def find(self, receipt: str) -> Arrival | None:
        """Return the payment with this receipt, or None."""
        return _arrival(self._storage.row(f"{SELECT} where receipt = ?", receipt))

    def find_by_originator(self, originator_id: str) -> Arrival | None:
        """Return the payment that the simulate call answered with this id, or None."""
        sql = f"{SELECT} where originator_id = ?"
        return _arrival(self._storage.row(sql, originator_id))

    def since(self, at: float, *, phone: str | None) -> Iterable[Arrival]:
        """Yield the payments begun since `at`, oldest first."""
        rows = self._storage.rows(f"{SELECT} where started_at >= ? order by started_at", at)
        return (
            each for each in map(_known, rows) if phone is None or each.phone == phone
        )

    def count_waiting(self) -> int:
        """Return how many payments have not ended yet."""
        return self._storage.number("select count(*) from arrivals where state = 'waiting'")

    def reset(self) -> None:
        """Forget every payment."""
        self.stop()
        self._storage.write("delete from arrivals")

    def _is_validated(self, registration: Registration, arrival: Arrival) -> bool:
        validated = self._switchboard.now.external_validation
        return bool({registration.shortcode, arrival.shortcode, "*"} & set(validated))

    async def _validate(self, arrival: Arrival, registration: Registration) -> Verdict:
        payment = _collection(arrival, self._clock.now())
        seconds = self._clock.seconds(VALIDATION_SECONDS_MAX)
        reply = await self._callbacks.ask(
            self._confirmations.question(arrival.receipt, payment, registration),
            seconds=max(seconds, VALIDATION_REAL_SECONDS_MIN),
        )
        verdict = _verdict(reply)
        if verdict is not None:
            return verdict
        declined = registration.response_type == CANCELLED
        return Verdict(NOT_VALIDATED if declined else ACCEPTED)

    def _end(self, arrival: Arrival, verdict: Verdict) -> tuple[Arrival, list[Any]]:
        now = self._clock.now()
        code = verdict.code
        if code == ACCEPTED and self._wallets.balance_cents(arrival.phone) < arrival.cents:
            code = NOT_ENOUGH_MONEY  # spent while the merchant was asked
        told: list[Any] = []
        if code == ACCEPTED:
            payment = _collection(arrival, now)
            self._ledger.collect(payment, receipt=arrival.receipt)
            self._messages.write_arrival(arrival.receipt, payment)
            told = self._confirmations.plan(
                arrival.receipt, payment, third_party_id=verdict.third_party_id
            )
        else:
            reason = REASONS.get(code, REASONS["C2B00016"])
            self._messages.write(arrival.phone, f"Failed. {reason}", at=now)
        ended = replace(
            arrival,
            state="completed" if code == ACCEPTED else "declined",
            reason=None if code == ACCEPTED else code,
            finished_at=now,
        )
        self._storage.write(
            "update arrivals set state = ?, reason = ?, finished_at = ? where receipt = ?",
            ended.state,
            ended.reason,
            ended.finished_at,
            ended.receipt,
        )
        return ended, told


def _collection(arrival: Arrival, at: float) -> Collection:
    return Collection(
        kind="c2b",
        shortcode=arrival.shortcode,
        is_to_till=arrival.is_to_till,
        phone=arrival.phone,
        cents=arrival.cents,
        reference=arrival.reference,
        started_at=arrival.started_at,
        at=at,
    )


def _verdict(reply: Reply) -> Verdict | None:
    """Return what the merchant said, or None if it said nothing that M-Pesa understands."""
    if reply.status != 200:  # noqa: PLR2004
        return None
    try:
        said = json.loads(reply.body)
    except ValueError:
        return None
    if not isinstance(said, dict) or type(said.get("ResultCode")) not in (str, int):
        return None
    return Verdict(str(said["ResultCode"]), str(said.get("ThirdPartyTransID") or ""))


def _arrival(row: tuple[Any, ...] | None) -> Arrival | None:
    return None if row is None else _known(row)


def _known(row: tuple[Any, ...]) -> Arrival:
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    return Arrival(**{**values, "is_to_till": bool(values["is_to_till"])})
