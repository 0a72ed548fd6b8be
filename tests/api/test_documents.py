"""/openapi.json: complete, consistent, and what client generators can read."""

from __future__ import annotations

from typing import Any

PROBLEM_REFS = {
    f"#/components/schemas/{name}" for name in ("Problem", "QuotaProblem", "RefusalProblem")
}

# The doors of an older gateway have its own shape, and take what it would have ignored.
OLDER, OLDER_REFS = "/api/v1/", {"#/components/schemas/GatewayError"}


def nodes(value: Any):
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from nodes(each)


def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items() for method, operation in methods.items()
    }


def found(document, reference):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_it_is_openapi_3_1(api_world):
    """The version that knows JSON Schema."""
    document = api_world.documented.document

    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "Hakika" and document["info"]["version"]


def test_every_reference_leads_somewhere(api_world):
    """A client generator stops at the first that does not."""
    document = api_world.documented.document
    references = {node["$ref"] for node in nodes(document) if "$ref" in node}

    assert references
    assert [each for each in references if not found(document, each)] == []


def test_no_schema_is_left_over(api_world):
    """What nothing refers to confuses whoever reads."""
    document = api_world.documented.document
    references = {node["$ref"].rpartition("/")[2] for node in nodes(document) if "$ref" in node}

    assert set(document["components"]["schemas"]) - references == set()


def test_every_route_has_words_and_a_documented_success(api_world):
    """Summary, description, tag and id, and the shape of its answer."""
    for name, operation in operations(api_world.documented.document).items():
        assert operation["summary"] and operation["description"], name
        assert operation["tags"] and operation["operationId"], name
        success = [status for status in operation["responses"] if status.startswith("2")]
        assert success, name
        for status in set(success) - {"204"}:
            for kind, content in operation["responses"][status]["content"].items():
                assert content["schema"].get("$ref") or kind != "application/json", name


def test_every_problem_is_documented_as_one(api_world):
    """With the one shape and its media type; the door's own problems on every route."""
    for name, operation in operations(api_world.documented.document).items():
        problems = {
            status: answer for status, answer in operation["responses"].items()
            if not status.startswith("2")
        }
        for status, answer in problems.items():
            kind, refs = (
                ("application/json", OLDER_REFS) if OLDER in name
                else ("application/problem+json", PROBLEM_REFS)
            )
            assert answer["content"][kind]["schema"]["$ref"] in refs, (name, status)
        if "/v1/" in name:
            assert {"401", "403", "429", "503"} <= set(problems), name
            assert operation["security"], name
        if "{" in name:
            assert "404" in problems, name
        if "requestBody" in operation and OLDER not in name:
            assert {"400", "413", "415"} <= set(problems), name


def test_every_request_has_an_example_that_is_taken(api_world):
    """Developers copy it first and read later."""
    document = api_world.documented.document
    for name, operation in operations(document).items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            schema = found(document, content["schema"]["$ref"])
            assert schema["examples"], name
            assert schema.get("additionalProperties", OLDER in name) is (OLDER in name), name


def test_every_answer_has_an_example(api_world):
    """What comes back is what a developer writes code for."""
    document = api_world.documented.document
    for name in ("PaymentData", "EventData", "EndpointData", "NewEndpointData", "FactData",
                 "CustomerData", "Problem", "RefusalProblem"):
        assert document["components"]["schemas"][name].get("examples"), name


def test_operation_ids_are_unique(api_world):
    """They become the names of functions in generated clients."""
    ids = [each["operationId"] for each in operations(api_world.documented.document).values()]

    assert len(ids) == len(set(ids))


async def test_the_pages_that_show_it_come_from_here(shop):
    """No script from somebody else's server reads a merchant's key."""
    async with shop.session.get(f"{shop.world.url}/docs") as answer:
        page = await answer.text()

    assert answer.status == 200
    assert "/openapi.json" in page
    assert "cdn." not in page and "unpkg" not in page
