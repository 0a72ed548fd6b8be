"""What moves on the accounts of short codes: each line with its receipt, as a statement shows it.

A pay bill collects on its Utility account, a till on its Merchant account. What M-Pesa charges
the business goes off Charges Paid, which is below zero by design (daraja.md 5.9), or off the
account that collected: the switch `charges_off_collections` says which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hakika_simulator.balances import THE_TREASURY, Balances
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.storage import Storage
from hakika_simulator.switches import SwitchBoard
from hakika_simulator.wallets import Wallets

UTILITY, MERCHANT, WORKING = "utility", "merchant", "working"
CHARGES_PAID = "charges_paid"
BANK = "bank"
ACCOUNT_NAMES = {
    WORKING: "Working Account",
    UTILITY: "Utility Account",
    CHARGES_PAID: "Charges Paid Account",
    MERCHANT: "Merchant Account",
}
CHARGE_TO_PAYBILL, CHARGE_TO_TILL = "Pay Bill Charge", "Pay merchant Charge"
CHARGE_OF_PAYOUT = "Business Payment Charge"
GIVERS = (UTILITY, MERCHANT, WORKING, BANK)
TAKERS = (WORKING, UTILITY, CHARGES_PAID, BANK)
# The portal brings money in from a bank to these only.
DEPOSITED_ON = (WORKING, UTILITY)

COLUMNS = (
    "number, receipt, kind, shortcode, account, cents, started_at, at, phone, reference, linked,"
    " command, other_party"
)
ADD = (
    "insert into movements (receipt, kind, shortcode, account, cents, started_at, at, phone,"
    " reference, linked, command, other_party) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SELECT = f"select {COLUMNS} from movements"


class NoSuchReceipt(LookupError):
    """No collection has this receipt; nothing moved."""


class CannotMove(ValueError):
    """The money is not there, or may not go that way; nothing moved."""


class ReversedBefore(CannotMove):
    """The payment was given back before; nothing moved."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One line on one account. Times are seconds since 1970."""

    number: int
    receipt: str
    kind: str  # stk, c2b, b2c, b2b, charge, reversal or float
    shortcode: str  # whose account: the pay bill or the till
    account: str
    cents: int  # in if positive, out if negative
    started_at: float
    at: float
    phone: str | None
    reference: str  # the payer's account number, a charge's name, or a float's other account
    linked: str | None  # the receipt that a reversal undoes
    command: str | None  # the CommandID of a B2C or B2B
    other_party: str | None  # the other business of a B2B: "600123 - DUKA"

    @property
    def is_to_till(self) -> bool:
        """Whether it is on a till's account, which knows no account numbers."""
        return self.account == MERCHANT


@dataclass(frozen=True, slots=True)
class Collection:
    """Money that comes from a payer who has it."""

    kind: str  # stk or c2b
    shortcode: str
    is_to_till: bool
    phone: str
    cents: int
    reference: str
    started_at: float
    at: float

    @property
    def account(self) -> str:
        """The receiver's account that it goes to."""
        return MERCHANT if self.is_to_till else UTILITY


@dataclass(frozen=True, slots=True)
class Disbursement:
    """Money that a business sends to a person, or to another business."""

    command: str
    shortcode: str
    account: str  # of the business that sends
    cents: int
    charge_cents: int
    reference: str
    started_at: float
    at: float
    phone: str | None = None
    taker: tuple[str, str] | None = None  # the other business's short code, and its account
    taker_name: str = ""
    giver_name: str = ""


