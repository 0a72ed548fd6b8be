"""What guards money out: `/v1/payout-rules`, `/v1/beneficiaries`, `/v1/payout-stops`, `/v1/floats`.

Whoever may order may stop everything. To let more out, or go again, needs `payouts:approve`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import guard_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import ids, payout_order, stop
from hakika.domain.beneficiary import beneficiary_data
from hakika.domain.guard import rules_data
from hakika.domain.ids import BeneficiaryId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.stop import stop_data
from hakika.domain.times import written
from hakika.services import beneficiaries, floats, payout_rules, stops
from hakika.store.guards import GuardChange

router = APIRouter(prefix="/v1", tags=["payouts"])

Reader = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_WRITE))]
Approver = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_APPROVE))]
Auditor = Annotated[ApiKey, Depends(may(Scope.AUDIT_READ))]


@router.get(
    "/payout-rules", summary="Read the rules of money out",
    responses=answers(bodies.RulesAnswer, HTTPStatus.OK, 401, 403),
)
async def read_rules(rt: Rt, key: Reader) -> Response:
    """Read what may leave, how much of it, and when a second person is asked."""
    return Answer({"success": True, "data": rules_data(await payout_rules.read(rt, key))})


@router.put(
    "/payout-rules", summary="Change the rules of money out",
    openapi_extra=body_of(bodies.RulesRequest),
    responses=answers(bodies.RulesAnswer, HTTPStatus.OK, 400, 401, 403, 413),
)
async def put_rules(request: Request, rt: Rt, key: Approver) -> Response:
    """Change the rules that are named. Looser ones freeze money out until somebody else looked."""
    wanted = read_model(bodies.RulesRequest, read_object(await read_bytes(request)))
    named = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    return Answer({"success": True, "data": rules_data(await payout_rules.put(rt, key, named))})


@router.get(
    "/payout-rules/changes", summary="Who changed what guards money out",
    responses=answers(bodies.ChangesAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find_changes(
    rt: Rt, key: Auditor, wanted: Annotated[bodies.ChangesQuery, Query()],
) -> Response:
    """List changes of rules and beneficiaries, freezes and who lifted them, newest first."""
    found = await payout_rules.changes(rt, key, before=wanted.cursor, limit=wanted.limit + 1)
    return page_of(found, _change_data, limit=wanted.limit)


def _change_data(change: GuardChange) -> dict[str, Any]:
    return {
        "id": change.id, "what": change.what, "who": change.who or None, "before": change.before,
        "after": change.after, "note": change.note or None,
        "changed_at": written(change.changed_at),
    }


@router.get(
    "/beneficiaries", summary="List beneficiaries",
    responses=answers(bodies.BeneficiariesAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find_beneficiaries(
    rt: Rt, key: Reader, wanted: Annotated[bodies.BeneficiaryQuery, Query()],
) -> Response:
    """List the payees that may be paid where the rules say `only_listed`, newest first."""
    found = await beneficiaries.find(
        rt, key, before=BeneficiaryId(wanted.cursor) if wanted.cursor else None,
        limit=wanted.limit + 1,
    )
    return page_of(found, beneficiary_data, limit=wanted.limit)


@router.post(
    "/beneficiaries", status_code=HTTPStatus.CREATED, summary="List a payee",
    openapi_extra=body_of(bodies.BeneficiaryRequest),
    responses=answers(bodies.BeneficiaryAnswer, HTTPStatus.CREATED, 400, 401, 403, 413),
)
async def add_beneficiary(request: Request, rt: Rt, key: Approver) -> Response:
    """List a payee, who may be paid after the cool-off. One that is listed is answered as it is."""
    wanted = read_model(bodies.BeneficiaryRequest, read_object(await read_bytes(request)))
    _, payee = payout_order.read_payee(
        phone=wanted.phone, paybill=wanted.paybill or "", account=wanted.account or "",
        till=wanted.till or "", top_up=wanted.top_up or "", name=wanted.name,
    )
    made, _ = await beneficiaries.add(rt, key, payee)
    return Answer({"success": True, "data": beneficiary_data(made)}, HTTPStatus.CREATED)


@router.delete(
    "/beneficiaries/{beneficiary_id}", status_code=HTTPStatus.NO_CONTENT,
    summary="List a payee no more",
    responses=answers(None, HTTPStatus.NO_CONTENT, 401, 403, 404),
)
async def remove_beneficiary(rt: Rt, key: Writer, beneficiary_id: str) -> Response:
    """List a payee no more. What waits for it stays held."""
    await beneficiaries.remove(rt, key, ids.beneficiary_id(beneficiary_id))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get(
    "/payout-stops", summary="What stands before money out",
    responses=answers(bodies.StopsAnswer, HTTPStatus.OK, 401, 403),
)
async def find_stops(rt: Rt, key: Reader) -> Response:
    """List what stops money of this merchant and mode: a freeze, or a refused API operator."""
    found = [stop_data(each) for each in await stops.of(rt, key)]
    return Answer({"success": True, "data": found, "page": {"next": None}})


@router.post(
    "/payout-stops", status_code=HTTPStatus.CREATED, summary="Freeze money out",
    openapi_extra=body_of(bodies.FreezeRequest),
    responses=answers(bodies.StopAnswer, HTTPStatus.CREATED, 400, 401, 403, 413),
)
async def freeze(request: Request, rt: Rt, key: Writer) -> Response:
    """Send nothing more of this merchant and mode. What was sent is settled, webhooks go on."""
    raw = await read_bytes(request)
    wanted = read_model(bodies.FreezeRequest, read_object(raw) if raw else {})
    made = await stops.freeze(rt, key, note=wanted.note)
    return Answer({"success": True, "data": stop_data(made)}, HTTPStatus.CREATED)


@router.delete(
    "/payout-stops", summary="Let money go again",
    responses=answers(bodies.StopAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def lift(
    rt: Rt, key: Approver,
    which: Annotated[str, Query(
        max_length=100, alias="key", description="Left out: this merchant's freeze in this mode.",
    )] = "",
) -> Response:
    """Lift a freeze that somebody else caused, or the stop of an API operator that was mended.

    What was ready before leaves at once: cancel first what nobody meant.
    """
    mine = stop.of_merchant(key.merchant_id, livemode=key.livemode)
    lifted = await stops.lift(rt, key, which or mine)
    return Answer({"success": True, "data": stop_data(lifted)})


@router.get(
    "/floats", summary="What lies there for payouts",
    responses=answers(bodies.FloatsAnswer, HTTPStatus.OK, 401, 403),
)
async def find_floats(rt: Rt, key: Reader) -> Response:
    """Say of each account what lies there, what is promised, and when it runs out."""
    found = await floats.read(rt, key)
    return Answer({"success": True, "data": found, "page": {"next": None}})
