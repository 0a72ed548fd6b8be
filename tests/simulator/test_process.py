"""The simulator as a process: how it starts and ends, and what outlives kill -9."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

import hakika_simulator
from hakika_simulator.settings import Settings
from hakika_simulator.simulation import build
from hakika_simulator.storage import Storage
from tests.simulator.world import PAYS, PERSON, Daraja, Merchant

ANOTHER, THIRD = "254712345600", "254712345601"
SOURCE = str(Path(hakika_simulator.__file__).parents[1])


@dataclass
class Running:
    """A simulator in a process of its own."""

    process: asyncio.subprocess.Process
    daraja: Daraja

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await self.process.wait()


@asynccontextmanager
async def started(merchant: Merchant, *flags: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hakika_simulator", "--json", "--port", "0", *flags),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": SOURCE},
    )
    assert process.stdout is not None
    try:
        line = json.loads(await process.stdout.readline())
        assert list(line) == ["simulator"]
        async with aiohttp.ClientSession() as session:
            yield Running(process, Daraja(line["simulator"], session, merchant.url))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        assert await process.stdout.read() == b""


async def test_an_interrupt_ends_it_cleanly(merchant: Merchant) -> None:
    async with started(merchant) as running:
        assert await running.end(signal.SIGINT) == 0


async def test_all_outlives_kill_9(merchant: Merchant, tmp_path: Path) -> None:
    """Open prompts with their remaining time, callbacks to come, money, tokens and switches."""
    flags = ("--data", str(tmp_path), "--speed", "15", "--seed", "3")
    async with started(merchant, *flags) as running:
        daraja = running.daraja
        await daraja.log_in()
        bearer = daraja.bearer
        late = await daraja.pushed("254711000012")
        answered, ignored = await daraja.pushed(PERSON), await daraja.pushed(ANOTHER)
        await daraja.pushed(THIRD)
        await daraja.control("POST", f"phone/{THIRD}/pin", {"pin": "1234"})
        await daraja.turn(masked_phone=True)
        while (await daraja.payment(late))["state"] == "open":
            await asyncio.sleep(0.01)
        before = await daraja.truth()
        await running.end(signal.SIGKILL)

    async with started(merchant, *flags) as running:
        daraja = running.daraja
        daraja.bearer = bearer
        after = await daraja.truth()
        page = (await daraja.call("GET", f"/phone/{THIRD}")).text
        paid = (await daraja.control("POST", f"phone/{PERSON}/pin", {"pin": "1234"})).json
        new = await daraja.pushed(PAYS)
        await daraja.settled()
        left = await daraja.payment(ignored)
        payments = (await daraja.truth())["payments"]
        switches = (await daraja.control("GET", "switches")).json
        status = await running.end(signal.SIGTERM)

    receipts = [payment["receipt"] for payment in payments if payment["receipt"]]
    assert (after["sum_cents"], after["wallets"]) == (before["sum_cents"], before["wallets"])
    assert [p["receipt"] for p in after["payments"]] == [p["receipt"] for p in before["payments"]]
    assert "Confirmed. Ksh500.00" in page
    assert (paid["checkout_request_id"], paid["state"]) == (answered, "paid")
    assert left["result_code"] == "1037"
    # A hair's breadth for the clock's own steps.
    assert 60 / 15 - 0.05 <= left["finished_at"] - left["pushed_at"] < 60 / 15 + 1
    told = {heard.outcome["CheckoutRequestID"] for heard in merchant.heard}
    assert told >= {late, answered, ignored, new}
    assert len(set(receipts)) == len(receipts) == 4
    assert switches["masked_phone"] is True
    assert status == 0


def test_two_simulators_cannot_share_their_data(tmp_path: Path) -> None:
    first = Storage(tmp_path)

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Storage(tmp_path)
    first.close()


def test_another_versions_data_is_not_opened(tmp_path: Path) -> None:
    """Its tables lack what is written now: better not to start than to fail in the middle."""
    first = Storage(tmp_path)
    first.write("pragma user_version = 0")
    first.close()

    with pytest.raises(sqlite3.OperationalError, match="another version"):
        Storage(tmp_path)


def test_the_clock_and_the_operators_key_are_kept(tmp_path: Path) -> None:
    """A certificate that changed with each restart would make every stored credential wrong."""
    first = build(Settings(data=tmp_path))
    first.set_clock(first.clock.real_now() + 86_400)
    key = x509.load_pem_x509_certificate(first.operators.certificate()).public_key()
    first.storage.close()

    again = build(Settings(data=tmp_path))

    certificate = x509.load_pem_x509_certificate(again.operators.certificate())
    assert certificate.public_key() == key
    assert certificate.not_valid_after_utc < datetime.now(UTC)
    assert 86_399 < again.clock.now() - again.clock.real_now() < 86_401
    again.storage.close()


async def test_it_dies_with_its_parent_if_told(merchant: Merchant) -> None:
    """A test run that is killed must not leave simulators behind."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import subprocess, sys; subprocess.run([sys.executable, '-m', 'hakika_simulator',"
        " '--json', '--die-with-parent'])",
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": SOURCE},
    )
    assert parent.stdout is not None
    await parent.stdout.readline()
    parent.kill()
    async with asyncio.timeout(5):
        rest = await parent.stdout.read()  # ends when the child, too, has let go of the pipe
        await parent.wait()

    assert rest == b""
