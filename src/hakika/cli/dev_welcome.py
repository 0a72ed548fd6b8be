"""What `hakika dev` says when it is ready: where everything is, and what to try first."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from hakika.cli import screen

# Pays after about a second; every other number is a person on the phone page.
ALWAYS_PAYS = "254708374149"
A_PERSON = "0712345678"


def show(place: Mapping[str, str]) -> None:
    """Print the welcome. `place` is the line of `--json`."""
    paper, hakika = screen.paper(), sys.argv[0]  # as it was started: it may not be on the PATH
    for label, text in (
        ("API", place["api"]),
        ("Documentation", f"{place['api']}/docs"),
        ("Phones", f"{place['simulator']}/phone"),
        ("Test key", f"{place['api_key']}  (development only: it is kept in {place['data']})"),
    ):
        paper.print(f"  {label:<15}{text}", soft_wrap=True)
    paper.print("\nAsk a phone that always pays; paste this into another terminal:\n")
    paper.print(curl(place, phone=ALWAYS_PAYS), soft_wrap=True)
    paper.print(
        f"\nBe the payer yourself: ask {A_PERSON} in that curl instead, then open\n"
        f"  {place['simulator']}/phone/{A_PERSON}\n"
        "and type any PIN, or refuse.\n"
        "\nMore to try:\n"
        f"  {hakika} pay {A_PERSON} 50 --data {place['data']}\n"
        f"  {hakika} payouts create {A_PERSON} 50 --data {place['data']}\n"
        f"  {hakika} verify --data {place['data']} --truth {place['simulator']}\n"
        f"  {place['simulator']}/phone lists the numbers that fail, and how\n"
        "\nCtrl-C stops everything; nothing is lost by it.", soft_wrap=True,
    )


def curl(place: Mapping[str, str], *, phone: str) -> str:
    """Return a command that works when pasted, each time with a payment of its own."""
    body = json.dumps({"amount": 100, "currency": "KES", "provider": "mpesa", "phone": phone})
    return "\n".join([
        f"curl -sS {place['api']}/v1/payments \\",
        f"  -H 'Authorization: Bearer {place['api_key']}' \\",
        "  -H \"Idempotency-Key: order-$(date +%s)\" \\",
        "  -H 'Content-Type: application/json' \\",
        f"  -d '{body}'",
    ])
