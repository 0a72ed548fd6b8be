"""`hakika requests`: what was asked of the API lately, by everybody and by nobody."""

from __future__ import annotations

from typing import Annotated

import typer

from hakika.cli import options, screen
from hakika.cli.once import on_database
from hakika.domain.ids import MerchantId
from hakika.domain.request_log import LoggedRequest, request_data
from hakika.domain.times import written
from hakika.services import request_log
from hakika.services.runtime import Runtime


def requests(
    merchant: Annotated[
        str, typer.Option("--merchant", metavar="mer_…", help="Whose. Left out: everybody's."),
    ] = "",
    status: Annotated[
        int, typer.Option("--status", min=0, max=599, help="Only this HTTP status."),
    ] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.")] = 50,
    data: options.Data = None, as_json: options.Json = False,
) -> None:
    """List the latest requests, newest first: also those of callers who showed no good key.

    Example: hakika requests --status 401
    """

    async def work(rt: Runtime) -> list[LoggedRequest]:
        return await request_log.find_any(
            rt, merchant_id=MerchantId(merchant) if merchant else None, status=status or None,
            limit=limit,
        )

    found = on_database(data, work)
    if as_json:
        screen.write_json({
            "requests": [request_data(each) | {"merchant_id": each.merchant_id} for each in found],
        })
        return
    screen.write_table(
        [
            {
                "started": written(each.started_at), "status": str(each.status or "none"),
                "code": each.error_code or "", "method": each.method, "path": each.path,
                "ms": f"{each.duration_ms:.0f}", "merchant": each.merchant_id or "nobody",
                "address": each.client_address, "request id": each.request_id,
            }
            for each in found
        ],
        none="No request is in the log.",
    )
