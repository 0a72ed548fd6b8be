"""A store on a fresh database, and a merchant in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from hakika.domain.ids import MerchantId
from hakika.store.transaction import Store, open_store
from tests.store.world import add_merchant


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A store of ten connections."""
    opened = await open_store(database_url, connections_max=10)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def merchant_id(store: Store) -> MerchantId:
    """The id of a merchant that has done nothing yet; months around NOON are made."""
    return await add_merchant(store)