class Ledger:
    """Moves money on short codes' accounts, line by line. Callers hold the transaction."""

    def __init__(
        self,
        storage: Storage,
        balances: Balances,
        wallets: Wallets,
        identifiers: Identifiers,
        switchboard: SwitchBoard,
    ) -> None:
        self._storage = storage
        self._balances = balances
        self._wallets = wallets
        self._identifiers = identifiers
        self._switchboard = switchboard

    def collect(self, collection: Collection, *, receipt: str | None = None) -> str:
        """Take money from a payer who has it, and M-Pesa's charge; return the receipt."""
        it = collection
        receipt = receipt or self._identifiers.receipt(it.at)
        self._balances.open((it.shortcode, it.account), "shortcode")
        self._balances.move(self._wallets.open(it.phone), (it.shortcode, it.account), it.cents)
        self._add(receipt, it.kind, it.shortcode, it.account, it.cents, it.started_at, it.at,
                  it.phone, it.reference, None)
        charge = round(it.cents * self._switchboard.now.charge_percent / 100)
        if charge:
            self._charge(receipt, it.shortcode, it.account, charge, _charge_name(it), at=it.at)
        return receipt

    def disburse(self, disbursement: Disbursement) -> Movement:
        """Send money out, and take M-Pesa's charge; return the sender's line.

        Raises:
            CannotMove: the account has too little.
        """
        it = disbursement
        off_account = self._switchboard.now.charges_off_collections
        self._require(it.shortcode, it.account, it.cents + it.charge_cents * off_account)
        receipt = self._identifiers.receipt(it.at)
        kind = "b2b" if it.phone is None else "b2c"
        taker = it.taker or self._wallets.open(it.phone or "")
        if it.taker is not None:
            self._balances.open(it.taker, "shortcode")
        self._balances.move((it.shortcode, it.account), taker, it.cents)
        number = self._add(receipt, kind, it.shortcode, it.account, -it.cents, it.started_at, it.at,
                           it.phone, it.reference, None, it.command, it.taker_name or None)
        if it.taker is not None:
            self._add(receipt, kind, *it.taker, it.cents, it.started_at, it.at,
                      None, it.reference, None, it.command, it.giver_name)
        if it.charge_cents:
            self._charge(receipt, it.shortcode, it.account, it.charge_cents, CHARGE_OF_PAYOUT,
                         at=it.at)
        return self._numbered(number)

    def reverse(self, receipt: str, *, at: float) -> Movement:
        """Give a collection back to its payer; return the line.

        Raises:
            NoSuchReceipt: it is no collection's.
            ReversedBefore: it was given back before.
            CannotMove: the account has too little.
        """
        found = self.collection(receipt)
        if found is None:
            raise NoSuchReceipt(f"no collection has the receipt {receipt}")
        assert found.phone is not None
        if self.reversal_of(receipt) is not None:
            raise ReversedBefore(f"{receipt} was reversed before")
        self._require(found.shortcode, found.account, found.cents)
        self._balances.move(
            (found.shortcode, found.account), self._wallets.open(found.phone), found.cents
        )
        number = self._add(
            self._identifiers.receipt(at), "reversal", found.shortcode, found.account,
            -found.cents, at, at, found.phone, found.reference, receipt,
        )
        return self._numbered(number)

    def move_float(self, shortcode: str, giver: str, taker: str, cents: int, *, at: float) -> str:
        """Move a business's own money between its accounts and its bank; return the receipt.

        Raises:
            CannotMove: the account has too little, or such money never goes that way.
        """
        may_not = giver == BANK and taker not in DEPOSITED_ON
        if giver not in GIVERS or taker not in TAKERS or giver == taker or may_not:
            raise CannotMove(f"money does not go from {giver} to {taker}")
        receipt = self._identifiers.receipt(at)
        if giver == BANK:
            self._balances.open((shortcode, taker), "shortcode")
            self._balances.move(THE_TREASURY, (shortcode, taker), cents)
            self._add(receipt, "float", shortcode, taker, cents, at, at, None, BANK, None)
            return receipt
        self._require(shortcode, giver, cents)
        self._add(receipt, "float", shortcode, giver, -cents, at, at, None, taker, None)
        if taker == BANK:
            self._balances.move((shortcode, giver), THE_TREASURY, cents)
            return receipt
        self._balances.open((shortcode, taker), "shortcode")
        self._balances.move((shortcode, giver), (shortcode, taker), cents)
        self._add(receipt, "float", shortcode, taker, cents, at, at, None, giver, None)
        return receipt

    def collection(self, receipt: str) -> Movement | None:
        """Return the line that a payment with this receipt made, or None."""
        sql = f"{SELECT} where receipt = ? and kind in ('stk', 'c2b')"
        return _movement(self._storage.row(sql, receipt))

    def find(self, receipt: str, shortcodes: Sequence[str]) -> Movement | None:
        """Return the first line with this receipt on an account of these short codes, or None."""
        sql = (
            f"{SELECT} where receipt = ? and shortcode in ({_marks(shortcodes)})"
            " order by number limit 1"
        )
        return _movement(self._storage.row(sql, receipt, *shortcodes))

    def reversal_of(self, receipt: str) -> Movement | None:
        """Return the line that gave a collection back, or None."""
        return _movement(self._storage.row(f"{SELECT} where linked = ?", receipt))

    def charge_cents(self, receipt: str) -> int:
        """Return what M-Pesa charged for a payment or a payout."""
        sql = "select coalesce(-sum(cents), 0) from movements where receipt = ? and kind = 'charge'"
        return self._storage.number(sql, receipt)

    def collections(
        self, shortcodes: Sequence[str], *, since: float, until: float, offset: int, limit: int
    ) -> list[Movement]:
        """Return a page of payments to any of the short codes, oldest first, both ends included."""
        rows = self._storage.rows(
            f"{SELECT} where shortcode in ({_marks(shortcodes)})"
            " and account in ('utility', 'merchant') and kind in ('stk', 'c2b')"
            " and at >= ? and at <= ? order by at, number limit ? offset ?",
            *shortcodes, since, until, limit, offset,
        )
        return [Movement(*row) for row in rows]

    def matching(self, *, phone: str | None, since: float | None) -> Iterator[Movement]:
        """Yield every line of all short codes that fits, in the order they were made."""
        where, values = "at >= ?", [0.0 if since is None else since, phone]
        if phone is not None:
            where += " and phone = ?"
        rows = self._storage.rows(
            f"{SELECT} where {where} order by number", *values[: 1 if phone is None else 2]
        )
        return (Movement(*row) for row in rows)

    def lines(
        self, shortcodes: Sequence[str], account: str, since: float, until: float
    ) -> list[Movement]:
        """Return the lines on these accounts, newest first; `until` is not included."""
        rows = self._storage.rows(
            f"{SELECT} where shortcode in ({_marks(shortcodes)}) and account = ?"
            " and at >= ? and at < ? order by at desc, number desc",
            *shortcodes, account, since, until,
        )
        return [Movement(*row) for row in rows]

    def balance_before(self, shortcodes: Sequence[str], account: str, at: float) -> int:
        """Return what was on these accounts just before `at`."""
        return self._storage.number(
            "select coalesce(sum(cents), 0) from movements"
            f" where shortcode in ({_marks(shortcodes)}) and account = ? and at < ?",
            *shortcodes, account, at,
        )

    def balance_cents(self, shortcode: str, account: str) -> int:
        """Return what is on a short code's account, 0 if it has none."""
        return self._balances.cents((shortcode, account)) or 0

    def learn_till(self, till: str, store: str) -> None:
        """Remember that a till belongs to a store, whose number the API knows it by."""
        sql = "insert or replace into tills (till, store) values (?, ?)"
        self._storage.write(sql, till, store)

    def codes_of(self, shortcode: str) -> list[str]:
        """Return a short code with the tills known to belong to it."""
        rows = self._storage.rows("select till from tills where store = ? order by till", shortcode)
        return [shortcode, *(row[0] for row in rows)]

    def store_of(self, till: str) -> str | None:
        """Return the store that a till belongs to, or None if a push never told."""
        found = self._storage.row("select store from tills where till = ?", till)
        return None if found is None else str(found[0])

    def reset(self) -> None:
        """Forget every line and every till; the money is `Balances`' to take back."""
        self._storage.write("delete from movements")
        self._storage.write("delete from tills")

    def _require(self, shortcode: str, account: str, cents: int) -> None:
        if self.balance_cents(shortcode, account) < cents:
            raise CannotMove(f"{shortcode} has less than {cents} cents on {account}")

    def _charge(
        self, receipt: str, shortcode: str, account: str, cents: int, name: str, *, at: float
    ) -> None:
        off = account if self._switchboard.now.charges_off_collections else CHARGES_PAID
        self._balances.open((shortcode, off), "shortcode")
        self._balances.move((shortcode, off), THE_TREASURY, cents)
        self._add(receipt, "charge", shortcode, off, -cents, at, at, None, name, None)

    def _add(self, *values: Any) -> int:
        missing = ADD.count("?") - len(values)
        return self._storage.insert(ADD, *values, *[None] * missing)

    def _numbered(self, number: int) -> Movement:
        found = _movement(self._storage.row(f"{SELECT} where number = ?", number))
        assert found is not None
        return found


def _charge_name(collection: Collection) -> str:
    return CHARGE_TO_TILL if collection.is_to_till else CHARGE_TO_PAYBILL


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _movement(row: tuple[Any, ...] | None) -> Movement | None:
    return None if row is None else Movement(*row)
