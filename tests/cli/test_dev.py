"""`hakika dev` as a developer meets it, and the commands that work beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hakika.cli.api_client import ask
from tests.cli.programs import (
    HAKIKA,
    PATIENCE_SECONDS,
    Said,
    asked,
    environment,
    hakika,
    told,
)

Here = Callable[..., Said]

pytestmark = pytest.mark.xdist_group("cli")

PAYS = "254708374149"
CANCELS = "254700001032"

Place = dict[str, Any]


def test_it_says_where_everything_is(place: Place) -> None:
    assert set(place) == {"api", "simulator", "api_key", "merchant_id", "data"}
    assert place["api_key"].startswith("hk_test_")
    assert asked(place, "/readyz")["success"] is True


def test_what_is_secret_is_closed_to_others(place: Place) -> None:
    data = Path(place["data"])

    names = ("secret", "dev-key", "dev.json")
    modes = {name: os.stat(data / name).st_mode & 0o777 for name in names}

    assert set(modes.values()) == {0o600}


def test_pay_ends_with_a_receipt(place: Place) -> None:
    said = hakika("pay", PAYS, "100", "--data", place["data"], "--reference", "INV-7", "--json")

    payment = told(said)
    assert payment["status"] == "completed"
    assert payment["receipt"]
    assert payment["reference"] == "INV-7"


def test_pay_tells_a_person_the_receipt(place: Place) -> None:
    said = hakika("pay", "0708 374 149", "5", "--api", place["api"], "--key", place["api_key"])

    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("Paid: KES 5.00, receipt ")
    assert PAYS not in said.stdout + said.stderr


def test_pay_tells_why_not(place: Place) -> None:
    said = hakika("pay", CANCELS, "5", "--data", place["data"])

    assert said.returncode == 3, said.stderr
    assert said.stdout.startswith("Not paid (canceled): ")


def test_pay_passes_on_what_the_api_refuses(place: Place) -> None:
    said = hakika("pay", PAYS, "1.50", "--data", place["data"])

    assert said.returncode == 1
    assert said.stderr.startswith("hakika: ")
    assert "Traceback" not in said.stderr


def test_stopping_pay_does_not_stop_the_payment(place: Place) -> None:
    with subprocess.Popen(
        [HAKIKA, "pay", "254712000001", "5", "--data", place["data"], "--json"],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as pay:
        assert pay.stderr is not None
        assert pay.stderr.readline().startswith("Asked 2547••••0001: pay_")
        pay.send_signal(signal.SIGINT)
        output, errors = pay.communicate(timeout=30)

    assert pay.returncode == 3, errors
    assert "The payment goes on" in errors
    assert json.loads(output)["status"] in {"pending", "unknown"}


def test_a_second_start_on_the_same_folder_is_refused(place: Place) -> None:
    said = hakika("dev", "--port", "0", "--data", place["data"])

    assert said.returncode == 1
    assert "already runs" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_port_that_is_taken_is_refused(place: Place, tmp_path: Path) -> None:
    port = place["api"].rpartition(":")[2]

    said = hakika("dev", "--port", port, "--data", tmp_path / "other")

    assert said.returncode == 1
    assert f"port {port}" in said.stderr


def test_a_revoked_key_is_refused(here: Here, place: Place) -> None:
    key = told(here("keys", "create", "--data", place["data"], "--label", "till", "--json"))
    assert asked(place | key, "/v1/payments")["success"] is True

    told(here("keys", "revoke", key["handle"], "--data", place["data"], "--json"))

    assert asked(place | key, "/v1/payments")["code"] == "api_key_revoked"


def test_a_key_may_do_what_its_scopes_say(here: Here, place: Place) -> None:
    words = ("keys", "create", "--scope", "webhooks:read", "--data", place["data"], "--json")

    key = told(here(*words))

    assert key["scopes"] == ["webhooks:read"]
    assert asked(place | key, "/v1/payments")["code"] == "forbidden"


def test_a_key_is_shown_once(here: Here, place: Place) -> None:
    made = here("keys", "create", "--data", place["data"])
    listed = here("keys", "list", "--data", place["data"])

    assert made.stdout.startswith("hk_test_")
    assert "once" in made.stderr
    assert made.stdout.strip() not in listed.stdout
    assert made.stdout[8:16] in listed.stdout


@pytest.mark.parametrize(("words", "exit_code", "way_out"), [
    (("keys", "revoke", "key_none"), 1, "hakika keys list"),
    (("keys", "create", "--label", "x" * 101), 2, "--help"),
    (("keys", "create", "--network", "nowhere"), 2, "203.0.113.0/24"),
])
def test_what_fails_says_what_a_person_does_next(
    here: Here, place: Place, words: tuple[str, ...], exit_code: int, way_out: str,
) -> None:
    """Nobody at a command line can "mend the named fields and send the request again"."""
    said = here(*words, "--data", place["data"])

    assert said.returncode == exit_code
    assert way_out in said.stderr
    assert "request" not in said.stderr and "of the same merchant and mode" not in said.stderr


def test_late_money_is_under_the_rule_that_was_set(here: Here, place: Place) -> None:
    words = ("merchants", "late-money", place["merchant_id"], "--data", place["data"], "--json")

    assert told(here(*words, "hold"))["late_money"] == "hold"

    assert asked(place, "/v1/merchant")["data"]["late_money"] == "hold"
    assert told(here(*words, "fulfil"))["livemode"] is False
    assert here(*words, "keep").returncode == 2


def test_merchants_are_listed(here: Here, place: Place) -> None:
    listed = told(here("merchants", "list", "--data", place["data"], "--json"))

    first = listed["merchants"][0]
    assert (first["id"], first["name"]) == (place["merchant_id"], "Demo shop")


def test_the_shop_has_money_to_send_and_knows_it(here: Here, place: Place) -> None:
    """A newcomer's first `hakika float` tells an amount, though nobody asked for the balance."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(
        each["known"] for each in told(here("float", "--data", place["data"], "--json"))["floats"]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_shop_has_all_that_the_documentation_asks_for(place: Place) -> None:
    """Every command of docs/books.md works with the key that is printed, and nothing is put first:
    an operator who is believed, a nominated number, and what is registered with M-Pesa.
    """
    api, key = place["api"], place["api_key"]
    for path in (
        "merchant/c2b", "payments/mpesa/register-pull", "payments/mpesa/reconcile",
        "payments/mpesa/check-status/UKL7RT61SV", "balance/check",
    ):
        answer = ask(f"{api}/v1/{path}", key=key, body={})
        assert answer.is_good, (path, answer.body)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (inquiry := _inquiry(place, answer.body["data"]["id"]))["state"] == "asked":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert inquiry["state"] == "answered", inquiry    # so the operator's password was right


