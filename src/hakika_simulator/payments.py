"""Every push that was executed, open or ended: the rows of the private truth.

A push ends exactly once: `settle` moves it from open to paid or failed, and money with it.
"""

from dataclasses import dataclass
from typing import Any

from hakika_simulator import results
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.ledger import Collection, Ledger
from hakika_simulator.orders import Order
from hakika_simulator.storage import Storage
from hakika_simulator.wallets import Wallets

COLUMNS = (
    "checkout_request_id, merchant_request_id, shortcode, receiver, phone, ordered_cents,"
    " amount_cents, account_reference, callback_url, asks_payer, pushed_at, due_at, due_code,"
    " state, result_code, receipt, finished_at"
)
ADD = f"insert into payments ({COLUMNS}) values ({', '.join('?' * 17)})"
SELECT = f"select {COLUMNS} from payments"


@dataclass(frozen=True, slots=True)
class Payment:
    """One executed push. Times are seconds since 1970."""

    checkout_request_id: str
    merchant_request_id: str
    shortcode: str  # BusinessShortCode
    receiver: str  # PartyB: the same pay bill, or the till
    phone: str
    ordered_cents: int
    amount_cents: int  # what the payer paid, if different from the order
    account_reference: str
    callback_url: str
    asks_payer: bool  # whether a prompt is on a person's phone while open
    pushed_at: float
    due_at: float  # when it ends by itself
    due_code: str  # how it ends by itself
    state: str  # open, paid or failed
    result_code: str | None
    receipt: str | None
    finished_at: float | None

    @property
    def is_open(self) -> bool:
        """Whether the outcome is still to come."""
        return self.state == "open"

    @property
    def is_paid(self) -> bool:
        """Whether money moved."""
        return self.state == "paid"

    @property
    def has_wrong_passkey(self) -> bool:
        """Whether M-Pesa accepted the push with a wrong password and never rang the phone."""
        return self.result_code == results.STILL_PROCESSING != self.due_code

    @property
    def is_to_till(self) -> bool:
        """Whether the money goes to a till, which shows the payer no account."""
        return self.receiver != self.shortcode

    def as_collection(self, *, cents: int, at: float) -> Collection:
        """Return what the ledger books when this push is paid."""
        return Collection(
            kind="stk",
            shortcode=self.receiver,
            is_to_till=self.is_to_till,
            phone=self.phone,
            cents=cents,
            reference=self.account_reference,
            started_at=self.pushed_at,
            at=at,
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """What happens to a push if nobody does anything: `code`, at `due_at`."""

    code: str
    due_at: float
    asks_payer: bool = False


class Payments:
    """Keeps the pushes and ends them. Callers hold the transaction."""

    def __init__(
        self, storage: Storage, wallets: Wallets, ledger: Ledger, identifiers: Identifiers
    ) -> None:
        self._storage = storage
        self._wallets = wallets
        self._ledger = ledger
        self._identifiers = identifiers

    def add(self, order: Order, ending: Ending, *, now: float) -> Payment:
        """Keep a new open push and return it."""
        payment = Payment(
            checkout_request_id=self._identifiers.checkout_request_id(
                order.phone, now, taken=self._exists
            ),
            merchant_request_id=self._identifiers.gateway_request_id(),
            shortcode=order.shortcode,
            receiver=order.receiver,
            phone=order.phone,
            ordered_cents=order.amount_cents,
            amount_cents=order.amount_cents,
            account_reference=order.account_reference,
            callback_url=order.callback_url,
            asks_payer=ending.asks_payer,
            pushed_at=now,
            due_at=ending.due_at,
            due_code=ending.code,
            state="open",
            result_code=None,
            receipt=None,
            finished_at=None,
        )
        self._storage.write(ADD, *(getattr(payment, name) for name in COLUMNS.split(", ")))
        return payment

    def settle(self, payment: Payment, code: str, *, amount_cents: int, now: float) -> Payment:
        """End an open push with `code` and return it; a payer short of money ends it with 1."""
        assert payment.is_open, payment.checkout_request_id
        if code == results.PAID and self._wallets.balance_cents(payment.phone) < amount_cents:
            code = results.NOT_ENOUGH_MONEY
        receipt = self._collect(payment, amount_cents, now) if code == results.PAID else None
        moved = self._storage.write(
            "update payments set state = ?, result_code = ?, amount_cents = ?, receipt = ?,"
            " finished_at = ? where checkout_request_id = ? and state = 'open'",
            "paid" if code == results.PAID else "failed",
            code,
            amount_cents if code == results.PAID else payment.amount_cents,
            receipt,
            now,
            payment.checkout_request_id,
        )
        assert moved == 1, payment.checkout_request_id
        settled = self.find(payment.checkout_request_id)
        assert settled is not None
        return settled

    def _collect(self, payment: Payment, cents: int, now: float) -> str:
        if payment.is_to_till:
            self._ledger.learn_till(payment.receiver, payment.shortcode)
        return self._ledger.collect(payment.as_collection(cents=cents, at=now))

    def find(self, checkout_request_id: str) -> Payment | None:
        """Return the push with this id, or None."""
        sql = f"{SELECT} where checkout_request_id = ?"
        return _payment_from(self._storage.row(sql, checkout_request_id))

    def open_on(self, phone: str) -> Payment | None:
        """Return the oldest open push of this payer, or None."""
        sql = f"{SELECT} where phone = ? and state = 'open' order by number limit 1"
        return _payment_from(self._storage.row(sql, phone))

    def prompt_on(self, phone: str) -> Payment | None:
        """Return the push that a person sees on this phone now, or None."""
        found = self.open_on(phone)
        return found if found is not None and found.asks_payer else None

    def all_open(self, *, limit: int = -1) -> list[Payment]:
        """Return open pushes, oldest first; all of them unless limited."""
        sql = f"{SELECT} where state = 'open' order by number limit ?"
        return [_known(row) for row in self._storage.rows(sql, limit)]

    def prompts(self, *, limit: int) -> list[Payment]:
        """Return the open pushes that wait for a person, oldest first."""
        sql = f"{SELECT} where state = 'open' and asks_payer order by number limit ?"
        return [_known(row) for row in self._storage.rows(sql, limit)]

    def count_open(self) -> int:
        """Return how many pushes are open."""
        return self._storage.number("select count(*) from payments where state = 'open'")

    def was_paid(self, order: Order, *, since: float) -> bool:
        """Tell whether the payer paid this very amount after `since`."""
        sql = (
            "select 1 from payments where phone = ? and amount_cents = ? and state = 'paid'"
            " and finished_at > ? limit 1"
        )
        return self._storage.row(sql, order.phone, order.amount_cents, since) is not None

    def matching(
        self, *, checkout_request_id: str | None, phone: str | None, since: float | None
    ) -> list[Payment]:
        """Return the pushes that fit every filter given, in the order they were pushed."""
        wanted = {"checkout_request_id = ?": checkout_request_id, "phone = ?": phone}
        wanted_now = {sql: value for sql, value in wanted.items() if value is not None}
        rows = self._storage.rows(
            " and ".join([f"{SELECT} where pushed_at >= ?", *wanted_now]) + " order by number",
            0.0 if since is None else since,
            *wanted_now.values(),
        )
        return [_known(row) for row in rows]

    def reset(self) -> None:
        """Forget every push."""
        self._storage.write("delete from payments")

    def _exists(self, checkout_request_id: str) -> bool:
        sql = "select 1 from payments where checkout_request_id = ?"
        return self._storage.row(sql, checkout_request_id) is not None


def _payment_from(row: tuple[Any, ...] | None) -> Payment | None:
    return None if row is None else _known(row)


def _known(row: tuple[Any, ...]) -> Payment:
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    return Payment(**{**values, "asks_payer": bool(values["asks_payer"])})
