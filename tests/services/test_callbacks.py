"""What Safaricom brings: durable before the thanks, believed only where it can be true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from structlog.testing import capture_logs

from hakika.domain.ids import PaymentId
from hakika.domain.payment import State
from hakika.services import callbacks
from hakika.services.callbacks import RETRY_SECONDS, TRIES_MAX, Arrival
from hakika.services.pushed import PAYMENTS_MAX
from hakika.store.transaction import StoreUnavailable
from tests.services.world import SAFARICOM, STRANGER, World, canceled, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

READ_ONLY = "default_transaction_read_only"
END_OUR_CONNECTIONS = """
    select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'hakika' and datname = current_database()
"""


@contextmanager
def mistaken(world: World) -> Iterator[None]:
    """Let every interpretation of a callback fail, as a mistake of ours in a release would."""
    world.change("alter table facts rename column private to facts_private")
    try:
        with capture_logs() as logs:
            yield
        assert "callback_not_interpreted" in {line["event"] for line in logs}
    finally:
        world.change("alter table facts rename column facts_private to private")


def database(world: World) -> str:
    name: str = world.value("select current_database()")
    return name


def reasons(world: World) -> list[str]:
    return [row["reason"] for row in world.quarantined()]


class TestOurOwnMistake:
    async def test_it_keeps_the_whole_body_and_thanks_all_the_same(self, world: World):
        """Safaricom may never call again: what was said must be ours before we answer."""
        payment = await world.pending()
        raw = paid(payment) + b" " * 7
        with mistaken(world):
            await world.call_back(payment, raw)

        (held,) = world.quarantined()
        assert (held["reason"], held["raw"], held["payment_id"], held["source_address"]) == (
            "not_interpreted", raw, payment.id, SAFARICOM,
        )
        assert (await world.read(payment.id)).state is State.PENDING

    async def test_the_mended_version_of_us_settles_it(self, world: World):
        """Nobody has to notice, and the money is found."""
        payment = await world.pending()
        with mistaken(world):
            await world.call_back(payment, paid(payment))
            world.let_pass(RETRY_SECONDS)
            in_vain = await callbacks.try_again(world.rt)
        too_early = await callbacks.try_again(world.rt)
        world.let_pass(RETRY_SECONDS)
        settled = await callbacks.try_again(world.rt)
        world.let_pass(RETRY_SECONDS)
        never_twice = await callbacks.try_again(world.rt)

        assert (in_vain, too_early, settled, never_twice) == (0, 0, 1, 0)
        assert (await world.read(payment.id)).state is State.COMPLETED
        assert world.events(payment.id) == ["payment.completed"]
        (held,) = world.quarantined()
        assert (held["tries"], held["next_try_at"]) == (2, None)
        assert held["released_at"] is not None

    async def test_it_ends_after_a_day_of_tries_and_the_body_stays(self, world: World):
        payment = await world.pending()
        with mistaken(world):
            await world.call_back(payment, paid(payment))
            world.change(f"update quarantine set tries = {TRIES_MAX - 1}")
            world.let_pass(RETRY_SECONDS)
            await callbacks.try_again(world.rt)

        (held,) = world.quarantined()
        assert (held["tries"], held["next_try_at"], held["released_at"]) == (TRIES_MAX, None, None)

    async def test_two_workers_settle_it_once(self, world: World):
        payment = await world.pending()
        with mistaken(world):
            await world.call_back(payment, paid(payment))
        world.let_pass(RETRY_SECONDS)

        settled = await asyncio.gather(*(callbacks.try_again(world.rt) for _ in range(4)))

        assert sorted(settled) == [0, 0, 0, 1]
        assert await world.facts(payment.id) == ["asked", "accepted", "paid"]

    async def test_one_that_another_worker_is_taking_is_left_to_it(self, world: World):
        """A round never stands still behind another's."""
        payment = await world.pending()
        with mistaken(world):
            await world.call_back(payment, paid(payment))
        world.let_pass(RETRY_SECONDS)
        with psycopg.connect(world.url) as another_worker:
            another_worker.execute("select from quarantine for update")
            async with asyncio.timeout(5):
                settled_meanwhile = await callbacks.try_again(world.rt)

        assert (settled_meanwhile, await callbacks.try_again(world.rt)) == (0, 1)

    async def test_a_database_that_is_damaged_keeps_nothing_from_being_kept(self, world: World):
        """A broken page of one table is our trouble, not the payer's."""
        payment = await world.pending()
        world.change(
            "create function damaged() returns trigger language plpgsql as"
            " $$begin raise exception 'invalid page' using errcode = 'data_corrupted'; end$$",
            "create trigger damaged before update on payments execute function damaged()",
        )
        try:
            with capture_logs():
                await world.call_back(payment, paid(payment))
        finally:
            world.change("drop trigger damaged on payments", "drop function damaged()")
        world.let_pass(RETRY_SECONDS)

        assert reasons(world) == ["not_interpreted"]
        assert await callbacks.try_again(world.rt) == 1
        assert (await world.read(payment.id)).state is State.COMPLETED


