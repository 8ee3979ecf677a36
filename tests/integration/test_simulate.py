"""Simulated events in topics."""

from __future__ import annotations

import time

import pytest

from streams.broker.topics import ensure_topics
from streams.demo.simulate import SimulationPlan, simulate
from streams.demo.simulated_catalogue import simulated_catalogue
from streams.errors import BrokerError
from streams.events.decode import decode_events
from streams.events.decode_items import decode_items
from streams.topics.outlets import plain_outlets
from support.data.event_rows import rows_of
from support.servers.topic_reader import read_topic
from transfer.config import ACTIONS

pytestmark = pytest.mark.broker
START = 1_700_000_000.0


def names(prefix: str) -> dict[str, str]:
    return {"browse": prefix + "browses", "click": prefix + "clicks", "purchase": prefix + "purchases"}


def run(broker, prefix, **options):
    topics = names(prefix)
    ensure_topics(broker, {**dict.fromkeys(topics.values(), 4), prefix + "items": 4})
    done = simulate(broker, plain_outlets(topics), prefix + "items", SimulationPlan(start=START, **options))
    events = []
    for action, topic in topics.items():
        records = read_topic(broker, topic, done.sent[topic])
        decoded = decode_events(
            [record.value for record in records],
            offsets=[record.offset for record in records],
            action=ACTIONS.index(action),
            source=topic,
            now=START + 1e6,
        )
        assert decoded.rejects == []
        assert len(decoded.columns) == done.sent[topic]
        events += rows_of(decoded.columns)
    return done, sorted(events, key=lambda row: (row[4], row))


def test_a_simulation_depends_on_its_seed_alone(broker, topic_prefix):
    """Two runs with one seed and start put the same events and items into the topics, at any pace."""
    first, one = run(broker, topic_prefix + "a-", rate=4000.0, seconds=0.25, seed=7, users=6)
    second, two = run(broker, topic_prefix + "b-", rate=4000.0, seconds=0.25, seed=7, users=6)
    assert sum(first.sent.values()) == sum(second.sent.values()) == 1000
    assert one == two
    assert one[0][4] == START
    assert one[-1][4] == pytest.approx(START + 999 / 4000)
    items = read_topic(broker, topic_prefix + "a-items", first.items)
    rows = decode_items([r.value for r in items], keys=[r.key for r in items]).rows
    assert sorted(rows, key=lambda row: row.item_id) == sorted(
        simulated_catalogue(), key=lambda row: row.item_id
    )


def test_a_simulation_keeps_its_rate(embedded_broker, topic_prefix):
    """Events come spread over the time, not all at once, and progress is reported."""
    seen: list[tuple[float, int]] = []
    began = time.monotonic()
    topics = names(topic_prefix)
    ensure_topics(embedded_broker.config, {**dict.fromkeys(topics.values(), 4), topic_prefix + "items": 1})
    done = simulate(
        embedded_broker.config,
        plain_outlets(topics),
        topic_prefix + "items",
        SimulationPlan(rate=200.0, seconds=1.0, seed=1, start=START),
        progress=lambda count: seen.append((time.monotonic() - began, count)),
    )
    assert sum(done.sent.values()) == 200
    assert 0.8 < done.seconds < 5
    assert len(seen) > 5
    assert seen[0][1] < 60
    assert seen[-1][1] == 200


def test_a_simulation_can_be_stopped(embedded_broker, topic_prefix):
    """What was sent until then is acknowledged and counted."""
    topics = names(topic_prefix)
    ensure_topics(embedded_broker.config, {**dict.fromkeys(topics.values(), 4), topic_prefix + "items": 1})
    sent: list[int] = []
    done = simulate(
        embedded_broker.config,
        plain_outlets(topics),
        topic_prefix + "items",
        SimulationPlan(rate=100.0, seconds=1000.0, seed=1, start=START),
        stop=lambda: len(sent) >= 3,
        progress=sent.append,
    )
    assert sum(done.sent.values()) == sent[-1] < 1000
    assert sum(len(read_topic(embedded_broker.config, t, done.sent[t])) for t in topics.values()) == sent[-1]


def test_a_simulation_needs_its_topics(embedded_broker, topic_prefix):
    """A missing topic is named."""
    with pytest.raises(BrokerError, match=r"items.* does not exist"):
        simulate(
            embedded_broker.config,
            plain_outlets(names(topic_prefix)),
            topic_prefix + "items",
            SimulationPlan(rate=1, seconds=1, seed=1, start=START),
        )


def test_a_simulation_that_began_earlier_catches_up(embedded_broker, topic_prefix):
    """What is due since its first event is sent at once, with the times that it says."""
    topics = names(topic_prefix)
    ensure_topics(embedded_broker.config, {**dict.fromkeys(topics.values(), 1), topic_prefix + "items": 1})
    plan = SimulationPlan(rate=1.0, seconds=3600.0, seed=1, start=START, behind_s=3600.0, event_times=True)
    done = simulate(embedded_broker.config, plain_outlets(topics), topic_prefix + "items", plan)
    assert sum(done.sent.values()) == 3600
    assert done.seconds < 30
    records = read_topic(embedded_broker.config, topics["click"], done.sent[topics["click"]])
    assert all(START <= record.timestamp_ms / 1000 < START + 3600 for record in records)
    assert [r.timestamp_ms for r in records] == sorted(r.timestamp_ms for r in records)
