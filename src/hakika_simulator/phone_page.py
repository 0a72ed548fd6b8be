"""The phone in the browser: the prompt, the PIN, the balance and the messages.

Works through plain forms; `static/phone.js` only spares the reload. Whatever a merchant sent is
escaped by the templates.
"""

from pathlib import Path
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from hakika_simulator import numbers, payees
from hakika_simulator.c2b import BILL_REFERENCE_LENGTH_MAX
from hakika_simulator.clock import in_nairobi
from hakika_simulator.fields import AMOUNT_SHILLINGS_MAX, SHORTCODE, WHOLE
from hakika_simulator.payments import Payment
from hakika_simulator.prompts import NoPrompt, PinUnreadable
from hakika_simulator.simulation import Simulation, simulation_of
from hakika_simulator.sms import question, shillings

MESSAGES_SHOWN = 12
PROMPTS_LISTED = 50
SEE_OTHER = 303
NOTICES = {
    "pin": "A PIN has four digits. Try again.",
    "gone": "The request is gone: it was answered, or it ran out.",
    "number": "That is not a Kenyan mobile number.",
    "payment": "Give a business number of 5 to 7 digits and a whole amount from 1 to 250,000.",
    "wrong": "Wrong M-PESA PIN, or it is locked.",
}

templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
templates.env.filters["shillings"] = shillings
templates.env.filters["clock"] = lambda at: in_nairobi(at).strftime("%H:%M")
templates.env.filters["day"] = lambda at: in_nairobi(at).strftime("%a %d %b")


async def go_to_index(_: Request) -> Response:
    """GET /."""
    return RedirectResponse("/phone", SEE_OTHER)


async def show_index(request: Request) -> Response:
    """GET /phone: choose a phone; ?number= goes straight to it."""
    simulation = simulation_of(request)
    typed = request.query_params.get("number")
    if typed is not None:
        phone = numbers.number_from(typed)
        if phone is None:
            return RedirectResponse("/phone?notice=number", SEE_OTHER)
        return RedirectResponse(f"/phone/{phone}", SEE_OTHER)
    context = {
        "prompts": simulation.payments.prompts(limit=PROMPTS_LISTED),
        "guide": numbers.guide(),
        "payees": payees.guide(),
        "name_of": simulation.settings.organisation,
        "notice": NOTICES.get(request.query_params.get("notice", "")),
    }
    return templates.TemplateResponse(request, "index.html", context)


async def show_phone(request: Request) -> Response:
    """GET /phone/{number}: the whole page; any usual spelling of the number will do."""
    phone = _phone(request)
    if phone != request.path_params["number"]:
        return RedirectResponse(f"/phone/{phone}", SEE_OTHER)
    return templates.TemplateResponse(request, "phone.html", _screen(request, phone))


async def show_screen(request: Request) -> Response:
    """GET /phone/{number}/screen: the screen alone, for the script to put in place."""
    return templates.TemplateResponse(request, "screen.html", _screen(request, _phone(request)))


async def enter_pin(request: Request) -> Response:
    """POST /phone/{number}/pin, a form with `pin`."""
    phone = _phone(request)
    try:
        simulation_of(request).prompts.enter_pin(phone, (await _form(request)).get("pin", ""))
    except PinUnreadable:
        return _back_to(phone, notice="pin")
    except NoPrompt:
        return _back_to(phone, notice="gone")
    return _back_to(phone)


async def cancel(request: Request) -> Response:
    """POST /phone/{number}/cancel, an empty form."""
    phone = _phone(request)
    try:
        simulation_of(request).prompts.cancel(phone)
    except NoPrompt:
        return _back_to(phone, notice="gone")
    return _back_to(phone)


async def pay(request: Request) -> Response:
    """POST /phone/{number}/pay, a form: `shortcode`, `amount`, `pin`, and `account` for a pay bill.

    Nobody asked for it; without an account it goes to a till.
    """
    phone = _phone(request)
    form = await _form(request)
    shortcode, amount = form.get("shortcode", ""), form.get("amount", "")
    payable = SHORTCODE.fullmatch(shortcode) and WHOLE.fullmatch(amount)
    if not payable or not 1 <= int(amount) <= AMOUNT_SHILLINGS_MAX:
        return _back_to(phone, notice="payment")
    simulation = simulation_of(request)
    try:
        if not simulation.prompts.try_pin(phone, form.get("pin", "")):
            return _back_to(phone, notice="wrong")
    except PinUnreadable:
        return _back_to(phone, notice="pin")
    with simulation.storage.transaction():
        arrival = simulation.arrivals.begin(
            phone=phone,
            shortcode=shortcode,
            cents=int(amount) * 100,
            account=form.get("account", "").strip()[:BILL_REFERENCE_LENGTH_MAX],
        )
    await simulation.arrivals.finish(arrival)
    return _back_to(phone)


async def _form(request: Request) -> dict[str, str]:
    sent = parse_qs((await request.body()).decode(errors="replace"))
    return {name: values[0].strip() for name, values in sent.items()}


def _screen(request: Request, phone: str) -> dict[str, object]:
    simulation = simulation_of(request)
    prompt = simulation.payments.prompt_on(phone)
    messages = simulation.messages.latest(phone, limit=MESSAGES_SHOWN)
    now = simulation.clock.now()
    return {
        "phone": phone,
        "now": now,
        "balance_cents": simulation.wallets.balance_cents(phone),
        "messages": messages,
        "prompt": prompt,
        "question": _question(simulation, prompt) if prompt else "",
        "seconds_left": max(0, round(prompt.due_at - now)) if prompt else 0,
        "notice": NOTICES.get(request.query_params.get("notice", "")),
        "is_magic": numbers.behaviour_of(phone).is_magic,
        "says": numbers.behaviour_of(phone).says,
    }


def _question(simulation: Simulation, prompt: Payment) -> str:
    return question(
        organisation=simulation.settings.organisation(prompt.receiver),
        amount_cents=prompt.amount_cents,
        account_reference=prompt.account_reference,
        is_to_till=prompt.is_to_till,
    )


def _phone(request: Request) -> str:
    phone = numbers.number_from(request.path_params["number"])
    if phone is None:
        raise HTTPException(404)
    return phone


def _back_to(phone: str, *, notice: str | None = None) -> Response:
    tail = f"?notice={notice}" if notice else ""
    return RedirectResponse(f"/phone/{phone}{tail}", SEE_OTHER)