class TestTheDatabaseIsAway:
    async def test_it_is_said_and_never_thanked(self, world: World):
        """The door answers 503: what is not durable must not be called accepted."""
        payment = await world.pending()
        raw = paid(payment)
        world.change(END_OUR_CONNECTIONS)
        with pytest.raises(StoreUnavailable):
            await world.call_back(payment, raw)

        assert (world.quarantined(), await world.facts(payment.id)) == ([], ["asked", "accepted"])

        await world.call_back(payment, raw)
        assert (await world.read(payment.id)).state is State.COMPLETED


    async def test_one_that_only_reads_is_away_too(self, world: World):
        """After a failover we may still hold connections to the server that was demoted."""
        payment = await world.pending()
        raw = paid(payment)
        world.change(f"alter database {database(world)} set {READ_ONLY} = on")
        try:
            world.change(END_OUR_CONNECTIONS)
            with pytest.raises(StoreUnavailable):
                await world.read(payment.id)  # the pool replaces what we ended
            with pytest.raises(StoreUnavailable):
                await world.call_back(payment, raw)
        finally:
            world.change(
                f"set {READ_ONLY} = off",
                f"alter database {database(world)} reset {READ_ONLY}",
                END_OUR_CONNECTIONS,
            )
        with pytest.raises(StoreUnavailable):
            await world.read(payment.id)

        await world.call_back(payment, raw)
        assert (await world.read(payment.id)).state is State.COMPLETED


class TestWhoCalls:
    @pytest.mark.parametrize(
        ("mode", "address", "believed"),
        [
            ("enforce", SAFARICOM, True), ("enforce", STRANGER, False), ("enforce", "", False),
            ("log", SAFARICOM, True), ("log", STRANGER, True), ("log", "", True),
            ("off", SAFARICOM, True), ("off", STRANGER, True), ("off", "", True),
        ],
    )
    async def test_a_live_payment_is_settled_only_from_where_the_operator_says(
        self, world: World, mode: str, address: str, believed: bool,
    ):
        """A second lock on the door, for whoever wants it."""
        live = (await world.live()).having(callback_sources=mode)
        payment = await live.pending()
        raw = paid(payment)
        await live.call_back(payment, raw, address=address)

        state = State.COMPLETED if believed else State.PENDING
        assert (await live.read(payment.id)).state is state
        assert [(row["reason"], row["raw"]) for row in live.quarantined()] == (
            [] if believed else [("not_this_payment", raw)]
        )

    async def test_a_test_payment_is_settled_from_anywhere(self, world: World):
        """Simulators run on laptops."""
        strict = world.having(callback_sources="enforce")
        payment = await strict.pending()
        await strict.call_back(payment, paid(payment), address=STRANGER)

        assert (await world.read(payment.id)).state is State.COMPLETED

    async def test_an_address_that_we_never_gave_is_put_aside(self, world: World):
        payment = await world.pending()
        raw = paid(payment)
        await callbacks.receive(world.rt, Arrival("0" * 52, raw, SAFARICOM))

        (held,) = world.quarantined()
        assert (held["reason"], held["raw"], held["payment_id"]) == ("unknown_address", raw, None)
        assert (await world.read(payment.id)).state is State.PENDING


