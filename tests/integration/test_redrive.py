"""A log back into topics."""

from __future__ import annotations

import threading
import time

import pytest

from streams.broker.config import BrokerConfig
from streams.broker.embedded import HOST, EmbeddedBroker, free_port
from streams.broker.topics import cluster_id, ensure_topics
from streams.errors import BrokerError, BrokerUnavailable
from streams.event_log.log import LogBatch, open_logs
from streams.events.columns import concatenate
from streams.events.decode import decode_events
from streams.replay.pace import Pace
from streams.replay.redrive import RedrivenLog, RedrivePlan, redrive
from streams.topics.outlets import plain_outlets
from support.data.event_rows import rows_of
from support.data.log_files import log_rows, write
from support.servers.topic_reader import read_topic
from transfer.config import ACTIONS

pytestmark = pytest.mark.broker
NOW = 1_700_000_000.0


def names(prefix: str) -> dict[str, str]:
    return {"browse": prefix + "browses", "click": prefix + "clicks", "purchase": prefix + "purchases"}


def decoded(broker: BrokerConfig, topics: dict[str, str], expected: dict[str, int]):
    """Every event of the topics, with what each record said beside it."""
    found = {}
    for action, topic in topics.items():
        records = read_topic(broker, topic, expected[topic])
        result = decode_events(
            [record.value for record in records],
            offsets=[record.offset for record in records],
            action=ACTIONS.index(action),
            source=topic,
            now=NOW,
        )
        assert result.rejects == []
        found[action] = (records, rows_of(result.columns))
    return found


@pytest.mark.parametrize("kind", ["parquet", "csv.gz"])
def test_a_redriven_log_is_in_the_topics_as_it_was(broker, topic_prefix, tmp_path, kind):
    """Each valid row is one record: topic by action, key by user, in the log's order, own time and identity."""
    rows = log_rows(600)
    rows[10]["timestamp"] = float("nan")
    rows[11]["user_id"] = None
    topics = names(topic_prefix)
    ensure_topics(broker, dict.fromkeys(topics.values(), 4))
    log = open_logs([write(tmp_path / f"log.{kind}", rows)], now=NOW, batch_rows=100)
    handed = []
    began = time.time()
    done = redrive(log, broker, plain_outlets(topics), progress=lambda batch: handed.append(batch.rows))
    assert sum(done.sent.values()) == 598
    assert done.rejected == {"timestamp_not_finite": 1, "missing_field": 1}
    assert handed == [100] * 6

    logged = rows_of(concatenate([batch.columns for batch in log]))
    for action, (records, events) in decoded(broker, topics, done.sent).items():
        mine = [row for row in logged if row[5] == ACTIONS.index(action)]
        assert len(events) == done.sent[topics[action]]
        assert sorted(events, key=str) == sorted(mine, key=str)
        assert [record.key for record in records] == [event[0].encode() for event in events]
        for user in {row[0] for row in mine}:
            assert [e for e in events if e[0] == user] == [row for row in mine if row[0] == user]
            assert len({r.partition for r in records if r.key == user.encode()}) == 1
        assert all(began - 1 <= record.timestamp_ms / 1000 <= time.time() + 1 for record in records)


def test_a_users_events_have_one_partition_number_in_all_topics(embedded_broker, topic_prefix, tmp_path):
    """The three topics of a user can be read by one worker."""
    rows = [
        {"user_id": f"u{i % 40}", "timestamp": i, "scenario": "s", "item_id": "i", "action": ACTIONS[i % 3]}
        for i in range(240)
    ]
    topics = names(topic_prefix)
    ensure_topics(embedded_broker.config, dict.fromkeys(topics.values(), 4))
    done = redrive(
        open_logs([write(tmp_path / "log.parquet", rows)], now=NOW),
        embedded_broker.config,
        plain_outlets(topics),
    )
    numbers: dict[bytes | None, set[int]] = {}
    for topic in topics.values():
        for record in read_topic(embedded_broker.config, topic, done.sent[topic]):
            numbers.setdefault(record.key, set()).add(record.partition)
    assert len(numbers) == 40
    assert all(len(found) == 1 for found in numbers.values())
    assert len(set.union(*numbers.values())) == 4


def test_a_topic_that_is_not_there_is_named_and_not_created(broker, topic_prefix, tmp_path):
    """A re-drive writes into existing topics only."""
    log = open_logs([write(tmp_path / "log.csv", log_rows(30))], now=NOW)
    for _ in range(2):
        with pytest.raises(BrokerError, match=f"{topic_prefix}.* does not exist"):
            redrive(log, broker, plain_outlets(names(topic_prefix)))


def test_no_broker_is_an_error_that_names_it(tmp_path):
    """An absent broker is reported at once."""
    log = open_logs([write(tmp_path / "log.csv", log_rows(3))], now=NOW)
    config = BrokerConfig(url=f"{HOST}:{free_port()}")
    with pytest.raises(BrokerUnavailable, match=config.url):
        redrive(log, config, plain_outlets(names("")))


