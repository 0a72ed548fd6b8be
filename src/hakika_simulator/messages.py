"""The SMS history of every phone."""

from dataclasses import dataclass

from hakika_simulator.ledger import Collection, Movement
from hakika_simulator.payments import Payment
from hakika_simulator.settings import Settings
from hakika_simulator.sms import (
    message_after,
    message_of_payment,
    message_of_payout,
    message_of_reversal,
)
from hakika_simulator.storage import Storage
from hakika_simulator.wallets import Wallets


@dataclass(frozen=True, slots=True)
class Message:
    """One SMS from M-PESA, received at `at` (seconds since 1970)."""

    number: int
    at: float
    text: str


class Messages:
    """Writes and reads messages."""

    def __init__(self, storage: Storage, wallets: Wallets, settings: Settings) -> None:
        self._storage = storage
        self._wallets = wallets
        self._settings = settings

    def write_after(self, payment: Payment) -> None:
        """Send the payer what M-Pesa says about an ended push, inside the caller's transaction."""
        text = message_after(
            payment,
            organisation=self._settings.organisation(payment.receiver),
            balance_cents=self._wallets.balance_cents(payment.phone),
        )
        if text is not None:
            assert payment.finished_at is not None
            self.write(payment.phone, text, at=payment.finished_at)

    def write_arrival(self, receipt: str, payment: Collection) -> None:
        """Confirm a payment that the payer made unasked, inside the caller's transaction."""
        text = message_of_payment(
            receipt,
            organisation=self._settings.organisation(payment.shortcode),
            amount_cents=payment.cents,
            account=None if payment.is_to_till else payment.reference,
            at=payment.at,
            balance_cents=self._wallets.balance_cents(payment.phone),
        )
        self.write(payment.phone, text, at=payment.at)

    def write_payout(self, payout: Movement) -> None:
        """Tell the payee what a business sent, inside the caller's transaction."""
        assert payout.phone is not None
        text = message_of_payout(
            payout,
            organisation=self._settings.organisation(payout.shortcode),
            balance_cents=self._wallets.balance_cents(payout.phone),
        )
        self.write(payout.phone, text, at=payout.at)

    def write_reversal(self, reversal: Movement) -> None:
        """Tell the payer that a payment came back, inside the caller's transaction."""
        assert reversal.phone is not None
        text = message_of_reversal(
            reversal, balance_cents=self._wallets.balance_cents(reversal.phone)
        )
        self.write(reversal.phone, text, at=reversal.at)

    def write(self, phone: str, text: str, *, at: float) -> None:
        """Send one message, inside the caller's transaction."""
        sql = "insert into messages (phone, at, text) values (?, ?, ?)"
        self._storage.write(sql, phone, at, text)

    def latest(self, phone: str, *, limit: int) -> list[Message]:
        """Return the newest messages on a phone, newest first."""
        sql = "select number, at, text from messages where phone = ? order by number desc limit ?"
        return [Message(*row) for row in self._storage.rows(sql, phone, limit)]

    def reset(self) -> None:
        """Forget every message."""
        self._storage.write("delete from messages")
