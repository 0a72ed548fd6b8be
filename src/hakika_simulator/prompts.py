"""From an order to its end: opens a push, waits for the payer or the clock, and settles it.

Each method that changes something does so in one transaction and then sets timers, so that a
crash between the two loses nothing: `start` sets them again from what is kept.
"""

import asyncio
import re

from hakika_simulator import results
from hakika_simulator.callback_plans import PlannedCallback, plan
from hakika_simulator.callbacks import Callbacks
from hakika_simulator.clock import Clock
from hakika_simulator.confirmations import Confirmations
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.messages import Messages
from hakika_simulator.numbers import Behaviour, behaviour_of
from hakika_simulator.orders import Order
from hakika_simulator.payments import Ending, Payment, Payments
from hakika_simulator.refusals import subscriber_locked
from hakika_simulator.settings import Settings
from hakika_simulator.sms import PROMPT_LENGTH_MAX, question
from hakika_simulator.storage import Storage
from hakika_simulator.switches import SwitchBoard
from hakika_simulator.wallets import Wallets

OUTCOME_SECONDS = 1.0  # a payer who needs no person
PROMPT_SECONDS = 60.0  # then the prompt leaves the phone: result 1037
SAME_PAYMENT_SECONDS = 120.0  # the same amount may not be paid again within: result 17
PIN = re.compile(r"[0-9]{4}")
THE_WRONG_PIN = "0000"
SHILLING_CENTS = 100


class PinUnreadable(ValueError):
    """A PIN has four digits; nothing was done."""


class NoPrompt(LookupError):
    """No prompt is open on that phone: it was answered, ran out, or never came."""


