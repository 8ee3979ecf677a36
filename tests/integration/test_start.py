"""Where the stream stands is the store's word, on a real Kafka: topics made again, stores put back, groups mixed up."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.cluster_view import view_cluster
from streams.broker.config import BrokerConfig
from streams.broker.topics import admin_client, ensure_topics
from support.data.event_columns import event
from support.data.streamed_logs import Row, assert_equal_stores, make_topics, replayed, rows, send
from support.servers.daemon_process import DaemonProcess, driftline

pytestmark = pytest.mark.broker

SOON = {"DRIFTLINE_DAEMON__SOURCES_CHECK_S": "1"}


def arguments(broker: BrokerConfig, prefix: str, store: Path | str, group: str = "") -> list[str]:
    """Of `run`; the group is the prefix unless another one is given."""
    return ["--broker", broker.url, "--store", str(store), "--prefix", prefix, "--group", group or prefix]


def drained(*arguments: str, code: int = 0) -> dict[str, Any]:
    """`run --drain`, and its summary; `error` is what it wrote to standard error."""
    done = driftline("run", *arguments, "--drain", "--json", "--metrics-port", "0")
    assert done.returncode == code, done.stderr
    return {**(json.loads(done.stdout) if done.stdout else {}), "error": done.stderr}


def events(user: str, count: int, *, scenario: str, at: float, action: str = "click") -> list[Row]:
    """Distinct events of one user, a second apart."""
    return [
        {
            **event(user, f"{scenario}{n}", at=at + n, scenario=scenario, event_id=f"{scenario}-{at}-{n}"),
            "action": action,
        }
        for n in range(count)
    ]


def events_of(store: Path | str, user: str) -> int:
    """How many events the store has of a user; 0: it knows no such user."""
    done = driftline("explain", user, "--store", str(store), "--json")
    return int(json.loads(done.stdout)["events"]) if done.returncode == 0 else 0


def made_again(broker: BrokerConfig, names: Sequence[str], partitions: int) -> None:
    """Delete the topics and make them again under their names."""
    with admin_client(broker) as admin:
        admin.delete_topics(list(names))
    end = time.monotonic() + 30
    left = set(names)
    while left:
        assert time.monotonic() < end
        left -= set(ensure_topics(broker, dict.fromkeys(left, partitions)))
        time.sleep(0.1)


def test_a_topic_made_again_is_read_from_its_beginning(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Its offsets are those of other events: fewer than there were, or more; none is taken for one that was applied."""
    store = tmp_path / "s"
    make_topics(kafka.config, topic_prefix, partitions=1)
    send(kafka.config, topic_prefix, events("ada", 20, scenario="garden", at=0))
    run = arguments(kafka.config, topic_prefix, store)
    assert drained(*run)["applied"] == 20
    total = 20
    for turn, count in enumerate((15, 40)):
        made_again(kafka.config, [topic_prefix + "clicks"], 1)
        send(kafka.config, topic_prefix, events("ada", count, scenario=f"games{turn}", at=1000 * (turn + 1)))
        summary = drained(*run)
        assert (summary["applied"], summary["redelivered"]) == (count, 0)
        total += count
        assert events_of(store, "ada") == total
    assert drained(*run)["events"] == 0


@pytest.mark.parametrize(("count", "look_s"), [(15, "1"), (150, "300")])
def test_a_topic_made_again_under_a_running_daemon(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path, count: int, look_s: str
) -> None:
    """The daemon continues with the new topic by itself, from its beginning; after SIGKILL it knows it, too.

    Also where the new one grows beyond the old offsets at once, and nobody looks at their ids for minutes: the
    records that follow a fetch which the broker could not answer are not taken for the old topic's.
    """
    looks = {"DRIFTLINE_DAEMON__SOURCES_CHECK_S": look_s}
    store = tmp_path / "s"
    make_topics(kafka.config, topic_prefix, partitions=2)
    run = arguments(kafka.config, topic_prefix, store)
    users = ["ada", "bob", "eve"]
    with DaemonProcess(tmp_path, *run, **looks, DRIFTLINE_DAEMON__WATCHDOG_S="30") as daemon:
        daemon.until_ready()
        send(
            kafka.config,
            topic_prefix,
            [row for user in users for row in events(user, 20, scenario="garden", at=0)],
        )
        daemon.until_events(60)
        made_again(kafka.config, [topic_prefix + "clicks"], 2)
        new = [row for user in users for row in events(user, count, scenario="games", at=1000)]
        send(kafka.config, topic_prefix, new)
        applied = {"topic": topic_prefix + "clicks", "outcome": "applied"}
        daemon.until(
            lambda: daemon.metric("driftline_events_total", **applied) >= 60 + 3 * count, 40, "all is applied"
        )
        daemon.until(lambda: daemon.get("/ready")[0] == 200, 20, "it is ready")
        daemon.kill()
    assert drained(*run)["applied"] == 0
    assert [events_of(store, user) for user in users] == [20 + count] * 3