def _inquiry(place: Place, inquiry_id: str) -> dict[str, Any]:
    answer = ask(f"{place['api']}/v1/inquiries/{inquiry_id}", key=place["api_key"])
    return dict(answer.body["data"])


def test_verify_is_green(place: Place) -> None:
    words = ("verify", "--data", place["data"], "--truth", place["simulator"], "--json")

    report = told(hakika(*words))

    assert report["green"] is True
    assert [each["violations"] for each in report["checks"]] == [[]] * len(report["checks"])


def test_verify_is_red_when_the_truth_is_another(here: Here, place: Place, tmp_path: Path) -> None:
    """A simulator that knows none of our payments: its treasury cannot equal our books."""
    told(here("pay", PAYS, "100", "--data", place["data"], "--json"))
    truth = json.loads(subprocess.run(
        ["curl", "-sS", "--noproxy", "*", f"{place['simulator']}/_simulator/truth"],
        capture_output=True, check=True,
    ).stdout)
    told_otherwise = tmp_path / "_simulator" / "truth"
    told_otherwise.parent.mkdir()
    told_otherwise.write_text(json.dumps(truth | {"payments": []}), encoding="utf-8")

    with _served(tmp_path) as url:
        said = here("verify", "--data", place["data"], "--truth", url)

    assert said.returncode == 4, said.stderr
    assert "Red" in said.stdout


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve the files of `folder` while inside, and give the address."""
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)),
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