class Prompts:
    """Opens and ends pushes."""

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        settings: Settings,
        switchboard: SwitchBoard,
        identifiers: Identifiers,
        wallets: Wallets,
        payments: Payments,
        messages: Messages,
        callbacks: Callbacks,
        confirmations: Confirmations,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._settings = settings
        self._switchboard = switchboard
        self._identifiers = identifiers
        self._wallets = wallets
        self._payments = payments
        self._messages = messages
        self._callbacks = callbacks
        self._confirmations = confirmations
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Wait again for every push that an earlier run left open, with its remaining time."""
        for payment in self._payments.all_open():
            self._arm(payment)

    def stop(self) -> None:
        """Wait for nothing more; open pushes stay kept."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def open(self, order: Order) -> Payment:
        """Execute an order: keep the push and ring the phone.

        Raises:
            Refused: another prompt is open on this phone.
        """
        behaviour = behaviour_of(order.phone)
        now = self._clock.now()
        with self._storage.transaction():
            if not behaviour.is_magic and self._payments.open_on(order.phone) is not None:
                raise subscriber_locked()
            payment = self._payments.add(order, self._ending(order, behaviour, now), now=now)
        if order.has_wrong_passkey:
            return self._settle(payment, results.STILL_PROCESSING, told=False)[0]
        self._arm(payment)
        return payment

    def enter_pin(self, phone: str, pin: str) -> Payment:
        """Answer the open prompt with a PIN: any pays but 0000; three wrong ones lock the PIN.

        Raises:
            PinUnreadable: not four digits. Ask again.
            NoPrompt: nothing is open on this phone.
        """
        _require_digits(pin)
        payment = self._prompt_on(phone)
        return self.end(payment, self._code_after(phone, pin))

    def try_pin(self, phone: str, pin: str) -> bool:
        """Tell whether this PIN lets the payer pay unasked; wrong ones count here, too.

        Raises:
            PinUnreadable: not four digits. Ask again.
        """
        _require_digits(pin)
        return self._code_after(phone, pin) == results.PAID

    def cancel(self, phone: str) -> Payment:
        """Let the payer cancel the open prompt.

        Raises:
            NoPrompt: nothing is open on this phone.
        """
        return self.end(self._prompt_on(phone), results.CANCELED)

    def end(self, payment: Payment, code: str) -> Payment:
        """End an open push with `code` and tell the merchant in the way this payer's faults say."""
        settled, kept = self._settle(payment, code)
        self._callbacks.arm(kept)
        return settled

    async def end_and_tell(self, payment: Payment) -> Payment:
        """End an open push as it would end by itself, and wait until the merchant was told."""
        settled, kept = self._settle(payment, payment.due_code)
        await self._callbacks.wait_for(kept)
        return settled

    def _prompt_on(self, phone: str) -> Payment:
        payment = self._payments.prompt_on(phone)
        if payment is None:
            raise NoPrompt("No prompt is open on this phone.")
        return payment

    def _code_after(self, phone: str, pin: str) -> str:
        with self._storage.transaction():
            if not self._wallets.pin_is_locked(phone) and pin != THE_WRONG_PIN:
                self._wallets.forget_wrong_pins(phone)
                return results.PAID
            self._wallets.record_wrong_pin(phone)
            locked = self._wallets.pin_is_locked(phone)
            return results.PIN_LOCKED if locked else results.WRONG_PIN

    def _ending(self, order: Order, behaviour: Behaviour, now: float) -> Ending:
        soon = now + self._clock.seconds(OUTCOME_SECONDS)
        if order.misdirected is not None:
            return Ending(order.misdirected, soon)
        if behaviour.result_code is not None:
            return Ending(behaviour.result_code, soon)
        if len(self._question(order)) > PROMPT_LENGTH_MAX:
            return Ending(results.PROMPT_NOT_SENT, soon)
        lately = now - self._clock.seconds(SAME_PAYMENT_SECONDS)
        if self._payments.was_paid(order, since=lately):
            return Ending(results.SAME_PAYMENT_AGAIN, soon)
        alone = self._switchboard.now.payers_answer_seconds
        if alone is not None:
            return Ending(results.PAID, now + self._clock.seconds(alone), asks_payer=True)
        timeout = now + self._clock.seconds(PROMPT_SECONDS)
        return Ending(results.NO_ANSWER, timeout, asks_payer=True)

    def _question(self, order: Order) -> str:
        return question(
            organisation=self._settings.organisation(order.receiver),
            amount_cents=order.amount_cents,
            account_reference=order.account_reference,
            is_to_till=order.receiver != order.shortcode,
        )

    def _arm(self, payment: Payment) -> None:
        delay = max(0.0, payment.due_at - self._clock.now())
        self._timers[payment.checkout_request_id] = asyncio.get_running_loop().call_later(
            delay, self._fall_due, payment.checkout_request_id
        )

    def _fall_due(self, checkout_request_id: str) -> None:
        payment = self._payments.find(checkout_request_id)
        if payment is not None and payment.is_open:
            self.end(payment, payment.due_code)

    def _settle(
        self, payment: Payment, code: str, *, told: bool = True
    ) -> tuple[Payment, list[tuple[int, PlannedCallback]]]:
        timer = self._timers.pop(payment.checkout_request_id, None)
        if timer is not None:
            timer.cancel()
        with self._storage.transaction():
            settled = self._payments.settle(
                payment, code, amount_cents=_amount_paid(payment), now=self._clock.now()
            )
            self._messages.write_after(settled)
            kept = self._callbacks.keep(self._plan(settled)) if told else []
        return settled, kept

    def _plan(self, settled: Payment) -> list[PlannedCallback]:
        luck = self._identifiers.chance(settled.checkout_request_id)
        told = plan(settled, self._switchboard.now, self._clock, luck=luck)
        if settled.is_paid:
            assert settled.receipt is not None
            assert settled.finished_at is not None
            paid = settled.as_collection(cents=settled.amount_cents, at=settled.finished_at)
            told += self._confirmations.plan(settled.receipt, paid)
        return told


def _require_digits(pin: str) -> None:
    if not PIN.fullmatch(pin):
        raise PinUnreadable("A PIN has four digits.")


def _amount_paid(payment: Payment) -> int:
    if not behaviour_of(payment.phone).pays_another_amount:
        return payment.ordered_cents
    less = payment.ordered_cents - SHILLING_CENTS
    return less if less > 0 else payment.ordered_cents + SHILLING_CENTS