class TestWhatIsSaid:
    async def test_the_address_of_one_payment_does_not_settle_another(self, world: World):
        """Whoever learned one address must not be able to pay with it for something else."""
        mine, theirs = await world.pending(), await world.pending()
        raw = paid(theirs)
        await world.call_back(mine, raw)

        (held,) = world.quarantined()
        assert (held["reason"], held["raw"], held["payment_id"]) == (
            "not_this_payment", raw, mine.id,
        )
        for payment in (mine, theirs):
            assert await world.facts(payment.id) == ["asked", "accepted"]

    async def test_the_receipt_of_another_payment_pays_nothing(self, world: World):
        """One M-Pesa transaction cannot pay twice: a person is shown both."""
        first, second = await world.completed(), await world.pending()
        await world.call_back(second, paid(second, receipt=first.receipt))

        disputed = await world.read(second.id)
        assert (disputed.state, disputed.needs_review, disputed.receipt) == (
            State.PENDING, True, "",
        )
        assert await world.facts(second.id) == ["asked", "accepted", "contradicted"]
        assert world.events(second.id) == ["payment.needs_review"]
        assert await world.read(first.id) == first

    async def test_two_payments_with_one_receipt_at_the_same_time_are_paid_once(
        self, world: World,
    ):
        payments = [await world.pending() for _ in range(4)]
        await asyncio.gather(*(
            world.call_back(payment, paid(payment, receipt="UKLRACE00V")) for payment in payments
        ))

        after = [await world.read(payment.id) for payment in payments]
        assert sorted(payment.state for payment in after) == ["completed", *["pending"] * 3]
        assert sorted(payment.needs_review for payment in after) == [False, True, True, True]

    async def test_ten_at_once_tell_the_merchant_once(self, world: World):
        """Every one is evidence, and is kept; the merchant ships one parcel."""
        payment = await world.pending()
        raw = paid(payment)
        await asyncio.gather(*(world.call_back(payment, raw) for _ in range(10)))

        assert await world.facts(payment.id) == ["asked", "accepted", *["paid"] * 10]
        assert world.events(payment.id) == ["payment.completed"]
        assert world.quarantined() == []

    async def test_money_wins_over_a_cancel_that_came_at_the_same_time(self, world: World):
        for _ in range(5):
            payment = await world.pending()
            await asyncio.gather(
                world.call_back(payment, canceled(payment)),
                world.call_back(payment, paid(payment)),
            )

            assert (await world.read(payment.id)).state is State.COMPLETED

    @pytest.mark.parametrize("field", ["MerchantRequestID", "ResultDesc"])
    async def test_a_sign_that_postgresql_cannot_keep_does_not_cost_the_money(
        self, world: World, field: str,
    ):
        """A NUL in a text that decides nothing: the receipt and the amount are what count."""
        payment = await world.pending()
        await world.call_back(payment, paid(payment, **{field: "a\x00b"}))

        assert (await world.read(payment.id)).state is State.COMPLETED

    @pytest.mark.parametrize(
        "raw", [b"", b"\x00", b"[]", b'{"Body":{"stkCallback":{}}}', b"{" * 99],
    )
    async def test_what_cannot_be_read_is_kept_and_not_tried_again(self, world: World, raw: bytes):
        """No version of us will read it; a person may."""
        payment = await world.pending()
        await world.call_back(payment, raw)

        (held,) = world.quarantined()
        assert (held["reason"], held["raw"], held["next_try_at"]) == ("unreadable", raw, None)


class TestWhatAProcessRemembers:
    """A callback is judged by the payment as it stood after its push, and that may be old."""

    async def test_an_old_memory_overwrites_nothing(self, world: World):
        """Another process heard the outcome already; this one hears it again, or something else."""
        payment = await world.pending()
        remembered = world.rt.pushed.recall(payment.id)
        assert remembered is not None
        await world.call_back(payment, paid(payment))
        world.rt.pushed.remember(remembered)
        await world.call_back(payment, canceled(payment))

        assert (await world.read(payment.id)).state is State.COMPLETED
        assert await world.facts(payment.id) == ["asked", "accepted", "paid", "canceled"]
        assert world.events(payment.id) == ["payment.completed"]

    async def test_a_memory_alone_puts_nothing_aside(self, world: World):
        """It does not know the id that Daraja gave meanwhile; the row does."""
        payment = await world.pending()
        remembered = world.rt.pushed.recall(payment.id)
        assert remembered is not None
        world.rt.pushed.remember(replace(remembered, checkout_request_id="ws_CO_of_another"))
        await world.call_back(payment, paid(payment))

        assert (await world.read(payment.id)).state is State.COMPLETED
        assert world.quarantined() == []

    async def test_what_is_remembered_is_bounded(self, world: World):
        """A flood of payments that nobody answers must not fill the memory."""
        first = await world.read((await world.ask()).data["id"])
        for number in range(PAYMENTS_MAX):
            world.rt.pushed.remember(replace(first, id=PaymentId(f"pay_{number}")))

        assert world.rt.pushed.recall(first.id) is None
        assert world.rt.pushed.recall(PaymentId("pay_0")) is not None
