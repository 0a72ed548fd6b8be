"""`/v1/ledger` and `/v1/balance`: the books of a merchant."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from hakika.api import ledger_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers
from hakika.domain.ledger import COLLECTED, SUSPENSE, balance, nature
from hakika.domain.ledger_data import entry_data
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.money import Money
from hakika.domain.payment_data import CURRENCY
from hakika.services import ledger
from hakika.store.ledger import Sums

router = APIRouter(prefix="/v1", tags=["books"])

Reader = Annotated[ApiKey, Depends(may(Scope.REPORTS_READ))]


@router.get(
    "/ledger/entries", summary="List postings",
    responses=answers(bodies.EntriesAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def entries(rt: Rt, key: Reader, wanted: Annotated[bodies.EntryQuery, Query()]) -> Response:
    """List every posting in its order, oldest first. None is ever changed or deleted."""
    found = await ledger.postings(rt, key, after=wanted.cursor, limit=wanted.limit + 1)
    page, more = found[:wanted.limit], len(found) > wanted.limit
    return Answer({
        "success": True, "data": [entry_data(each) for each in page],
        "page": {"next": str(page[-1].sequence) if more else None},
    })


@router.get(
    "/ledger/accounts", summary="List accounts",
    responses=answers(bodies.AccountsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def accounts(
    rt: Rt, key: Reader, _: Annotated[bodies.NoQuery, Query()],
) -> Response:
    """List the accounts with what was ever moved on them. Their balances add up to nothing."""
    found = await ledger.sums(rt, key)
    return Answer({"success": True, "data": [
        {
            "account": each.account, "counted": nature(each.account).value,
            "debits": str(each.debits), "credits": str(each.credits),
            "balance": str(_balance(each)), "currency": CURRENCY,
        }
        for each in found
    ]})


@router.get(
    "/balance", summary="Read the balance",
    responses=answers(bodies.BalanceAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def read_balance(
    rt: Rt, key: Reader, _: Annotated[bodies.NoQuery, Query()],
) -> Response:
    """Tell what lies on each short code by the books, and what of it nobody has explained yet."""
    found = {each.account: _balance(each) for each in await ledger.sums(rt, key)}
    return Answer({"success": True, "data": {
        "currency": CURRENCY, "float": _floats(found),
        "collected": str(found.get(COLLECTED, Money(0))),
        "suspense": str(found.get(SUSPENSE, Money(0))),
        "awaiting_receipt": str(await ledger.awaited(rt, key)),
    }})


def _floats(found: dict[str, Money]) -> Sequence[dict[str, Any]]:
    places: dict[str, dict[str, str]] = {}
    for account, amount in found.items():
        kind, *rest = account.split(":")
        if kind == "float":
            shortcode, place = rest
            places.setdefault(shortcode, {})[place] = str(amount)
    return [{"shortcode": each, "places": places[each]} for each in sorted(places)]


def _balance(sums: Sums) -> Money:
    return balance(sums.account, debits=sums.debits, credits_=sums.credits)
