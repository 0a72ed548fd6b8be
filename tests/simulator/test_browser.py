"""The phone page as a person sees it: in a real browser, live, and without a single complaint."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.browser import chromium
from tests.simulator.conftest import OpenDaraja
from tests.simulator.world import Daraja, Merchant

pytestmark = pytest.mark.browser

PHONE = "254712345678"
AS_PEOPLE_WRITE_IT = "0712345678"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# The page asks for the screen once a second; the rest is for a busy machine.
LOOK_MILLISECONDS_MAX = 8_000


@dataclass
class Watched:
    """A page, and everything that went wrong on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Write down errors, warnings, failed requests and requests to anywhere else."""
        page, complaints = self.page, self.complaints
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("response", lambda answer: complaints.extend(
            [f"{answer.status}: {answer.url}"] if not answer.ok and answer.status != 303 else [],
        ))


@asynccontextmanager
async def opened_phone(daraja: Daraja) -> AsyncIterator[Watched]:
    """Open the phone in Chromium."""
    async with async_playwright() as playwright:
        expect.set_options(timeout=LOOK_MILLISECONDS_MAX)
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = await browser.new_page()
        watched = Watched(page)
        watched.watch()
        await page.goto(f"{daraja.url}/phone/{AS_PEOPLE_WRITE_IT}")
        await page.evaluate("window.neverReloaded = true")
        yield watched
        await browser.close()


async def test_a_person_pays_and_turns_down_on_the_phone(
    open_daraja: OpenDaraja, merchant: Merchant,
) -> None:
    """The first thing that a developer sees of us: it has to feel like a phone."""
    async with open_daraja(speed=1.0) as daraja, opened_phone(daraja) as watched:
        page = watched.page
        await expect(page).to_have_url(f"{daraja.url}/phone/{PHONE}")
        await expect(page.get_by_text("No messages yet.")).to_be_visible()

        pushed = await daraja.pushed(PHONE, amount=1_500)
        await expect(page.get_by_role("dialog")).to_contain_text(
            "Do you want to pay KES 1,500.00 to BUSINESS 174379 Account no. INV-1?",
        )
        assert await page.evaluate("window.neverReloaded")
        await expect(page.get_by_label("Enter M-PESA PIN")).to_be_focused()

        await page.keyboard.type("12")
        async with page.expect_response(lambda answer: answer.url.endswith("/screen")):
            pass  # the page looks again under a PIN that is half typed
        await page.keyboard.type("34")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        receipt = (await daraja.payment(pushed))["receipt"]
        assert re.fullmatch(r"[A-Z0-9]{10}", receipt)
        await expect(page.get_by_role("article").first).to_contain_text(
            f"{receipt} Confirmed. Ksh1,500.00 sent to BUSINESS 174379 for account INV-1",
        )
        await expect(page.get_by_label("M-PESA balance")).to_contain_text("98,500.00")

        await page.evaluate("window.neverReloaded = true")
        await daraja.pushed(PHONE, amount=700)
        await expect(page.get_by_role("dialog")).to_contain_text("Do you want to pay KES 700.00")
        assert await page.evaluate("window.neverReloaded")
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)

        outcomes = [call.outcome["ResultCode"] for call in await merchant.hears(2)]
        assert sorted(outcomes) == [0, 1032]
        await expect(page.get_by_label("M-PESA balance")).to_contain_text("98,500.00")
        assert watched.complaints == []
