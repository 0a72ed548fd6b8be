"""The alarms and the dashboard ask for what there is: a mistyped name never wakes anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from hakika.domain.fact import Kind as Fact
from hakika.domain.payment import State, Status
from hakika.services import metrics
from hakika.services.metrics import Kind, Metric
from hakika.worker.periodic import ROUNDS

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "ops" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "ops" / "grafana" / "hakika.json"

# Of the library's own, those that tell an operator something.
LIBRARY = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
           "process_max_fds"}

# What Prometheus itself adds.
ADDED = {"instance", "job", "le"}

# What each label may say; the others are open, such as an endpoint's id.
VALUES = {
    "mode": {"live", "test", "$mode"},
    "outcome": {
        *(status.value for status in Status), "broken_off", "delivered", "refused", "gone",
        "unanswered", "kept", "failed", "made", "paid", "pending", "throttled", "silent",
        Fact.ACCEPTED.value, Fact.REFUSED.value, Fact.UNREACHABLE.value, Fact.SILENT.value,
    },
    "state": {*(state.value for state in State), "due", "parked", "running", "held", "in_use",
              "idle", "kept", "retrying"},
    "round": {each.name for each in ROUNDS},
    "endpoint": {"stk_push", "stk_query"},
    "status": {"500"},
    "job": {"$job"},
}


def alerts() -> list[dict[str, Any]]:
    """Return every alarm."""
    document = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return every panel that shows something."""
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def questions() -> Iterator[tuple[str, str]]:
    """Yield everything that is asked of Prometheus, and who asks."""
    for alert in alerts():
        yield alert["alert"], alert["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def series() -> dict[str, Metric | None]:
    """Return the name of every series, with the metric that it is of."""
    found: dict[str, Metric | None] = dict.fromkeys(LIBRARY)
    for metric in metrics.EVERYTHING:
        ends = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        found |= {metric.name + end: metric for end in ends}
    return found


def complaints(expression: str) -> Iterator[str]:
    """Yield what there is not: a series, a label of it, or a value of that label."""
    known = series()
    for name, _, selectors in re.findall(r"\b((?:hakika|process)_\w+)(\{(.*?)\})?", expression):
        if name not in known:
            yield f"no series {name}"
            continue
        metric = known[name]
        labels = ADDED | (set(metric.labels) if metric else set())
        for label, values in re.findall(r'(\w+)(?:=~|!=|!~|=)"(.*?)"', selectors):
            if label not in labels:
                yield f"{name} has no label {label}"
                continue
            for value in values.split("|"):
                if label in VALUES and value not in VALUES[label]:
                    yield f"{label} is never {value}"


def test_every_series_that_is_asked_for_exists() -> None:
    found = {who: list(complaints(text)) for who, text in questions() if list(complaints(text))}

    assert found == {}


@pytest.mark.parametrize(("expression", "said"), [
    ("rate(hakika_payments_total[5m])", "no series hakika_payments_total"),
    ("hakika_webhook_lag_seconds", "no series hakika_webhook_lag_seconds"),
    ('hakika_queue_deliveries{status="held"}', "hakika_queue_deliveries has no label status"),
    ('hakika_queue_deliveries{state="stuck"}', "state is never stuck"),
    ('sum(hakika_daraja_call_seconds_sum{outcome=~"silent|lost"})', "outcome is never lost"),
])
def test_what_does_not_exist_is_seen(expression: str, said: str) -> None:
    assert list(complaints(expression)) == [said]


def test_every_metric_is_shown_or_watched() -> None:
    """What nobody looks at is only a cost."""
    asked = " ".join(text for _, text in questions())

    unused = [
        name for name in (*LIBRARY, *(metric.name for metric in metrics.EVERYTHING))
        if not re.search(rf"\b{name}(?:_bucket|_sum|_count)?\b", asked)
    ]

    assert unused == []


def test_an_alarm_says_what_happened_and_what_to_do() -> None:
    """Whoever is woken has neither read the code nor had coffee."""
    for alert in alerts():
        notes = alert["annotations"]
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert
        assert len(notes["summary"]) < 100, notes
        assert len(notes["description"]) > 60, notes


def test_an_alarm_leads_to_a_section_that_exists() -> None:
    for alert in alerts():
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {
            re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-") for heading in headings
        }
        assert not anchor or anchor in anchors, alert["annotations"]["runbook_url"]


def test_a_panel_has_a_title_a_place_and_a_source_that_can_be_chosen() -> None:
    """An import into another Grafana knows nothing of ours."""
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    identities = [panel["id"] for panel in document["panels"]]
    titles = [panel["title"] for panel in panels()]

    assert len(set(identities)) == len(identities)
    assert len(set(titles)) == len(titles)
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_the_panels_that_alarms_speak_of_exist() -> None:
    titles = {panel["title"] for panel in panels()} | {"Callbacks", "Daraja"}  # two of the rows
    spoken = {
        name for alert in alerts()
        for name in re.findall(r"\(the panel ([^)]+)\)", alert["annotations"]["description"])
    }

    assert spoken
    assert spoken <= titles
