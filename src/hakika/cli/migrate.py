"""`hakika migrate`: the one word that changes the schema of a database of yours."""

from __future__ import annotations

import asyncio

from hakika.cli import options, screen, startup
from hakika.cli.configured import configured


def migrate(data: options.Data = None, as_json: options.Json = False) -> None:
    """Bring the database to this version's schema. Safe to repeat, and while others do the same.

    Example: HAKIKA_DATABASE_URL=postgresql://hakika@db.internal/hakika hakika migrate
    """
    settings = configured(data)
    url = settings.database_url.get_secret_value()
    if url:
        asyncio.run(startup.refuse_silent_server(settings))
        changed = startup.migrated(url)
    else:
        with startup.own_server(settings) as own:
            changed = own.was_migrated
    if as_json:
        screen.write_json({"migrated": changed})
    else:
        screen.paper().print(
            "The schema is now this version's." if changed else "The schema was up to date.",
        )
