"""The dashboard and the alerts speak of metrics that the daemon has."""

from __future__ import annotations

import itertools
import re

import pytest
import yaml

from streams.metrics import Metrics
from support.checks.dashboard import DOCKER, alerts, dashboard, panels, queries
from support.checks.promql import named
from support.data.filled_metrics import series, some_work

OF_PROMETHEUS = {"up": {"job": {"driftline"}, "instance": {""}}}
ADDED_BY_SCRAPE = {"job", "instance"}


@pytest.fixture(scope="module")
def exposed() -> dict[str, dict[str, set[str]]]:
    metrics = Metrics()
    some_work(metrics)
    return series(metrics) | OF_PROMETHEUS


def problems(expression: str, exposed: dict[str, dict[str, set[str]]]) -> list[str]:
    """What an expression names that nobody exposes."""
    found, known = [], set(ADDED_BY_SCRAPE)
    names = named(expression)
    if not names.metrics:
        found.append("names no metric")
    for metric, matchers in names.metrics.items():
        if metric not in exposed:
            found.append(f"no metric {metric}")
            continue
        known |= set(exposed[metric])
        for label, operator, value in matchers:
            if label in ADDED_BY_SCRAPE:
                continue
            if label not in exposed[metric]:
                found.append(f"{metric} has no label {label}")
            elif operator == "=" and value not in exposed[metric][label]:
                found.append(f"{metric} has no {label}={value}")
    found += [f"grouped by {label}, which none of its metrics has" for label in names.grouping - known]
    return found


def test_every_metric_of_ours_has_samples_in_these_tests(exposed):
    """A metric that is added later has to be filled here too, else the other tests would not know it."""
    for family in Metrics().registry.collect():
        assert any(name.startswith(family.name) for name in exposed), family.name


@pytest.mark.parametrize(("title", "expression", "legend"), list(queries()))
def test_dashboard_query_names_what_is_exposed(title, expression, legend, exposed):
    """Each query of the dashboard, and its legend, names metrics and labels that the daemon exposes."""
    assert not problems(expression.replace("$__rate_interval", "1m"), exposed)
    names = named(expression)
    labels = names.grouping or set().union(*(exposed[metric] for metric in names.metrics), ADDED_BY_SCRAPE)
    assert set(re.findall(r"{{\s*(\w+)\s*}}", legend)) <= labels


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_alert_names_what_is_exposed(rule, exposed):
    """Each alert names existing metrics, waits before it fires, and tells how bad it is and what to do."""
    assert not problems(rule["expr"], exposed)
    assert rule["for"]
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"] and rule["annotations"]["description"]
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]):
        names = named(rule["expr"])
        known = names.grouping or set().union(*(exposed[metric] for metric in names.metrics), ADDED_BY_SCRAPE)
        assert label in known, label


def test_a_wrong_name_would_be_seen(exposed):
    """The check itself notices a wrong metric, label, label value and grouping."""
    assert problems("rate(driftline_events[1m])", exposed)
    assert problems('driftline_events_total{kind="applied"}', exposed)
    assert problems('driftline_events_total{outcome="aplied"}', exposed)
    assert problems("sum by (reason) (driftline_events_total)", exposed)


def test_every_panel_has_title_unit_and_the_provisioned_data_source():
    """A panel says what it shows, in which unit, and asks the data source that is provisioned."""
    provisioned = yaml.safe_load(
        (DOCKER / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text(encoding="utf-8")
    )
    (source,) = provisioned["datasources"]
    for panel in panels():
        assert panel["title"].strip()
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        for asks in [panel, *panel["targets"]]:
            assert asks["datasource"] == {"type": source["type"], "uid": source["uid"]}, panel["title"]


def test_panels_have_their_own_ids_and_places():
    """No two panels share an id or lie on one another, and none leaves the grid."""
    shown = dashboard()["panels"]
    assert len({panel["id"] for panel in shown}) == len(shown)
    for panel in shown:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    for one, other in itertools.combinations((panel["gridPos"] for panel in shown), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)


def test_every_metric_is_on_the_dashboard():
    """What the daemon measures can be seen without writing a query."""
    shown = {metric for _, expression, _ in queries() for metric in named(expression).metrics}
    for family in Metrics().registry.collect():
        assert any(metric.startswith(family.name) for metric in shown), family.name
