"""Handing out statements, as the organisation portal's export does."""

import asyncio
from datetime import date

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hakika_simulator.asked import Misasked, shortcode_from
from hakika_simulator.clock import in_nairobi
from hakika_simulator.ledger import ACCOUNT_NAMES, UTILITY
from hakika_simulator.simulation import simulation_of
from hakika_simulator.statement_files import csv_pieces, pdf_file, xlsx_file
from hakika_simulator.statements import Statement, statement_of

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def export(request: Request) -> Response:
    """GET /_simulator/statements/{shortcode}: one account's lines of a day in Nairobi.

    ?date= (today), ?until= (the same day), ?account= (utility, merchant, working, charges_paid),
    ?format= (csv, xlsx, pdf), ?password= for a PDF, ?grouped=1 for commas in a CSV's amounts.
    """
    simulation = simulation_of(request)
    wanted = request.query_params
    shortcode = shortcode_from(request.path_params["shortcode"])
    account = wanted.get("account", UTILITY)
    if account not in ACCOUNT_NAMES:
        raise Misasked(422, f"account is one of {', '.join(ACCOUNT_NAMES)}")
    today = in_nairobi(simulation.clock.now()).date().isoformat()
    first = _day(wanted.get("date", today))
    last = _day(wanted.get("until", first.isoformat()))
    statement = statement_of(simulation, shortcode, account, first=first, last=last)
    name = f"ORG_{shortcode}_{account}_{first:%Y%m%d}"
    return await _file(statement, name, request)


async def _file(statement: Statement, name: str, request: Request) -> Response:
    wanted = request.query_params
    match wanted.get("format", "csv"):
        case "csv":
            pieces = csv_pieces(statement, grouped="grouped" in wanted)
            headers = _named(f"{name}.csv")
            return StreamingResponse(pieces, media_type="text/csv", headers=headers)
        case "xlsx":
            made = await asyncio.to_thread(xlsx_file, statement)
            return Response(made, media_type=XLSX_TYPE, headers=_named(f"{name}.xlsx"))
        case "pdf":
            password = wanted.get("password")
            made = await asyncio.to_thread(pdf_file, statement, password=password)
            return Response(made, media_type="application/pdf", headers=_named(f"{name}.pdf"))
        case _:
            raise Misasked(422, "format is csv, xlsx or pdf")


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misasked(422, f"{text} is not a day of the form 2026-03-01") from None
