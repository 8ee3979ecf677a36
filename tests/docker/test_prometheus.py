"""A real Prometheus reads our configuration, scrapes the running daemon and answers the dashboard's queries."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaProducer

from streams.broker.config import BrokerConfig
from streams.broker.embedded import EmbeddedBroker, dying_with_us, free_port
from streams.broker.topics import ensure_topics
from streams.demo.simulate import SimulationPlan, simulate
from streams.topics.config import TopicsConfig
from streams.topics.outlets import plain_outlets
from support.checks.dashboard import DOCKER, alerts, queries
from support.checks.promql import named
from support.servers.daemon_process import DaemonProcess

CONFIG = DOCKER / "prometheus" / "prometheus.yml"
WAIT_S = 60.0
SIMULATED = 300
RATE = 25.0

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool here (Debian: apt-get install prometheus)"
)
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="no prometheus here (Debian: apt-get install prometheus)"
)


def promtool(*arguments: str | Path, folder: Path) -> None:
    ran = subprocess.run(
        ["promtool", *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=30
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_promtool
def test_configuration_and_rules_are_valid():
    """Prometheus accepts the configuration and the rules that it names."""
    promtool("check", "config", CONFIG, folder=DOCKER)
    promtool("check", "rules", DOCKER / "prometheus" / "alerts.yml", folder=DOCKER)


@needs_promtool
def test_alerts_fire_at_their_thresholds_and_not_before():
    """Each alert fires for the trouble that it is named for, and is silent in normal work."""
    promtool("test", "rules", "alerts_test.yml", folder=Path(__file__).parent)


@needs_prometheus
@pytest.mark.broker
def test_every_dashboard_query_is_answered_from_the_scraped_daemon(
    embedded_broker: EmbeddedBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """While the daemon works, Prometheus answers each query of the dashboard with numbers; all alerts evaluate."""
    broker, topics = embedded_broker.config, TopicsConfig(prefix=topic_prefix)
    ensure_topics(broker, dict.fromkeys(topics.all_names(), 2))
    arguments = ["--broker", broker.url, "--store", str(tmp_path / "store"), "--prefix", topic_prefix]
    with DaemonProcess(tmp_path, *arguments, "--group", topic_prefix) as daemon:
        daemon.until_ready()
        with prometheus(tmp_path, urllib.parse.urlsplit(daemon.url("/metrics")).netloc) as api:
            until(lambda: value(api, "driftline_ready") == 1, "the daemon is scraped")
            load_the_model(broker, topics)  # else the traffic may be over before the first flush
            daemon.until(
                lambda: daemon.metric("driftline_items_total", outcome="encoded"), 60, "the model is loaded"
            )
            with traffic(broker, topics):
                missing = until_answered(api)
            assert not missing, f"no numbers for {missing}\n{daemon.log[-2000:]}"
            until(
                lambda: value(api, "sum(driftline_events_total)") == SIMULATED + 1,
                "all events that were sent are counted in Prometheus",
            )
            assert value(api, "sum(driftline_dead_letters_total)") == 1
            stored = set(get(api, "label/__name__/values")["data"])
            for rule in alerts():
                assert set(named(rule["expr"]).metrics) <= stored.union(ONLY_IN_TROUBLE), rule["alert"]
            rules = [rule for group in get(api, "rules")["data"]["groups"] for rule in group["rules"]]
            assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alerts()}
            assert all(rule["health"] == "ok" for rule in rules), rules
        assert daemon.stop() == 0, daemon.log


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """A Prometheus that scrapes `target` in the manner of our configuration; the address of its API."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={_config(folder, target)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(dying_with_us(command), stdout=output, stderr=output)
    try:
        yield f"http://{address}/api/v1"
    except BaseException:
        print(log.read_text(encoding="utf-8"))
        raise
    finally:
        process.terminate()
        process.wait(20)


def _config(folder: Path, target: str) -> Path:
    """Our own configuration, but for the address of the daemon and how often it is asked."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    (scrape,) = config["scrape_configs"]
    scrape["static_configs"] = [{"targets": [target]}]
    for rules in config["rule_files"]:
        shutil.copy(CONFIG.parent / rules, folder)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return file


def load_the_model(broker: BrokerConfig, topics: TopicsConfig) -> None:
    """An item with a text to encode."""
    producer = KafkaProducer(**broker.kafka_python(), acks="all")
    producer.send(topics.name("items"), key=b"w", value=b'{"item_id": "w", "title": "Red grapes"}').get(20)
    producer.close()


@contextmanager
def traffic(broker: BrokerConfig, topics: TopicsConfig) -> Iterator[None]:
    """A record that is no event, then a catalogue and events for some seconds; all sent when the context ends."""
    producer = KafkaProducer(**broker.kafka_python(), acks="all")
    producer.send(topics.name("clicks"), key=b"k", value=b"{nope").get(20)
    producer.close()
    plan = SimulationPlan(rate=RATE, seconds=SIMULATED / RATE, seed=1, start=time.time(), users=12)
    sending = threading.Thread(
        target=simulate,
        args=(broker, plain_outlets(topics.by_action()), topics.name("items"), plan),
    )
    sending.start()
    try:
        yield
    finally:
        sending.join()


ONLY_IN_TROUBLE = ("driftline_dead_letters_dropped_total", "driftline_lost_records_total")
"""Counters without a series until it happens; their alerts are tested by rule."""


def until_answered(api: str) -> list[str]:
    """Ask until each query has been answered with numbers once; those that were not within the time."""
    end = time.monotonic() + WAIT_S
    open_ = [
        (title, expression)
        for title, expression, _ in queries()
        if not any(name in expression for name in ONLY_IN_TROUBLE)
    ]
    while open_ and time.monotonic() < end:
        open_ = [(title, expression) for title, expression in open_ if not finite(api, expression)]
        time.sleep(0.2)
    return [f"{title}: {expression}" for title, expression in open_]


def finite(api: str, expression: str) -> bool:
    """Whether at least one series of the answer is a number; an expression that Prometheus refuses fails the test."""
    answer = get(api, "query", query=expression.replace("$__rate_interval", "5s"))
    assert answer["status"] == "success", (expression, answer)
    return any(math.isfinite(float(result["value"][1])) for result in answer["data"]["result"])


def value(api: str, expression: str) -> float | None:
    """The one number that an expression gives; None while there is none, or no Prometheus that is ready."""
    try:
        found = get(api, "query", query=expression)["data"]["result"]
    except (OSError, ValueError):  # ValueError: until it is ready it answers 503 in plain text
        return None
    return float(found[0]["value"][1]) if found else None


def get(api: str, path: str, **parameters: str) -> Any:
    """The answer of the API, also where it is an error."""
    try:
        with urllib.request.urlopen(
            f"{api}/{path}?{urllib.parse.urlencode(parameters)}", timeout=5
        ) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def until(condition: Any, what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"not within {WAIT_S:g} s: {what}"
        time.sleep(0.1)
