"""Dashboard and alerts: every query can be read, and names only series that the real service has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from artifacts.store import Store
from service.telemetry.metrics import Metrics
from tests.docker.compose import ROOT
from tests.service.running import Running, running_service
from tests.service.shop import Shop, save_query_side

DASHBOARD = json.loads((ROOT / "docker" / "grafana" / "dashboards" / "vitrine.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "docker" / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
OF_PROMETHEUS = {"up", "ALERTS"}  # series of its own
LABELS_OF_PROMETHEUS = {"instance", "job", "alertstate"}

# Metric -> the labels that its series have, and their values.
Series = dict[str, dict[str, set[str]]]


def dashboard_queries() -> list[str]:
    """All queries of the dashboard, Grafana's variables replaced as Grafana does."""
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    queries += [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
    return [query.replace("$__rate_interval", "1m").replace("$instance", ".+") for query in queries]


QUERIES = [*dashboard_queries(), *(rule["expr"] for rule in RULES)]


def selectors(query: str) -> Iterator[tuple[str, list[promql_parser.Matcher]]]:
    """The vector selectors of a query: metric and conditions."""
    waiting = [promql_parser.parse(query)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, promql_parser.VectorSelector):
            yield node.name, list(node.matchers.matchers)
        for name in ("lhs", "rhs", "expr", "args", "vector_selector", "vs", "param"):
            child = getattr(node, name, None)
            waiting += child if isinstance(child, list) else [child] if child is not None else []


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Series:
    """What a service shows that has answered, refused and swapped."""
    folder, store = tmp_path_factory.mktemp("model") / "query", tmp_path_factory.mktemp("store")
    save_query_side(folder, seed=1)
    for version in ("v1", "v2"):
        Shop(folder).add_version(store, version)
    Store(store).publish("v1")
    with running_service(store) as running:
        assert [running.search().status_code for _ in range(2)] == [200, 200]  # the second from the cache
        assert running.swap("v2").status_code == 200
        return _series(running)


def _series(running: Running) -> Series:
    found: Series = {}
    for family in text_string_to_metric_families(running.client.get("/metrics").text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def test_all_queries_are_looked_at() -> None:
    assert len(QUERIES) > 25
    assert sum(1 for query in QUERIES for _ in selectors(query)) > 30


@pytest.mark.integration
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_series_that_the_service_has(query: str, series: Series) -> None:
    for metric, conditions in selectors(query):
        if metric in OF_PROMETHEUS:
            continue
        assert metric in series, f"{metric} is not in /metrics"
        for condition in conditions:
            if condition.name not in LABELS_OF_PROMETHEUS:
                assert condition.name in series[metric], f"{metric} has no label {condition.name}"


@pytest.mark.integration
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_groups_by_labels_that_there_are(query: str, series: Series) -> None:
    labels = {label for values in series.values() for label in values} | LABELS_OF_PROMETHEUS
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
    assert {name.strip() for names in grouped for name in names.split(",")} <= labels


@pytest.mark.integration
def test_conditions_name_stages_and_outcomes_that_there_are(series: Series) -> None:
    wanted = {
        (metric, condition.name, condition.value)
        for query in QUERIES
        for metric, conditions in selectors(query)
        for condition in conditions
        if condition.name in ("stage", "outcome")
    }
    assert len(wanted) >= 3
    for metric, label, value in wanted:
        assert value in series[metric][label], f"{metric} has no {label} {value!r}"


def test_the_dashboard_shows_all_metrics_of_ours() -> None:
    shown = {metric for query in dashboard_queries() for metric, _ in selectors(query)}
    families = re.findall(r"^# TYPE (vitrine_\w+)", Metrics().render().decode(), re.MULTILINE)
    assert [name for name in families if not any(metric.startswith(name) for metric in shown)] == []


def test_panels_lie_beside_each_other() -> None:
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24


def test_grafana_finds_the_dashboard_and_its_data() -> None:
    provisioning = ROOT / "docker" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    asked = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]}
    assert asked == {source["uid"]}
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "vitrine.yml").read_text())["providers"]
    assert f"./docker/grafana/dashboards:{provider['options']['path']}:ro" in (ROOT / "docker-compose.yml").read_text()


def test_every_alert_is_explained() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for rule in RULES:
        assert f"| `{rule['alert']}` |" in page
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "warn")


def test_every_alert_has_a_test() -> None:
    tests = yaml.safe_load((ROOT / "docker" / "prometheus" / "alerts.test.yml").read_text())["tests"]
    for rule in RULES:
        cases = [case for test in tests for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
        assert any(case.get("exp_alerts") for case in cases)
        assert any(not case.get("exp_alerts") for case in cases)


@pytest.mark.skipif(not shutil.which("promtool"), reason="only promtool evaluates alerts; it comes with Prometheus")
@pytest.mark.parametrize("command", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts.test.yml")])
def test_promtool(command: tuple[str, ...]) -> None:
    ran = subprocess.run(
        ["promtool", *command], cwd=ROOT / "docker" / "prometheus", capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_secret_lies_in_the_folder() -> None:
    for path in Path(ROOT / "docker").rglob("*"):
        assert not path.name.endswith((".env", ".pem", ".key"))
