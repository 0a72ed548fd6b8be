"""`hakika keys`: what programs show to be let in."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from hakika.cli import options, screen
from hakika.cli.once import on_database, whose
from hakika.domain.merchant import OVERLAP_SECONDS, ApiKey, Scope, key_data
from hakika.domain.times import written
from hakika.services import keys
from hakika.services.keys import Wanted
from hakika.services.runtime import Runtime

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Create, list, rotate and revoke API keys.",
)

ScopeOption = Annotated[
    list[Scope] | None,
    typer.Option("--scope", help="What it may do; repeatable. Left out: everything."),
]


@app.command()
def create(
    merchant: options.Merchant = "",
    live: Annotated[bool, typer.Option("--live", help="For real money. Left out: test.")] = False,
    scope: ScopeOption = None,
    label: Annotated[str, typer.Option("--label", help="Where it will be used.")] = "",
    network: Annotated[
        list[str] | None,
        typer.Option("--network", help="Where it is used from; repeatable. Left out: anywhere."),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=0, max=3650, help="It ends after these. Left out: never."),
    ] = 0,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Create a key. It is shown this once, because only its digest is kept.

    Example: hakika keys create --merchant mer_… --scope payments:read --label "shop till"
    """

    async def work(rt: Runtime) -> tuple[ApiKey, str]:
        return await keys.create(rt, await whose(rt, merchant), Wanted(
            livemode=live, scopes=scope or (), label=label, networks=network or (),
            expires_at=rt.now() + timedelta(days=days) if days else None,
        ))

    _show_once(*on_database(data, work), as_json=as_json)


def _show_once(key: ApiKey, text: str, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(key_data(key) | {"api_key": text})
        return
    screen.paper().print(text, soft_wrap=True)
    screen.margin().print(
        f"This is key {key.id} of {key.merchant_id}. Keep it now: it is shown this once, and "
        "Hakika cannot show it again.", soft_wrap=True,
    )


@app.command("list")
def show(data: options.Data = None, as_json: options.Json = False) -> None:
    """List keys, oldest first, revoked ones too. A handle is the part of a key that names it.

    Example: hakika keys list
    """
    found = on_database(data, keys.all_of_them)
    if as_json:
        screen.write_json({"keys": [key_data(each) for each in found]})
        return
    screen.write_table(
        [
            {
                "id": key.id, "handle": key.handle, "mode": "live" if key.livemode else "test",
                "merchant": key.merchant_id, "label": key.label,
                "scopes": "all" if key.scopes == frozenset(Scope) else " ".join(sorted(key.scopes)),
                "ends": written(key.expires_at) if key.expires_at else "",
                "revoked": written(key.revoked_at) if key.revoked_at else "",
            }
            for key in found
        ],
        none="There is no key yet: hakika keys create",
    )


@app.command()
def rotate(
    which: Annotated[str, typer.Argument(metavar="ID_OR_HANDLE", help="As `keys list` shows it.")],
    overlap: Annotated[
        int, typer.Option("--overlap", min=0, help="Seconds for which the old key stays good."),
    ] = OVERLAP_SECONDS,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Replace a key by one that may do the same. The old one ends after the overlap.

    Was the new one lost before it was noted down? Rotate that one; `keys list` shows its id.

    Example: hakika keys rotate key_… --overlap 3600
    """

    async def work(rt: Runtime) -> tuple[ApiKey, str]:
        return await keys.rotate(rt, which, overlap_seconds=overlap)

    _show_once(*on_database(data, work), as_json=as_json)


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID_OR_HANDLE", help="As `keys list` shows it.")],
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Revoke a key, at once and for good.

    Example: hakika keys revoke key_…
    """

    async def work(rt: Runtime) -> None:
        await keys.revoke(rt, which)

    on_database(data, work)
    if as_json:
        screen.write_json({"revoked": which})
    else:
        screen.paper().print(f"Revoked {which}. Whoever still uses it gets 401.")
