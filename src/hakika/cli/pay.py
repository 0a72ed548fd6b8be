"""`hakika pay`: ask a phone for money through the API, and watch until it is settled."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType
from typing import Annotated, Any

import typer
from rich.status import Status

from hakika.cli import api_place, options, screen
from hakika.cli.api_client import Answer, NoAnswer, ask
from hakika.cli.api_place import refusal, where
from hakika.cli.failure import EXIT_MISASKED, EXIT_UNPAID, CommandFailed
from hakika.domain import msisdn
from hakika.domain.errors import Invalid

FINAL = frozenset({"completed", "failed", "canceled", "reversed"})

# A restart of the API takes less.
SILENCE_SECONDS_MAX = 30.0

_LOOK_SECONDS = 0.5
_TRIES_MAX = 4
_TRY_AGAIN_SECONDS = 2.0
_ASK_AGAIN_STATUSES = frozenset({409, 503})

WaitOption = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait for the end; the payment goes on."),
]


def pay(
    phone: Annotated[str, typer.Argument(help="Who pays, such as 0712345678.")],
    amount: Annotated[str, typer.Argument(help="Whole shillings.")],
    api: api_place.Api = "",
    key: api_place.Key = "",
    reference: Annotated[str, typer.Option("--reference", help="12 characters at most.")] = "",
    description: Annotated[str, typer.Option("--description", help="13 at most.")] = "",
    wait: WaitOption = 240.0, data: options.Data = None, as_json: options.Json = False,
) -> None:
    """Ask a phone for money and wait for the end. Exits with 0 when it is paid, 3 when it is not.

    Example: hakika pay 0712345678 50 --reference INV-7
    """
    try:
        payer = msisdn.parse(phone)
    except Invalid as error:
        raise CommandFailed(error.message, exit_code=EXIT_MISASKED) from error
    api, key = where(api, key, data)
    order = {
        "amount": amount, "currency": "KES", "provider": "mpesa", "phone": payer.digits,
        **({"reference": reference} if reference else {}),
        **({"description": description} if description else {}),
    }
    try:
        payment = _asked(api, key, order)
        ctrl_c = _CtrlC()
        signal.signal(signal.SIGINT, ctrl_c.press)
    except KeyboardInterrupt:
        raise CommandFailed(
            "Stopped before the API answered; the payer may have been asked all the same.",
            exit_code=EXIT_UNPAID,
        ) from None
    screen.margin().print(f"Asked {payer.masked}: {payment['id']}")
    payment = _watched(api, key, payment, who=payer.masked, wait=wait, ctrl_c=ctrl_c)
    _show(payment, as_json=as_json)
    raise typer.Exit(0 if payment["status"] == "completed" else EXIT_UNPAID)


@dataclass(slots=True)
class _CtrlC:
    """Whether Ctrl-C was pressed while we wait: the first ends the waiting, the next one us."""

    pressed: bool = False

    def press(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _asked(api: str, key: str, order: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the new payment. Trying again is safe: every try has the same idempotency key."""
    headers = {"Idempotency-Key": f"hakika-pay-{uuid.uuid4()}"}
    answer: Answer | None = None
    problem = ""
    for attempt in range(_TRIES_MAX):
        if attempt:
            time.sleep(_TRY_AGAIN_SECONDS)
        try:
            answer = ask(f"{api}/v1/payments", key=key, body=order, headers=headers)
        except NoAnswer as error:
            problem = str(error)
            continue
        if answer.status not in _ASK_AGAIN_STATUSES:
            break
    if answer is None:
        raise CommandFailed(problem, hint="Is `hakika dev` running?")
    if not answer.is_good:
        raise refusal(answer)
    return _payment_in(answer)


def _payment_in(answer: Answer) -> Mapping[str, Any]:
    payment = answer.body.get("data")
    if not isinstance(payment, dict) or "status" not in payment:
        raise CommandFailed("The answer is not a payment. Is that address Hakika's API?")
    return payment


def _watched(
    api: str, key: str, payment: Mapping[str, Any], *, who: str, wait: float, ctrl_c: _CtrlC,
) -> Mapping[str, Any]:
    """Return the payment once it is final; or as it is after `wait` seconds, or at Ctrl-C."""
    began = answered = time.monotonic()
    margin = screen.margin()
    address = f"{api}/v1/payments/{payment['id']}"
    with margin.status("") as line:
        while payment["status"] not in FINAL and (waited := time.monotonic() - began) < wait:
            if ctrl_c.pressed:
                margin.print(f"Stopped waiting. The payment goes on: {address}", soft_wrap=True)
                break
            _tell(line, payment["status"], who=who, waited=waited)
            time.sleep(_LOOK_SECONDS)
            seen = _seen(address, key)
            if seen is None:
                _refuse_long_silence(address, seconds=time.monotonic() - answered)
                continue
            answered = time.monotonic()
            if seen["status"] != payment["status"]:
                margin.print(f"{payment['status']} → {seen['status']}")
            payment = seen
    return payment


def _seen(address: str, key: str) -> Mapping[str, Any] | None:
    """Return the payment as it is now; None when nobody answers, who may be restarting."""
    try:
        answer = ask(address, key=key)
    except NoAnswer:
        return None
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None  # its database is away, perhaps
    if not answer.is_good:
        raise refusal(answer)
    return _payment_in(answer)


def _refuse_long_silence(address: str, *, seconds: float) -> None:
    if seconds > SILENCE_SECONDS_MAX:
        raise CommandFailed(
            f"The API has not answered for {seconds:.0f} s. The payment goes on: {address}",
            exit_code=EXIT_UNPAID,
        )


def _tell(line: Status, status: str, *, who: str, waited: float) -> None:
    for_what = "M-Pesa to tell what happened" if status == "unknown" else f"{who} to answer"
    line.update(f"waiting for {for_what} … {waited:.0f} s")


def _show(payment: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        screen.write_json(payment)
        return
    match payment["status"]:
        case "completed":
            receipt = payment["receipt"] or "awaited"
            text = f"Paid: KES {payment['amount']}, receipt {receipt} ({payment['id']})."
        case status if status in FINAL:
            why = payment["payer_message"] or payment["failure_reason"] or "no reason was given"
            text = f"Not paid ({status}): {why} ({payment['id']})"
        case status:
            text = f"Not settled yet ({status}): {payment['id']}"
    screen.paper().print(text, soft_wrap=True)