def test_a_store_put_back_from_a_copy_gets_what_it_lacks(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """What came after the copy is read again, though the group has committed it."""
    log, store = rows(900), tmp_path / "s"
    make_topics(kafka.config, topic_prefix)
    run = arguments(kafka.config, topic_prefix, store)
    send(kafka.config, topic_prefix, log[:300])
    assert drained(*run)["applied"] == 300
    shutil.copytree(store, tmp_path / "copy")
    send(kafka.config, topic_prefix, log[300:600])
    assert drained(*run)["applied"] == 300
    shutil.rmtree(store)
    (tmp_path / "copy").rename(store)
    send(kafka.config, topic_prefix, log[600:])
    summary = drained(*run)
    assert (summary["applied"], summary["redelivered"]) == (600, 0)
    assert_equal_stores(store, replayed(tmp_path, log))


def test_a_new_store_under_an_old_group_is_filled_from_the_beginning(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """The group's offsets say that all was read; the store knows that it has nothing."""
    make_topics(kafka.config, topic_prefix)
    send(kafka.config, topic_prefix, rows(300))
    for name in ("old", "new"):
        assert drained(*arguments(kafka.config, topic_prefix, tmp_path / name))["applied"] == 300
    assert_equal_stores(tmp_path / "old", tmp_path / "new")
    told = drained(*arguments(kafka.config, topic_prefix, tmp_path / "old"), code=1)["error"]
    assert "was another store's" in told and "--take-group" in told, (
        "two stores that know the topics are not mixed up"
    )
    taken = drained(*arguments(kafka.config, topic_prefix, tmp_path / "old"), "--take-group")
    assert taken["events"] == 0


def test_the_second_store_of_a_group_is_refused(kafka: RealKafka, topic_prefix: str, tmp_path: Path) -> None:
    """It would get half of the partitions, silently. On purpose it may take the group: then the first one ends."""
    make_topics(kafka.config, topic_prefix)
    log = rows(600)
    first, second = (arguments(kafka.config, topic_prefix, tmp_path / name) for name in ("a", "b"))
    with DaemonProcess(tmp_path, *first, **SOON) as daemon:
        daemon.until_ready()
        told = drained(*second, code=1)["error"]
        assert "is at work for another store" in told and topic_prefix in told
        assert "--group" in told and "--take-group" in told
        send(kafka.config, topic_prefix, log)
        daemon.until_events(600)
        with DaemonProcess(tmp_path, *second, "--take-group", **SOON) as taker:
            assert daemon.wait(60) == 1
            assert "is at work for another store, too" in daemon.log
            taker.until_ready()
            taker.until_events(600)
            assert taker.stop() == 0
    assert_equal_stores(tmp_path / "a", tmp_path / "b")


def test_two_stores_that_start_at_once_in_one_group(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Neither sees the other before it joins; soon after exactly one ends and says why, and the other one gets everything."""
    make_topics(kafka.config, topic_prefix)
    first, second = (arguments(kafka.config, topic_prefix, tmp_path / name) for name in ("a", "b"))
    with DaemonProcess(tmp_path, *first, **SOON) as a, DaemonProcess(tmp_path, *second, **SOON) as b:
        end = time.monotonic() + 60
        while a.process.poll() is None and b.process.poll() is None:
            assert time.monotonic() < end, a.log[-1500:] + b.log[-1500:]
            time.sleep(0.1)
        ended, left, store = (a, b, "b") if a.process.poll() is not None else (b, a, "a")
        assert "another store" in ended.log and ended.process.returncode == 1
        send(kafka.config, topic_prefix, rows(300))
        left.until_events(300)
        assert left.stop() == 0
    assert_equal_stores(tmp_path / store, replayed(tmp_path, rows(300)))


def test_a_start_by_rule_is_for_topics_that_the_store_has_not_met(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """latest, a time and the group's offsets; partitions that are added later begin at their beginning all the same."""
    config = kafka.config
    make_topics(config, topic_prefix, partitions=1)
    clicks = topic_prefix + "clicks"
    send(config, topic_prefix, events("ada", 10, scenario="old", at=0))
    time.sleep(0.05)
    between = time.time()
    time.sleep(0.05)
    send(config, topic_prefix, events("ada", 5, scenario="new", at=100))
    run = arguments(config, topic_prefix, tmp_path / "time", topic_prefix + "time")
    assert drained(*run, "--from", str(between))["applied"] == 5
    run = arguments(config, topic_prefix, tmp_path / "latest", topic_prefix + "latest")
    assert drained(*run, "--from", "latest")["events"] == 0
    with admin_client(config) as admin:
        admin.create_partitions({clicks: 2})
    producer = KafkaProducer(**config.kafka_python(), acks="all")
    for row in events("bob", 7, scenario="late", at=200):
        producer.send(clicks, value=json.dumps(row).encode(), partition=1).get(20)
    producer.close()
    assert drained(*run, "--from", "latest")["applied"] == 7, "the store has met this topic"
    assert (events_of(tmp_path / "latest", "ada"), events_of(tmp_path / "latest", "bob")) == (0, 7)
    with admin_client(config) as admin:
        admin.alter_group_offsets(
            topic_prefix + "moved", {TopicPartition(clicks, 0): OffsetAndMetadata(12, "", -1)}
        )
    run = arguments(config, topic_prefix, tmp_path / "group", topic_prefix + "moved")
    assert drained(*run, "--from", "group")["applied"] == 3 + 7
    assert drained(*run, "--from", "soon", code=2)["error"].count("earliest, latest, group") == 1


def test_records_that_retention_took_are_told_until_somebody_has_seen_it(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Counted, logged with offsets, a warning on a /ready that stays 200, also after a restart; once only."""
    config, store = kafka.config, tmp_path / "s"
    make_topics(config, topic_prefix, partitions=1)
    run = arguments(config, topic_prefix, store)
    send(config, topic_prefix, events("ada", 10, scenario="garden", at=0))
    assert drained(*run)["applied"] == 10
    send(config, topic_prefix, events("ada", 20, scenario="games", at=1000))
    delete_before(config, topic_prefix + "clicks", 25)
    for start in range(2):
        with DaemonProcess(tmp_path, *run) as daemon:
            daemon.until_ready()
            status, body = daemon.get("/ready")
            assert status == 200 and "15 before offset 25" in json.loads(body)["warnings"][0]
            lost = daemon.metric("driftline_lost_records_total", topic=topic_prefix + "clicks", partition="0")
            assert lost == (15 if start == 0 else 0), "counted when it was noticed"
            assert ("retention took records" in daemon.log) == (start == 0)
            daemon.kill()
    done = driftline("acknowledge-loss", "--store", str(store), "--json")
    assert [loss["records"] for loss in json.loads(done.stdout)["acknowledged"]] == [15]
    with DaemonProcess(tmp_path, *run) as daemon:
        daemon.until_ready()
        assert "warnings" not in json.loads(daemon.get("/ready")[1])
        assert daemon.stop() == 0
    assert events_of(store, "ada") == 15


def test_a_setting_takes_the_warning_and_leaves_count_and_log(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """For topics that are known to be short-lived."""
    make_topics(kafka.config, topic_prefix, partitions=1)
    run = arguments(kafka.config, topic_prefix, tmp_path / "s")
    send(kafka.config, topic_prefix, events("ada", 2, scenario="garden", at=0))
    drained(*run)
    send(kafka.config, topic_prefix, events("ada", 4, scenario="garden", at=100))
    delete_before(kafka.config, topic_prefix + "clicks", 5)
    with DaemonProcess(tmp_path, *run, DRIFTLINE_DAEMON__ACKNOWLEDGE_LOSS="true") as daemon:
        daemon.until_ready()
        assert "warnings" not in json.loads(daemon.get("/ready")[1])
        assert daemon.metric("driftline_lost_records_total") == 3
        assert '"lost": 3' in daemon.log
        assert daemon.stop() == 0


def delete_before(config: BrokerConfig, topic: str, offset: int) -> None:
    """As retention does."""
    with admin_client(config) as admin:
        admin.delete_records({TopicPartition(topic, 0): offset})


def test_a_first_start_on_a_topic_that_retention_has_cut_is_no_loss(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Nothing was promised of what was gone before anybody followed the topic."""
    make_topics(kafka.config, topic_prefix, partitions=1)
    send(kafka.config, topic_prefix, events("ada", 10, scenario="garden", at=0))
    delete_before(kafka.config, topic_prefix + "clicks", 4)
    with DaemonProcess(tmp_path, *arguments(kafka.config, topic_prefix, tmp_path / "s")) as daemon:
        daemon.until_events(6)
        assert daemon.metric("driftline_lost_records_total") == 0
        assert "warnings" not in json.loads(daemon.get("/ready")[1])
        assert daemon.stop() == 0


def test_partitions_added_under_load_lose_and_double_nothing(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Topics of 2, 4 and 3 partitions, one of which grows while producers write: no drain, no stop; SIGKILL in between."""
    config, log = kafka.config, rows(6000, users=200)
    counts = {"browses": 2, "clicks": 4, "purchases": 3, "items": 1, "dead-letters": 1}
    ensure_topics(config, {topic_prefix + name: count for name, count in counts.items()})
    store = tmp_path / "s"
    run = arguments(config, topic_prefix, store)
    small = {"DRIFTLINE_DAEMON__BATCH_EVENTS": "50", "DRIFTLINE_DAEMON__METADATA_AGE_S": "1"}
    with DaemonProcess(tmp_path, *run, **small) as daemon:
        daemon.until_ready()
        send(config, topic_prefix, log[:2000])
        daemon.until_events(300)
        with admin_client(config) as admin:
            admin.create_partitions({topic_prefix + "browses": 6, topic_prefix + "purchases": 4})
        send(config, topic_prefix, log[2000:4000])
        daemon.until(
            lambda: (
                daemon.metric("driftline_consumer_lag_records", topic=topic_prefix + "browses", partition="5")
                == 0
                and f'partition="5",topic="{topic_prefix}browses"' in daemon.get("/metrics")[1]
            ),
            30,
            "it has the new partitions",
        )
        daemon.kill()
    with DaemonProcess(tmp_path, *run, **small) as daemon:
        daemon.until_ready()
        send(config, topic_prefix, log[4000:])
        daemon.until_events(100)
        assert daemon.stop() == 0, daemon.log
    drained(*run)
    assert placed(config, topic_prefix, "browses") > 2, "the new partitions have records"
    assert_equal_stores(store, replayed(tmp_path, log))


def placed(config: BrokerConfig, prefix: str, topic: str) -> int:
    """In how many partitions of a topic there are records."""
    with view_cluster(config) as cluster:
        partitions = cluster.topics([prefix + topic])[prefix + topic].partitions
        return sum(
            end > 0 for end in cluster.log_ends([(prefix + topic, n) for n in range(partitions)]).values()
        )


def test_a_moved_cluster_is_noticed_and_followed_from_a_time(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """A copy of the topics in another cluster is not read from its beginning; the advice leads to the right states."""
    store, log = tmp_path / "s", rows(300)
    old = RealKafka(tmp_path / "old")
    old.start()
    try:
        make_topics(old.config, topic_prefix)
        send(old.config, topic_prefix, log[:200])
        assert drained(*arguments(old.config, topic_prefix, store))["applied"] == 200
    finally:
        old.stop()
    make_topics(kafka.config, topic_prefix)
    send(kafka.config, topic_prefix, log[:200])
    time.sleep(0.05)
    moved = time.time()
    time.sleep(0.05)
    send(kafka.config, topic_prefix, log[200:])
    run = arguments(kafka.config, topic_prefix, store)
    told = drained(*run, code=1)["error"]
    assert "in another cluster" in told and "--from TIME" in told and "--from earliest" in told
    assert drained(*run, "--from", str(moved))["applied"] == 100
    assert drained(*run)["events"] == 0, "asked once"
    assert_equal_stores(store, replayed(tmp_path, log))
