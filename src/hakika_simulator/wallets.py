"""The money: payers' wallets, short codes and the treasury, whose sum never changes.

All amounts are whole cents. The treasury holds everything at first, and a wallet opens with
money from it, so that even new wallets leave the sum as it was.
"""

from hakika_simulator.numbers import behaviour_of
from hakika_simulator.storage import Storage

TREASURY = "treasury"
# More than all wallets can open with, and less than 2**53, which every JSON reader keeps exact.
SUM_CENTS = 10**15
PERSON_OPENS_WITH_CENTS = 100_000_00
# A magic number must not run dry in a load test: 100,000,000 shillings.
MAGIC_OPENS_WITH_CENTS = 100_000_000_00
PIN_FAILURES_MAX = 3


class TreasuryTooSmall(ValueError):
    """Nobody can be given that much; ask for less."""


class Wallets:
    """Moves money between accounts. Callers hold the transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        storage.write(
            "insert or ignore into accounts (name, kind, balance_cents) values (?, 'treasury', ?)",
            TREASURY,
            SUM_CENTS,
        )

    def balance_cents(self, phone: str) -> int:
        """Return what the payer has, or will open with."""
        found = self._storage.row("select balance_cents from accounts where name = ?", phone)
        return _opens_with_cents(phone) if found is None else int(found[0])

    def pay(self, *, phone: str, receiver: str, amount_cents: int) -> None:
        """Move money from a payer who has it to a short code."""
        self._open_wallet(phone)
        self._open_shortcode(receiver)
        self._move(phone, receiver, amount_cents)

    def set_balance(self, phone: str, balance_cents: int) -> None:
        """Make the payer's balance `balance_cents`; the treasury gives or takes the difference.

        Raises:
            TreasuryTooSmall: nothing moved.
        """
        self._open_wallet(phone)
        lacking = balance_cents - self.balance_cents(phone)
        if lacking > self.balance_cents(TREASURY):
            raise TreasuryTooSmall(f"the treasury has less than {lacking} cents")
        self._move(TREASURY, phone, lacking)

    def pin_is_locked(self, phone: str) -> bool:
        """Tell whether three wrong PINs in a row have locked this payer."""
        return self._pin_failures(phone) >= PIN_FAILURES_MAX

    def record_wrong_pin(self, phone: str) -> None:
        """Count one more wrong PIN."""
        self._open_wallet(phone)
        self._storage.write(
            "update accounts set pin_failures = pin_failures + 1 where name = ?", phone
        )

    def forget_wrong_pins(self, phone: str) -> None:
        """Start counting wrong PINs anew, after a right one or on an operator's wish."""
        self._storage.write("update accounts set pin_failures = 0 where name = ?", phone)

    def sum_cents(self) -> int:
        """Return all money there is; always `SUM_CENTS`, or the simulator is broken."""
        return self._storage.number("select sum(balance_cents) from accounts")

    def balances(self, kinds: tuple[str, str]) -> dict[str, int]:
        """Return account name to cents for accounts of the two `kinds`."""
        sql = "select name, balance_cents from accounts where kind in (?, ?) order by name"
        return dict(self._storage.rows(sql, *kinds))

    def reset(self) -> None:
        """Give all money back to the treasury and close every other account."""
        self._storage.write("delete from accounts where name <> ?", TREASURY)
        self._storage.write(
            "update accounts set balance_cents = ? where name = ?", SUM_CENTS, TREASURY
        )

    def _pin_failures(self, phone: str) -> int:
        found = self._storage.row("select pin_failures from accounts where name = ?", phone)
        return 0 if found is None else int(found[0])

    def _open_wallet(self, phone: str) -> None:
        opened = self._open(phone, "payer")
        if opened:
            self._move(TREASURY, phone, _opens_with_cents(phone))

    def _open_shortcode(self, shortcode: str) -> None:
        self._open(shortcode, "shortcode")

    def _open(self, name: str, kind: str) -> bool:
        sql = "insert or ignore into accounts (name, kind, balance_cents) values (?, ?, 0)"
        return self._storage.write(sql, name, kind) == 1

    def _move(self, giver: str, taker: str, cents: int) -> None:
        sql = "update accounts set balance_cents = balance_cents + ? where name = ?"
        assert self._storage.write(sql, -cents, giver) == 1, giver
        assert self._storage.write(sql, cents, taker) == 1, taker


def _opens_with_cents(phone: str) -> int:
    return MAGIC_OPENS_WITH_CENTS if behaviour_of(phone).is_magic else PERSON_OPENS_WITH_CENTS