def test_records_that_a_broker_refuses_fail_the_redrive(kafka, topic_prefix, tmp_path):
    """Nothing is dropped silently: a refused record is an error with the count of what arrived."""
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

    topics = names(topic_prefix)
    ensure_topics(kafka.config, dict.fromkeys(topics.values(), 1))
    admin = KafkaAdminClient(**kafka.config.kafka_python())
    admin.alter_configs(
        [
            ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "200"})
            for topic in topics.values()
        ]
    )
    admin.close()
    log = open_logs([write(tmp_path / "log.csv", log_rows(100))], now=NOW)
    with pytest.raises(BrokerError, match=r"refused records.*0 records were acknowledged"):
        redrive(log, kafka.config, plain_outlets(topics))


def test_a_broker_that_is_killed_while_redriving_loses_nothing(kafka, topic_prefix, tmp_path):
    """A broker away for some seconds is waited for; every event is there afterwards, at least once."""
    topics = names(topic_prefix)
    ensure_topics(kafka.config, dict.fromkeys(topics.values(), 4))
    rows = [
        {
            "event_id": f"e{i}",
            "user_id": f"u{i % 97}",
            "timestamp": i,
            "scenario": "s",
            "item_id": "i",
            "action": "click",
        }
        for i in range(40_000)
    ]
    log = open_logs([write(tmp_path / "log.parquet", rows)], now=NOW, batch_rows=500)
    reached, go_on = threading.Event(), threading.Event()
    batches: list[int] = []
    result: list[RedrivenLog | Exception] = []

    def pause(batch: LogBatch) -> None:
        batches.append(batch.rows)
        if len(batches) == 50:
            reached.set()
            go_on.wait(30)

    def run() -> None:
        try:
            result.append(redrive(log, kafka.config, plain_outlets(topics), progress=pause))
        except Exception as error:
            result.append(error)

    runner = threading.Thread(target=run)
    runner.start()
    assert reached.wait(30)
    before = cluster_id(kafka.config)
    kafka.kill()
    go_on.set()
    time.sleep(1.0)
    kafka.start()
    runner.join(60)
    assert cluster_id(kafka.config) == before, "the log was kept"
    assert isinstance(result[0], RedrivenLog), result
    records = read_topic(kafka.config, topics["click"], 40_000)
    assert len({record.value for record in records}) == 40_000


def test_a_real_log_goes_in_fast(tmp_path):
    """Tens of thousands of events a second, on a slow machine too."""
    rows = [
        {
            "event_id": f"e{i}",
            "user_id": f"u{i % 997}",
            "timestamp": i,
            "scenario": "s",
            "item_id": f"i{i % 91}",
            "action": "click",
        }
        for i in range(30_000)
    ]
    log = open_logs([write(tmp_path / "log.parquet", rows)], now=NOW)
    with EmbeddedBroker(log=tmp_path / "log") as broker:
        ensure_topics(broker.config, dict.fromkeys(names("").values(), 4))
        began = time.monotonic()
        redrive(log, broker.config, plain_outlets(names("")))
        assert 30_000 / (time.monotonic() - began) > 10_000


def test_a_pace_spreads_a_log_over_its_time(embedded_broker, topic_prefix, tmp_path):
    """At a speed of 10 two seconds of the log take a fifth of one; at a rate of 100 a second its 30 events take 0.29 s."""
    rows = [
        {"user_id": f"u{n}", "timestamp": 1000 + n / 15, "scenario": "s", "item_id": "i", "action": "click"}
        for n in range(30)
    ]
    outlets = plain_outlets(names(topic_prefix))
    ensure_topics(embedded_broker.config, dict.fromkeys(names(topic_prefix).values(), 1))
    log = open_logs([write(tmp_path / "log.csv", rows)], now=NOW, batch_rows=7)
    for pace, least_s in ((Pace(speed=10.0), 0.19), (Pace(rate=100.0), 0.29), (Pace(speed=1.0), 1.93)):
        began = time.monotonic()
        done = redrive(log, embedded_broker.config, outlets, plan=RedrivePlan(pace))
        assert sum(done.sent.values()) == 30
        assert least_s <= time.monotonic() - began


def test_a_log_is_redriven_from_a_time_on(broker, topic_prefix, tmp_path):
    """What is older is left out and counted; records carry the events' times where that is said."""
    rows = [
        {"user_id": "u", "timestamp": NOW - 100 + n, "scenario": "s", "item_id": f"i{n}", "action": "click"}
        for n in range(100)
    ]
    ensure_topics(broker, dict.fromkeys(names(topic_prefix).values(), 1))
    log = open_logs([write(tmp_path / "log.csv", rows)], now=NOW, batch_rows=7)
    plan = RedrivePlan(begin_s=NOW - 30, event_times=True)
    done = redrive(log, broker, plain_outlets(names(topic_prefix)), plan=plan)
    assert (sum(done.sent.values()), done.before) == (30, 70)
    records = read_topic(broker, topic_prefix + "clicks", 30)
    assert [record.timestamp_ms / 1000 for record in records] == [NOW - 30 + n for n in range(30)]
