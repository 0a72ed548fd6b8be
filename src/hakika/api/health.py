"""`/healthz` and `/readyz`: is the process alive, and can it do its work."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from hakika.api import schemas
from hakika.api.answer import Answer
from hakika.api.auth import Rt
from hakika.api.documents import answers
from hakika.services import queue

router = APIRouter(tags=["health"])


@router.get(
    "/healthz", summary="Is the process alive",
    responses={HTTPStatus.OK.value: {"model": schemas.AliveAnswer}},
)
async def alive() -> Response:
    """Answer 200 whenever the process can answer at all."""
    return Answer({"success": True, "data": {"status": "alive"}})


@router.get(
    "/readyz", summary="Can it do its work",
    responses=answers(schemas.ReadyAnswer, HTTPStatus.OK),
)
async def ready(rt: Rt) -> Response:
    """Answer 200 when the database can be reached, with how much is to be delivered."""
    depth = await queue.depth(rt)
    return Answer({"success": True, "data": {
        "status": "ready",
        "queue": {
            "due": depth.due, "parked": depth.parked, "running": depth.running,
            "waiting": depth.waiting, "oldest_due_seconds": depth.oldest_due_seconds,
        },
    }})
