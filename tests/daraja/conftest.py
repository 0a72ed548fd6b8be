"""Fixtures of the Daraja tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.daraja.scripted import ScriptedDaraja, World, scripted, world_of

FIXTURES = Path(__file__).parent.parent / "fixtures" / "daraja"


@pytest.fixture
async def daraja() -> AsyncIterator[ScriptedDaraja]:
    """A scripted Daraja."""
    async with scripted() as opened:
        yield opened


@pytest.fixture
async def world(daraja: ScriptedDaraja) -> AsyncIterator[World]:
    """Our client, and the scripted Daraja it talks to."""
    async with world_of(daraja) as opened:
        yield opened
