"""`hakika keys`: what programs show to be let in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hakika.cli import options, screen
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.cli.once import on_database
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.payment_data import written
from hakika.services import merchants
from hakika.services.runtime import Runtime

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Create, list and revoke API keys.",
)

MerchantOption = Annotated[
    str, typer.Option("--merchant", metavar="mer_…", help="Whose. Left out: the only one's."),
]
ScopeOption = Annotated[
    list[Scope] | None,
    typer.Option("--scope", help="What it may do; repeatable. Left out: everything."),
]


@app.command()
def create(
    merchant: MerchantOption = "",
    live: Annotated[bool, typer.Option("--live", help="For real money. Left out: test.")] = False,
    scope: ScopeOption = None,
    label: Annotated[str, typer.Option("--label", help="Where it will be used.")] = "",
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Create a key. It is shown this once, because only its digest is kept.

    Example: hakika keys create --merchant mer_… --scope payments:read --label "shop till"
    """

    async def work(rt: Runtime) -> tuple[ApiKey, str]:
        merchant_id = MerchantId(merchant) if merchant else await _only_merchant(rt)
        return await merchants.create_key(
            rt, merchant_id, livemode=live, scopes=scope or (), label=label,
        )

    key, text = on_database(data, work)
    if as_json:
        screen.write_json(_shown(key) | {"api_key": text})
        return
    screen.paper().print(text, soft_wrap=True)
    screen.margin().print(
        f"This is key {key.id} of {key.merchant_id}. Keep it now: it is shown this once, and "
        "Hakika cannot show it again.", soft_wrap=True,
    )


async def _only_merchant(rt: Runtime) -> MerchantId:
    found = await merchants.all_of_them(rt)
    match found:
        case [only]:
            return only.id
        case []:
            raise CommandFailed("There is no merchant yet.", hint="hakika merchants create NAME")
        case _:
            raise CommandFailed(
                f"There are {len(found)} merchants; say whose key it is with --merchant.",
                hint="hakika merchants list", exit_code=EXIT_MISASKED,
            )


@app.command("list")
def show(data: options.Data = None, as_json: options.Json = False) -> None:
    """List keys, oldest first, revoked ones too. A handle is the part of a key that names it.

    Example: hakika keys list
    """
    keys = on_database(data, merchants.keys)
    if as_json:
        screen.write_json({"keys": [_shown(each) for each in keys]})
        return
    screen.write_table(
        [
            {
                "id": key.id, "handle": key.handle, "mode": "live" if key.livemode else "test",
                "merchant": key.merchant_id, "label": key.label,
                "scopes": "all" if key.scopes == frozenset(Scope) else " ".join(sorted(key.scopes)),
                "revoked": written(key.revoked_at) if key.revoked_at else "",
            }
            for key in keys
        ],
        none="There is no key yet: hakika keys create",
    )


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID_OR_HANDLE", help="As `keys list` shows it.")],
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Revoke a key, at once and for good.

    Example: hakika keys revoke key_…
    """

    async def work(rt: Runtime) -> None:
        await merchants.revoke_key(rt, which)

    on_database(data, work)
    if as_json:
        screen.write_json({"revoked": which})
    else:
        screen.paper().print(f"Revoked {which}. Whoever still uses it gets 401.")


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id, "handle": key.handle, "merchant_id": key.merchant_id,
        "livemode": key.livemode, "scopes": sorted(key.scopes), "label": key.label,
        "created_at": written(key.created_at),
        "revoked_at": written(key.revoked_at) if key.revoked_at else None,
    }
