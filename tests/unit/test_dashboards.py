"""Dashboard, alerts and docs/metrics.md name what the code counts, and leave nothing out."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, Metric

import api.main  # noqa: F401
import workers.runtime  # noqa: F401 - what is imported begins at 0
from api.queue_figures import QueueFigures
from shared.core.service_tier import Tier
from shared.metrics import MODES
from shared.store.queue_state import Queued, TierState, Waiting
from shared.store.server_state import ServerState
from shared.upstream.call_figures import CallFigures

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "ops/grafana/turnstone.json").read_text())
ALERTS = ROOT / "ops/prometheus/alerts.yml"
ALERT_TESTS = ROOT / "ops/prometheus/alerts_test.yml"

# Prometheus' own.
TARGET_LABELS = {"instance", "job"}
NAMES_OF_OTHERS = {"up"}
# Chosen by operators and model servers.
OPEN_LABELS = {"model", "upstream"}

SELECTOR = re.compile(r"\b(turnstone_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\bby \(([^)]*)\)")


def families() -> list[Metric]:
    """Every metric with every label value that is known beforehand."""
    CallFigures("default")
    state = TierState(0, dict.fromkeys(Waiting, Queued()))
    by_sql = QueueFigures(ServerState(None, dict.fromkeys(Tier, state), [], [])).collect()
    return [family for family in (*REGISTRY.collect(), *by_sql) if family.name.startswith("turnstone_")]


FAMILIES = families()
SAMPLES = {sample.name for family in FAMILIES for sample in family.samples}


def labels_of(name: str) -> dict[str, set[str]]:
    """The labels of a sample's name, and the values they can have."""
    found: dict[str, set[str]] = {}
    for family in FAMILIES:
        for sample in family.samples:
            if sample.name == name:
                for label, value in sample.labels.items():
                    found.setdefault(label, set()).add(value)
    if name.startswith("turnstone_turns_ended"):
        found |= {"tier": {tier.value for tier in Tier}, "mode": set(MODES)}
    return found


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> list[Any]:
    drawn = [
        pytest.param(t["expr"], id=f"{panel['title']} {t['refId']}") for panel in panels() for t in panel["targets"]
    ]
    return drawn + [pytest.param(rule["expr"], id=rule["alert"]) for rule in alerts()]


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_names_what_there_is(expression: str) -> None:
    selectors = SELECTOR.findall(expression)
    assert selectors
    grouped = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")}
    for name, matchers in selectors:
        if name in NAMES_OF_OTHERS:
            continue
        assert name in SAMPLES
        labels = labels_of(name)
        assert grouped <= labels.keys() | TARGET_LABELS
        for label, operator, value in MATCHER.findall(matchers):
            values = value.split("|") if "~" in operator else [value]
            assert set(values) <= labels[label] or label in OPEN_LABELS


@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
def test_every_metric_is_drawn(family: str) -> None:
    drawn = {name for panel in panels() for target in panel["targets"] for name, _ in SELECTOR.findall(target["expr"])}
    assert {family, f"{family}_total", f"{family}_bucket"} & drawn


def test_what_every_api_process_tells_alike_is_not_summed() -> None:
    for name in ("queued_turns", "oldest_queued_seconds", "running_turns", "live_processes", "database_up"):
        for expression in (param.values[0] for param in expressions()):
            assert not re.search(rf"\bsum\b[^()]*(\([^()]*\) )?\(turnstone_{name}\b", expression)


def test_the_dashboard_hangs_on_no_data_source_and_no_panel_on_another() -> None:
    sources = {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]}
    assert sources == {"${datasource}"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(places) == len(set(places))


def test_every_alert_says_what_to_do() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        assert len(rule["annotations"]["description"]) > 60, rule["alert"]


def test_the_page_of_metrics_lists_them_all() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    table = [line for line in page.splitlines() if line.startswith("| `turnstone_")]
    assert table == [row(family) for family in sorted(FAMILIES, key=lambda family: family.name)]


def test_promtool_agrees() -> None:
    """Syntax by Prometheus itself, and what each alert does, where it is installed."""
    if not (promtool := shutil.which("promtool")):
        pytest.skip("no promtool on this machine")
    for command in (["check", "rules", ALERTS], ["test", "rules", ALERT_TESTS]):
        told = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout + told.stderr


def row(family: Metric) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    sample = next(sample for sample in family.samples)
    labels = ", ".join(f"`{label}`" for label in sample.labels if label != "le")
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |"
