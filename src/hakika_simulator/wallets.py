"""The payers: what each has on the phone, and the PINs each got wrong."""

from hakika_simulator.balances import THE_TREASURY, WALLET, Account, Balances
from hakika_simulator.numbers import behaviour_of
from hakika_simulator.payees import ANYBODY, payee_of
from hakika_simulator.storage import Storage

PERSON_OPENS_WITH_CENTS = 100_000_00
# A magic number must not run dry in a load test: 100,000,000 shillings.
MAGIC_OPENS_WITH_CENTS = 100_000_000_00
PERSON_HOLDS_CENTS_MAX = 500_000_00
PIN_FAILURES_MAX = 3


class TreasuryTooSmall(ValueError):
    """Nobody can be given that much; ask for less."""


class Wallets:
    """Payers' money. Callers hold the transaction."""

    def __init__(self, storage: Storage, balances: Balances) -> None:
        self._storage = storage
        self._balances = balances

    def balance_cents(self, phone: str) -> int:
        """Return what the payer has, or will open with."""
        found = self._balances.cents((phone, WALLET))
        return _opens_with_cents(phone) if found is None else found

    def can_take(self, phone: str, cents: int) -> bool:
        """Tell whether the payee's wallet has room for so much; a magic one always has."""
        if behaviour_of(phone).is_magic or payee_of(phone) is not ANYBODY:
            return True
        return self.balance_cents(phone) + cents <= PERSON_HOLDS_CENTS_MAX

    def open(self, phone: str) -> Account:
        """Return the payer's account, opened with its first money if it is new."""
        account = (phone, WALLET)
        if self._balances.open(account, "payer"):
            self._balances.move(THE_TREASURY, account, _opens_with_cents(phone))
        return account

    def set_balance(self, phone: str, balance_cents: int) -> None:
        """Make the payer's balance `balance_cents`; the treasury gives or takes the difference.

        Raises:
            TreasuryTooSmall: nothing moved.
        """
        account = self.open(phone)
        lacking = balance_cents - self.balance_cents(phone)
        if lacking > (self._balances.cents(THE_TREASURY) or 0):
            raise TreasuryTooSmall(f"the treasury has less than {lacking} cents")
        self._balances.move(THE_TREASURY, account, lacking)

    def lend(self, phone: str, needed_cents: int) -> None:
        """See that the payer has at least `needed_cents`."""
        if self.balance_cents(phone) < needed_cents:
            self.set_balance(phone, needed_cents)

    def pin_is_locked(self, phone: str) -> bool:
        """Tell whether three wrong PINs in a row have locked this payer."""
        found = self._storage.row("select times from wrong_pins where phone = ?", phone)
        return found is not None and found[0] >= PIN_FAILURES_MAX

    def record_wrong_pin(self, phone: str) -> None:
        """Count one more wrong PIN."""
        self._storage.write(
            "insert into wrong_pins (phone, times) values (?, 1)"
            " on conflict (phone) do update set times = times + 1",
            phone,
        )

    def forget_wrong_pins(self, phone: str) -> None:
        """Start counting wrong PINs anew, after a right one or on an operator's wish."""
        self._storage.write("delete from wrong_pins where phone = ?", phone)

    def reset(self) -> None:
        """Forget every wrong PIN; the money is `Balances`' to take back."""
        self._storage.write("delete from wrong_pins")


def _opens_with_cents(phone: str) -> int:
    return MAGIC_OPENS_WITH_CENTS if behaviour_of(phone).is_magic else PERSON_OPENS_WITH_CENTS
