"""What nobody thought of sending: requests made from /openapi.json, fit and unfit, on every route.

Whatever is sent, the answer is one that the document promises, in the shape that it promises, and
never a 5xx but 502 and 503. `EXAMPLES=500` tries more than there is time for each day.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hakika.api.app import create_app
from hakika.settings import read_settings
from tests.api.world import World, new_key, new_person

EXAMPLES = int(os.environ.get("EXAMPLES", "6"))

DOCUMENT = create_app(read_settings({}), public_url="").openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CASES = [
    pytest.param(method.upper(), path, mode, id=f"{method.upper()} {path} {mode.value}")
    for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & set(operation)
]
CHECKS = [
    status_code_conformance, content_type_conformance, response_schema_conformance,
]

# Always the same requests: a change that breaks nothing must not be refused by chance.
SOME = settings(
    max_examples=EXAMPLES, derandomize=EXAMPLES < 100, database=None, deadline=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)

pytestmark = pytest.mark.timeout(30 + EXAMPLES * 2)


class Caller:
    """A merchant's program that knows one thing of each kind, until it has deleted it."""

    def __init__(self, world: World) -> None:
        self.url = world.url
        _, key = world.open_merchant()
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"
        self._turn = 0

    def known(self) -> dict[str, str]:
        """Return an id of each kind."""
        payment = self._post("/v1/payments", {
            "amount": 5, "currency": "KES", "provider": "mpesa", "phone": new_person(),
        })
        endpoint = self._post("/v1/webhook-endpoints", {"url": "https://a.example/"})
        key = self._post("/v1/keys", {})
        return {"payment_id": payment, "endpoint_id": endpoint, "key_id": key}

    def _post(self, path: str, body: dict[str, Any]) -> str:
        answer = self.session.post(
            self.url + path, json=body, headers={"Idempotency-Key": new_key()},
        )
        found: str = answer.json()["data"]["id"]
        return found

    def send(self, case: schemathesis.Case[Any], known: dict[str, str]) -> None:
        """Send one request; every second one about something that there is."""
        self._turn += 1
        for name, value in known.items() if self._turn % 2 else ():
            if name in (case.path_parameters or {}):
                case.path_parameters[name] = value
        if case.query and "wait" in case.query:
            case.query["wait"] = 0  # who asks for 30 seconds gets them
        answer = case.call(base_url=self.url, session=self.session)
        assert answer.status_code < 500 or answer.status_code in {502, 503}, case.as_curl_command()
        case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_every_answer_is_one_that_is_documented(api_world, method, path, mode):
    """A merchant's program is written against the document; what is not in it breaks it."""
    caller = Caller(api_world)
    known = caller.known() if "{" in path else {}

    @SOME
    @given(SCHEMA[path][method].as_strategy(generation_mode=mode))
    def every(case: schemathesis.Case[Any]) -> None:
        caller.send(case, known)

    every()
