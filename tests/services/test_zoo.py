"""Bad endpoints beside good ones: whatever they do, the good ones hear everything, and soon."""

from __future__ import annotations

import asyncio

import pytest

from hakika.domain.lane import POSTED_MAX
from hakika.services import delivering
from hakika.services.runtime import open_runtime
from hakika.settings import read_settings
from tests.services.zoo import BAD, open_zoo, settle, tell
from tests.vault import MASTER_KEY, SECRET

EVENTS = 6
SHOPS = 4
WAIT_SECONDS_MAX = 60.0


@pytest.mark.timeout(120)
async def test_good_endpoints_hear_everything_while_the_bad_ones_do_their_worst(
    database_url: str,
):
    """A fifth of all endpoints hang, drip, redirect, reset, never end or refuse. (F30)

    A POST to one that hangs takes 15 s. If the good ones had to wait for one of them, or for its
    place, they would not have heard the last event while it hangs still.
    """
    settings = read_settings(
        {}, database_url=database_url, secret=SECRET, master_key=MASTER_KEY,
        webhook_allowed_networks="127.0.0.0/8", stop_seconds_max=0.1,
    )
    stop = asyncio.Event()
    async with open_zoo() as zoo, open_runtime(settings) as rt:
        owners = await settle(rt, zoo.url(""), shops=SHOPS, bad=BAD)
        working = asyncio.create_task(delivering.deliver_until(rt, stop))
        for _ in range(EVENTS):
            for key in owners:
                await tell(rt, key)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while len(zoo.heard) < 4 * len(BAD) or min(map(len, zoo.heard.values())) < EVENTS:
                await asyncio.sleep(0.02)
        hung = {path: zoo.open.get(path, 0) for path in zoo.posts if path.startswith("hangs")}
        stop.set()
        await working

    assert len(zoo.heard) == 4 * len(BAD)
    assert any(hung.values()), "the good ones waited until the bad ones had gone"
    assert max(zoo.open_most.values()) <= POSTED_MAX
    gone = [path for path in zoo.posts if path.startswith("gone")]
    assert all(zoo.posts[path] <= POSTED_MAX for path in gone)
