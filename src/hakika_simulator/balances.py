"""What everybody has: payers, short codes and the treasury, whose sum never changes.

All amounts are whole cents. The treasury holds everything at first: wallets open with money from
it, and M-Pesa's charges and transfers to banks go back to it.
"""

from hakika_simulator.storage import Storage

TREASURY = "treasury"
WALLET = "wallet"
# More than all wallets can open with, and less than 2**53, which every JSON reader keeps exact.
SUM_CENTS = 10**15

Account = tuple[str, str]  # whose, and which of theirs
THE_TREASURY: Account = (TREASURY, WALLET)


class Balances:
    """Moves money between accounts. Callers hold the transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        storage.write(
            "insert or ignore into balances (holder, account, kind, cents)"
            " values (?, ?, 'treasury', ?)",
            *THE_TREASURY,
            SUM_CENTS,
        )

    def open(self, account: Account, kind: str) -> bool:
        """Open an empty account unless it is open, and tell whether it was opened now."""
        sql = "insert or ignore into balances (holder, account, kind, cents) values (?, ?, ?, 0)"
        return self._storage.write(sql, *account, kind) == 1

    def move(self, giver: Account, taker: Account, cents: int) -> None:
        """Move money from an open account that has it to another open account."""
        sql = "update balances set cents = cents + ? where holder = ? and account = ?"
        assert self._storage.write(sql, -cents, *giver) == 1, giver
        assert self._storage.write(sql, cents, *taker) == 1, taker

    def cents(self, account: Account) -> int | None:
        """Return what is on an account, or None if it was never opened."""
        sql = "select cents from balances where holder = ? and account = ?"
        found = self._storage.row(sql, *account)
        return None if found is None else int(found[0])

    def sum_cents(self) -> int:
        """Return all money there is; always `SUM_CENTS`, or the simulator is broken."""
        return self._storage.number("select sum(cents) from balances")

    def wallets(self) -> dict[str, int]:
        """Return phone, or `treasury`, to cents."""
        sql = "select holder, cents from balances where kind <> 'shortcode' order by holder"
        return dict(self._storage.rows(sql))

    def shortcodes(self) -> dict[str, dict[str, int]]:
        """Return short code to account to cents."""
        found: dict[str, dict[str, int]] = {}
        for shortcode, account, cents in self._storage.rows(
            "select holder, account, cents from balances where kind = 'shortcode'"
            " order by holder, account"
        ):
            found.setdefault(shortcode, {})[account] = cents
        return found

    def reset(self) -> None:
        """Give all money back to the treasury and close every other account."""
        self._storage.write("delete from balances where kind <> 'treasury'")
        self._storage.write("update balances set cents = ?", SUM_CENTS)
